"""A simulated night of agents that tune constants: their own choices, the judge's own
code, and a made-up score of every setting.

The constants are those of a real train.py. The score is a valley in the unit cube: each constant
has a best place and a curvature of its own, a few matter much and most hardly, and neighbours may
depend on each other. Or it is the lab as a table recorded it (recorded_lab), where ideas of the
catalogue can be tried too. Leaves to others: runs, noise and clock (night), the agents.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from autoresearch.researcher.agents.base import Brief, NothingLeft
from autoresearch.researcher.agents.constants import Constant
from autoresearch.researcher.agents.idea_agent import IdeaAgent, choose_idea
from autoresearch.researcher.agents.learnt import NOTHING, Learnt
from autoresearch.researcher.agents.mixture import choose_agent
from autoresearch.researcher.agents.search import (
    ask_study,
    new_chooser,
    new_sampler,
    new_study,
    tell_study,
)
from autoresearch.researcher.agents.search_space import Key, ValueChoice, to_unit
from autoresearch.researcher.journal import Attempt
from autoresearch.researcher.judging.judge import Finding
from autoresearch.researcher.judging.values import Record
from autoresearch.researcher.simulate.night import Code, Night, Simulation, count
from autoresearch.researcher.simulate.recorded_lab import FILE, Draft, RecordedLab, move

WIDTH = 0.3  # of a range: at that distance from its best a constant loses its curvature
TRIES = 200


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
    """A night of one agent, or of several that share it as in `--agent mixed`. `ground`: a valley
    over `constants`, or the lab as a table recorded it. `learnt`: what they begin with."""

    agents: tuple[str, ...] = ()
    ground: Valley | RecordedLab = VALLEYS["plain"]
    constants: Mapping[Key, Constant] = field(default_factory=dict)
    learnt: Learnt = NOTHING
    told: list[Record] = field(default_factory=list)  # every record, without numbers too
    asked: str = ""  # the agent whose idea is run now
    asked_s: float = 0.0
    study: Any = None
    studied: int = 0  # records that it was told
    seen: set[object] = field(default_factory=set)  # drafts that were tried

    def run(self) -> Night:
        """The whole night."""
        score = self.make_score()
        best, night = self.baseline(), Night(self.hours)
        lab = self.ground if isinstance(self.ground, RecordedLab) else None
        now = lab.unchanged() if lab else Draft(self.constants)
        self.told = [replace(self.history[0], commit=best.name)]
        while self.clock_s < self.hours * 3600:
            self.asked_s = self.clock_s
            self.clock_s += self.land.idea_s
            try:
                after = self.propose(best, now, night.experiments)
            except NothingLeft:
                break
            gain = score(after)
            shift = gain - best.gain
            shown = self.land.early(shift, self.chance)
            idea = Code(
                f"c{night.experiments}",
                gain,
                tuple(a + b for a, b in zip(best.shown, shown, strict=True)),
            )
            record, stopped = self.experiment(idea, best)
            count(night, shift, record.status == "keep", stopped)
            if record.status == "keep":
                best, now = idea, after
                night.kept_gains.append(shift)
        night.improvement = best.gain
        return night

    def make_score(self) -> Callable[[Draft], float]:
        if isinstance(self.ground, RecordedLab):
            return self.ground.gain
        score = Score.draw(self.ground, self.constants, random.Random(f"{self.seed} valley"))
        return lambda draft: score.gain(
            [to_unit(draft.constants[key], draft.constants[key].value) for key in score.keys]
        )

    def propose(self, best: Code, now: Draft, number: int) -> Draft:
        """What the agents would write, as they would be asked in a real night. NothingLeft where
        none has anything new."""
        brief = Brief(number + 1, best.name, (FILE,), "val_bpb", "min", self.seed, self.told)
        chance = random.Random(f"{self.seed}/{number}")
        left = list(self.agents)
        while left:
            self.asked = (
                choose_agent(left, self.told, "min", {}, chance) if len(left) > 1 else left[0]
            )
            try:
                if self.asked == IdeaAgent.name:
                    return self.try_idea(now, brief)
                return self.tune(now, brief, chance)
            except NothingLeft:
                left.remove(self.asked)
        raise NothingLeft("no agent has an idea that was not tried")

    def tune(self, now: Draft, brief: Brief, chance: random.Random) -> Draft:
        """Other values of constants. NothingLeft after many tries."""
        choose = new_chooser(self.asked, self.learnt)
        if self.asked == "search":
            choose = self.ask_study
        for attempt in range(TRIES):
            values, notes = choose(now.constants, brief, chance, attempt)
            changed = {k: v for k, v in values.items() if v != now.constants[k].value}
            after = move(now, changed)
            if changed and after.key not in self.seen:
                self.seen.add(after.key)
                edit = {":".join(k): [now.constants[k].value, v] for k, v in changed.items()}
                self.notes = {"edit": edit, **notes}
                return after
        raise NothingLeft(f"{TRIES} proposals in a row were tried before")

    def ask_study(
        self, constants: Mapping[Key, Constant], brief: Brief, chance: random.Random, attempt: int
    ) -> ValueChoice:
        """As choose_by_tpe, with one study for the whole night, which is told each record once."""
        if self.study is None:
            self.study = new_study(0)
        self.study.sampler = new_sampler(chance.randrange(2**31))
        tell_study(self.study, constants, brief, brief.history[self.studied :])
        self.studied = len(brief.history)
        return ask_study(self.study, constants, brief, chance, attempt)

    def try_idea(self, now: Draft, brief: Brief) -> Draft:
        """The draft with an idea of the catalogue. NothingLeft where all were tried."""
        if not isinstance(self.ground, RecordedLab):
            raise NothingLeft("a valley has no ideas")
        idea = choose_idea(self.ground.catalogue(), {FILE: now.write()}, brief, self.learnt)
        self.notes = {"idea": idea.name, "family": idea.family}
        return self.ground.apply(idea, now)

    def settle(self, attempt: Attempt, finding: Finding) -> Record:
        """The record with what the agents want to find again in it."""
        record = super().settle(attempt, finding)
        record = replace(record, agent=self.asked, total_seconds=self.clock_s - self.asked_s)
        self.told.append(record)
        return record
