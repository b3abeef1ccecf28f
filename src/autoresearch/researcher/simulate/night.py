"""One simulated night: ideas arrive, the judge says what to run and what to keep, a clock counts
what it costs.

Everything that decides is the code of real nights (judge, record_of, judge_baseline, stop rules);
only the runs are made up. Leaves to others: what ideas are worth (landscape), many nights and their
intervals (compare).
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from autoresearch.researcher.config import Config
from autoresearch.researcher.evidence import case_of, record_of
from autoresearch.researcher.journal import Attempt
from autoresearch.researcher.judging.curves import MARKS, CurvePoint, StopRule, make_stop_rule
from autoresearch.researcher.judging.judge import Case, Finding, judge, judge_baseline, run_seed
from autoresearch.researcher.judging.policies import Policy
from autoresearch.researcher.judging.values import Measurement, Record
from autoresearch.researcher.simulate.landscape import Landscape
from autoresearch.researcher.waves.rows import judge_run, read_run

START_LOSS = 7.0  # of every curve; far from it would be a loss of another kind
CURVES = 12  # commits with several curves, as many as a real watch reads


@dataclass(frozen=True)
class Code:
    """A commit whose worth is known. `gain` over the baseline; `shown`: what its curves add to that
    at each mark."""

    name: str
    gain: float
    shown: tuple[float, ...]


@dataclass
class Night:
    """What happened. Counts are of ideas; `bad` are those that change nothing or make it worse."""

    hours: float
    improvement: float = 0.0
    experiments: int = 0
    keeps: int = 0
    bad: int = 0
    false_keeps: int = 0
    good: int = 0
    missed: int = 0
    stopped_winners: int = 0
    kept_gains: list[float] = field(default_factory=list)  # what each kept one is truly worth


@dataclass
class Simulation:
    land: Landscape
    config: Config
    policy: Policy
    hours: float
    seed: int
    one_seed: bool = False  # every run has the same, as in the original
    clock_s: float = 0.0
    machine: float = 0.0  # what the machine adds to every value now
    history: list[Record] = field(default_factory=list)
    # by commit and seed
    curves: dict[str, dict[int, tuple[CurvePoint, ...]]] = field(default_factory=dict)
    runs: int = 0
    notes: Mapping[str, object] = field(default_factory=dict)  # of the idea that is run now

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    def run(self) -> Night:
        """The whole night."""
        best, night = self.baseline(), Night(self.hours)
        while self.clock_s < self.hours * 3600:
            best = self.next_best(best, night)
        night.improvement = best.gain
        return night

    def next_best(self, best: Code, night: Night) -> Code:
        """Try one idea; the best after it."""
        self.clock_s += self.land.idea_s
        gain = self.land.idea(best.gain, self.chance)
        idea = self.code(f"c{len(self.history)}-{night.experiments}", best, gain)
        record, stopped = self.experiment(idea, best)
        count(night, gain, record.status == "keep", stopped)
        if record.status != "keep":
            return best
        night.kept_gains.append(gain)
        return idea

    def code(self, name: str, best: Code, gain: float) -> Code:
        """A commit on the best that is better by `gain`, and what its curves show of that."""
        early = self.land.early(gain, self.chance)
        shown = tuple(a + b for a, b in zip(best.shown, early, strict=True))
        return Code(name, best.gain + gain, shown)

    def baseline(self) -> Code:
        code = Code("baseline", 0.0, (0.0,) * len(MARKS))
        runs: list[Measurement] = []
        wanted = self.config.judge.baseline_runs if self.policy == "confirm" else 1
        if self.config.judge.early_stopping:  # curves need a spread
            wanted = self.config.judge.baseline_runs
        while True:
            j = self.config.judge
            finding = judge_baseline(runs, wanted, j.contended_below, j.contended_repeats)
            if finding.action == "keep":
                break
            runs.append(self.measure(code, self.fresh_seed()))
        attempt = Attempt(
            "0",
            code.name,
            "",
            "measuring",
            "",
            commit=code.name,
            measurements=tuple(runs),
            is_baseline=True,
        )
        self.history.append(record_of(attempt, finding, self.config))
        return code

    def experiment(self, idea: Code, best: Code) -> tuple[Record, bool]:
        """One idea to its verdict, and whether its curve ended it."""
        number, notes = str(len(self.history)), dict(self.notes)
        attempt = Attempt(number, best.name, "", "measuring", "", idea.name, proposal=notes)
        while True:
            case = case_of(attempt, self.history, 0, self.config, self.policy)
            finding = self.judge(attempt, case)
            again = finding.action == "recheck"
            seed = self.next_seed(attempt, finding)
            if again:
                attempt = replace(attempt, rechecks=(*attempt.rechecks, self.measure(best, seed)))
            elif finding.action == "repeat":
                watch = None if attempt.measurements else self.watch(best, seed)
                attempt = replace(
                    attempt, measurements=(*attempt.measurements, self.measure(idea, seed, watch))
                )
            else:
                return self.settle(attempt, finding), attempt.measurements[-1].value is None

    def judge(self, attempt: Attempt, case: Case) -> Finding:
        run = read_run(attempt.proposal)
        return judge_run(run, case) if run else judge(case)

    def settle(self, attempt: Attempt, finding: Finding) -> Record:
        record = record_of(attempt, finding, self.config)
        if record.values or record.rechecks:  # others say nothing about what comes later
            self.history.append(record)
        return record

    def next_seed(self, attempt: Attempt, finding: Finding) -> int:
        if self.one_seed or self.policy == "greedy":
            return self.fresh_seed()
        if finding.seed is not None:
            return finding.seed
        return run_seed(self.seed, attempt.id, finding.look or 1)

    def fresh_seed(self) -> int:
        self.runs += 1
        return 0 if self.one_seed else run_seed(self.seed, "", self.runs)

    def measure(self, code: Code, seed: int, watch: StopRule | None = None) -> Measurement:
        """One made-up run: noise, drift, other work, and a curve that may end it."""
        land, chance = self.land, self.chance
        slow = land.contended > 0 and chance.random() < land.contended
        own = random.Random(f"{self.seed} {code.name}") if self.one_seed else chance
        luck, curve_luck = land.luck(own, random.Random(f"{self.seed} {seed}"))
        points = self.curve(code, slow, curve_luck)
        for at, mark in enumerate(MARKS):
            early = watch.find_stop(points[: at + 2]) if watch else None
            if early:
                self.spend(land.start_s + mark * land.run_s)
                behind = early.loss - early.best
                return Measurement(
                    "stopped early",
                    early.reason,
                    seed,
                    stopped_at=early.progress,
                    stopped_behind=behind,
                )
        self.spend(land.start_s + land.run_s + land.score_s)
        value = 1 - code.gain + self.machine + luck + (land.slowed if slow else 0.0)
        if not slow:  # slow runs are not usable, and a real stop rule is made of usable ones alone
            self.curves.setdefault(code.name, {})[seed] = points
        pace = 0.5 if slow else 1.0
        return Measurement(
            "ok", "", seed, value=value, tokens_M=pace * land.run_s, training_seconds=land.run_s
        )

    def curve(self, code: Code, slow: bool, luck: tuple[float, ...]) -> tuple[CurvePoint, ...]:
        """A first point, and one at each mark."""
        pace = 0.5 if slow else 1.0
        worse = self.land.slowed if slow else 0.0
        marks = zip(MARKS, code.shown, luck, strict=True)
        return (
            CurvePoint(0.001, START_LOSS, pace),
            *(
                CurvePoint(
                    at, 3 - code.gain - shown + worse + self.machine + more, pace * at * 1000
                )
                for at, shown, more in marks
            ),
        )

    def watch(self, best: Code, seed: int) -> StopRule | None:
        if not self.config.judge.early_stopping:
            return None
        of_best = self.curves.get(best.name, {})
        others = [
            list(c.values()) for name, c in self.curves.items() if name != best.name and len(c) > 1
        ]
        same = [of_best[seed]] if seed in of_best else []
        return make_stop_rule(
            list(of_best.values()), others[-CURVES:], self.config.judge.early_level, same
        )

    def spend(self, seconds: float) -> None:
        self.clock_s += seconds
        if self.land.drift:
            self.machine += self.chance.gauss(0, self.land.drift * (seconds / 3600) ** 0.5)


def count(night: Night, gain: float, kept: bool, stopped: bool) -> None:
    night.experiments += 1
    night.keeps += kept
    if gain > 0:
        night.good += 1
        night.missed += not kept
        night.stopped_winners += stopped
    else:
        night.bad += 1
        night.false_keeps += kept


def total(nights: Sequence[Night], name: str) -> int:
    return sum(getattr(night, name) for night in nights)
