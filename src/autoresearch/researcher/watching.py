"""Ends a run whose training curve is hopeless, while it runs: looks at the curve now and then and raises a flag.

The run's process is the sandbox's to end; this only tells when. Leaves to others: what is hopeless (curves).
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from autoresearch.researcher import curve_files
from autoresearch.researcher.judging import curves

POLL_S = 0.5


@dataclass
class Ending:
    """`now` is set when the run had better end: `reason` says why, or is empty where the user asked."""

    now: threading.Event = field(default_factory=threading.Event)
    reason: str = ""


@contextlib.contextmanager
def watching(
    watch: curves.Watch | None, curve: Path, stop: threading.Event | None
) -> Iterator[Ending]:
    """Watch a curve as it grows, and pass on the user's `stop`. Without a watch only the user ends the run."""
    if watch is None:
        yield Ending(stop or threading.Event())
        return
    ending, over = Ending(), threading.Event()
    thread = threading.Thread(
        target=look, args=(watch, curve, stop, ending, over), name="curve", daemon=True
    )
    thread.start()
    try:
        yield ending
    finally:
        over.set()
        thread.join()


def look(
    watch: curves.Watch,
    curve: Path,
    stop: threading.Event | None,
    ending: Ending,
    over: threading.Event,
) -> None:
    while not ending.now.is_set() and not over.wait(POLL_S):
        if stop is None or not stop.is_set():
            ending.reason = watch.hopeless(curve_files.read(curve))
        if ending.reason or (stop is not None and stop.is_set()):
            ending.now.set()
