"""What comes next for an open experiment: run this commit again, or settle it so. Pure; the loop does what is said.

Several experiments are open at once, so the best commit may have changed since a candidate was begun. It is then judged against
the present best (its `rival`): being better than its parent is no longer enough. Leaves to others: the statistics (evidence, judge).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from autoresearch.models import Status
from autoresearch.researcher.config import Config
from autoresearch.researcher.journal import Attempt
from autoresearch.researcher.judging import judge
from autoresearch.researcher.judging.evidence import Finding, baseline_finding, weigh
from autoresearch.researcher.judging.values import Measurement, Record


@dataclass(frozen=True)
class Run:
    """One more run of `commit`; `why` is said where it is not obvious. A recheck is a run of the commit judged against.
    `look`: which of the attempt's seeds it has; None: one of its own."""

    commit: str
    title: str
    why: str = ""
    is_recheck: bool = False
    look: int | None = None


@dataclass(frozen=True)
class Settle:
    status: Status
    finding: Finding


def meet(attempt: Attempt, best: Record) -> Attempt:
    """The attempt as judged against the present best. Re-runs of another commit say nothing of this one, so they are dropped."""
    if best.commit == attempt.judged_against:
        return attempt
    rival = "" if best.commit == attempt.parent else best.commit
    return replace(attempt, rival=rival, rechecks=())


def next_step(
    attempt: Attempt, history: Sequence[Record], lines: int, config: Config, policy: judge.Policy
) -> Run | Settle:
    """For a candidate. `lines`: added less removed since the commit it is judged against."""
    finding = weigh(attempt, history, lines, config, policy)
    look = finding.look if policy == "confirm" else None
    if finding.action == "repeat":
        return Run(
            attempt.commit, f"run {len(attempt.measurements) + 1}", finding.reason, look=look
        )
    if finding.action == "recheck":
        against = attempt.judged_against
        whose = "best" if attempt.rival else "parent"
        return Run(
            against, f"{whose} {against[:7]} again", finding.reason, is_recheck=True, look=look
        )
    if attempt.rival and finding.action != "crash":
        reason = meanwhile(attempt, finding, history, lines, config, policy)
        return Settle(finding.action, replace(finding, reason=reason))
    return Settle(finding.action, finding)


def meanwhile(
    attempt: Attempt,
    finding: Finding,
    history: Sequence[Record],
    lines: int,
    config: Config,
    policy: judge.Policy,
) -> str:
    """The reason of a verdict against a rival, which names it and tells what the parent would have said."""
    rival = next(record.id for record in history if record.commit == attempt.rival)
    alone = weigh(replace(attempt, rival="", rechecks=()), history, lines, config, policy)
    if finding.action == "discard" and alone.action == "keep":
        return f"better than its parent, but not than {rival}, kept meanwhile: {finding.reason}"
    return f"judged against {rival}, kept meanwhile: {finding.reason}"


def next_baseline_runs(attempt: Attempt, wanted: int, at_once: int, config: Config) -> int | Settle:
    """For the unchanged code: how many runs to begin now, or its verdict."""
    rules = config.judge
    finding = baseline_finding(
        attempt.measurements, wanted, rules.contended_below, rules.contended_repeats
    )
    if finding.action == "keep":
        return Settle("keep", finding)
    return max(1, min(at_once, wanted - len(attempt.measurements)))


def free_number(attempt: Attempt, begun: Iterable[int] = ()) -> int:
    """The number of the next run: the first that no run of this attempt has, those in progress (`begun`) included."""
    runs = (*attempt.measurements, *attempt.rechecks)
    taken = {number_of(run, i) for i, run in enumerate(runs, 1)} | set(begun)
    return next(n for n in range(1, len(taken) + 2) if n not in taken)


def number_of(run: Measurement, otherwise: int) -> int:
    """A run's number, which is the name of the folder its log is in."""
    name = Path(run.log).parent.name
    return int(name) if name.isdecimal() else otherwise
