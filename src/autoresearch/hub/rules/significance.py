"""What a gain is worth beside the noise of its board. Pure.

Noise is one standard deviation of runs of unchanged code. Authors tell it themselves, so each one's
words count once, whatever their number: half of the authors would have to lie to move it up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import sqrt
from statistics import median_low
from typing import NamedTuple

from autoresearch.models import BoardRecord, Result

SIGMA_MIN = 2.0  # a smaller gain may be luck
Measured = Result | BoardRecord


def estimate_noise(points: Iterable[Result]) -> float | None:
    """The noise that most authors met; None where nobody ran anything twice.

    Of each author, pooled: the runs behind their results, and what they reported of commits that
    were reported before.
    """
    squares: dict[str, float] = {}
    freedom: dict[str, int] = {}
    first: dict[str, float] = {}
    for point in points:
        if point.val_bpb is None:
            continue
        if point.runs and point.runs > 1 and point.sd is not None:
            _add(squares, freedom, point.agent_id, point.sd**2 * (point.runs - 1), point.runs - 1)
        if point.commit_hash:
            before = first.setdefault(point.commit_hash, point.val_bpb)
            if before != point.val_bpb:
                _add(squares, freedom, point.agent_id, (before - point.val_bpb) ** 2 / 2, 1)
    spreads = [sqrt(squares[agent] / freedom[agent]) for agent in squares]
    return (median_low(spreads) or None) if spreads else None


def _add(
    squares: dict[str, float], freedom: dict[str, int], agent: str, square: float, count: int
) -> None:
    squares[agent] = squares.get(agent, 0.0) + square
    freedom[agent] = freedom.get(agent, 0) + count


def gain_in_sigma(before: Measured, after: Measured, noise: float | None) -> float | None:
    """How many standard errors of their difference a result is below an earlier one; None where
    the noise is not known."""
    if not noise or before.val_bpb is None or after.val_bpb is None:
        return None
    error = noise * sqrt(1 / (before.runs or 1) + 1 / (after.runs or 1))
    return (before.val_bpb - after.val_bpb) / error


def is_within_noise(before: Measured | None, after: Measured, noise: float | None) -> bool:
    """Whether a gain may be luck. The first of a board has none; of an unknown noise none is."""
    sigma = None if before is None else gain_in_sigma(before, after, noise)
    return sigma is not None and sigma < SIGMA_MIN


def find_steps(leaders: Sequence[Measured], noise: float | None) -> list[bool]:
    """Of the results that led a board, oldest first: which are surely better than the last such."""
    steps: list[bool] = []
    last: Measured | None = None
    for leader in leaders:
        steps.append(not is_within_noise(last, leader, noise))
        last = leader if steps[-1] else last
    return steps


class Gain(NamedTuple):
    """What a result is below the best when it came, and how many standard errors that is."""

    amount: float
    sigma: float | None

    @property
    def is_within_noise(self) -> bool:
        return self.sigma is not None and abs(self.sigma) < SIGMA_MIN


def weigh_gain(before: Measured | None, after: Measured, noise: float | None) -> Gain | None:
    """None where there is nothing before, or one of the two has no value."""
    if before is None or before.val_bpb is None or after.val_bpb is None:
        return None
    return Gain(before.val_bpb - after.val_bpb, gain_in_sigma(before, after, noise))


def weigh_gains(points: Sequence[Result], noise: float | None) -> dict[int, Gain]:
    """By id, of a board's results given oldest first: those that came after a best."""
    found: dict[int, Gain] = {}
    best: Result | None = None
    for point in points:
        if gain := weigh_gain(best, point, noise):
            found[point.id] = gain
        best = point if point.leads else best
    return found
