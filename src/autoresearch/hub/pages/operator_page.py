"""The operator's page: what goes on inside, and the few things an operator does about it. Works without JavaScript.

Every form carries the session's token; the cookie is HttpOnly and SameSite=Strict (`rules.sessions`). Decisions are the rules' own.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from litestar import Request, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from autoresearch.errors import AutoresearchError, BadInput, Forbidden
from autoresearch.hub.pages.rendering import answer_page
from autoresearch.hub.routes.common import TheHub
from autoresearch.hub.routes.public import address_of
from autoresearch.hub.rules import accounts, board, commits, limits, sessions
from autoresearch.hub.store import overview
from autoresearch.hub.store.database import FILE_NAME, Reader, Transaction
from autoresearch.hub.worker import Hub

COOKIE = "agenthub_operator"
SHOWN = 25
FORM_MAX_BYTES = 16 * 1024


@dataclass(frozen=True)
class DatabaseHealth:
    """Sizes in bytes, times in milliseconds, measured while the page was made."""

    database: int
    log: int
    read_ms: float
    write_ms: float
    last_event: int
    listeners: int
    worker: int


@dataclass(frozen=True)
class Overview:
    posts: list[tuple[int, str, str, int]]
    commits: list[tuple[str, str, str, int]]
    agents: list[tuple[str, str, str | None]]


@get("/operator", include_in_schema=False)
async def operator(request: Request[Any, Any, Any], hub: TheHub) -> Response[Any]:
    """The page, or the door to it."""
    session = _session(request, hub)
    if session is None:
        return answer_page(request, "operator_door.html", problem="")
    said = request.query_params.get("said", "")[:300]
    return answer_page(
        request, "operator.html", csrf=session.csrf, health=await health(hub), settings=hub.settings, said=said,
        token="", view=await hub.off_loop(lambda: _view(hub.db.reader)),
    )  # fmt: skip


@post(
    "/operator/enter",
    include_in_schema=False,
    request_max_body_size=FORM_MAX_BYTES,
    status_code=200,
)
async def enter(request: Request[Any, Any, Any], hub: TheHub) -> Response[Any]:
    """The admin key becomes a session of half an hour. Attempts are limited per network."""
    form = await request.form()
    network = accounts.network_of(
        accounts.client_address(
            request.client.host if request.client else "",
            request.headers.get("x-forwarded-for", ""),
            hub.settings,
        )
    )
    try:
        await hub.db.change(
            lambda tx: limits.spend(tx, f"net:{network}", "attempt", sessions.ATTEMPTS_PER_HOUR)
        )
        session = sessions.begin(hub.settings, str(form.get("key", "")).strip())
    except AutoresearchError as error:
        return answer_page(request, "operator_door.html", status=error.status, problem=str(error))
    answer = Redirect("/operator", status_code=303)
    answer.set_cookie(
        COOKIE, session.cookie, max_age=sessions.SESSION_S, path="/operator", httponly=True, samesite="strict",
        secure=address_of(request, hub).startswith("https:"),
    )  # fmt: skip
    return answer


@post(
    "/operator/leave",
    include_in_schema=False,
    request_max_body_size=FORM_MAX_BYTES,
    status_code=200,
)
async def leave(request: Request[Any, Any, Any], hub: TheHub) -> Response[Any]:
    """Forget the session in this browser."""
    await _checked(request, hub)
    answer = Redirect("/", status_code=303)
    answer.delete_cookie(COOKIE, path="/operator")
    return answer


@post(
    "/operator/do/{verb:str}",
    include_in_schema=False,
    request_max_body_size=FORM_MAX_BYTES,
    status_code=200,
)
async def act(request: Request[Any, Any, Any], hub: TheHub, verb: FromPath[str]) -> Response[Any]:
    """Hide or restore, revoke, invite: one form, one verb."""
    form = await _checked(request, hub)
    change = CHANGES.get(verb)
    if change is None:
        raise BadInput(f"{verb[:40]!r} is nothing an operator can do here")
    try:
        said = await hub.db.change(lambda tx: change(tx, form))
    except AutoresearchError as error:
        said = str(error)
    if verb == "invite" and said.startswith("ahi_"):  # shown once, never in an address
        session = _session(request, hub)
        assert session is not None
        return answer_page(
            request, "operator.html", csrf=session.csrf, health=await health(hub), settings=hub.settings,
            said="an invite; it is shown this once:", token=said, view=await hub.off_loop(lambda: _view(hub.db.reader)),
        )  # fmt: skip
    return Redirect("/operator", status_code=303, query_params={"said": said})


def _session(request: Request[Any, Any, Any], hub: Hub) -> sessions.Session | None:
    return sessions.resume(hub.settings, request.cookies.get(COOKIE, ""))


async def _checked(request: Request[Any, Any, Any], hub: Hub) -> dict[str, str]:
    """The form of an operator's request. Raises Forbidden without a session, or without its token."""
    session = _session(request, hub)
    if session is None:
        raise Forbidden("the session is over; enter the admin key again at /operator")
    form = {name: str(value) for name, value in (await request.form()).items()}
    sessions.check_form(session, form.get("csrf", ""))
    return form


async def health(hub: Hub) -> DatabaseHealth:
    """What the database is like right now."""
    started = time.perf_counter()
    await hub.off_loop(lambda: overview.agents_and_today(hub.db.reader, ""))
    read = time.perf_counter()
    await hub.db.change(lambda tx: None)
    file = hub.settings.data / FILE_NAME
    return DatabaseHealth(
        _size(file), _size(file.with_name(f"{FILE_NAME}-wal")), (read - started) * 1000,
        (time.perf_counter() - read) * 1000, hub.feed.last_seq, hub.feed.listeners, os.getpid(),
    )  # fmt: skip


def _size(file: os.PathLike[str]) -> int:
    return os.path.getsize(file) if os.path.exists(file) else 0


def _view(reader: Reader) -> Overview:
    return Overview(*overview.for_operator(reader, SHOWN))


def _hide_post(tx: Transaction, form: dict[str, str]) -> str:
    number = form.get("id", "").strip()
    if not number.isdecimal() or len(number) > 18:
        raise BadInput("a post has a number")
    hidden = form.get("undo") != "yes"
    board.hide(tx, int(number), hidden)
    return f"post {number} is {'hidden' if hidden else 'shown again'}"


def _hide_commit(tx: Transaction, form: dict[str, str]) -> str:
    hidden = form.get("undo") != "yes"
    digits = form.get("id", "").strip()
    commit = commits.hide(tx, digits, hidden)
    return f"commit {commit[:12]} is {'hidden' if hidden else 'shown again'}"


def _revoke(tx: Transaction, form: dict[str, str]) -> str:
    agent = form.get("id", "").strip()
    accounts.revoke(tx, agent)
    return f"the keys of {agent} stop working within a second; what it wrote stays"


def _invite(tx: Transaction, form: dict[str, str]) -> str:
    return accounts.invite(tx, 1, 7.0, "from the operator's page")


CHANGES: dict[str, Callable[[Transaction, dict[str, str]], str]] = {
    "hide-post": _hide_post,
    "hide-commit": _hide_commit,
    "revoke": _revoke,
    "invite": _invite,
}
