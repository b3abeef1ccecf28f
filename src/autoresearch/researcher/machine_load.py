"""How busy the machine was with other work while a run lasted: measured by itself, not guessed from
the run's speed.

The processors' own counters say how long they worked, stolen time included; what the run used
itself is taken off. A card is asked before the run begins and after it has ended: it does not say
who keeps it busy. Leaves to others: what is made of it (judging.throughput), asking cards (gpus).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import psutil

from autoresearch.researcher.gpus import GpuMonitor
from autoresearch.researcher.judging.throughput import QUIET_BELOW, is_quiet
from autoresearch.researcher.sandbox.processes import find_marked
from autoresearch.researcher.sandbox.usage import sum_seconds

SHORTEST_S = 2.0  # counters tick a hundred times a second; a shorter run says nothing
# a card tells the share of about its last second, in which our own last run may have worked
CARD_LOOKS, CARD_PAUSE_S = 4, 0.5
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


@dataclass
class LoadMeter:
    """What others have of these processors while the run of a mark lasts."""

    cores: Sequence[int]
    mark: str
    own_s: float = 0.0  # of the run, before `since`
    since: CpuTimes = field(init=False)

    def __post_init__(self) -> None:
        self.since = read_cpu(self.cores)

    def restart(self) -> None:
        """What was until now does not count, neither the run's own work nor that of others."""
        self.own_s, self.since = self.read_own(), read_cpu(self.cores)

    def read_own(self) -> float:
        return sum_seconds(find_marked(self.mark))

    def share(self, own_s: float | None) -> float | None:
        """That of others. `own_s`: what the run has used since it began."""
        own_s = None if own_s is None else own_s - self.own_s
        return share_of_others(self.since, read_cpu(self.cores), own_s)

    def is_quiet(self, cards: float | None) -> bool:
        """Whether the living run had the processors to itself so far, and `cards` were at rest
        before it."""
        return is_quiet(self.share(self.read_own()), cards)


def share_on_cards(environment: Mapping[str, str], monitor: GpuMonitor) -> float | None:
    """How busy the busiest card is that a run with this environment uses, while none of ours
    does; None where there is none, or it does not tell."""
    named = environment.get("CUDA_VISIBLE_DEVICES")
    numbers = None if named is None else [part.strip() for part in named.split(",")]
    least = None
    for look in range(CARD_LOOKS):
        cards = monitor.read()
        shown = [c for n, c in enumerate(cards) if numbers is None or str(n) in numbers]
        busy = [card.busy for card in shown if card.busy is not None]
        if not busy:
            return None
        least = max(busy) if least is None else min(least, max(busy))
        if least < QUIET_BELOW:
            break
        if look < CARD_LOOKS - 1:
            time.sleep(CARD_PAUSE_S)
    return least
