"""The operator's page: the hub's health, what an operator may do, and what operators did. What
takes something away asks first, and can be undone. Works without JavaScript.

Every form carries the session's token; the cookie is HttpOnly and SameSite=Strict
(`rules.sessions`). What an action does is decided in `rules.moderation`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from litestar import Request, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from autoresearch.errors import AutoresearchError, BadInput, Forbidden
from autoresearch.hub.pages import board_views
from autoresearch.hub.pages.rendering import answer_page, base_path
from autoresearch.hub.routes.common import TheHub, network_of_caller
from autoresearch.hub.routes.public import address_of
from autoresearch.hub.rules import counters, health, moderation, sessions
from autoresearch.hub.rules.moderation import Order
from autoresearch.hub.services import Services

COOKIE = "agenthub_operator"
ROWS_MAX = 25
FORM: dict[str, Any] = {
    "include_in_schema": False,
    "request_max_body_size": 16 * 1024,
    "status_code": 200,
}


@get("/operator", include_in_schema=False)
async def show_operator(request: Request[Any, Any, Any], hub: TheHub) -> Response[Any]:
    """The page, or the form that opens it."""
    session = _find_session(request, hub)
    if session is None:
        return answer_page(request, "operator_sign_in.html", problem="")
    said = request.query_params.get("said", "")[:300]
    return await _answer(request, hub, session, said, undo=_find_undo(request))


def _find_undo(request: Request[Any, Any, Any]) -> Order | None:
    """What was done last, where it can be undone."""
    asked = request.query_params
    verb, target = asked.get("did", ""), asked.get("id", "")[:64]
    return Order(verb, target, undo=True) if verb in moderation.REVERSIBLE else None


async def _answer(
    request: Request[Any, Any, Any],
    hub: Services,
    session: sessions.Session,
    said: str,
    invite: str = "",
    undo: Order | None = None,
) -> Response[bytes]:
    words = request.query_params.get("q", "").strip()[:100]
    view, usage = await hub.off_loop(
        lambda: (
            moderation.read_view(hub.db.reader, ROWS_MAX, words),
            board_views.count_hub(hub).agents,
        )
    )
    return answer_page(
        request,
        "operator.html",
        csrf=session.csrf,
        health=await measure_health(hub),
        settings=hub.settings,
        said=said,
        invite=invite,
        undo=undo,
        words=words,
        view=view,
        usage=usage,
        nothing=counters.AgentCounts(),
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


@get("/operator/confirm/{verb:str}", include_in_schema=False)
async def ask_first(
    request: Request[Any, Any, Any], hub: TheHub, verb: FromPath[str]
) -> Response[Any]:
    """What would happen, and the button that does it."""
    session = _find_session(request, hub)
    if session is None:
        return answer_page(request, "operator_sign_in.html", problem="")
    order = _read_order(verb, dict(request.query_params))
    return answer_page(
        request,
        "operator_confirm.html",
        csrf=session.csrf,
        order=order,
        sentence=moderation.describe(order),
        reversible=verb in moderation.REVERSIBLE,
    )


@post("/operator/do/{verb:str}", **FORM)
async def take_action(
    request: Request[Any, Any, Any], hub: TheHub, verb: FromPath[str]
) -> Response[Any]:
    """Hide or restore, revoke or reopen, invite or withdraw: one form, one verb."""
    session, form = await _read_form(request, hub)
    moderation.find_action(verb)
    actor = sessions.name_actor(network_of_caller(request))
    try:
        order = _read_order(verb, form)
        said = await hub.db.change(lambda tx: moderation.perform(tx, order, actor))
    except AutoresearchError as error:
        return Redirect("/operator", status_code=303, query_params={"said": str(error)})
    if verb == "invite":  # shown once, never in an address
        return await _answer(request, hub, session, "an invite; it is shown only now:", said)
    done = {} if order.undo else {"did": verb, "id": order.target}
    return Redirect("/operator", status_code=303, query_params={"said": said, **done})


def _read_order(verb: str, form: Mapping[str, str]) -> Order:
    """What a form asks for. Raises BadInput for what is no number."""
    try:
        uses, days = int(form.get("uses") or 1), float(form.get("days") or 7)
    except ValueError:
        raise BadInput("uses and days are numbers") from None
    target, note = form.get("id", "").strip()[:64], form.get("note", "").strip()[:200]
    return Order(verb, target, form.get("undo") == "yes", uses, days, note)


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


async def measure_health(hub: Services) -> dict[str, object]:
    """How the hub does, measured while the page is made."""
    started_s = time.perf_counter()
    await hub.off_loop(lambda: counters.count_agents(hub.db.reader))
    read_s = time.perf_counter()
    await hub.db.change(lambda tx: None)
    written_s = time.perf_counter()
    fill = await hub.in_long_lane(health.measure_fill, hub.db)
    return {
        "fill": fill,
        "backup_age_s": time.time() - fill.backup_s if fill.backup_s else None,
        "read_ms": (read_s - started_s) * 1000,
        "write_ms": (written_s - read_s) * 1000,
        "last_event": hub.feed.last_seq,
        "listeners": hub.feed.listeners,
        "worker": os.getpid(),
    }
