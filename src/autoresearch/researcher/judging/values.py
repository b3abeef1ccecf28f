"""What a run measured, what an experiment came to, and the runs of a commit that are compared.

Frozen, and made of standard types only. Leaves to others: files and logs (ledger, measurement),
verdicts (judge).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Literal

from autoresearch.models import Status

Outcome = Literal[
    "ok",
    "no metric",
    "not finite",
    "printed twice",
    "failed",
    "timeout",
    "changed fixed files",
    "score failed",
    "score differs",
    "stopped early",
    "outside the clock",
    "carries data",
    "left too much",
    "log cut",
]


@dataclass(frozen=True)
class Measurement:
    """What came of one run. `value` is None unless outcome is "ok"; `reason` is the sentence.

    `outside_seconds`: of training's wall clock what the budget does not cover; None where nobody
    names a budget. `after_seconds`: the part of it after the budget, where the run was fed.
    `left`: untracked files that the run wrote."""

    outcome: Outcome
    reason: str
    seed: int
    seconds: float = 0.0  # wall clock, start to end of training
    score_seconds: float = 0.0
    outside_seconds: float | None = None
    after_seconds: float | None = None
    value: float | None = None
    printed: float | None = None
    memory_gb: float | None = None
    training_seconds: float | None = None
    total_seconds: float | None = None
    tokens_M: float | None = None
    num_steps: float | None = None
    stopped_at: float | None = None  # of an early stop: the share of the budget, 0 to 1
    stopped_behind: float | None = None  # and its training loss above the best's there
    log: str = ""
    left: tuple[str, ...] = ()
    others_share: float | None = None  # of the processors, that other work had meanwhile
    others_on_cards: float | None = None  # of the run's GPUs, before or after it
    test_value: float | None = None  # on text that nobody saw, where distill asked for it
    run_by: str = ""  # the volunteer who says so, where it was not run here

    @property
    def throughput(self) -> float | None:
        """Million tokens per training second, or None where the command does not print both."""
        if not self.tokens_M or not self.training_seconds:
            return None
        return self.tokens_M / self.training_seconds


@dataclass(frozen=True)
class Record:
    """One finished experiment, as a line of experiments.jsonl.

    `value` is the mean of `values` (one per judged run) and None where it crashed (never 0)."""

    id: str
    commit: str
    parent: str
    status: Status
    description: str
    reason: str
    metric: str = "val_bpb"
    value: float | None = None
    values: tuple[float, ...] = ()
    # of a kept one: the runs that others are compared with, and their mean
    estimate: float | None = None
    standing: tuple[float, ...] = ()
    standing_seeds: tuple[int, ...] = ()
    memory_gb: float | None = None
    track: str = ""
    platform: str = ""
    branch: str = ""
    agent: str = ""
    seed: int | None = None
    seeds: tuple[int, ...] = ()  # of `values`, one each; of all runs where none has a value
    training_seconds: float | None = None
    total_seconds: float | None = None
    tokens_M: float | None = None
    num_steps: float | None = None
    throughput: float | None = None  # million tokens per training second, mean of the judged runs
    rival: str = ""  # the commit it was judged against, where its parent was best no longer
    # the runs of that commit as it was compared, where this experiment ran it again
    parent_values: tuple[float, ...] = ()
    parent_seeds: tuple[int, ...] = ()
    parent_throughput: float | None = None
    rechecks: tuple[float, ...] = ()  # of these the ones that this experiment asked for
    recheck_seeds: tuple[int, ...] = ()
    slowest_seconds: float | None = None  # wall clock of the longest run
    outside_seconds: float | None = None  # outside the budget in training: the longest of all runs
    score_seconds: float | None = None  # the longest of all runs
    stopped_at: float | None = None  # where it was stopped early: the share of the budget, 0 to 1
    stopped_behind: float | None = None  # and its training loss above the best's there
    contended: bool = False
    started_at: str = ""
    finished_at: str = ""
    log: str = ""  # relative to the workspace
    logs: tuple[str, ...] = ()  # of the judged runs, curve.jsonl beside each
    recheck_logs: tuple[str, ...] = ()
    is_baseline: bool = False
    run_by: str = ""  # a volunteer, whose word the value is; only of a wave's runs
    proposal: Mapping[str, object] = field(default_factory=dict)  # the agent's own notes

    @property
    def judged_against(self) -> str:
        return self.rival or self.parent


@dataclass(frozen=True)
class Sample:
    """Runs of one commit that count: their values, the seed of each, and their mean throughput.

    A seed is None where it is not known: such a run shares its luck with no other one."""

    values: tuple[float, ...] = ()
    seeds: tuple[int | None, ...] = ()
    throughput: float | None = None

    @classmethod
    def from_ledger(
        cls, values: Sequence[float], seeds: Sequence[int], throughput: float | None = None
    ) -> Sample:
        """Ledgers of earlier versions name seeds that do not belong to the values: none is
        known."""
        known = seeds if len(seeds) == len(values) else [None] * len(values)
        return cls(tuple(values), tuple(known), throughput)

    @classmethod
    def from_runs(cls, runs: Iterable[Measurement]) -> Sample:
        """Of the runs that have a value."""
        runs = [run for run in runs if run.value is not None]
        values = tuple(run.value for run in runs if run.value is not None)
        throughput = mean_of_known(run.throughput for run in runs)
        return cls(values, tuple(run.seed for run in runs), throughput)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def mean(self) -> float:
        return fmean(self.values)

    def values_of_seed(self, seed: int) -> list[float]:
        return [value for value, its in zip(self.values, self.seeds, strict=True) if its == seed]

    def newest(self, count: int) -> Sample:
        first = max(len(self) - count, 0)
        return Sample(self.values[first:], self.seeds[first:], self.throughput)

    def join(self, later: Sample) -> Sample:
        """Both samples' runs; the throughput stays the earlier one's."""
        values, seeds = self.values + later.values, self.seeds + later.seeds
        return Sample(values, seeds, self.throughput)

    def seeds_for_ledger(self) -> tuple[int, ...]:
        """The seeds in order; none where one is not known."""
        known = tuple(seed for seed in self.seeds if seed is not None)
        return known if len(known) == len(self) else ()


NO_RUNS = Sample()


def mean_of_known(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
