"""Decides what becomes of an experiment. Pure: numbers in, a verdict and its reason out; no files, no clock, no chance.

Policies. greedy: lower is kept, after one run. confirm: a sequential one-sided t-test of the gain over the best so far, with the
standard deviation pooled over all repeated commits of this branch. Each look may spend an eighth of the error that the one before
it may, all together `alpha`: a change that changes nothing is kept with a probability of at most alpha (Bonferroni over the looks;
giving up on a small gain only lowers it). What is kept was lucky more often than not, so others are judged against more than its
own runs (`standing`). Equal within one standard error after a repeat, and fewer lines: kept as a simplification. docs/judging.md
has the error rates, and what each costs and gains.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean
from typing import Literal

Policy = Literal["confirm", "greedy"]
Action = Literal["keep", "discard", "repeat"]
STANDING = 4  # runs that stand for the best at most, when it was just kept
CLEAR = 5.0  # standard errors: a gain beyond is no luck
FUTILE = 0.9  # of the gain that would be needed: with less than that another run hardly ever ends in a keep


@dataclass(frozen=True)
class Noise:
    """Standard deviation of one run of unchanged code, and the degrees of freedom it was estimated from (0: unknown)."""

    sigma: float
    dof: int


@dataclass(frozen=True)
class Rules:
    policy: Policy = "confirm"
    direction: Literal["min", "max"] = "min"
    alpha: float = 0.2
    repeats: int = 1


@dataclass(frozen=True)
class Decision:
    action: Action
    reason: str


def pooled(groups: Sequence[Sequence[float]]) -> Noise:
    """The common spread of several groups of runs, each of the same code."""
    squares = [sum((v - fmean(group)) ** 2 for v in group) for group in groups if len(group) > 1]
    dof = sum(len(group) - 1 for group in groups if len(group) > 1)
    return Noise(math.sqrt(sum(squares) / dof) if dof else 0.0, dof)


@lru_cache(maxsize=4096)
def t_quantile(level: float, dof: int) -> float:
    """The value that a t-distributed number exceeds with probability `level`."""
    from scipy.stats import t  # half a second to import: only where something is judged

    return float(t.isf(level, dof))


def decide(
    values: Sequence[float], incumbent: Sequence[float], groups: Sequence[Sequence[float]], lines: int, rules: Rules
) -> Decision:
    """Judge a candidate by its runs so far against the best so far.

    `groups` are the values of earlier repeated commits (incumbent included), `lines` is lines added less lines removed."""
    if not all(map(math.isfinite, [*values, *incumbent])):
        return Decision("discard", "a value that is not finite is never better")
    gain = gain_of(values, incumbent, rules)
    if rules.policy == "greedy":
        return greedy(gain, values, incumbent, lines)
    return confirm(gain, values, incumbent, pooled([*groups, values]), lines, rules)


def greedy(gain: float, values: Sequence[float], incumbent: Sequence[float], lines: int) -> Decision:
    """The plain rule: better is kept, equal with fewer lines too."""
    shown = f"{fmean(incumbent):.6f} to {fmean(values):.6f}"
    if gain > 0:
        return Decision("keep", f"better: {shown}")
    if gain == 0 and lines < 0:
        return Decision("keep", f"simpler: the same value with {-lines} fewer lines")
    return Decision("discard", f"no better: {shown}")


def confirm(
    gain: float, values: Sequence[float], incumbent: Sequence[float], noise: Noise, lines: int, rules: Rules
) -> Decision:
    """One look of the sequential test; see the top of the file."""
    looks_left = rules.repeats + 1 - len(values)
    error = standard_error(values, incumbent, noise)
    shown = f"{fmean(incumbent):.6f} to {fmean(values):.6f} ({'gain' if gain >= 0 else 'loss'} {abs(gain):.6f}"
    if noise.dof == 0:
        return unknown_noise(gain, shown, looks_left)
    needed = t_quantile(spent(len(values), rules), noise.dof) * error
    shown += f", noise {noise.sigma:.6f}, n={len(values)})"
    if gain > needed:
        return Decision("keep", f"better: {shown}, needed {needed:.6f}")
    if lines < 0 and gain >= -error:
        if len(values) > 1 or error == 0 or rules.repeats == 0:
            return Decision("keep", f"simpler: equal within the noise with {-lines} fewer lines: {shown}")
        return Decision("repeat", f"equal within the noise and simpler: {shown}")
    if gain <= 0:
        return Decision("discard", f"{'worse' if gain < -needed else 'no better'}: {shown}")
    if looks_left > 0 and gain > FUTILE * needed:
        return Decision("repeat", f"inside the noise: {shown}, needed {needed:.6f}")
    return Decision("discard", f"inside the noise: {shown}, needed {needed:.6f}")


def standard_error(values: Sequence[float], incumbent: Sequence[float], noise: Noise) -> float:
    """Of the difference between the means of two groups of runs."""
    return noise.sigma * math.sqrt(1 / len(values) + 1 / len(incumbent))


def spent(look: int, rules: Rules) -> float:
    """The level of the look after `look` runs: an eighth of the one before, all looks together alpha; the last one's for any
    further."""
    looks = rules.repeats + 1
    return rules.alpha * 7 * 8.0 ** -min(look, looks) / (1 - 8.0**-looks)


def standing(values: Sequence[float], incumbent: Sequence[float], noise: Noise, rules: Rules) -> tuple[float, ...]:
    """The runs that stand for a candidate that was just kept, when others are judged: its mean alone would be too good, since what
    is kept was lucky more often than not (the winner's curse).

    A gain inside CLEAR standard errors is shrunk towards none: the newest runs of the best it replaced stand beside its own. One
    beyond that can hardly be luck, and only its own runs stand."""
    error = standard_error(values, incumbent, noise)
    if noise.dof == 0 or error == 0 or gain_of(values, incumbent, rules) > CLEAR * error:
        return tuple(values)
    carried = max(STANDING - len(values), 0)
    return (*incumbent[max(len(incumbent) - carried, 0) :], *values)


def gain_of(values: Sequence[float], incumbent: Sequence[float], rules: Rules) -> float:
    """By how much the mean of some runs is better than that of others."""
    gain = fmean(values) - fmean(incumbent)
    return gain if rules.direction == "max" else -gain


def unknown_noise(gain: float, shown: str, looks_left: int) -> Decision:
    """Nothing was ever run twice: a gain cannot be told from luck before it was."""
    if gain <= 0:
        return Decision("discard", f"no better: {shown})")
    if looks_left > 0:
        return Decision("repeat", f"noise not known yet: {shown})")
    return Decision("discard", f"noise not known: {shown}); measure the baseline twice or more, or allow repeats")


# ---------------------------------------------------------------- throughput


@dataclass(frozen=True)
class Pace:
    """Which runs of a candidate may be judged. `repeat`: another run is needed first. `label`: some run was far off."""

    usable: tuple[int, ...]
    repeat: bool
    label: str = ""


def far_off(throughput: float | None, reference: float | None, below: float) -> Literal["", "fast", "slow"]:
    """Whether a throughput is so far from another that the two runs did not have the same chances."""
    if throughput is None or reference is None or reference <= 0 or below <= 0:
        return ""
    if throughput < below * reference:
        return "slow"
    return "fast" if below * throughput > reference else ""


def pace(throughputs: Sequence[float | None], reference: float | None, below: float, repeats: int) -> Pace:
    """Tell a busy machine from slower code, by throughput alone.

    A run far below the reference (the parent's throughput, at first the baseline's) is repeated, `repeats` times at most. A
    run far below the candidate's own fastest is never judged. Two slow runs that agree are the code's own speed."""
    known = [t for t in throughputs if t is not None]
    if reference is None or len(known) < len(throughputs) or not known:
        return Pace(tuple(range(len(throughputs))), repeat=False)
    fastest = max(known)
    usable = tuple(i for i, t in enumerate(known) if t >= below * fastest)
    dropped = len(known) - len(usable)
    if far_off(fastest, reference, below) != "slow":
        return Pace(
            usable, repeat=False, label=f"{dropped} of {len(known)} runs were slowed by other work" if dropped else ""
        )
    slow = f"throughput {fastest / reference:.0%} of the parent's"
    if len(usable) > 1:
        return Pace(usable, repeat=False, label=f"{slow} in {len(usable)} runs: slower code, or a busy machine")
    if len(known) <= repeats:
        return Pace((), repeat=True, label=slow)
    return Pace(usable, repeat=False, label=f"{slow}: slower code, or a busy machine")
