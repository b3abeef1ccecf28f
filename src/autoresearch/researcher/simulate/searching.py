"""A simulated night of an agent that tunes constants: the agent's own choices, the judge's own
code, and a made-up score of every setting.

The constants are those of a real train.py. The score is a valley in the unit cube: each constant
has a best place and a curvature of its own, a few matter much and most hardly, and neighbours may
depend on each other. Or it is a surface over recorded runs (surface). Leaves to others: runs,
noise and clock (night), the agents.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from autoresearch.researcher.agents.base import Brief
from autoresearch.researcher.agents.constants import Constant, Value
from autoresearch.researcher.agents.search_space import Chooser, Key, to_unit
from autoresearch.researcher.journal import Attempt
from autoresearch.researcher.judging.judge import Finding
from autoresearch.researcher.judging.values import Record
from autoresearch.researcher.simulate.night import Code, Night, Simulation, count
from autoresearch.researcher.simulate.surface import Surface

FILE = "train.py"
WIDTH = 0.3  # of a range: at that distance from its best a constant loses its curvature
TRIES = 40


@dataclass(frozen=True)
class Valley:
    """How the score depends on constants. `gain`: what the best setting is better by than the
    unchanged one. `spread`: of the logarithm of curvatures. `away`: how far from its best place a
    constant is at first, as a standard deviation. `bound`: how much neighbours depend on each
    other, 0 to 1."""

    name: str
    about: str
    gain: float = 0.02
    spread: float = 1.5
    away: float = 0.2
    bound: float = 0.0


VALLEYS = {
    valley.name: valley
    for valley in (
        Valley("plain", "each constant by itself; the best is 40 sigma better than the start"),
        Valley("bound", "neighbouring constants depend on each other", bound=0.6),
        Valley("few", "two or three constants decide", spread=2.5),
        Valley("tuned", "close to the best already, 10 sigma away", gain=0.005, away=0.1),
    )
}


@dataclass(frozen=True)
class Score:
    """One drawn valley over the constants in `keys`."""

    keys: tuple[Key, ...]
    best: tuple[float, ...]
    weights: tuple[float, ...]
    bound: float
    start: float

    @classmethod
    def draw(
        cls, valley: Valley, constants: Mapping[Key, Constant], chance: random.Random
    ) -> Score:
        keys = tuple(sorted(constants))
        start = [to_unit(constants[key], constants[key].value) for key in keys]
        best = [min(1.0, max(0.0, at + chance.gauss(0, valley.away))) for at in start]
        weights = [math.exp(chance.gauss(0, valley.spread)) for _ in keys]
        found = cls(keys, tuple(best), tuple(weights), valley.bound, 0.0)
        total = found.loss(start)
        weights = [weight * valley.gain / total for weight in weights]
        return replace(found, weights=tuple(weights), start=valley.gain)

    def loss(self, point: Sequence[float]) -> float:
        """Above the best setting."""
        away = [(at - best) / WIDTH for at, best in zip(point, self.best, strict=True)]
        total = sum(w * a * a for w, a in zip(self.weights, away, strict=True))
        pairs = zip(self.weights, self.weights[1:], away, away[1:], strict=False)
        return total + self.bound * sum(math.sqrt(u * w) * a * b for u, w, a, b in pairs)

    def gain(self, point: Sequence[float]) -> float:
        """Over the unchanged setting."""
        return self.start - self.loss(point)


@dataclass
class SearchNight(Simulation):
    """A night in which `choose` proposes; `constants` are those of the unchanged code."""

    choose: Chooser | None = None
    constants: Mapping[Key, Constant] = field(default_factory=dict)
    valley: Valley = VALLEYS["plain"]
    surface: Surface | None = None  # in place of a valley
    told: list[Record] = field(default_factory=list)  # every record, without numbers too
    edit: dict[str, list[Value]] = field(default_factory=dict)  # the one that is run now

    def run(self) -> Night:
        """The whole night."""
        assert self.choose is not None
        score = self.surface or self.draw_score()
        best, night, now = self.baseline(), Night(self.hours), dict(self.constants)
        self.told = [replace(self.history[0], commit=best.name)]
        while self.clock_s < self.hours * 3600:
            self.clock_s += self.land.idea_s
            values = self.propose(best, now, night.experiments)
            after = {k: replace(c, value=values.get(k, c.value)) for k, c in now.items()}
            gain = score.gain([to_unit(after[key], after[key].value) for key in score.keys])
            shift = gain - best.gain
            shown = self.land.early(shift, self.chance)
            idea = Code(
                f"c{night.experiments}",
                gain,
                tuple(a + b for a, b in zip(best.shown, shown, strict=True)),
            )
            self.edit = {":".join(k): [now[k].value, v] for k, v in values.items()}
            record, stopped = self.experiment(idea, best)
            count(night, shift, record.status == "keep", stopped)
            if record.status == "keep":
                best, now = idea, after
                night.kept_gains.append(shift)
        night.improvement = best.gain
        return night

    def draw_score(self) -> Score:
        return Score.draw(self.valley, self.constants, random.Random(f"{self.seed} valley"))

    def propose(self, best: Code, now: Mapping[Key, Constant], number: int) -> Mapping[Key, Value]:
        """What the agent would write, as it would be asked in a real night."""
        assert self.choose is not None
        brief = Brief(number + 1, best.name, (FILE,), "val_bpb", "min", self.seed, self.told)
        chance = random.Random(f"{self.seed}/{number}")
        for attempt in range(TRIES):
            values, self.notes = self.choose(now, brief, chance, attempt)
            changed = {k: v for k, v in values.items() if v != now[k].value}
            if changed:
                return changed
        return {}

    def settle(self, attempt: Attempt, finding: Finding) -> Record:
        """The record with what the agent wants to find again in it."""
        proposal = {"edit": self.edit, **self.notes}
        record = super().settle(replace(attempt, proposal=proposal), finding)
        self.told.append(record)
        return record
