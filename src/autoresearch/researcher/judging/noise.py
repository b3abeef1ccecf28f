"""How large luck is, and how much of a difference between two samples is more than luck.

The noise is the standard deviation of one run of unchanged code, pooled over all commits that ran
more than once. Runs of one seed share some of their luck, whatever the code; how much is measured
from pairs of runs with the same seed. Leaves to others: what follows from it (policies).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean

from autoresearch.researcher.judging.values import Sample

# degrees of freedom's worth of belief that seeds share no luck; measured pairs outweigh it
DOUBT = 2.0
MOST_SHARED = 0.9  # of the variance: with more, one pair of runs would decide


@dataclass(frozen=True)
class Noise:
    """Standard deviation of one run, the degrees of freedom behind it (0: unknown), and the share
    of the variance that runs of different code with the same seed have in common."""

    sigma: float
    dof: int
    shared: float = 0.0


def pool_noise(groups: Sequence[Sequence[float]]) -> Noise:
    """The common spread of several groups of runs, each of the same code."""
    squares = [sum((v - fmean(group)) ** 2 for v in group) for group in groups if len(group) > 1]
    dof = sum(len(group) - 1 for group in groups if len(group) > 1)
    return Noise(math.sqrt(sum(squares) / dof) if dof else 0.0, dof)


def estimate_noise(
    groups: Sequence[Sequence[float]], pairs: Sequence[tuple[Sample, Sample]]
) -> Noise:
    """The noise from `groups` of runs of the same code, and what seeds share from `pairs` of a
    candidate and its best."""
    noise = pool_noise(groups)
    if noise.sigma == 0:
        return noise
    of_pairs = pool_noise([tuple(pair_differences(*pair)) for pair in pairs])
    # a difference has twice the variance of one run
    own = (DOUBT * noise.sigma**2 + of_pairs.dof * of_pairs.sigma**2 / 2) / (DOUBT + of_pairs.dof)
    return Noise(noise.sigma, noise.dof, min(max(1 - own / noise.sigma**2, 0.0), MOST_SHARED))


def pair_differences(candidate: Sample, best: Sample) -> Iterator[float]:
    """The best's value less the candidate's, for each seed that both ran with."""
    for seed in dict.fromkeys(seed for seed in candidate.seeds if seed is not None):
        of_best = best.values_of_seed(seed)
        if of_best:
            yield fmean(of_best) - fmean(candidate.values_of_seed(seed))


def estimate_gain(candidate: Sample, best: Sample, noise: Noise) -> float:
    """By how much the candidate's value is lower than the best's, as far as these runs tell."""
    if noise.shared == 0:
        return best.mean - candidate.mean
    weights, _ = weigh_runs(candidate, best, noise.shared)
    values = (*candidate.values, *best.values)
    return sum(weight * value for weight, value in zip(weights, values, strict=True))


def standard_error(candidate: Sample, best: Sample, noise: Noise) -> float:
    """Of `estimate_gain`."""
    return noise.sigma * math.sqrt(weigh_runs(candidate, best, noise.shared)[1])


def weigh_runs(candidate: Sample, best: Sample, shared: float) -> tuple[list[float], float]:
    """How much each run counts in the difference of two means, and the variance of that difference
    in units of one run's.

    Generalised least squares (Aitken 1935): runs of one seed are correlated by `shared`, others
    not at all."""
    import numpy as np

    seeds = [*candidate.seeds, *best.seeds]
    same = np.array([[a is not None and a == b for b in seeds] for a in seeds])
    precision = np.linalg.inv(np.where(np.eye(len(seeds), dtype=bool), 1.0, shared * same))
    which = np.array([[1.0, 0.0]] * len(candidate) + [[0.0, 1.0]] * len(best))
    covariance = np.linalg.inv(which.T @ precision @ which)
    difference = np.array([-1.0, 1.0]) @ covariance
    return (difference @ which.T @ precision).tolist(), float(difference @ np.array([-1.0, 1.0]))


@lru_cache(maxsize=4096)
def t_quantile(level: float, dof: int) -> float:
    """The value that a t-distributed number exceeds with probability `level`."""
    from scipy.stats import t  # half a second to import: only where something is judged

    return float(t.isf(level, dof))
