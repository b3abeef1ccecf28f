"""What ideas are worth, how noisy runs are and what curves show early: the world of a simulated
night.

The named ones have a noise of about the median gain, as a published night had it: 22 of 125
experiments kept, gains of 0.00048 at the median, 0.0282 in all, 0.0119 the largest, and 0.0007 for
another seed. `published` was fitted to these numbers by simulating greedy on it. What curves show
was measured on recorded ones (bench/curves.py). Leaves to others: time and verdicts (night).
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from statistics import fmean

from autoresearch.errors import BadInput
from autoresearch.researcher.judging.curves import MARKS
from autoresearch.researcher.judging.noise import pool_noise
from autoresearch.researcher.judging.values import Record

# What recorded curves show, per mark: by how much another gain than the idea has, as standard
# deviations in sigma and in shares of the gain; how much of that is the same at all marks; and the
# spread between seeds, in sigma. Fitted to the shares of runs that early stopping ended, and when,
# in each class of true gain at three levels (bench/curves.py prints those).
MISLEADING = tuple((1.9 - 0.05 * at, 0.05) for at in range(len(MARKS)))
SAME, SPREAD = 0.5, 0.93
# Share of the variance between runs that is their seed's, whatever the code; as recorded, of scores
# (bench/curves.py prints it).
SHARED = 0.62
# Correlation of a curve's luck with its score's, 0.5; between marks, 0.6 (both as recorded,
# roughly).
WITH_SCORE, WITH_CURVE = 0.5, 0.6
REST = math.sqrt(1 - WITH_SCORE**2 - WITH_CURVE**2)
NEAREST = 3  # recorded curves, by their gain, that an idea's curve is drawn from
FEWEST = 8  # measured experiments that a ledger has to hold


@dataclass(frozen=True)
class Landscape:
    """Values are bits per byte, lower is better; a positive gain is an improvement.

    `good` and `null` are shares of all ideas; gains and losses are log-normal with these medians
    and spreads (of the logarithm). `ideas`: gains to draw from instead. `fade`: the improvement
    after which gains are 1/e of what they were. `drift`: standard deviation of what an hour does
    to the machine. `contended`: share of runs that other work slows down by half, which costs
    `slowed`. `misleading`: how much curves mislead, the recorded ones being 1. `shared`: share of
    a run's luck, as variance, that comes from its seed, whatever the code. `interaction`: how much
    two ideas that were tried apart change each other's worth, as a standard deviation in shares of
    the smaller one. `apart`: share of pairs of ideas that exclude each other. `leans`: recorded
    gains, and how much more their curves showed at each mark; drawn from instead of made up.
    `spreads`: of recorded curves between seeds, at each mark; all of it is the seed's, for what is
    a code's own is in `leans`.
    """

    name: str
    about: str
    sigma: float = 0.0005
    good: float = 0.2
    null: float = 0.2
    gain: float = 0.0005
    gain_spread: float = 0.7
    loss: float = 0.003
    loss_spread: float = 1.0
    ideas: tuple[float, ...] = ()
    fade: float = math.inf
    drift: float = 0.0
    contended: float = 0.0
    slowed: float = 0.01
    run_s: float = 300.0
    start_s: float = 13.0
    score_s: float = 13.0
    idea_s: float = 0.0
    misleading: float = 1.0
    shared: float = SHARED
    interaction: float = 0.0
    apart: float = 0.0
    leans: tuple[tuple[float, tuple[float, ...]], ...] = ()
    spreads: tuple[float, ...] = ()

    def idea(self, reached: float, chance: random.Random) -> float:
        """The true gain of the next idea, given the improvement reached so far."""
        fading = math.exp(-max(reached, 0.0) / self.fade)
        if self.ideas:
            drawn = chance.choice(self.ideas)
            return drawn * fading if drawn > 0 else drawn
        kind = chance.random()
        if kind < self.good:
            return self.gain * math.exp(chance.gauss(0, self.gain_spread)) * fading
        if kind < self.good + self.null:
            return 0.0
        return -self.loss * math.exp(chance.gauss(0, self.loss_spread))

    def early(self, gain: float, chance: random.Random) -> tuple[float, ...]:
        """By how much an idea's curve shows another gain than it has, at each of the marks."""
        if self.leans:
            near = sorted(self.leans, key=lambda one: abs(one[0] - gain))[:NEAREST]
            return tuple(self.misleading * lean for lean in chance.choice(near)[1])
        common = chance.gauss(0, 1)
        leans = (math.sqrt(SAME) * common + math.sqrt(1 - SAME) * chance.gauss(0, 1) for _ in MARKS)
        return tuple(
            (fixed * self.sigma + part * abs(gain)) * lean * self.misleading
            for (fixed, part), lean in zip(MISLEADING, leans, strict=True)
        )

    def luck(self, code: random.Random, seed: random.Random) -> tuple[float, tuple[float, ...]]:
        """One run's luck, partly the code's own and partly its seed's: what it adds to the score,
        and to the curve at each mark."""
        own, own_curve = self.half(code)
        its, its_curve = self.half(seed)
        a, b = math.sqrt(1 - self.shared), math.sqrt(self.shared)
        if self.spreads:
            return a * own + b * its, its_curve
        return a * own + b * its, tuple(
            a * x + b * y for x, y in zip(own_curve, its_curve, strict=True)
        )

    def half(self, chance: random.Random) -> tuple[float, tuple[float, ...]]:
        """Luck of one kind. Some of it is the same in the score and at all marks."""
        own, common = chance.gauss(0, 1), chance.gauss(0, 1)
        mixed = (WITH_SCORE * own + WITH_CURVE * common + REST * chance.gauss(0, 1) for _ in MARKS)
        spreads = self.spreads or (SPREAD * self.sigma,) * len(MARKS)
        return self.sigma * own, tuple(s * z for s, z in zip(spreads, mixed, strict=True))


EVEN = Landscape(
    "even", "noise = median gain; 20 % good, 20 % null, losses of 6 sigma at the median"
)


def vary(name: str, change: str, **changes: float) -> Landscape:
    """`even` with some numbers changed."""
    return replace(EVEN, name=name, about=f"even {change}", **changes)  # type: ignore[arg-type]


PUBLISHED = replace(
    EVEN,
    name="published",
    about="fitted to the published night: few large gains, and all fade as the night goes on",
    good=0.283,
    null=0.157,
    gain=0.0006,
    gain_spread=1.55,
    loss=0.004,
    fade=0.03,
)
SLOWED = "on a machine that drifts by half a sigma an hour, 3 % of runs slowed by other work"
LANDSCAPES = {
    land.name: land
    for land in (
        EVEN,
        vary("scarce", "with 10 % good ideas", good=0.1),
        vary("noisier", "with noise of 1.4 median gains: another seed moves 0.0007", sigma=0.0007),
        vary("close", "with losses of 3 sigma: bad ideas are harder to see", loss=0.0015),
        vary("unshared", "where a seed means other luck for other code", shared=0.0),
        vary("clear", "with curves that tell all they can but for luck", misleading=0.0),
        vary("drifting", SLOWED, drift=0.00025, contended=0.03),
        vary("thinking", "with an agent that takes 60 s for each idea", idea_s=60.0),
        PUBLISHED,
    )
}


def noise_only(land: Landscape) -> Landscape:
    """The same noise, where no idea changes anything."""
    return replace(
        land,
        name=f"{land.name}, noise alone",
        about="no idea changes anything",
        good=0.0,
        null=1.0,
        ideas=(),
    )


def from_ledger(records: Iterable[Record], direction: str = "min") -> Landscape:
    """A ledger's own landscape: noise from what ran twice, and each idea's gain over what it was
    judged against, shrunk by one standard error. Runs that were stopped early count as the losses
    seen."""
    records = list(records)
    noise = pool_noise([record.values for record in records])
    values = {record.commit: record.value for record in records if record.status == "keep"}
    measured = [
        r
        for r in records
        if r.value is not None and not r.is_baseline and values.get(r.judged_against) is not None
    ]
    if noise.dof < 1 or len(measured) < FEWEST:
        raise BadInput(
            f"this ledger holds {len(measured)} measured experiments and {noise.dof} repeats of "
            f"the same code; {FEWEST} and 1 are the fewest to tell anything from"
        )
    sign = -1 if direction == "min" else 1
    gains = [
        shrink(
            sign * ((r.value or 0.0) - (values[r.judged_against] or 0.0)),
            noise.sigma * math.sqrt(1 + 1 / len(r.values)),
        )
        for r in measured
    ]
    losses = [gain for gain in gains if gain < 0]
    stopped = sum(r.status == "discard" and r.value is None for r in records)
    ideas = (*gains, *(losses * (stopped // len(losses)) if losses else ()))
    times = [r.total_seconds for r in measured if r.total_seconds]
    train = [r.training_seconds for r in measured if r.training_seconds]
    run_s = fmean(train) if train else EVEN.run_s
    rest_s = max((fmean(times) if times else run_s + 26.0) - run_s, 0.0)
    return replace(
        EVEN,
        name="ledger",
        about=f"{len(measured)} measured experiments, noise {noise.sigma:.6f}",
        sigma=noise.sigma,
        ideas=ideas,
        run_s=run_s,
        start_s=rest_s / 2,
        score_s=rest_s / 2,
    )


def shrink(gain: float, error: float) -> float:
    return math.copysign(max(abs(gain) - error, 0.0), gain)
