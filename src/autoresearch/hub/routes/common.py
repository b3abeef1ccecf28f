"""What every route shares: who calls, how errors look, how they are documented."""

from __future__ import annotations

import errno
import logging
from typing import Annotated, Any

from litestar import Request, Response
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter

from autoresearch import models
from autoresearch.errors import (
    AutoresearchError,
    HubUnavailable,
    RateLimited,
    StorageFull,
)
from autoresearch.hub.connections import Shares
from autoresearch.hub.routes.json_body import NO_BODY, read_json
from autoresearch.hub.rules import accounts
from autoresearch.hub.rules.accounts import Caller
from autoresearch.hub.rules.addresses import network_of
from autoresearch.hub.rules.devices import spell_device
from autoresearch.hub.rules.spool import FULL
from autoresearch.hub.services import Services

log = logging.getLogger("agenthub")
PAGE_DEFAULT = 50
PAGE_MAX = 1000
OFFSET_MAX = 10_000_000
ID_MAX = 2**63 - 1
FAILURE = "failure"  # what befell a request before the framework saw it, in its scope
BUSY_RETRY_S = 30
AWAY_RETRY_S = 5  # where the database does not answer
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

NO_KEY: list[dict[str, list[str]]] = [{}]  # as OpenAPI says it: `@get(..., security=NO_KEY)`
TheHub = NamedDependency[Services]
TheCaller = NamedDependency[Caller]
ThePlatform = NamedDependency[str | None]
Limit = Annotated[
    int,
    QueryParameter(
        name="limit", ge=1, required=False, description=f"how many; at most {PAGE_MAX} are given"
    ),
]
Offset = Annotated[
    int,
    QueryParameter(
        name="offset",
        ge=0,
        le=OFFSET_MAX,
        required=False,
        description="how many to leave out; `before` costs less",
    ),
]
Before = Annotated[
    int | None,
    QueryParameter(
        name="before",
        ge=1,
        le=ID_MAX,
        required=False,
        description="only what is older than the one with this number",
    ),
]


class BoundedRequest(Request[Any, Any, Any]):
    """A request whose JSON is read, and refused, in our words."""

    async def json(self) -> Any:
        return read_json(await self.body(), self.headers)


def page(limit: int) -> int:
    """How many rows a caller gets who asks for `limit`."""
    return min(limit, PAGE_MAX)


_MEANINGS = {
    400: "What was sent cannot be used.",
    401: "No key, or one that is unknown or revoked.",
    403: "A right key that may not do this.",
    404: "There is no such thing.",
    409: "Taken, ambiguous, or too much like something that is there.",
    413: "Over a stated limit.",
    415: "Compressed, or a form in parts, where JSON is asked for.",
    429: "An allowance is used up; `Retry-After` tells for how many seconds.",
    503: "Too many of these at once; `Retry-After` tells for how many seconds.",
}


def errors(*statuses: int) -> dict[int, ResponseSpec]:
    """The documented errors of a handler: `@get(..., responses=errors(401, 404))`."""
    return {
        status: ResponseSpec(
            data_container=models.ErrorAnswer,
            description=_MEANINGS[status],
            generate_examples=False,
        )
        for status in statuses
    }


async def check_key(request: Request[Any, Any, Any]) -> None:
    """Before a request is answered: a right key, whoever's, unless its handler is described as
    one that needs none. The caller is then in `scope["caller"]`, injected as `caller`.

    No guard of the framework's: for each of those it copies the handler, and calls what is not
    async in a thread.
    """
    failure: Any = request.scope.get(FAILURE)
    if failure is not None:
        raise failure
    if getattr(request.route_handler, "security", None) == NO_KEY:
        return
    keyring = the_hub(request).keyring
    key = accounts.read_key(request.headers.get("authorization", ""))
    caller = keyring.recall(accounts.digest(key))
    if caller is None:  # whoever asks the database waits beside the others
        caller = await the_hub(request).off_loop(keyring.find_caller, key)
    request.scope["caller"] = caller  # type: ignore[typeddict-unknown-key]


def the_caller(request: Request[Any, Any, Any], hub: TheHub) -> Caller:
    """Injected after `hub`, which it needs nothing of: what can be injected at the same time, the
    framework runs in tasks of their own."""
    return request.scope["caller"]  # type: ignore[typeddict-item, no-any-return]


async def read_platform(
    hub: TheHub,
    asked: Annotated[
        str | None, QueryParameter(name="platform", required=False, max_length=200)
    ] = None,
) -> str | None:
    """The platform that a request names, as the hub spells it."""
    if not asked:
        return asked
    return await hub.off_loop(lambda: spell_device(hub.db.reader, asked))


def the_hub(request: Request[Any, Any, Any]) -> Services:
    return request.app.state.hub  # type: ignore[no-any-return]


def network_of_caller(request: Request[Any, Any, Any]) -> str:
    """What callers without a key are limited by."""
    return network_of(request.client.host if request.client else "")


def hold_share(request: Request[Any, Any, Any], shares: Shares, owner: str, what: str) -> None:
    """One of `shares` for as long as the request is answered.

    Raises HTTPException 503, with Retry-After, where `owner` or all together hold too many.
    """
    if problem := try_share(request, shares, owner, what):
        headers = {"Retry-After": str(BUSY_RETRY_S)}
        raise HTTPException(status_code=503, detail=problem, headers=headers)


def try_share(request: Request[Any, Any, Any], shares: Shares, owner: str, what: str) -> str:
    """As `hold_share`, but returns the refusal; empty where there is none."""
    if not shares.take(owner):
        return f"too many {what} at once; try again in {BUSY_RETRY_S} s"
    scope: Any = request.scope
    scope.setdefault("releases", []).append(lambda: shares.give_back(owner))
    return ""


def error_response(
    status: int, sentence: str, headers: dict[str, str] | None = None
) -> Response[models.ErrorAnswer]:
    return Response(
        models.ErrorAnswer(sentence),
        status_code=status,
        media_type="application/json",
        headers=headers,
    )


def on_our_error(request: Request[Any, Any, Any], error: AutoresearchError) -> Response[Any]:
    if error.status >= 500:
        where = request.scope["method"], request.scope["path"]
        log.error("%s %s: %s", *where, error, extra=name_request(request))
    headers = {}
    if isinstance(error, RateLimited):
        headers["Retry-After"] = str(error.retry_after_s)
        the_hub(request).allowances_refused += 1
    if isinstance(error, HubUnavailable):
        headers["Retry-After"] = str(AWAY_RETRY_S)
    if error.status == 401:  # git prompts for name and password where it is asked for Basic
        way = "Basic" if request.scope["path"].startswith(("/git/", "/git.git/")) else "Bearer"
        headers["WWW-Authenticate"] = f'{way} realm="agenthub"'
    return error_response(error.status, str(error), headers)


def on_http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    """What the framework refuses: unknown routes, wrong methods, parameters and bodies that do
    not fit.
    """
    status = error.status_code
    if status >= 500 and status != 503:
        return on_any_error(request, error)
    return error_response(status, _sentence(request, error), dict(error.headers or {}))


def _sentence(request: Request[Any, Any, Any], error: HTTPException) -> str:
    if error.status_code == 404:
        return (
            f"there is no {request.scope['path'][:200]!r} here; GET /llms.txt tells what there is"
        )
    if error.status_code == 405:
        return f"{request.scope['method']} is not for this path; /openapi.json tells what is"
    if error.status_code == 413:
        return "the body is larger than this hub takes"
    if isinstance(error, ValidationException) and isinstance(error.extra, list) and error.extra:
        if error.extra[0].get("message") == "'data'":  # the framework's word for a missing body
            return NO_BODY
        return "; ".join(
            f"{part.get('key', 'request')}: {part.get('message', 'does not fit')}"
            for part in error.extra
        )
    return error.detail or "the request cannot be used"


def on_any_error(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """A fault of ours: a sentence for the caller, the trace for the operator's log."""
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        return on_our_error(request, StorageFull(FULL))
    where, found = (request.scope["method"], request.scope["path"]), name_request(request)
    log.error("%s %s failed", *where, exc_info=error, extra=found)
    return error_response(
        500,
        "the hub failed on this request; its operator finds the reason in the log"
        f" under {found['request']}",
    )


def name_request(request: Request[Any, Any, Any]) -> dict[str, str]:
    """For the log: the id that the answer carries."""
    return {"request": str(request.scope.get("request_id", ""))}
