"""Hands the event log to the listeners of one worker.

The table is the truth; this only saves reading it once per listener.

One task polls the table and keeps the newest events, encoded once, in a ring. A listener is a
cursor: it reads on from its own place, out of the ring or, where it fell behind, out of the
table. So a slow listener costs no memory and loses nothing, and neither do reconnects
(`Last-Event-ID`) or other workers' changes.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from itertools import takewhile

import msgspec

from autoresearch.errors import HubUnavailable
from autoresearch.hub.store import events
from autoresearch.hub.store.database import Database
from autoresearch.hub.values import LoggedEvent

NUDGE_FROM_S = 0.1  # where polls are rarer than this, every commit wakes the reader of the log
RING = 2048  # events kept encoded
PAGE = 500  # events read from the table at once
HIDING = frozenset({"hidden", "restored", "hub.restored"})
PING_S = 15.0  # silence after which a stream says that it is alive
log = logging.getLogger("agenthub")


def encode_sse(event: LoggedEvent) -> bytes:
    """The event as text/event-stream has it (WHATWG HTML, 9.2)."""
    return f"id: {event.seq}\nevent: {event.kind}\ndata: {event.payload}\n\n".encode()


class Feed:
    """`since` and `wait` for long polls, `stream` for server-sent events; `start` and `stop` with
    the worker.
    """

    def __init__(self, db: Database, on_revoked: Callable[[], None]) -> None:
        self._db = db
        self._on_revoked = on_revoked
        self._ring: deque[tuple[LoggedEvent, bytes]] = deque(maxlen=RING)
        self._ring_from = 0  # the ring holds every public event behind this one
        self._seen = 0
        self._news: asyncio.Future[None] | None = None
        self._poller: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._hidden: set[str] = set()  # as `events.hidden_names` has them
        self.closed = False
        self.hidden_seq = 0  # of the event that hid or restored something last

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._seen = self._ring_from = events.last_seq(self._db.reader)
        self._hidden = events.hidden_names(self._db.reader)
        self._news = self._loop.create_future()
        self._db.after_commit.append(self._nudge)
        self._db.listen()
        self._poller = asyncio.create_task(self._poll())

    async def stop(self) -> None:
        self.close()
        if self._poller is not None:
            self._db.after_commit.remove(self._nudge)
            self._poller.cancel()
            await asyncio.gather(self._poller, return_exceptions=True)

    def close(self) -> None:
        """Let every listener finish; called before the server waits for its connections."""
        self.closed = True
        self._announce()

    def _nudge(self) -> None:
        is_asked = self._listeners or self._db.poll_s > NUDGE_FROM_S
        if self._loop is not None and is_asked and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake.set)

    @property
    def last_seq(self) -> int:
        return self._seen

    @property
    def listeners(self) -> int:
        """How many of this worker's listeners wait for news."""
        return self._listeners

    _listeners = 0  # how many wait right now: nobody waiting, nobody woken

    async def _poll(self) -> None:
        while True:
            try:
                while self._take_in(events.after(self._db.reader, self._seen, PAGE)) == PAGE:
                    await asyncio.sleep(0)
            except HubUnavailable:  # told by the database already
                await asyncio.sleep(1)
            except Exception:
                log.exception("reading the event log failed; trying again")
                await asyncio.sleep(1)
            try:
                await asyncio.wait_for(self._wake.wait(), self._db.poll_s)
            except asyncio.TimeoutError:
                pass
            self._wake.clear()

    def _take_in(self, logged: list[LoggedEvent]) -> int:
        for event in logged:
            self._seen = event.seq
            if event.kind in HIDING:
                self._hide(event.seq)
            if event.kind in events.INTERNAL:
                self._on_revoked()
                continue
            if self._is_hidden(event):
                continue
            if len(self._ring) == RING:
                self._ring_from = self._ring[0][0].seq
            self._ring.append((event, encode_sse(event)))
        if logged:
            self._announce()
        return len(logged)

    def _hide(self, seq: int) -> None:
        """Something was hidden, or is shown again: the table tells what to hand out."""
        self.hidden_seq, self._ring_from = seq, seq - 1
        self._ring.clear()
        self._hidden = events.hidden_names(self._db.reader)

    def _is_hidden(self, event: LoggedEvent) -> bool:
        if not self._hidden or event.kind not in ("post", "commit"):
            return False
        payload = msgspec.json.decode(event.payload)
        return f"{event.kind}:{payload.get('id') or payload.get('hash')}" in self._hidden

    def _announce(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)
            self._news = self._news.get_loop().create_future()

    def place(self, after: int) -> int:
        """`after`, or the newest event where this hub has none of that number: a cursor of
        another hub, or of one that was restored, would wait for ever.
        """
        return after if after <= self._seen else min(after, events.last_seq(self._db.reader))

    def since(self, after: int, most: int = PAGE) -> list[tuple[LoggedEvent, bytes]]:
        """Up to `most` public events behind `after`, oldest first, each with its server-sent
        form.
        """
        if after >= self._ring_from:
            newer = list(takewhile(lambda pair: pair[0].seq > after, reversed(self._ring)))
            return newer[::-1][:most]
        found = events.after(self._db.reader, after, most)
        public = [
            (event, encode_sse(event))
            for event in found
            if event.kind not in events.INTERNAL and not self._is_hidden(event)
        ]
        return public if public or not found else self.since(found[-1].seq, most)

    async def wait(self, timeout_s: float) -> bool:
        """Until something new is there, at most `timeout_s`; False where nothing came."""
        if self.closed or self._news is None:
            return False
        self._listeners += 1
        try:
            await asyncio.wait_for(asyncio.shield(self._news), timeout_s)
            return True
        except asyncio.TimeoutError:
            return False
        finally:
            self._listeners -= 1

    async def long_poll(
        self, after: int, wait_s: float, most: int, check: Callable[[], object]
    ) -> list[LoggedEvent]:
        """Events behind `after`; where there are none, wait for the first, at most `wait_s`.

        `check` is called whenever there is news, and may raise: the caller's key was revoked.
        """
        # whoever has just written sees it
        self._take_in(events.after(self._db.reader, self._seen, PAGE))
        ends = asyncio.get_running_loop().time() + wait_s
        while not (found := self.since(after, most)):
            left_s = ends - asyncio.get_running_loop().time()
            if left_s <= 0 or self.closed or not await self.wait(left_s):
                break
            check()
        return [event for event, _ in found]

    async def stream(
        self, after: int, is_welcome: Callable[[], bool] = lambda: True
    ) -> AsyncIterator[bytes]:
        """Server-sent events behind `after`, for as long as somebody listens who is welcome."""
        yield b"retry: 2000\n\n"
        while not self.closed and is_welcome():
            found = self.since(after)
            if found:
                after = found[-1][0].seq
                yield b"".join(encoded for _, encoded in found)
            elif not await self.wait(PING_S):
                yield b": ping\n\n"
