"""The hottest reads, and posts, answered before the framework sees them: the same rules, the same
bytes, at a third of the cost.

Only the plain case is answered here: a right key, known parameters, a thing that is there, a body
that came with its head. Everything else (errors, unusual parameters, hidden things) returns None
and goes the usual way, so that there is one place that says what an error looks like. A test
compares both ways.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable
from typing import Any

import msgspec

from autoresearch.errors import AutoresearchError
from autoresearch.hub.routes.board import POSTS, store_post
from autoresearch.hub.routes.common import FAILURE, PAGE_DEFAULT, page
from autoresearch.hub.rules import board, commits
from autoresearch.hub.services import Services
from autoresearch.hub.settings import POST_BODY_MAX_BYTES
from autoresearch.models import NewPost

NUMBER_DIGITS_MAX = 18
_encode = msgspec.json.Encoder().encode
_decode_post = msgspec.json.Decoder(NewPost).decode
Query = dict[str, int]
Answer = Callable[[Services, str, Query], Any]


def _pop_page(query: Query) -> tuple[int, int, int | None]:
    """How many a list gives, how many it leaves out, and before which number it starts."""
    most = page(query.pop("limit", PAGE_DEFAULT))
    return most, query.pop("offset", 0), query.pop("before", None)


def _posts(hub: Services, name: str, query: Query) -> Any:
    most, skip, before = _pop_page(query)
    return None if query else board.posts(hub.db.reader, name, most, skip, before)


def _post(hub: Services, number: str, query: Query) -> Any:
    digits = number.isascii() and number.isdecimal() and len(number) <= NUMBER_DIGITS_MAX
    return board.post(hub.db.reader, int(number)) if digits and not query else None


def _list_by(read: Callable[..., Any]) -> Answer:
    def answer_list(hub: Services, _: str, query: Query) -> Any:
        most, skip, before = _pop_page(query)
        cursor = None if before is None else str(before)
        return None if query else read(hub.db.reader, most, skip, cursor)

    return answer_list


def _commit(hub: Services, digits: str, query: Query) -> Any:
    return None if query else commits.one(hub.db.reader, digits)


def _children(hub: Services, digits: str, query: Query) -> Any:
    limit = query.pop("limit", PAGE_DEFAULT)
    return None if query else commits.children(hub.db.reader, digits, page(limit))


# First and last part of a path around its one variable part -> (path as /metrics names it, who
# answers).
_ROUTES: dict[tuple[str, str], tuple[str, Answer]] = {
    ("/api/channels/", "/posts"): (POSTS, _posts),
    ("/api/posts/", ""): ("/api/posts/{post_id}", _post),
    ("/api/git/commits/", "/children"): ("/api/git/commits/{commit}/children", _children),
    ("/api/git/commits/", ""): ("/api/git/commits/{commit}", _commit),
}
_WHOLE: dict[str, tuple[str, Answer]] = {
    "/api/git/commits": ("/api/git/commits", _list_by(commits.latest)),
    "/api/git/leaves": ("/api/git/leaves", _list_by(commits.leaves)),
}


def answer(hub: Services, scope: Any) -> bytes | None:
    """The body of a 200, or None where the framework shall answer.

    Notes the caller and the route in `scope`.
    """
    found = _route(scope["path"])
    if found is None:
        return None
    (template, answers), part = found
    query = _numbers(scope["query_string"])
    caller = _caller(hub, scope["headers"])
    if query is None or caller is None:
        return None
    body = _read(hub, (scope["path"], scope["query_string"]), answers, part, query)
    if body is not None:
        scope["caller"] = caller
        scope["path_template"] = template
    return body


def takes_post(scope: Any) -> bool:
    """Whether this may be a post of the plain kind, by what is known before its body."""
    found = _route(scope["path"])
    return (
        found is not None
        and found[0][0] == POSTS
        and not scope["query_string"]
        and not any(_needs_word(name, value) for name, value in scope["headers"])
    )


def _needs_word(name: bytes, value: bytes) -> bool:
    """Whether a header tells of a body that is refused for its form."""
    return name == b"content-encoding" or (
        name == b"content-type" and b"multipart" in value.lower()
    )


async def write_post(hub: Services, scope: Any, body: bytes) -> bytes | None:
    """The body of a 201, or None where the framework shall answer; then nothing is stored, or
    `scope` says for what failure that is unknown."""
    found, caller = _route(scope["path"]), _caller(hub, scope["headers"])
    if found is None or caller is None or len(body) > POST_BODY_MAX_BYTES:
        return None
    try:
        post = _decode_post(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    try:
        stored = await store_post(hub, caller, found[1], post)
    except Exception as error:  # noqa: BLE001  (told by the framework, as that of any other route)
        scope[FAILURE] = error
        return None
    scope["caller"] = caller
    scope["path_template"] = POSTS
    return _encode(stored)


def _read(hub: Services, asked: Hashable, answers: Answer, part: str, query: Query) -> bytes | None:
    """The body, from before where nobody wrote since."""
    version = hub.db.reader.version()  # before reading: what comes meanwhile changes it
    if version is not None and (known := hub.recent_answers.recall(version, asked)) is not None:
        return known
    try:
        found = answers(hub, part, query)
    except AutoresearchError:
        return None
    if found is None:
        return None
    body = _encode(found)
    if version is not None:
        hub.recent_answers.remember(asked, body)
    return body


def _route(path: str) -> tuple[tuple[str, Answer], str] | None:
    whole = _WHOLE.get(path)
    if whole is not None:
        return whole, ""
    for (start, end), route in _ROUTES.items():
        if path.startswith(start) and path.endswith(end):
            part = path[len(start) : len(path) - len(end)]
            if part and "/" not in part:
                return route, part
    return None


def _numbers(query: bytes) -> Query | None:
    """`limit=20&before=7` as numbers over zero; None where there is anything else."""
    if not query:
        return {}
    numbers: Query = {}
    for pair in query.decode("latin-1").split("&"):
        name, _, value = pair.partition("=")
        if (
            not (value.isascii() and value.isdecimal() and len(value) <= 7)
            or value[0] == "0"  # none, or the digits of a hash
            or name in numbers
        ):
            return None
        numbers[name] = int(value)
    return numbers


def _caller(hub: Services, headers: Any) -> Any:
    for name, value in headers:
        if name == b"authorization":
            return (
                hub.keyring.recall(hashlib.sha256(value[7:]).digest())
                if value[:7] == b"Bearer "
                else None
            )
    return None
