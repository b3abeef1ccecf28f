"""Which results of a board count, and which of them were its best when they came. Pure.

A board is one platform and one track; lower is better. Where something on it is verified, only
what is verified counts. Before that, pushed claims count that nobody doubts and that are not far
below everything else; the rest waits beside the board (`leaderboards`), hidden by nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from autoresearch.models import Result

FAR_SPREADS = 10.0  # that many spreads below the others' median
FAR_SHARE = 0.95  # and that share of it


def choose_leaders(pushed: Sequence[Result]) -> list[int]:
    """The ids of the results that were the best when they came, among those that count.

    `pushed` are kept, pushed and neither disputed nor doubted, oldest first.
    """
    verified = [result for result in pushed if result.verified == "reproduced"]
    return running_best(verified or drop_implausible(pushed))


def running_best(results: Sequence[Result]) -> list[int]:
    """The ids of the results that were lower than all before them."""
    leaders: list[int] = []
    best = float("inf")
    for result in results:
        if result.val_bpb is not None and result.val_bpb < best:
            best = result.val_bpb
            leaders.append(result.id)
    return leaders


def drop_implausible(results: Sequence[Result]) -> list[Result]:
    """The results without those that are far below what others measured."""
    bests: dict[str, float] = {}
    for result in results:
        if result.val_bpb is not None:
            bests[result.agent_id] = min(result.val_bpb, bests.get(result.agent_id, result.val_bpb))
    floors = {agent: find_floor([v for a, v in bests.items() if a != agent]) for agent in bests}
    return [r for r in results if r.val_bpb is not None and r.val_bpb >= floors[r.agent_id]]


def find_floor(others: Sequence[float]) -> float:
    """Values below are implausible beside the others' best ones; nothing is known of the metric.

    The spread is the median distance from the median, so a few wild values neither move it nor
    hide each other.
    """
    if not others:
        return 0.0
    middle = median(others)
    spread = median(abs(value - middle) for value in others)
    return middle - max(FAR_SPREADS * spread, FAR_SHARE * abs(middle))
