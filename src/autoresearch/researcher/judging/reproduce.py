"""Whether a claimed value was reproduced. Pure: numbers in, a verdict and its reason out.

One-sided: a claim that is too modest is no fault. m is our mean of n runs, c the claim, s the noise
of one run: its standard deviation with d degrees of freedom, pooled over every commit that ran more
than once on this machine and track, our n runs included. A lower-is-better claim is reproduced
where

    m - c <= t(1 - ALPHA, d) * s * sqrt(1 / n + 1)

The 1 stands for the claim's own luck: nobody knows of how many runs it is the mean, so it counts as
one. An honest claim of a single run is called not reproduced with probability ALPHA, exactly so for
normal noise (Student's two-sample t). Claims are picked because they were good, which makes them
lucky: the best of ten equal runs would be disputed in 3 to 8 of a hundred cases, so ALPHA is small.
docs/researcher.md has the table with the power against forged gains; tests/unit/test_reproduce.py
measures it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from autoresearch.errors import BadInput
from autoresearch.researcher.judging.noise import pool_noise, t_quantile

ALPHA = 0.01
ROUNDING = 1e-6  # results have six decimals; a program without any noise differs by no more

Direction = Literal["min", "max"]


@dataclass(frozen=True)
class Comparison:
    """`reason` is empty where it was reproduced. `allowed`: how much worse than the claim our mean
    might have been."""

    reproduced: bool
    claimed: float
    mean: float
    runs: int
    sigma: float
    allowed: float
    reason: str = ""


def compare(
    claimed: float,
    values: Sequence[float],
    groups: Sequence[Sequence[float]] = (),
    direction: Direction = "min",
) -> Comparison:
    """Compare our `values` with a claim. `groups`: values of other code on this machine and track,
    each of one commit's runs.

    BadInput where nothing ever ran twice, so that the noise is not known."""
    if not values or not all(map(math.isfinite, (claimed, *values))):
        raise BadInput("a comparison needs finite values")
    noise = pool_noise([*groups, values])
    if noise.dof == 0:
        raise BadInput(
            "nothing ran twice here, so the noise is not known; ask for --runs 2 or more"
        )
    mean = fmean(values)
    error = noise.sigma * math.sqrt(1 / len(values) + 1)
    allowed = t_quantile(ALPHA, noise.dof) * error + ROUNDING
    worse = mean - claimed if direction == "min" else claimed - mean
    reason = (
        ""
        if worse <= allowed
        else describe_failure(mean, noise.sigma, len(values), claimed, allowed)
    )
    return Comparison(not reason, claimed, mean, len(values), noise.sigma, allowed, reason)


def describe_failure(mean: float, sigma: float, runs: int, claimed: float, allowed: float) -> str:
    """`measured 1.2345 ± 0.0020 (n=3), claimed 1.2001`: six decimals where the noise needs them."""
    digits = 4 if allowed >= 0.001 else 6
    return (
        f"measured {mean:.{digits}f} ± {sigma:.{digits}f} (n={runs}), claimed {claimed:.{digits}f}"
    )
