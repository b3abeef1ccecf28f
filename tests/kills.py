"""Kill -9 at a chosen effect, without a process to kill: what comes after it never happens."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

import pytest

from autoresearch.researcher.sandbox import Finished, Job

Effect = tuple[object, str]  # a function by its owner and name


class Killed(BaseException):
    """Stands for kill -9 in this process: nothing of ours catches it."""


class Instant:
    """A sandbox without processes: it evaluates the number the program would print. For counting
    steps, not for isolation."""

    name = "instant"

    def run(self, job: Job, stop: threading.Event | None = None) -> Finished:
        text = (job.cwd / "train.py").read_text()
        broken = "SystemExit" in text
        value = 0.0 if broken else float(text.split("VALUE = ")[1].split(" ")[0])
        noise = random.Random(int(job.env["AUTORESEARCH_SEED"])).gauss(0, 0.001)
        job.log.write_text("broken\n" if broken else f"val_bpb: {value + noise:.6f}\n")
        return Finished(1 if broken else 0, False, 0.01, "")


def interrupt(
    patch: pytest.MonkeyPatch, effects: list[Effect], at: int, is_done: bool
) -> Callable[[], int]:
    """Let the `at`-th effect of these, in any thread, be the last, done or not done; 0: none.
    Returns the count so far."""
    lock = threading.Lock()
    count = 0

    def wrap(owner: object, name: str) -> None:
        real = getattr(owner, name)

        def effect(*args: object, **kwargs: object) -> object:
            nonlocal count
            with lock:
                count += 1
                mine = count
            if at and (mine > at or (mine == at and not is_done)):
                raise Killed
            result = real(*args, **kwargs)
            if mine == at:
                raise Killed
            return result

        patch.setattr(owner, name, effect)

    for owner, name in effects:
        wrap(owner, name)
    return lambda: count
