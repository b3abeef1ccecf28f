"""Runs on this machine: as many at once as there are slots, each in a thread of its own that waits
for its processes.

Leaves to others: dividing the machine (slots), what a run is (experiment).
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
        self.free: queue.SimpleQueue[Runner] = queue.SimpleQueue()
        for slot in slots:
            environment = {**runner.environment, **slot.environment()}
            self.free.put(
                replace(runner, environment=environment, cores=slot.cores, stop=self.stop)
            )
        self.threads = ThreadPoolExecutor(self.slots, "run")

    def submit(self, request: RunRequest) -> Future[Measurement]:
        return self.threads.submit(self.carry_out, request)

    def carry_out(self, request: RunRequest) -> Measurement:
        """In a thread: take a free slot, run there, give it back."""
        if self.stop.is_set():
            raise Stopped
        runner = self.free.get()
        try:
            return runner.measure(request)
        finally:
            self.free.put(runner)

    def close(self) -> None:
        self.stop.set()
        self.threads.shutdown(wait=True, cancel_futures=True)
