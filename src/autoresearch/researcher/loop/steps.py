"""What comes next for an open experiment: run a commit again, or settle it. No file and no process.

Several experiments are open at once, so the best commit may have changed since a candidate was
begun. It is then judged against the present best (its `rival`): better than its parent is no longer
enough. Leaves to others: the verdict (judging), doing what is said (loop).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from autoresearch.researcher.config import Config
from autoresearch.researcher.journal import Attempt
from autoresearch.researcher.judging.judge import Case, Finding, judge, judge_baseline, run_seed
from autoresearch.researcher.judging.values import Measurement, Record
from autoresearch.researcher.waves.rows import is_row, judge_run, read_run


@dataclass(frozen=True)
class NextRun:
    """One more run of `commit`. `why` is printed where it is not obvious. A recheck is a run of the
    commit to beat. `look` and `seed`: as the judge gives them; None: a seed of its own."""

    commit: str
    title: str
    why: str = ""
    is_recheck: bool = False
    look: int | None = None
    seed: int | None = None


def meet_best(attempt: Attempt, best: Record) -> Attempt:
    """The attempt as judged against the present best. Re-runs of another commit say nothing of this
    one, so they are dropped."""
    if best.commit == attempt.judged_against or is_row(attempt.proposal):
        return attempt
    rival = "" if best.commit == attempt.parent else best.commit
    return replace(attempt, rival=rival, rechecks=())


def next_step(attempt: Attempt, case: Case) -> NextRun | Finding:
    """For a candidate: its next run or its verdict; runs of a wave have rules of their own."""
    run = read_run(attempt.proposal)
    finding = judge_run(run, case) if run else judge(case)
    commit, title = attempt.commit, f"run {len(attempt.measurements) + 1}"
    if finding.action not in ("repeat", "recheck"):
        return finding
    is_recheck = finding.action == "recheck"
    if is_recheck:
        commit = attempt.judged_against
        title = f"{'best' if attempt.rival else 'parent'} {commit[:7]} again"
    return NextRun(commit, title, finding.reason, is_recheck, finding.look, finding.seed)


def next_baseline_runs(
    attempt: Attempt, wanted: int, at_once: int, config: Config
) -> int | Finding:
    """For the unchanged code: how many runs to begin now, or its verdict."""
    rules, runs = config.judge, attempt.measurements
    finding = judge_baseline(runs, wanted, rules.contended_below, rules.contended_repeats)
    if finding.action == "keep":
        return finding
    return max(1, min(at_once, wanted - len(runs)))


def seed_of(run: NextRun, seed: int, attempt_id: str, number: int) -> int:
    """The given seed, or a fresh one; runs of one look have the same. `seed`: the user's."""
    return run_seed(seed, attempt_id, run.look or number) if run.seed is None else run.seed


def free_number(attempt: Attempt, begun: Iterable[int] = ()) -> int:
    """The number of the next run: the first that no run of this attempt has, those in progress
    (`begun`) included."""
    runs = (*attempt.measurements, *attempt.rechecks)
    taken = {number_of(run, i) for i, run in enumerate(runs, 1)} | set(begun)
    return next(n for n in range(1, len(taken) + 2) if n not in taken)


def number_of(run: Measurement, otherwise: int) -> int:
    """A run's number, which is the name of the folder its log is in."""
    name = Path(run.log).parent.name
    return int(name) if name.isdecimal() else otherwise
