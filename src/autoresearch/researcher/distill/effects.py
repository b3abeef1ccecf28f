"""What each edit is worth, from pairs of runs, and which edits remain.

Least squares on the differences of pairs, in which a seed's luck has cancelled; the spread comes
from what the edits do not explain. An edit remains where it is better than nothing with false
discoveries controlled at 5 % (Benjamini and Hochberg 1995, one-sided), and where its gain is worth
its lines. An effect is the mean over what the other edits did in these runs: interactions show as
spread. Leaves to others: the runs (distiller).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from autoresearch.researcher.distill.design import Pair, difference

LEVEL = 0.05  # false ones among those that remain; two-sided for intervals
SPARE = 3  # pairs beyond one an edit, so that the spread can be estimated
PER_LINE = 0.01  # of a run's noise: what an added line has to bring


@dataclass(frozen=True)
class Effect:
    """A gain (positive is better, in the metric's unit) with its 95 % interval; `p` is the
    probability of as much from an edit that does nothing."""

    gain: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class Effects:
    """`edits` in the chain's order; `sigma`: the standard deviation of one run, seed's luck
    apart."""

    edits: tuple[Effect, ...]
    sigma: float
    pairs: int


def estimate_effects(pairs: Sequence[Pair], gains: Sequence[float]) -> Effects:
    """`gains[i]`: by how much the first row of `pairs[i]` was better than the second.

    ValueError where there are fewer than SPARE pairs more than edits."""
    design = np.array([difference(pair) for pair in pairs])
    count, edits = design.shape
    if count < edits + SPARE:
        raise ValueError(f"{count} pairs cannot tell {edits} edits apart")
    measured = np.asarray(gains, dtype=float)
    found, _, rank, _ = np.linalg.lstsq(design, measured, rcond=None)
    free = count - rank
    variance = float(np.sum((measured - design @ found) ** 2)) / free
    inverse = np.linalg.pinv(design.T @ design)
    # an edit that no pair separates from the others has no effect of its own
    told = np.linalg.matrix_rank(design) == edits
    errors = np.sqrt(variance * np.diag(inverse)) if told else np.full(edits, np.inf)
    reach = float(stats.t.ppf(1 - LEVEL / 2, free))
    return Effects(
        tuple(
            Effect(
                float(gain),
                float(gain - reach * error),
                float(gain + reach * error),
                float(stats.t.sf(gain / error, free)) if error > 0 else float(gain <= 0),
            )
            for gain, error in zip(found, errors, strict=True)
        ),
        float(np.sqrt(variance / 2)),
        count,
    )


def select_real(effects: Effects, level: float = LEVEL) -> tuple[bool, ...]:
    """Which edits are real, with at most `level` of them false on average."""
    adjusted = stats.false_discovery_control([edit.p for edit in effects.edits])
    return tuple(bool(p <= level) for p in adjusted)


def is_worth(effect: Effect, lines: int, sigma: float) -> bool:
    """Whether an edit's gain pays for the lines that it adds."""
    return effect.gain >= PER_LINE * sigma * max(0, lines)


def measure_total(gains: Sequence[float]) -> Effect:
    """One effect from repeated pairs of the same two commits."""
    values = np.asarray(gains, dtype=float)
    mean, count = float(values.mean()), len(values)
    error = float(values.std(ddof=1)) / count**0.5
    reach = float(stats.t.ppf(1 - LEVEL / 2, count - 1)) * error
    p = float(stats.t.sf(mean / error, count - 1)) if error > 0 else float(mean <= 0)
    return Effect(mean, mean - reach, mean + reach, p)
