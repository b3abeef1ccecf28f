"""Verifies one reported result: graft, run, compare, and before anybody is disputed, look whether
this machine is itself.

A dispute is an accusation. So it is only made where the fixed files are ours, the noise is known,
and, where our ledger has a baseline for this machine and track, one more run of it just now came
out as the ledger says. Leaves to others: which results there are and the reply (board), the
sandbox (experiment).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from autoresearch.devices import is_same_device
from autoresearch.errors import BadInput
from autoresearch.researcher.display import Display, show_duration
from autoresearch.researcher.experiment import Runner, Stopped
from autoresearch.researcher.judging.amounts import show_amount
from autoresearch.researcher.judging.judge import Finding, judge_baseline
from autoresearch.researcher.judging.reproduce import Comparison, compare
from autoresearch.researcher.judging.throughput import compare_speed
from autoresearch.researcher.judging.values import Measurement, Record
from autoresearch.researcher.measurement import measured_timeout_s
from autoresearch.researcher.reported import ReportedResult
from autoresearch.researcher.run_request import RunRequest
from autoresearch.researcher.sandbox import sweep_processes
from autoresearch.researcher.swarm.lines import without_paths
from autoresearch.researcher.verify.rerun import (
    Notebook,
    Notes,
    changed_fixed_files,
    graft_free_files,
    is_of_our_line,
)
from autoresearch.researcher.workspace import Workspace, name_some

Outcome = Literal["reproduced", "not reproduced", "undecided", "replayed", "differs"]
RUNS = 3
CRASHES = 2  # so often a claimed commit has to crash: once may be our machine


class Incomparable(BadInput):
    """A result that cannot be judged here: another version of the fixed files, another machine,
    another track."""


class Verdict(Struct, frozen=True, rename={"reported": "claim"}):
    """What came of a reported result. `reason` is empty where it was reproduced; `comparison` is
    None where no run came to a number."""

    reported: ReportedResult
    outcome: Outcome
    reason: str
    runs: int
    comparison: Comparison | None = None

    @property
    def confirms(self) -> bool:
        return self.outcome in ("reproduced", "replayed")

    @property
    def is_replay(self) -> bool:
        """Whether the reported run itself was repeated."""
        return self.outcome in ("replayed", "differs")

    @property
    def mean(self) -> float | None:
        """Of our runs."""
        return self.comparison.mean if self.comparison else None


@dataclass(frozen=True)
class Verifier:
    """Holds what a verification needs; the caller holds the workspace's lock. `platform` is this
    machine's name."""

    workspace: Workspace
    runner: Runner
    notebook: Notebook
    display: Display
    stop: threading.Event
    platform: str
    runs: int = RUNS

    def verify(self, reported: ReportedResult) -> Verdict:
        """Run a claimed commit and compare. Raises Incomparable, Stopped; a run that was finished
        before is not repeated."""
        pristine = self.workspace.repo.head()
        if changed := self.check_fixed_files(reported, pristine):
            why = f"changed fixed files: {name_some(changed)}"
            return Verdict(reported, "not reproduced", why, 0)
        notes = self.notebook.open(reported, pristine)
        sweep_processes(notes.mark)
        commit = graft_free_files(self.workspace, pristine, reported.commit)
        self.display.say(
            f"{reported.commit[:7]} claims {show_amount(reported.value)}: run here with the fixed "
            f"files of {pristine[:7]}"
        )
        notes = self.measure(notes, commit)
        good = [run for run in notes.measurements if run.value is not None]
        if failed := find_crash(notes.measurements):
            why = f"crashed: {without_paths(failed.reason, str(self.workspace.folder))}"
            return self.check_machine(
                notes, Verdict(reported, "not reproduced", why, len(notes.measurements))
            )
        return self.check_machine(notes, self.compare_runs(reported, good))

    def compare_runs(self, reported: ReportedResult, good: list[Measurement]) -> Verdict:
        """The verdict of runs that all came to a number."""
        usable = self.judged_results(good).usable
        values = [run.value for i, run in enumerate(good) if i in usable and run.value is not None]
        direction = self.workspace.config.experiment.direction
        found = compare(reported.value, values, self.groups(), direction)
        outcome: Outcome = "reproduced" if found.reproduced else "not reproduced"
        return Verdict(reported, outcome, found.reason, found.runs, found)

    def check_fixed_files(self, reported: ReportedResult, pristine: str) -> list[str]:
        """The fixed files that its author changed. Incomparable where ours are simply of another
        version."""
        changed = changed_fixed_files(self.workspace, pristine, reported.commit)
        if changed and not is_of_our_line(self.workspace, pristine, reported.commit):
            raise Incomparable(
                f"commit {reported.commit[:7]} belongs to another version of the fixed "
                f"files ({name_some(changed)} differ from {pristine[:7]}, and not "
                "only on its side); verify it in a repository that starts from its root"
            )
        return changed

    # ---------------------------------------------------------------- runs

    def measure(self, notes: Notes, commit: str) -> Notes:
        """As many good runs as wanted, or until CRASHES have crashed; one slowed by other work is
        replaced. Each is noted as it ends."""
        while not find_crash(notes.measurements):
            good = [run for run in notes.measurements if run.value is not None]
            if good and self.judged_results(good).action == "keep":
                break
            run = self.run(notes, commit, f"run {len(notes.measurements) + 1}")
            notes = self.notebook.write(notes, measurements=(*notes.measurements, run))
        return notes

    def judged_results(self, good: Sequence[Measurement]) -> Finding:
        """Which of the good runs count, and whether another one is needed."""
        rules = self.workspace.config.judge
        return judge_baseline(good, self.runs, rules.contended_below, rules.contended_repeats)

    def run(self, notes: Notes, commit: str, title: str) -> Measurement:
        if self.stop.is_set():
            raise Stopped
        number = len(notes.measurements) + len(notes.control) + 1
        folder = self.workspace.private / "runs" / f"verify-{notes.reported.name}" / str(number)
        with self.display.running(f"  {title}", folder / "out"):
            run = self.runner.measure(
                RunRequest(commit, notes.next_seed(), notes.mark, folder, self.timeout_s())
            )
        told = (
            run.reason
            if run.value is None
            else f"{show_amount(run.value)} in {show_duration(run.seconds + run.score_seconds)}"
        )
        self.display.verdict("", "run", told)
        return run

    def timeout_s(self) -> float:
        base = self.baseline()
        return self.workspace.config.experiment.timeout_s or measured_timeout_s(
            base.slowest_seconds if base else None
        )

    # ---------------------------------------------------------------- what this machine is like

    def ours(self) -> list[Record]:
        """Our ledger's records of this machine and track."""
        track = self.workspace.config.track
        return [
            r
            for r in self.workspace.ledger.records()
            if is_same_device(r.platform, self.platform) and r.track == track
        ]

    def groups(self) -> list[Sequence[float]]:
        """Values of every commit that ran more than once here: what the noise is estimated from."""
        return [record.values for record in self.ours() if len(record.values) > 1]

    def baseline(self) -> Record | None:
        return next(
            (r for r in reversed(self.ours()) if r.is_baseline and r.value is not None), None
        )

    def check_machine(self, notes: Notes, verdict: Verdict) -> Verdict:
        """The verdict, unless it is a dispute on a machine that does not come to its own baseline
        just now: then undecided."""
        base = self.baseline()
        if verdict.outcome != "not reproduced" or base is None or base.value is None:
            return verdict
        if not notes.control:
            control = self.run(
                notes,
                base.commit,
                f"our own baseline {base.commit[:7]}, before anybody is disputed",
            )
            notes = self.notebook.write(notes, control=(control,))
        trouble = describe_difference(notes.control[0], base, self.groups(), self.workspace)
        if not trouble:
            return verdict
        return replace(verdict, outcome="undecided", reason=f"{trouble} ({verdict.reason})")


def find_crash(runs: Sequence[Measurement]) -> Measurement | None:
    """The first of the runs that came to no number, where CRASHES or more did."""
    crashed = [run for run in runs if run.value is None]
    return crashed[0] if len(crashed) >= CRASHES else None


def describe_difference(
    control: Measurement, base: Record, groups: Sequence[Sequence[float]], workspace: Workspace
) -> str:
    """Why this machine is not as it was when its baseline was measured, or the empty string."""
    if control.value is None or base.value is None:
        return f"our own baseline does not run here now: {control.reason}"
    if (
        compare_speed(control.throughput, base.throughput, workspace.config.judge.contended_below)
        == "slow"
    ):
        return "this machine is much slower just now than when its baseline was measured"
    if any(len(group) > 1 for group in groups):
        found = compare(base.value, [control.value], groups, workspace.config.experiment.direction)
        if not found.reproduced:
            return f"our own baseline is worse just now than in our ledger: {found.reason}"
    return ""
