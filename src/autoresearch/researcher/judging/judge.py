"""Decides what becomes of an experiment. Pure: numbers in, a verdict and its reason out; no files, no clock, no chance.

Policies. greedy: lower is kept, after one run. confirm: a sequential one-sided t-test of the gain over the best so far, with the
standard deviation pooled over all repeated commits of this branch. Runs of one seed share some of their luck, whatever the code, so
runs of candidate and best with the same seed are compared as pairs (common random numbers); how much they share is measured. Each
look may spend an eighth of the error that the one before it may, all together `alpha`: a change that changes nothing is kept with a
probability of at most alpha (Bonferroni over the looks; giving up on a small gain only lowers it). What is kept was lucky more often
than not, so others are judged against more than its own runs (`standing`). Equal within one standard error after a repeat, and
fewer lines: kept as a simplification. docs/judging.md has the error rates, and what each costs and gains.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean
from typing import Literal, NamedTuple

Policy = Literal["confirm", "greedy"]
Action = Literal["keep", "discard", "repeat"]
STANDING = 4  # runs that stand for the best at most, when it was just kept
CLEAR = 5.0  # standard errors: a gain beyond is no luck
FUTILE = 0.75  # of the gain that would be needed: with less than that another run hardly ever ends in a keep


DOUBT = (
    2.0  # degrees of freedom's worth of belief that seeds share no luck; measured pairs outweigh it
)
MOST_SHARED = 0.9  # of the variance: more would make a pair of runs a proof


class Run(NamedTuple):
    value: float
    seed: int | None = None  # None: not known, so it shares its luck with no other run


@dataclass(frozen=True)
class Noise:
    """Standard deviation of one run of unchanged code, the degrees of freedom it was estimated from (0: unknown), and the share of
    the variance that runs of different code with the same seed have in common."""

    sigma: float
    dof: int
    shared: float = 0.0


@dataclass(frozen=True)
class Rules:
    policy: Policy = "confirm"
    direction: Literal["min", "max"] = "min"
    alpha: float = 0.3
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


def noise_of(
    groups: Sequence[Sequence[float]], pairs: Sequence[tuple[Sequence[Run], Sequence[Run]]]
) -> Noise:
    """The noise from `groups` of runs of the same code; what seeds share from `pairs`: a candidate's runs and its best's."""
    found = pooled(groups)
    if found.sigma == 0:
        return found
    differences = [tuple(paired(candidate, best)) for candidate, best in pairs]
    together = pooled(differences)  # of a difference, so twice the variance of one run
    own = (DOUBT * found.sigma**2 + together.dof * together.sigma**2 / 2) / (DOUBT + together.dof)
    return Noise(found.sigma, found.dof, min(max(1 - own / found.sigma**2, 0.0), MOST_SHARED))


def paired(candidate: Sequence[Run], best: Sequence[Run]) -> Iterator[float]:
    """What the best's runs have more than the candidate's, for each seed that both have."""
    for seed in dict.fromkeys(run.seed for run in candidate if run.seed is not None):
        of_best = [run.value for run in best if run.seed == seed]
        if of_best:
            yield fmean(of_best) - fmean(run.value for run in candidate if run.seed == seed)


def runs_of(values: Sequence[float], seeds: Sequence[int]) -> tuple[Run, ...]:
    """Values with their seeds; with none where the two lists do not belong together (ledgers of earlier versions)."""
    if len(values) != len(seeds):
        return tuple(map(Run, values))
    return tuple(map(Run, values, seeds))


def seeds_of(runs: Sequence[Run]) -> tuple[int, ...]:
    """The seeds in order; none where one is not known."""
    known = tuple(run.seed for run in runs if run.seed is not None)
    return known if len(known) == len(runs) else ()


@lru_cache(maxsize=4096)
def t_quantile(level: float, dof: int) -> float:
    """The value that a t-distributed number exceeds with probability `level`."""
    from scipy.stats import t  # half a second to import: only where something is judged

    return float(t.isf(level, dof))


def decide(
    candidate: Sequence[Run], best: Sequence[Run], noise: Noise, lines: int, rules: Rules
) -> Decision:
    """Judge a candidate by its runs so far against those of the best so far. `lines` is lines added less lines removed."""
    if not all(math.isfinite(run.value) for run in (*candidate, *best)):
        return Decision("discard", "a value that is not finite is never better")
    if rules.policy == "greedy":
        return greedy(candidate, best, lines, rules)
    return confirm(candidate, best, noise, lines, rules)


def greedy(candidate: Sequence[Run], best: Sequence[Run], lines: int, rules: Rules) -> Decision:
    """The plain rule: better is kept, equal with fewer lines too."""
    shown = f"{mean(best):.6f} to {mean(candidate):.6f}"
    gain = gain_of(candidate, best, Noise(0.0, 0), rules)
    if gain > 0:
        return Decision("keep", f"better: {shown}")
    if gain == 0 and lines < 0:
        return Decision("keep", f"simpler: the same value with {-lines} fewer lines")
    return Decision("discard", f"no better: {shown}")


def confirm(
    candidate: Sequence[Run], best: Sequence[Run], noise: Noise, lines: int, rules: Rules
) -> Decision:
    """One look of the sequential test; see the top of the file."""
    looks_left = rules.repeats + 1 - len(candidate)
    gain, error = gain_of(candidate, best, noise, rules), standard_error(candidate, best, noise)
    shown = f"{mean(best):.6f} to {mean(candidate):.6f} ({'gain' if gain >= 0 else 'loss'} {abs(gain):.6f}"
    if noise.dof == 0:
        return unknown_noise(gain, shown, looks_left)
    needed = t_quantile(spent(len(candidate), rules), noise.dof) * error
    shares = f", {noise.shared:.0%} of its variance the seeds'" if noise.shared else ""
    shown += f", noise {noise.sigma:.6f}{shares}, n={len(candidate)})"
    if gain > needed:
        return Decision("keep", f"better: {shown}, needed {needed:.6f}")
    if lines < 0 and gain >= -error:
        if len(candidate) > 1 or error == 0 or rules.repeats == 0:
            return Decision(
                "keep", f"simpler: equal within the noise with {-lines} fewer lines: {shown}"
            )
        return Decision("repeat", f"equal within the noise and simpler: {shown}")
    if gain <= 0:
        return Decision("discard", f"{'worse' if gain < -needed else 'no better'}: {shown}")
    if looks_left > 0 and gain > FUTILE * needed:
        return Decision("repeat", f"inside the noise: {shown}, needed {needed:.6f}")
    return Decision("discard", f"inside the noise: {shown}, needed {needed:.6f}")


def gain_of(candidate: Sequence[Run], best: Sequence[Run], noise: Noise, rules: Rules) -> float:
    """By how much a candidate is better than the best, as far as these runs tell."""
    if noise.shared == 0:
        gain = mean(best) - mean(candidate)
    else:
        gain = sum(
            w * run.value
            for w, run in zip(
                weights(candidate, best, noise.shared)[0], (*candidate, *best), strict=True
            )
        )
    return -gain if rules.direction == "max" else gain


def standard_error(candidate: Sequence[Run], best: Sequence[Run], noise: Noise) -> float:
    """Of `gain_of`."""
    return noise.sigma * math.sqrt(weights(candidate, best, noise.shared)[1])


def weights(
    candidate: Sequence[Run], best: Sequence[Run], shared: float
) -> tuple[list[float], float]:
    """How much each run counts in the difference of two means, and the variance of that, in units of one run's.

    Generalised least squares (Aitken 1935): runs of one seed are correlated by `shared`, others not at all."""
    import numpy as np

    seeds = [run.seed for run in (*candidate, *best)]
    same = np.array([[a is not None and a == b for b in seeds] for a in seeds])
    precision = np.linalg.inv(np.where(np.eye(len(seeds), dtype=bool), 1.0, shared * same))
    which = np.array([[1.0, 0.0]] * len(candidate) + [[0.0, 1.0]] * len(best))
    covariance = np.linalg.inv(which.T @ precision @ which)
    difference = np.array([-1.0, 1.0]) @ covariance
    return (difference @ which.T @ precision).tolist(), float(difference @ np.array([-1.0, 1.0]))


def mean(runs: Sequence[Run]) -> float:
    return fmean(run.value for run in runs)


def spent(look: int, rules: Rules) -> float:
    """The level of the look after `look` runs: an eighth of the one before, all looks together alpha; the last one's for any
    further."""
    looks = rules.repeats + 1
    return rules.alpha * 7 * 8.0 ** -min(look, looks) / (1 - 8.0**-looks)


def standing(
    candidate: Sequence[Run], best: Sequence[Run], noise: Noise, rules: Rules
) -> tuple[Run, ...]:
    """The runs that stand for a candidate that was just kept, when others are judged: its mean alone would be too good, since what
    is kept was lucky more often than not (the winner's curse).

    A gain inside CLEAR standard errors is shrunk towards none: the newest runs of the best it replaced stand beside its own. One
    beyond that can hardly be luck, and only its own runs stand."""
    error = standard_error(candidate, best, noise)
    if noise.dof == 0 or error == 0 or gain_of(candidate, best, noise, rules) > CLEAR * error:
        return tuple(candidate)
    carried = max(STANDING - len(candidate), 0)
    return (*best[max(len(best) - carried, 0) :], *candidate)


def unknown_noise(gain: float, shown: str, looks_left: int) -> Decision:
    """Nothing was ever run twice: a gain cannot be told from luck before it was."""
    if gain <= 0:
        return Decision("discard", f"no better: {shown})")
    if looks_left > 0:
        return Decision("repeat", f"noise not known yet: {shown})")
    return Decision(
        "discard",
        f"noise not known: {shown}); measure the baseline twice or more, or allow repeats",
    )


# ---------------------------------------------------------------- throughput


@dataclass(frozen=True)
class Pace:
    """Which runs of a candidate may be judged. `repeat`: another run is needed first. `label`: some run was far off."""

    usable: tuple[int, ...]
    repeat: bool
    label: str = ""


def far_off(
    throughput: float | None, reference: float | None, below: float
) -> Literal["", "fast", "slow"]:
    """Whether a throughput is so far from another that the two runs did not have the same chances."""
    if throughput is None or reference is None or reference <= 0 or below <= 0:
        return ""
    if throughput < below * reference:
        return "slow"
    return "fast" if below * throughput > reference else ""


def pace(
    throughputs: Sequence[float | None], reference: float | None, below: float, repeats: int
) -> Pace:
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
            usable,
            repeat=False,
            label=f"{dropped} of {len(known)} runs were slowed by other work" if dropped else "",
        )
    slow = f"throughput {fastest / reference:.0%} of the parent's"
    if len(usable) > 1:
        return Pace(
            usable,
            repeat=False,
            label=f"{slow} in {len(usable)} runs: slower code, or a busy machine",
        )
    if len(known) <= repeats:
        return Pace((), repeat=True, label=slow)
    return Pace(usable, repeat=False, label=f"{slow}: slower code, or a busy machine")
