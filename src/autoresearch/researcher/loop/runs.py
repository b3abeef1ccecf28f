"""The runs in progress: begins them on the executor, and writes each finished one into the journal.

Leaves to others: which run comes next (steps), where it takes place (executors), what a run is
(experiment).
"""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any

from autoresearch.errors import BadWorkspace
from autoresearch.researcher.curve_files import stop_rule_for
from autoresearch.researcher.display import Display, show_duration
from autoresearch.researcher.executors.base import Executor
from autoresearch.researcher.experiment import Runner, Stopped
from autoresearch.researcher.journal import Attempt
from autoresearch.researcher.judging.amounts import show_amount
from autoresearch.researcher.judging.curves import StopRule
from autoresearch.researcher.judging.values import Measurement
from autoresearch.researcher.loop.branch_state import BranchState
from autoresearch.researcher.loop.steps import NextRun, free_number, seed_of
from autoresearch.researcher.run_request import RunRequest
from autoresearch.researcher.waves.rows import is_row


@dataclass(frozen=True)
class GoingRun:
    """A run in progress. `trained` is done once another one may start beside its scoring;
    `is_scored`: that was seen."""

    attempt_id: str
    number: int
    is_recheck: bool
    trained: Future[None] = field(default_factory=Future)
    is_scored: bool = False


@dataclass(eq=False)
class RunsInProgress:
    """`seed`: the user's, from which those of runs are made."""

    runner: Runner
    executor: Executor
    state: BranchState
    display: Display
    seed: int
    going: dict[Future[Measurement], GoingRun] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.going)

    @property
    def scored(self) -> int:
        """How many are being scored, beside which as many others may start."""
        return sum(run.is_scored for run in self.going.values())

    def changes(self) -> set[Future[Any]]:
        """What is done once a run is over, or has only its scoring left."""
        return {*self.going, *(run.trained for run in self.going.values() if not run.is_scored)}

    def attempt_ids(self) -> set[str]:
        return {run.attempt_id for run in self.going.values()}

    def next_number(self, attempt: Attempt) -> int:
        begun = (run.number for run in self.going.values() if run.attempt_id == attempt.id)
        return free_number(attempt, begun)

    def begin(self, attempt: Attempt, run: NextRun) -> None:
        number = self.next_number(attempt)
        seed = seed_of(run, self.seed, attempt.id, number)
        folder = self.state.workspace.private / "runs" / attempt.id / str(number)
        self.display.start_run((attempt.id, number), f"  {run.title}, seed {seed}", folder / "out")
        rule = None if run.is_recheck else self.stop_rule(attempt, seed)
        mark, limit_s = f"{attempt.mark}-{number}", self.state.timeout_s()
        request = RunRequest(run.commit, seed, mark, folder, limit_s, rule)
        going = GoingRun(attempt.id, number, run.is_recheck)
        self.going[self.executor.submit(request, going.trained)] = going

    def stop_rule(self, attempt: Attempt, seed: int) -> StopRule | None:
        rules, workspace = self.state.workspace.config.judge, self.state.workspace
        if not rules.early_stopping or is_row(attempt.proposal):
            return None
        history = self.state.history()
        return stop_rule_for(attempt, history, workspace.folder, rules.early_level, seed)

    def record_finished(self, done: Collection[Future[Any]]) -> None:
        """Write finished runs into the journal; one that was stopped does not count. Of the others,
        see which have only their scoring left."""
        for future, going in self.going.items():
            if going.trained in done:
                self.going[future] = replace(going, is_scored=True)
        for future in [future for future in self.going if future in done]:
            run = self.going.pop(future)
            self.display.finish_run((run.attempt_id, run.number))
            try:
                measured = future.result()
            except Stopped:
                continue
            self.record_run(run, measured)

    def record_run(self, run: GoingRun, measured: Measurement) -> None:
        journal, attempt = self.state.journal, self.state.journal.state.attempts[run.attempt_id]
        if measured.value is not None:
            took = show_duration(measured.seconds + measured.score_seconds)
            self.display.verdict(attempt.id, "run", f"{show_amount(measured.value)} in {took}")
        if run.is_recheck:
            journal.update(attempt.id, rechecks=(*attempt.rechecks, measured))
            return
        if attempt.is_baseline:
            self.check_baseline_run(attempt, measured)
        journal.update(attempt.id, measurements=(*attempt.measurements, measured))

    def check_baseline_run(self, attempt: Attempt, measured: Measurement) -> None:
        if measured.value is None:
            self.state.journal.close(attempt.id)
            raise BadWorkspace(
                "the unchanged code does not run, so nothing can be compared with it: "
                f"{measured.reason} (log: {measured.log})"
            )
        self.runner.note_baseline(measured)
        if not attempt.measurements:  # the first run compiles, the others need not
            self.runner.keep_warm(measured.log)
