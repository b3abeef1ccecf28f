"""How busy the machine was with other work while a run lasted: measured by itself, not guessed from
the run's speed.

The processors' own counters say how long they worked, stolen time included; what the run used itself
is taken off. Leaves to others: what is made of it (judging.throughput).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

SHORTEST_S = 2.0  # counters tick a hundred times a second; a shorter run says nothing
NOT_WORK = ("idle", "iowait", "guest", "guest_nice")  # a guest's time is in user time already


@dataclass(frozen=True)
class CpuTimes:
    """At one moment: how long the processors have worked in all, and how many they are."""

    at_s: float
    worked_s: float
    cores: int


def read_cpu(cores: Sequence[int] = ()) -> CpuTimes:
    """Of these processors; of all where none is named."""
    every = psutil.cpu_times(percpu=True)
    chosen = [every[core] for core in cores if core < len(every)] or every
    worked = sum(
        value for times in chosen for name, value in times._asdict().items() if name not in NOT_WORK
    )
    return CpuTimes(time.monotonic(), worked, len(chosen))


def share_of_others(before: CpuTimes, after: CpuTimes, own_s: float | None) -> float | None:
    """The share of the processors that others had meanwhile; None where it is not known."""
    seconds = after.at_s - before.at_s
    if own_s is None or seconds < SHORTEST_S:
        return None
    others_s = after.worked_s - before.worked_s - own_s
    return round(min(1.0, max(0.0, others_s / (seconds * after.cores))), 3)
