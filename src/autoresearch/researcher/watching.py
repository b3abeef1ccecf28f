"""Ends a run whose training curve is hopeless: looks at the curve while it grows and raises a
flag.

The sandbox ends the run's process. Leaves to others: what is hopeless (judging.curves), reading
the curve (curve_files).
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from autoresearch.researcher import curve_files
from autoresearch.researcher.judging.curves import EarlyStop, StopRule

POLL_S = 0.5


@dataclass
class StopFlag:
    """`now` is set when the run is to end; `found` says why, or is None where the user asked."""

    now: threading.Event = field(default_factory=threading.Event)
    found: EarlyStop | None = None


@contextlib.contextmanager
def watch_curve(
    rule: StopRule | None,
    curve: Path,
    stop: threading.Event | None,
    is_quiet: Callable[[], bool] = lambda: False,
) -> Iterator[StopFlag]:
    """Watch a curve as it grows, and pass on the user's `stop`. Without a rule only the user ends
    the run. `is_quiet` says whether it had the machine to itself so far."""
    if rule is None:
        yield StopFlag(stop or threading.Event())
        return
    flag, over = StopFlag(), threading.Event()
    arguments = (rule, curve, stop, is_quiet, flag, over)
    thread = threading.Thread(target=follow_curve, args=arguments, name="curve", daemon=True)
    thread.start()
    try:
        yield flag
    finally:
        over.set()
        thread.join()


def follow_curve(
    rule: StopRule,
    curve: Path,
    stop: threading.Event | None,
    is_quiet: Callable[[], bool],
    flag: StopFlag,
    over: threading.Event,
) -> None:
    while not flag.now.is_set() and not over.wait(POLL_S):
        if stop is None or not stop.is_set():
            flag.found = rule.find_stop(curve_files.read(curve), is_quiet)
        if flag.found or (stop is not None and stop.is_set()):
            flag.now.set()
