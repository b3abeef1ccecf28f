"""Runs on this machine: as many at once as there are slots, each in a thread of its own that waits
for its processes. Each slot is a lane, in which the next run starts while the last one is scored.

Leaves to others: dividing the machine (slots), what a run is (experiment), when the next run may
start and get its first batch (turns).
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from autoresearch.researcher.executors.slots import Slot
from autoresearch.researcher.experiment import Runner, Stopped
from autoresearch.researcher.judging.values import Measurement
from autoresearch.researcher.run_request import RunRequest
from autoresearch.researcher.turns import Lane


class Closing(threading.Event):
    """Set when the executor closes, and when the user asks to stop."""

    def __init__(self, stop: threading.Event | None) -> None:
        super().__init__()
        self.user = stop

    def is_set(self) -> bool:
        return super().is_set() or (self.user is not None and self.user.is_set())


class LocalExecutor:
    """`runner` as it would be for a run alone; each slot adds its cores and devices."""

    def __init__(self, runner: Runner, slots: Sequence[Slot] = (Slot(),)) -> None:
        self.slots = len(slots)
        self.stop = Closing(runner.stop)
        self.free: queue.SimpleQueue[tuple[Runner, Lane]] = queue.SimpleQueue()
        for slot in slots:
            environment = {**runner.environment, **slot.environment()}
            own = replace(runner, environment=environment, cores=slot.cores, stop=self.stop)
            self.free.put((own, Lane()))
        self.threads = ThreadPoolExecutor(2 * self.slots, "run")  # one trains, one is scored

    def submit(
        self, request: RunRequest, trained: Future[None] | None = None
    ) -> Future[Measurement]:
        return self.threads.submit(self.carry_out, request, trained or Future())

    def carry_out(self, request: RunRequest, trained: Future[None]) -> Measurement:
        """In a thread: take a lane that another run may start in, run there, give it on."""
        runner, lane = self.free.get()
        with lane.take_turn(lambda: self.free.put((runner, lane)), trained) as turn:
            if self.stop.is_set():
                raise Stopped
            return replace(runner, turn=turn).measure(request)

    def close(self) -> None:
        self.stop.set()
        self.threads.shutdown(wait=True, cancel_futures=True)
