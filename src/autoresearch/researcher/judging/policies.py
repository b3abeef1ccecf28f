"""The two ways to decide whether a candidate is better than the best so far, from two samples.

greedy: a better value is kept, after one run. confirm: a sequential one-sided t-test of the gain.
Each look may spend an eighth of the error that the look before may, all looks together `alpha`. So
a change that changes nothing is kept with a probability of at most alpha (Bonferroni over the
looks; giving up on a small gain only lowers it). Equal within one standard error after a repeat,
and fewer lines: kept as a simplification. docs/judging-details.md has the error rates, and what
each costs and gains. Leaves to others: which runs count (judge), how large luck is (noise).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from autoresearch.researcher.judging.amounts import show_amount
from autoresearch.researcher.judging.noise import (
    Noise,
    estimate_gain,
    standard_error,
    t_quantile,
)
from autoresearch.researcher.judging.values import Sample

Policy = Literal["confirm", "greedy"]
STANDING = 4  # runs that stand for the best at most, when it was just kept
CLEAR = 5.0  # standard errors: a gain beyond is no luck
# of the gain that would be needed: with less, another run hardly ever ends in a keep
FUTILE = 0.75


@dataclass(frozen=True)
class Rules:
    """`alpha`: chance that a change without effect is kept. `repeats`: further runs of a candidate.

    A run below `contended_below` of the best's throughput is repeated, `contended_repeats` times at
    most. The best runs again after `recheck_after` measured experiments; 0: never."""

    policy: Policy = "confirm"
    direction: Literal["min", "max"] = "min"
    alpha: float = 0.3
    repeats: int = 1
    recheck_after: int = 20
    contended_below: float = 0.7
    contended_repeats: int = 2


@dataclass(frozen=True)
class Decision:
    action: Literal["keep", "discard", "repeat"]
    reason: str


def decide(candidate: Sample, best: Sample, noise: Noise, lines: int, rules: Rules) -> Decision:
    """Judge a candidate by its runs so far. `lines` is lines added less lines removed."""
    if not all(math.isfinite(value) for value in (*candidate.values, *best.values)):
        return Decision("discard", "a value that is not finite is never better")
    if rules.policy == "greedy":
        return decide_greedily(candidate, best, lines, rules)
    return decide_by_test(candidate, best, noise, lines, rules)


def decide_greedily(candidate: Sample, best: Sample, lines: int, rules: Rules) -> Decision:
    """Better is kept; equal with fewer lines too."""
    change = f"{show_amount(best.mean)} to {show_amount(candidate.mean)}"
    gain = directed_gain(candidate, best, Noise(0.0, 0), rules)
    if gain > 0:
        return Decision("keep", f"better: {change}")
    if gain == 0 and lines < 0:
        return Decision("keep", f"simpler: the same value with {-lines} fewer lines")
    return Decision("discard", f"no better: {change}")


def decide_by_test(
    candidate: Sample, best: Sample, noise: Noise, lines: int, rules: Rules
) -> Decision:
    """One look of the sequential test; see the top of the file."""
    looks_left = rules.repeats + 1 - len(candidate)
    gain, error = (
        directed_gain(candidate, best, noise, rules),
        standard_error(candidate, best, noise),
    )
    if noise.dof == 0:
        return decide_without_noise(gain, describe_gain(candidate, best, gain), looks_left)
    needed = t_quantile(level_of_look(len(candidate), rules), noise.dof) * error
    numbers = describe_test(candidate, best, gain, noise)
    if gain > needed:
        return Decision("keep", f"better: {numbers}, needed {show_amount(needed)}")
    if lines < 0 and gain >= -error:
        if len(candidate) > 1 or error == 0 or rules.repeats == 0:
            why = f"simpler: equal within the noise with {-lines} fewer lines"
            return Decision("keep", f"{why}: {numbers}")
        return Decision("repeat", f"equal within the noise and simpler: {numbers}")
    if gain <= 0:
        return Decision("discard", f"{'worse' if gain < -needed else 'no better'}: {numbers}")
    again = looks_left > 0 and gain > FUTILE * needed
    reason = f"inside the noise: {numbers}, needed {show_amount(needed)}"
    return Decision("repeat" if again else "discard", reason)


def decide_without_noise(gain: float, numbers: str, looks_left: int) -> Decision:
    """Nothing ever ran twice: a gain cannot be told from luck before something does."""
    if gain <= 0:
        return Decision("discard", f"no better: {numbers})")
    if looks_left > 0:
        return Decision("repeat", f"noise not known yet: {numbers})")
    advice = "measure the baseline twice or more, or allow repeats"
    return Decision("discard", f"noise not known: {numbers}); {advice}")


def describe_gain(candidate: Sample, best: Sample, gain: float) -> str:
    word = "gain" if gain >= 0 else "loss"
    change = f"{show_amount(best.mean)} to {show_amount(candidate.mean)}"
    return f"{change} ({word} {show_amount(abs(gain))}"


def describe_test(candidate: Sample, best: Sample, gain: float, noise: Noise) -> str:
    shares = f", {noise.shared:.0%} of its variance the seeds'" if noise.shared else ""
    change = describe_gain(candidate, best, gain)
    return f"{change}, noise {show_amount(noise.sigma)}{shares}, n={len(candidate)})"


def directed_gain(candidate: Sample, best: Sample, noise: Noise, rules: Rules) -> float:
    """The gain in the direction that is better."""
    gain = estimate_gain(candidate, best, noise)
    return -gain if rules.direction == "max" else gain


def level_of_look(look: int, rules: Rules) -> float:
    """The error that the look after `look` runs may spend; looks beyond the last have its level."""
    looks = rules.repeats + 1
    return rules.alpha * 7 * 8.0 ** -min(look, looks) / (1 - 8.0**-looks)


def standing_sample(candidate: Sample, best: Sample, noise: Noise, rules: Rules) -> Sample:
    """The runs that stand for a candidate that was just kept, when others are judged.

    Its own mean would be too good: what is kept was lucky more often than not (the winner's curse).
    So a gain inside CLEAR standard errors is shrunk: the newest runs of the best it replaced stand
    beside its own. A gain beyond can hardly be luck, and only its own runs stand."""
    error = standard_error(candidate, best, noise)
    gain = directed_gain(candidate, best, noise, rules)
    if noise.dof == 0 or error == 0 or gain > CLEAR * error:
        return candidate
    return best.newest(STANDING - len(candidate)).join(candidate)
