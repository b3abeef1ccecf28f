"""A simulated night with waves: the loop's own rules for when a wave comes, what its runs hold and
which combination is tried, on ideas whose worth and interactions are known.

Two ideas that were tried apart may change each other's worth, or exclude each other; an idea that
was tried on another one has that in its own worth. Leaves to others: the night itself (night).
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

from autoresearch.researcher.evidence import case_of
from autoresearch.researcher.journal import Attempt
from autoresearch.researcher.judging.noise import Noise
from autoresearch.researcher.simulate.night import Code, Night, Simulation
from autoresearch.researcher.waves.design import Row, choose_rows, find_apart
from autoresearch.researcher.waves.estimate import choose_combination, estimate_effects
from autoresearch.researcher.waves.pool import (
    Progress,
    ScreenedIdea,
    WaveMode,
    choose_wave,
    measure_noise,
    read_pool,
    screen_error,
)
from autoresearch.researcher.waves.rows import WaveRun, measured_rows


@dataclass(frozen=True)
class IdeaWorth:
    """What an idea is worth on what it was tried on, and how many kept ideas that had."""

    gain: float
    lineage: int


@dataclass
class WaveNight(Simulation):
    mode: WaveMode = "auto"
    tried: dict[str, IdeaWorth] = field(default_factory=dict)  # by commit
    lineage: list[str] = field(default_factory=list)  # kept ideas, oldest first
    waves: int = 0

    def next_best(self, best: Code, night: Night) -> Code:
        """Run a wave where one is due, else try one idea."""
        noise = measure_noise(self.history, best.name)
        pool = [i for i in read_pool(self.history, "min", noise) if self.applies(i.commit)]
        ideas = choose_wave(pool, noise, self.progress(best), self.mode)
        if ideas:
            return self.run_wave(best, ideas, noise, night)
        after = super().next_best(best, night)
        if after is not best:
            self.lineage.append(after.name)
        return after

    def code(self, name: str, best: Code, gain: float) -> Code:
        self.tried[name] = IdeaWorth(gain, len(self.lineage))
        return super().code(name, best, gain)

    def progress(self, best: Code) -> Progress:
        """As the judge believes it, in runs of the usual length."""
        run_s = self.land.start_s + self.land.run_s + self.land.score_s
        kept = {r.commit: r.estimate or r.value or 0.0 for r in self.history if r.status == "keep"}
        left_s = self.hours * 3600 - self.clock_s
        gained = kept["baseline"] - kept[best.name]
        return Progress(gained, self.clock_s / run_s, left_s / run_s)

    # ---------------------------------------------------------------- a wave

    def run_wave(
        self, best: Code, ideas: Sequence[ScreenedIdea], noise: Noise, night: Night
    ) -> Code:
        """All of its runs, and the verdict on the combination that promises most."""
        self.waves += 1
        names = [idea.commit for idea in ideas]
        apart = find_apart(len(names), lambda row: self.fits(names, row))
        rows = choose_rows(len(names), apart, f"{self.seed} wave {self.waves}")
        seed, ids = self.fresh_seed(), tuple(idea.id for idea in ideas)
        for number, row in enumerate(rows[1:], start=1):
            held = tuple(one for one, inside in zip(ids, row, strict=True) if inside)
            run = WaveRun(self.waves, number, len(rows) - 1, seed, best.name, ids, held)
            self.run_row(run, best, self.worth(names, row))
        measured = measured_rows(self.history, self.waves)
        effects = estimate_effects(
            [row for row, _, _ in measured],
            [-value for _, value, _ in measured],
            noise.sigma * math.sqrt(1 - noise.shared),
            [idea.gain for idea in ideas],
            screen_error(noise),
        )
        row = choose_combination(effects, apart)
        if not any(row):
            return best
        gain = self.worth(names, row)
        combined = self.code(f"wave {self.waves}", best, gain)
        held = tuple(one for one, inside in zip(ids, row, strict=True) if inside)
        combination = WaveRun(self.waves, 0, len(rows) - 1, seed, best.name, ids, held)
        self.notes = combination.as_proposal()
        record, _ = self.experiment(combined, best)
        self.notes = {}
        if record.status != "keep":
            return best
        night.kept_gains.append(gain)
        self.lineage += [name for name, inside in zip(names, row, strict=True) if inside]
        return combined

    def run_row(self, run: WaveRun, best: Code, gain: float) -> None:
        """One run of a wave, judged by the loop's own rule: no verdict."""
        code = Code(f"wave {run.wave} row {run.row}", best.gain + gain, best.shown)
        attempt = Attempt(
            str(len(self.history)), best.name, "", "measuring", "", code.name,
            proposal=run.as_proposal(),
        )  # fmt: skip
        while True:
            case = case_of(attempt, self.history, 0, self.config, self.policy)
            finding = self.judge(attempt, case)
            if finding.action == "recheck":
                attempt = replace(attempt, rechecks=(self.measure(best, run.seed),))
            elif finding.action == "repeat":
                attempt = replace(attempt, measurements=(self.measure(code, run.seed),))
            else:
                self.settle(attempt, finding)
                return

    # ---------------------------------------------------------------- what is true

    def applies(self, name: str) -> bool:
        """Whether an idea goes together with what was kept since it was tried."""
        since = self.lineage[self.tried[name].lineage :]
        return not any(self.excludes(name, other) for other in since)

    def fits(self, names: Sequence[str], row: Row) -> bool:
        inside = [name for name, is_in in zip(names, row, strict=True) if is_in]
        return not any(self.excludes(a, b) for a, b in combinations(inside, 2))

    def worth(self, names: Sequence[str], row: Row) -> float:
        """What a combination gains on the present best."""
        inside = [name for name, is_in in zip(names, row, strict=True) if is_in]
        alone = sum(self.tried[name].gain for name in inside)
        since = [(a, b) for a in inside for b in self.lineage[self.tried[a].lineage :]]
        pairs = [*since, *combinations(inside, 2)]
        return alone + sum(self.interaction(a, b) for a, b in pairs)

    def interaction(self, a: str, b: str) -> float:
        """What two ideas add to each other's gains."""
        if not self.land.interaction:
            return 0.0
        lean = self.pair(a, b, "interaction").gauss(0, self.land.interaction)
        return lean * min(abs(self.tried[a].gain), abs(self.tried[b].gain))

    def excludes(self, a: str, b: str) -> bool:
        return self.pair(a, b, "apart").random() < self.land.apart

    def pair(self, a: str, b: str, what: str) -> random.Random:
        return random.Random(f"{self.seed} {what} {min(a, b)} {max(a, b)}")
