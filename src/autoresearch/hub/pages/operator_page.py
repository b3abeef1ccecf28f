"""The operator's page: the hub's health, and what an operator may do. Works without JavaScript.

Every form carries the session's token; the cookie is HttpOnly and SameSite=Strict
(`rules.sessions`). What an action does is decided in `rules.moderation`.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any

from litestar import Request, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from autoresearch.errors import AutoresearchError, Forbidden
from autoresearch.hub.pages.rendering import answer_page, base_path
from autoresearch.hub.routes.common import TheHub, network_of_caller
from autoresearch.hub.routes.public import address_of
from autoresearch.hub.rules import counters, moderation, sessions
from autoresearch.hub.services import Services

COOKIE = "agenthub_operator"
ROWS_MAX = 25
FORM: dict[str, Any] = {
    "include_in_schema": False,
    "request_max_body_size": 16 * 1024,
    "status_code": 200,
}


@dataclass(frozen=True)
class DatabaseHealth:
    """Measured while the page was made."""

    database_bytes: int
    log_bytes: int
    read_ms: float
    write_ms: float
    last_event: int
    listeners: int
    worker: int


@get("/operator", include_in_schema=False)
async def show_operator(request: Request[Any, Any, Any], hub: TheHub) -> Response[Any]:
    """The page, or the form that opens it."""
    session = _find_session(request, hub)
    if session is None:
        return answer_page(request, "operator_sign_in.html", problem="")
    return await _answer(request, hub, session, request.query_params.get("said", "")[:300])


async def _answer(
    request: Request[Any, Any, Any],
    hub: Services,
    session: sessions.Session,
    said: str,
    invite: str = "",
) -> Response[bytes]:
    newest: dict[str, Any] = await hub.off_loop(
        lambda: {
            "posts": moderation.newest_posts(hub.db.reader, ROWS_MAX),
            "commits": moderation.newest_commits(hub.db.reader, ROWS_MAX),
            "agents": moderation.newest_agents(hub.db.reader, ROWS_MAX),
        }
    )
    return answer_page(
        request,
        "operator.html",
        csrf=session.csrf,
        health=await measure_health(hub),
        settings=hub.settings,
        said=said,
        invite=invite,
        **newest,
    )


@post("/operator/enter", **FORM)
async def open_session(request: Request[Any, Any, Any], hub: TheHub) -> Response[Any]:
    """The admin key becomes a session of half an hour. Wrong keys are limited per network."""
    form = await request.form()
    key, network = str(form.get("key", "")).strip(), network_of_caller(request)
    try:
        session = await hub.db.change(lambda tx: sessions.try_key(tx, hub.settings, key, network))
        if isinstance(session, Forbidden):
            raise session
    except AutoresearchError as error:
        return answer_page(
            request, "operator_sign_in.html", status=error.status, problem=str(error)
        )
    answer = Redirect("/operator", status_code=303)
    answer.set_cookie(
        COOKIE,
        session.cookie,
        max_age=sessions.SESSION_S,
        path=_cookie_path(request),
        httponly=True,
        samesite="strict",
        secure=address_of(request, hub).startswith("https:"),
    )
    return answer


@post("/operator/leave", **FORM)
async def close_session(request: Request[Any, Any, Any], hub: TheHub) -> Response[Any]:
    """Forget the session in this browser."""
    await _read_form(request, hub)
    answer = Redirect("/", status_code=303)
    answer.delete_cookie(COOKIE, path=_cookie_path(request))
    return answer


@post("/operator/do/{verb:str}", **FORM)
async def take_action(
    request: Request[Any, Any, Any], hub: TheHub, verb: FromPath[str]
) -> Response[Any]:
    """Hide or restore, revoke, invite: one form, one verb."""
    session, form = await _read_form(request, hub)
    action = moderation.find_action(verb)
    target, undo = form.get("id", "").strip(), form.get("undo") == "yes"
    try:
        said = await hub.db.change(lambda tx: action(tx, target, undo))
    except AutoresearchError as error:
        return Redirect("/operator", status_code=303, query_params={"said": str(error)})
    if verb == "invite":  # shown once, never in an address
        return await _answer(request, hub, session, "an invite; it is shown only now:", said)
    return Redirect("/operator", status_code=303, query_params={"said": said})


def _cookie_path(request: Request[Any, Any, Any]) -> str:
    return f"{base_path(request)}/operator"


def _find_session(request: Request[Any, Any, Any], hub: Services) -> sessions.Session | None:
    return sessions.resume(hub.settings, request.cookies.get(COOKIE, ""))


async def _read_form(
    request: Request[Any, Any, Any], hub: Services
) -> tuple[sessions.Session, dict[str, str]]:
    """An operator's session and form. Raises Forbidden without a session, or without its token."""
    session = _find_session(request, hub)
    if session is None:
        raise Forbidden("the session is over; enter the admin key again at /operator")
    form = {name: str(value) for name, value in (await request.form()).items()}
    sessions.check_form(session, form.get("csrf", ""))
    return session, form


async def measure_health(hub: Services) -> DatabaseHealth:
    started_s = time.perf_counter()
    await hub.off_loop(lambda: counters.count_agents(hub.db.reader))
    read_s = time.perf_counter()
    await hub.db.change(lambda tx: None)
    written_s = time.perf_counter()
    return DatabaseHealth(
        _size_bytes(hub.db.path),
        _size_bytes(f"{hub.db.path}-wal"),
        (read_s - started_s) * 1000,
        (written_s - read_s) * 1000,
        hub.feed.last_seq,
        hub.feed.listeners,
        os.getpid(),
    )


def _size_bytes(file: str | os.PathLike[str]) -> int:
    return os.path.getsize(file) if os.path.exists(file) else 0
