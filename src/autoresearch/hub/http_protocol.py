"""uvicorn's HTTP protocol with what it lacks under strangers: limits of a request's head and of
an answer nobody reads, shares of the connections, and deafness to offers to upgrade. And an
answer's head goes out with its body, not before it.

Without them a client that sends one header byte a minute holds a connection for ever (slowloris),
one that never ends its headers fills the memory, and one that stops reading holds its answer.
What comes after the head is the middleware's business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from autoresearch.hub.connections import Shares
from autoresearch.hub.rules.addresses import network_of

HEAD_S = 30.0
HEAD_BYTES = 64 * 1024
SEND_S = 30.0  # in which a waiting answer has to shrink by SEND_MIN_BYTES
SEND_MIN_BYTES = 16 * 1024
RESERVE = 64  # connections over all limits, for the health check alone
RESERVE_HEAD_S = 5.0
BUSY_RETRY_S = 30
HEALTH = "/api/health"
OFFER_HEADERS = (b"upgrade", b"http2-settings")


class LimitedHttpProtocol(HttpToolsProtocol):
    """Answers 408 to a head that takes longer than `head_s` seconds, 431 to one over
    `head_bytes`, and hangs up; hangs up on whoever does not read for `send_s` seconds.

    With `shares`, connections over a share get 503, except for the health check. `is_proxy` says
    of an address that it stands for many: it has no share of its own.
    """

    head_s: ClassVar[float] = HEAD_S
    head_bytes: ClassVar[int] = HEAD_BYTES
    send_s: ClassVar[float] = SEND_S
    _reserve: ClassVar[dict[LimitedHttpProtocol, None]] = {}

    def __init__(
        self,
        *args: Any,
        shares: Shares | None = None,
        is_proxy: Callable[[str], bool] = lambda _: False,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._shares = shares
        self._is_proxy = is_proxy
        self._share_of = ""
        self._head_has_begun = False
        self._head_size = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._send_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(_JoinedWrites(transport, self.loop))  # type: ignore[arg-type]
        head_s = self.head_s if self._take_share() else min(self.head_s, RESERVE_HEAD_S)
        self._await_head(head_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_arrived()
        self._stop_send_timer()
        self._reserve.pop(self, None)
        if self._shares is not None and self._share_of:
            self._shares.give_back(self._share_of)
        super().connection_lost(exc)

    def _take_share(self) -> bool:
        if self._shares is None:
            return True
        address = self.client[0] if self.client else ""
        network = network_of(address)
        each = self._shares.most if self._is_proxy(address) else None
        if self._shares.take(network, each):
            self._share_of = network
            return True
        self.app = _BusyHub(self.app)
        if len(self._reserve) >= RESERVE:  # whoever waits longest asks for nothing
            oldest = next(iter(self._reserve))
            del self._reserve[oldest]
            oldest.transport.abort()
        self._reserve[self] = None
        return False

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        if self._head_timer is not None:
            self._head_size += len(data)
        while data:
            data = self._parse(data)
        if self._head_has_begun and self._head_timer is None:  # and did not end in this piece
            self._await_head(self.head_s)
        if self._head_timer is not None and self._head_size > self.head_bytes:
            self._refuse(
                b"431 Request Header Fields Too Large",
                f"the request's head is over {self.head_bytes} bytes",
            )

    def _parse(self, data: bytes) -> bytes:
        """Hand data to the parser; what has to be parsed after it."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            return self._ignore_offer(data[offer.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
        return b""

    def on_message_begin(self) -> None:
        self._head_has_begun = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():  # read again without the offer, see _ignore_offer
            return
        self._head_arrived()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if not self.parser.should_upgrade():
            super().on_body(body)

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def _ignore_offer(self, rest: bytes) -> bytes:
        """The request as if it did not offer another protocol, and `rest`, to be read anew.

        A server may ignore the offer (RFC 9110, 7.8); the parser stops behind such a head, and
        takes the body for the other protocol's.
        """
        if self.parser.get_method() == b"CONNECT":
            self._refuse(b"405 Method Not Allowed", "this is no proxy")
            return b""
        head = [b"%b %b HTTP/1.1" % (self.parser.get_method(), self.url)]
        for name, value in self.headers:
            if name == b"connection":
                value = _without_offer(value)
            if name not in OFFER_HEADERS:
                head.append(b"%b: %b" % (name, value))
        self.parser = httptools.HttpRequestParser(self)
        return b"\r\n".join([*head, b"", b""]) + rest

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._send_timer is None:
            self._await_reader()

    def resume_writing(self) -> None:
        self._stop_send_timer()
        super().resume_writing()

    def _await_reader(self) -> None:
        waiting = self.transport.get_write_buffer_size()
        self._send_timer = self.loop.call_later(self.send_s, self._check_reader, waiting)

    def _check_reader(self, waited: int) -> None:
        if self.transport.get_write_buffer_size() > waited - SEND_MIN_BYTES:
            self.transport.abort()  # close() would wait for the reader
        else:
            self._await_reader()

    def _stop_send_timer(self) -> None:
        if self._send_timer is not None:
            self._send_timer.cancel()
            self._send_timer = None

    def _await_head(self, head_s: float) -> None:
        self._head_size = 0
        self._head_timer = self.loop.call_later(head_s, self._head_is_late)

    def _head_arrived(self) -> None:
        self._head_has_begun = False
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        self._refuse(
            b"408 Request Timeout", f"the request's head took longer than {self.head_s:.0f} s"
        )

    def _refuse(self, status: bytes, sentence: str) -> None:
        self._head_arrived()
        if self.transport.is_closing():
            return
        body = b'{"error":"%s"}' % sentence.encode("ascii")
        head = (
            b"HTTP/1.1 %s\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\nconnection: close\r\n\r\n"
            % (
                status,
                len(body),
            )
        )
        self.transport.write(head + body)
        self.transport.close()


class _JoinedWrites:
    """A transport that sends two writes of one turn of the event loop together: uvicorn writes an
    answer's head and its body apart, and each write is a system call, a packet, and a client that
    wakes up.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        self._held.append(data)
        if len(self._held) > 1:
            self._flush()
        else:
            self._loop.call_soon(self._flush)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        held, self._held = self._held, []
        if held and not self._transport.is_closing():
            self._transport.writelines(held)


def _without_offer(connection: bytes) -> bytes:
    """A Connection header without the names that belong to an offer."""
    names = [name.strip() for name in connection.split(b",")]
    return b", ".join(name for name in names if name.lower() not in OFFER_HEADERS)


class _BusyHub:
    """What answers on a connection over its share: the health check, and 503 to all else."""

    def __init__(self, hub: Any) -> None:
        self._hub = hub

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == HEALTH and scope["method"] in ("GET", "HEAD"):
            await self._hub(scope, receive, _closing(send))
            return
        body = b'{"error":"too many connections at once, in all or from your network; try again"}'
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"retry-after", str(BUSY_RETRY_S).encode()),
            (b"connection", b"close"),
        ]
        await send({"type": "http.response.start", "status": 503, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})


def _closing(send: Any) -> Any:
    async def send_and_close(message: Any) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
        await send(message)

    return send_and_close
