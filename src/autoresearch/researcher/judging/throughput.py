"""Tells a busy machine from slower code: by what other work had of the processors where that was
measured, else by the runs' throughput.

Leaves to others: the values of the runs (policies), doing what is asked for (loop).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import starmap, zip_longest
from typing import Literal

QUIET_BELOW = 0.1  # of the processors; a machine at rest has a few hundredths


@dataclass(frozen=True)
class UsableRuns:
    """Which runs of a candidate may be judged. `repeat`: another run is needed first. `label`: a
    sentence where some run was far off."""

    indices: tuple[int, ...]
    repeat: bool = False
    label: str = ""


def compare_speed(
    throughput: float | None, reference: float | None, below: float
) -> Literal["", "fast", "slow"]:
    """Whether a throughput is so far from another that the runs did not have the same chances."""
    if throughput is None or reference is None or reference <= 0 or below <= 0:
        return ""
    if throughput < below * reference:
        return "slow"
    return "fast" if below * throughput > reference else ""


def near_fastest(throughputs: Sequence[float | None], below: float) -> tuple[int, ...]:
    """Which runs are near the fastest one; all where the command does not print a throughput."""
    known = [t for t in throughputs if t is not None]
    if len(known) < len(throughputs) or not known:
        return tuple(range(len(throughputs)))
    return tuple(i for i, t in enumerate(known) if t >= below * max(known))


def is_quiet(others_share: float | None, on_cards: float | None = None) -> bool:
    """Whether a run is known to have had the machine to itself: processors, and GPUs if any."""
    return (
        others_share is not None and others_share < QUIET_BELOW and (on_cards or 0.0) < QUIET_BELOW
    )


def describe_others(others: Sequence[float | None], on_cards: Sequence[float | None]) -> str:
    """What other work had of the machine at most; empty where nobody knows."""
    most = max((share for share in others if share is not None), default=None)
    of_cards = max((share for share in on_cards if share is not None), default=0.0)
    if of_cards >= QUIET_BELOW and of_cards > (most or 0.0):
        return f"other work had {of_cards:.0%} of the GPU"
    return "" if most is None else f"other work had {most:.0%} of the processors"


def usable_runs(
    throughputs: Sequence[float | None],
    reference: float | None,
    below: float,
    repeats: int,
    others: Sequence[float | None] = (),
    on_cards: Sequence[float | None] = (),
) -> UsableRuns:
    """Choose the runs of a candidate that may be judged. `others`: the share of the processors
    that other work had during each; `on_cards`: of its GPUs.

    A run far below the reference (the best's throughput) on a quiet machine is the code's own
    speed. On a busy one, or where that is not known, it is repeated, `repeats` times at most. A run
    far below the candidate's own fastest is not judged, unless there are too many of them. Two slow
    runs that agree are the code's own speed."""
    known = [t for t in throughputs if t is not None]
    if reference is None or len(known) < len(throughputs) or not known:
        return UsableRuns(tuple(range(len(throughputs))))
    usable = near_fastest(throughputs, below)
    dropped = len(known) - len(usable)
    if dropped > repeats:  # no further run would change that
        label = f"{dropped} of {len(known)} runs were much slower than the fastest; all count"
        return UsableRuns(tuple(range(len(known))), label=label)
    if compare_speed(max(known), reference, below) != "slow":
        label = f"{dropped} of {len(known)} runs were slowed by other work" if dropped else ""
        return UsableRuns(usable, label=label)
    slow = f"throughput {max(known) / reference:.0%} of the parent's"
    if any(starmap(is_quiet, zip_longest(others, on_cards))):
        return UsableRuns(usable, label=f"{slow} on a quiet machine: slower code")
    told = describe_others(others, on_cards)
    busy = f": {told}" if told else ""
    cause = f"slower code, or a busy machine{busy}"
    if len(usable) > 1:
        return UsableRuns(usable, label=f"{slow} in {len(usable)} runs: {cause}")
    if len(known) <= repeats:
        return UsableRuns((), repeat=True, label=f"{slow}{busy}")
    return UsableRuns(usable, label=f"{slow}: {cause}")
