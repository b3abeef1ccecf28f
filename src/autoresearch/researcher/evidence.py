"""From the journal to the judge and on to the ledger: an attempt as a case, its finding as a
record.

Leaves to others: the verdict (judging), reading and writing (journal, ledger).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from autoresearch.clock import timestamp
from autoresearch.researcher.config import Config
from autoresearch.researcher.journal import Attempt
from autoresearch.researcher.judging.judge import Case, Finding
from autoresearch.researcher.judging.policies import Policy, Rules
from autoresearch.researcher.judging.values import NO_RUNS, Record, Sample, mean_of_known


def case_of(
    attempt: Attempt, history: Sequence[Record], lines: int, config: Config, policy: Policy
) -> Case:
    """`history`: the branch's records. `lines`: added less removed since the commit to beat."""
    return Case(
        rules_of(config, policy),
        history,
        attempt.parent,
        attempt.judged_against,
        lines,
        attempt.measurements,
        attempt.rechecks,
    )


def rules_of(config: Config, policy: Policy) -> Rules:
    table = config.judge
    return Rules(
        policy,
        config.experiment.direction,
        table.alpha,
        table.repeats,
        table.recheck_after,
        table.contended_below,
        table.contended_repeats,
    )


def record_of(
    attempt: Attempt,
    finding: Finding,
    config: Config,
    branch: str = "",
    agent: str = "",
    platform: str = "",
) -> Record:
    """A settled attempt as a line of the ledger, finished now; only the usable runs count."""
    every = attempt.measurements
    runs = [run for i, run in enumerate(every) if i in finding.usable]
    judged, again = Sample.from_runs(runs), Sample.from_runs(attempt.rechecks)
    met = finding.met if attempt.rechecks else NO_RUNS
    return Record(
        id=attempt.id,
        commit=attempt.commit,
        parent="" if attempt.is_baseline else attempt.parent,
        rival=attempt.rival,
        status=finding.status,
        description=attempt.description,
        reason=finding.reason + describe_left_out(attempt, finding),
        metric=config.experiment.metric,
        value=judged.mean if judged else None,
        values=judged.values,
        estimate=finding.standing.mean if finding.standing else None,
        standing=finding.standing.values,
        standing_seeds=finding.standing.seeds_for_ledger(),
        parent_values=met.values,
        parent_seeds=met.seeds_for_ledger(),
        parent_throughput=met.throughput,
        rechecks=again.values,
        recheck_seeds=again.seeds_for_ledger(),
        memory_gb=largest(run.memory_gb for run in runs),
        track=config.track,
        platform=platform,
        branch=branch,
        agent="" if attempt.is_baseline else agent,
        seed=every[0].seed if every else None,
        seeds=judged.seeds_for_ledger() or tuple(run.seed for run in every),
        training_seconds=mean_of_known(run.training_seconds for run in runs),
        total_seconds=mean_of_known(run.total_seconds for run in runs),
        slowest_seconds=largest(run.seconds for run in every),
        outside_seconds=largest(run.outside_seconds for run in every),
        score_seconds=largest(run.score_seconds for run in every),
        tokens_M=mean_of_known(run.tokens_M for run in runs),
        num_steps=mean_of_known(run.num_steps for run in runs),
        throughput=judged.throughput,
        stopped_at=every[-1].stopped_at if every else None,
        stopped_behind=every[-1].stopped_behind if every else None,
        contended=finding.contended,
        started_at=attempt.started_at,
        finished_at=timestamp(),
        log=every[-1].log if every else "",
        logs=tuple(run.log for run in runs if run.log),
        recheck_logs=tuple(run.log for run in attempt.rechecks if run.value is not None),
        is_baseline=attempt.is_baseline,
        run_by=next((run.run_by for run in runs if run.run_by), ""),
        proposal=attempt.proposal,
    )


def describe_left_out(attempt: Attempt, finding: Finding) -> str:
    """Why a crash may be one: a file that the edit needed and that was not free."""
    left = attempt.proposal.get("left_out")
    if finding.status != "crash" or not isinstance(left, list):
        return ""
    return f"; left out of the edit, for it is not free: {', '.join(map(str, left[:3]))}"


def largest(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)
