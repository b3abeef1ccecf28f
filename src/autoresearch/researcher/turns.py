"""Runs that share a lane: while one is scored the next one starts, and its first batch is held
back until nothing of the one before works any more.

run A  start ─ training ─ scoring ───────┐ over
run B                    └ start ─ waits ┴ training ─ scoring ───────┐ over
run C                                             └ start ─ waits ───┴ training …

So no run trains beside other work of ours, and what keeps one processor busy (imports, tracing,
compiling) is done beside what leaves one free. Leaves to others: the lanes (executors.local), what
a run is (experiment), its batches (feeding).
"""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import IO

POLL_S = 0.02


@dataclass(eq=False)
class Turn:
    """One run's place. `before` is set once the run before is over; `trained` is done, and the
    next one may start, once this one has only its scoring left."""

    before: threading.Event
    give_on: Callable[[], None]
    trained: Future[None]
    asked_s: float | None = None  # of the monotonic clock
    came_s: float | None = None

    def note_trained(self) -> None:
        """Let the next run start."""
        self.give_on()
        self.trained.set_result(None)

    def wait(self, requests: IO[bytes], is_gone: threading.Event) -> bool:
        """Wait for the end of the run before; False where this one is gone earlier. It waits with
        us from its first byte in `requests` on, which nobody reads meanwhile."""
        asked = select.poll()
        asked.register(requests, select.POLLIN)
        while not self.before.is_set() and not is_gone.wait(POLL_S):
            if self.asked_s is None and asked.poll(0):
                self.asked_s = time.monotonic()
        self.came_s = time.monotonic()
        return self.before.is_set()

    def held_s(self) -> float:
        """How long the run has waited for its first batch: not its own time."""
        if self.asked_s is None:
            return 0.0
        return (self.came_s or time.monotonic()) - self.asked_s


@dataclass(eq=False)
class Lane:
    """Where runs follow each other; each knows when the one before it is over."""

    last: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.last.set()  # nobody is before the first

    @contextmanager
    def take_turn(self, give_on: Callable[[], None], trained: Future[None]) -> Iterator[Turn]:
        """A run's turn, for as long as the block lasts. However that ends, `give_on` is called
        once, at the latest then, and the next run learns that this one and all before it are
        over."""
        before, over = self.last, threading.Event()
        self.last = over
        with ExitStack() as held:
            held.callback(give_on)
            try:
                yield Turn(before, held.close, trained)
            finally:
                before.wait()
                over.set()
