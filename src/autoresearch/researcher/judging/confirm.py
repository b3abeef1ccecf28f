"""Which kept commits are surely better than the unchanged code: claims that hold whenever one looks
and whenever one stops.

Only runs with fresh seeds count, which were made after a commit was kept: so the luck that it was
kept with is no evidence. They are compared with the unchanged code's by a sequential t-test, as an
e-process: a mixture of likelihood ratios of the t statistic (Pérez-Ortiz and others 2022, arXiv
2208.07610). Under no effect its mean stays at most 1 however one stops, so it rarely reaches 20.
Among all kept commits the e-values are compared by e-BH (Wang and Ramdas 2022, arXiv 2009.02824),
which holds the false share at 5 % whatever they have in common. Intervals are what the same test
does not refute at any time. Leaves to others: keeping (judge), showing (report, loop).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from statistics import fmean

from autoresearch.researcher.judging.amounts import show_amount, show_change
from autoresearch.researcher.judging.noise import pool_noise
from autoresearch.researcher.judging.values import Record

LEVEL = 0.05  # false ones among the confirmed, and what an interval misses
EFFECTS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)  # true gains, in deviations of a run, that are weighed
FEWEST_DEGREES = 1


@dataclass(frozen=True)
class GainClaim:
    """A kept commit against the unchanged code: its gain with an interval that holds at any time,
    `evidence` (the e-value), and the number of `runs` behind it."""

    id: str
    commit: str
    description: str
    gain: float
    low: float
    high: float
    evidence: float
    runs: int
    confirmed: bool = False


@dataclass(frozen=True)
class MeanComparison:
    """What a t-test of two means needs. `gain`: their difference; `error`: its standard error."""

    gain: float
    error: float
    degrees: int
    size: float  # n m / (n + m)

    def evidence(self, shift: float = 0.0) -> float:
        """How much more likely the data are if the gain is above `shift` than if it is `shift`."""
        if self.error == 0:
            return math.inf if self.gain > shift else 0.0
        return weigh_t((self.gain - shift) / self.error, self.degrees, self.size)

    def lower_bound(self, level: float) -> float:
        """The lower end of the gain: every shift below it is refuted."""
        return self.gain - critical_t(self.degrees, self.size, level) * self.error


@lru_cache(maxsize=4096)
def critical_t(degrees: int, size: float, level: float) -> float:
    """The t from which on the evidence is enough: it grows with t. Infinite where it never is."""
    low, high = 0.0, 1e4
    if weigh_t(high, degrees, size) < 1 / level:
        return math.inf
    while high - low > 1e-3 * max(1.0, low):
        middle = (low * high) ** 0.5 if low > 1 else (low + high) / 2
        low, high = (low, middle) if weigh_t(middle, degrees, size) >= 1 / level else (middle, high)
    return high


def weigh_t(t: float, degrees: int, size: float) -> float:
    """The mean likelihood ratio of a t statistic: of EFFECTS over none."""
    import numpy as np
    from scipy import stats

    effects = np.array(EFFECTS) * math.sqrt(size)
    densities = stats.nct.pdf(t, degrees, effects)
    return float(np.mean(densities) / stats.t.pdf(t, degrees))


def weigh_claims(history: Sequence[Record], direction: str) -> tuple[GainClaim, ...]:
    """A claim for each kept commit that ran again after it was kept, oldest first."""
    base = next((record for record in history if record.is_baseline), None)
    if base is None:
        return ()
    again = fresh_runs(history)
    unchanged = (*base.values, *again.pop(base.commit, ()))
    kept = [r for r in history if r.status == "keep" and r.commit in again]
    noise = pool_noise([unchanged, *again.values(), *(r.values for r in history[1:])])
    if not kept or noise.dof < FEWEST_DEGREES:
        return ()
    sigma, degrees = noise.sigma, noise.dof
    claims = [claim_of(r, again[r.commit], unchanged, sigma, degrees, direction) for r in kept]
    return confirm_claims(claims, sum(not r.is_baseline and r.status == "keep" for r in history))


def fresh_runs(history: Sequence[Record]) -> dict[str, tuple[float, ...]]:
    """The runs of each commit that later experiments asked for."""
    found: dict[str, tuple[float, ...]] = {}
    for record in history:
        if record.rechecks:
            key = record.judged_against
            found[key] = (*found.get(key, ()), *record.rechecks)
    return found


def claim_of(
    record: Record,
    runs: Sequence[float],
    unchanged: Sequence[float],
    sigma: float,
    degrees: int,
    direction: str,
) -> GainClaim:
    size = len(runs) * len(unchanged) / (len(runs) + len(unchanged))
    gain = fmean(unchanged) - fmean(runs)
    gain = gain if direction == "min" else -gain
    above = MeanComparison(gain, sigma / math.sqrt(size), degrees, size)
    below = MeanComparison(-gain, sigma / math.sqrt(size), degrees, size)
    interval = (above.lower_bound(LEVEL / 2), -below.lower_bound(LEVEL / 2))
    about = (record.id, record.commit, record.description)
    return GainClaim(*about, gain, *interval, above.evidence(), len(runs))


def confirm_claims(claims: Sequence[GainClaim], kept: int) -> tuple[GainClaim, ...]:
    """e-BH over all `kept` commits, those without a fresh run among them: the most claims so that
    each has evidence for its share of the level."""
    order = sorted((claim.evidence for claim in claims), reverse=True)
    count = max((k for k, e in enumerate(order, start=1) if e >= kept / (LEVEL * k)), default=0)
    least = order[count - 1] if count else math.inf
    return tuple(replace(claim, confirmed=claim.evidence >= least) for claim in claims)


def describe_night(claims: Sequence[GainClaim], best: str, distill: str) -> str:
    """The sentence at a night's end, about its best commit; `distill` is the command for it."""
    claim = next((claim for claim in claims if claim.commit == best), None)
    last = next((claim for claim in reversed(claims) if claim.confirmed), None)
    if claim is None or not claim.confirmed:
        why = "it did not run again since it was kept"
        if claim is not None:
            why = f"{claim.runs} re-runs with fresh seeds are too few to tell"
        before = f"; {last.commit[:7]}, kept too, is" if last else ""
        advice = f"; `{distill}` measures it"
        return f"the best, {best[:7]}, is not confirmed: {why}{before}{advice}"
    low, high = (show_amount(bound) for bound in (claim.low, claim.high))
    return (
        f"confirmed: the best, {best[:7]}, is better than the unchanged code by "
        f"{show_change(claim.gain)} [{low} to {high}] in {claim.runs} re-runs with fresh seeds"
    )
