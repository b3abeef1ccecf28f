"""The outermost layer of the hub: what holds for every request, whichever handler answers it.

The caller's own address, an id for each request, HEAD wherever GET is answered, security headers,
one line of access log (never a query string, a body or a header: they may hold secrets), counters,
shares that end with the request, and a limit on how long a body may dawdle. Routing and answers
are the inner application's.
"""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Any

from litestar import Litestar
from litestar.enums import ScopeType
from litestar.types import Message, Receive, Scope, Send

from autoresearch.errors import BadInput
from autoresearch.hub import fast
from autoresearch.hub.origin import resolve_origin
from autoresearch.hub.services import Services

BODY_PAUSE_S = 30.0  # the longest pause within a body before the request is given up
HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]
OWN_ORIGIN = (b"cross-origin-resource-policy", b"same-origin")  # but for pictures that are shared
CSP = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
NO_STORE = (b"cache-control", b"no-store")
FAST_HEADERS = [(b"content-type", b"application/json"), *HEADERS, OWN_ORIGIN, CSP, NO_STORE]


class Middleware:
    """An ASGI application around an ASGI application."""

    def __init__(self, inner: Litestar, hub: Services) -> None:
        self.inner = inner
        self.hub = hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self.inner(scope, receive, send)
            return
        resolve_origin(scope, self.hub.settings)
        if scope["method"] == "HEAD":
            receive, send = _drop_body(send)
        await self._answer(scope, receive, send)

    async def _answer(self, asked: Any, receive: Receive, send: Send) -> None:
        started = perf_counter()
        scope: Any = _as_get(asked)
        status, body = 200, None
        if scope["method"] == "GET":
            body = fast.answer(self.hub, scope)
        elif (
            scope["method"] == "POST"
            and fast.takes_post(scope)
            and (arrived := _take_arrived(receive)) is not None
        ):
            receive = _receive_after(arrived, receive)
            if not arrived.get("more_body", True):
                status, body = 201, await fast.write_post(self.hub, scope, arrived["body"])
        if body is not None:
            size = (b"content-length", str(len(body)).encode())
            headers = [*FAST_HEADERS, size, _id_header(scope)]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body, "more_body": False})
            self._note(asked["method"], scope, status, started)
            return
        status = 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = _with_defaults(list(message.get("headers", ())))
                message["headers"] = [
                    *_with_base(headers, scope["base_path"]),
                    _id_header(scope),
                ]
            await send(message)

        try:
            await self.inner(scope, _patient(receive), send_with_headers)
        finally:
            for release in scope.get("releases", ()):
                release()
            self._note(asked["method"], scope, status, started)

    def _note(self, method: str, scope: Any, status: int, started: float) -> None:
        seconds = perf_counter() - started
        self.hub.access.note(method, scope, status, seconds)
        self.hub.metrics.count(method, scope, status, seconds)


def _id_header(scope: Any) -> tuple[bytes, bytes]:
    """By which an answer is found in the log."""
    return b"x-request-id", scope["request_id"].encode("ascii")


def _with_defaults(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    headers = [
        (name, _add_head(value) if name.lower() == b"allow" else value) for name, value in headers
    ]
    present = {name.lower() for name, _ in headers}
    defaults = (OWN_ORIGIN, CSP, NO_STORE)
    return headers + HEADERS + [default for default in defaults if default[0] not in present]


def _with_base(headers: list[tuple[bytes, bytes]], base: str) -> list[tuple[bytes, bytes]]:
    """Addresses of ours as the caller has to ask for them where the hub stands below a path."""
    if not base:
        return headers
    return [
        (
            name,
            base.encode() + value if name.lower() == b"location" and value[:1] == b"/" else value,
        )
        for name, value in headers
    ]


def _add_head(allowed: bytes) -> bytes:
    """The methods of a path: HEAD is answered wherever GET is."""
    methods = [method.strip() for method in allowed.split(b",")]
    return b", ".join([*methods, b"HEAD"]) if b"GET" in methods else allowed


def _as_get(scope: Any) -> Any:
    """What the inner application is asked: a HEAD is answered as the GET of the same path."""
    return {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope


def _drop_body(send: Send) -> tuple[Receive, Send]:
    """For HEAD: the answer's head goes out, then the application hears that the client is gone.

    So an answer without an end ends as well.
    """
    is_sent = asyncio.Event()

    async def send_head(message: Message) -> None:
        if message["type"] == "http.response.start":
            await send(message)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            is_sent.set()

    async def receive_end() -> Any:
        await is_sent.wait()
        return {"type": "http.disconnect"}

    return receive_end, send_head


def _take_arrived(receive: Receive) -> Any:
    """The next message, where it is there already: no task, no timer. Else None, and nothing has
    been received."""
    waiting: Any = receive()
    try:
        waiting.send(None)
    except StopIteration as done:
        return done.value
    waiting.close()
    return None


def _receive_after(message: Any, receive: Receive) -> Receive:
    """`receive`, but `message` comes first."""
    first = [message]

    async def receive_next() -> Any:
        return first.pop() if first else await receive()

    return receive_next


def _patient(receive: Receive) -> Receive:
    """`receive`, but a body that stops arriving ends the request instead of holding it forever
    (slowloris).
    """
    complete = False

    async def receive_in_time() -> Any:
        nonlocal complete
        # what comes now is only the news that the client went away: it may take as long as it
        # likes
        if complete:
            return await receive()
        try:
            message = _take_arrived(receive) or await asyncio.wait_for(receive(), BODY_PAUSE_S)
        except asyncio.TimeoutError:
            complete = True
            raise BadInput(
                f"the body stopped arriving for {BODY_PAUSE_S:.0f} s; send it again"
            ) from None
        complete = not message.get("more_body", False)
        return message

    return receive_in_time
