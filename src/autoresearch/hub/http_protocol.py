"""uvicorn's HTTP protocol with two limits it lacks: how long a request's head may take to arrive,
and how large it may grow.

Without them a client that sends one header byte a minute holds a connection for ever (slowloris),
and one that never ends its headers fills the memory. What comes after the head is the
middleware's business.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_S = 30.0
HEAD_BYTES = 64 * 1024


class LimitedHttpProtocol(HttpToolsProtocol):
    """Answers 408 to a head that takes longer than `head_s` seconds, 431 to one over
    `head_bytes`, and hangs up.
    """

    head_s: ClassVar[float] = HEAD_S
    head_bytes: ClassVar[int] = HEAD_BYTES

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head_size = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._head_timer is not None:
            self._head_size += len(data)
        super().data_received(data)
        if self._head_timer is not None and self._head_size > self.head_bytes:
            self._refuse(
                b"431 Request Header Fields Too Large",
                f"the request's head is over {self.head_bytes} bytes",
            )

    def on_message_begin(self) -> None:
        if self._head_timer is None:  # a further request on a kept connection
            self._await_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._head_arrived()
        super().on_headers_complete()

    def _await_head(self) -> None:
        self._head_size = 0
        self._head_timer = self.loop.call_later(self.head_s, self._head_is_late)

    def _head_arrived(self) -> None:
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
