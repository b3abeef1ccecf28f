"""What is known when an attempt is judged, gathered from its runs and the ledger. Pure: no files, no processes.

The incumbent is the last kept commit. Its value is what the ledger says of it, or of its last re-run: machines change speed
overnight, and a value measured on a fast machine must not judge a candidate on a slow one. So a candidate that has to run again
takes turns with it, it runs again when its evidence is old, and its value is corrected for the luck of having been kept. Leaves
to others: the statistics (judge), doing what is decided (loop).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from statistics import fmean
from typing import Literal

from autoresearch.clock import timestamp
from autoresearch.models import Status
from autoresearch.researcher.config import Config
from autoresearch.researcher.journal import Attempt
from autoresearch.researcher.judging import judge
from autoresearch.researcher.judging.judge import Run
from autoresearch.researcher.judging.values import Measurement, Record

FIRST_TIMEOUT_S = 3600.0  # of the baseline, where the limit is to be measured
TIMEOUT_FACTOR, TIMEOUT_MARGIN_S = 2.0, 60.0
NEWEST = 8  # runs of the best that count: older ones are of another hour of the machine


@dataclass(frozen=True)
class Incumbent:
    """The best so far as a candidate meets it: its judged runs, corrected for luck, and their throughput."""

    runs: tuple[Run, ...]
    throughput: float | None


@dataclass(frozen=True)
class Finding:
    """What to do with an attempt: settle it, run it again, or run its parent again first. `look`: which of the attempt's seeds that
    run has; `usable`: which runs count; `standing`: the runs that stand for a kept one from now on."""

    action: Literal["keep", "discard", "crash", "repeat", "recheck"]
    reason: str
    usable: tuple[int, ...] = ()
    contended: bool = False
    standing: tuple[Run, ...] = ()
    look: int = 1


def weigh(
    attempt: Attempt, history: Sequence[Record], lines: int, config: Config, policy: judge.Policy
) -> Finding:
    """Judge an attempt by all its runs so far. `lines`: added less removed."""
    runs, rules = attempt.measurements, config.judge
    ended = next((run for run in runs if run.value is None), None)
    if ended is not None:
        return Finding("discard" if ended.outcome == "stopped early" else "crash", ended.reason)
    best = incumbent(history, attempt.judged_against)
    stale = policy == "confirm" and is_stale(history, attempt.judged_against, rules.recheck_after)
    if stale and not attempt.rechecks and not runs:
        return Finding(
            "recheck",
            f"{rules.recheck_after} experiments since its best was run: it is run again first",
        )
    if not runs:
        return Finding("repeat", "")
    paces = [run.throughput for run in runs]
    pace = judge.pace(paces, best.throughput, rules.contended_below, rules.contended_repeats)
    if pace.repeat:
        return Finding("repeat", f"{pace.label}: run again rather than judged")
    met = refreshed(best, attempt.rechecks, rules.contended_below)
    found = measured(run for i, run in enumerate(runs) if i in pace.usable)
    noise = noise_of(attempt, found, met.runs, history)
    limits = judge.Rules(policy, config.experiment.direction, rules.alpha, rules.repeats)
    decision = judge.decide(found, met.runs, noise, lines, limits)
    far = judge.far_off(mean(paces[i] for i in pace.usable), met.throughput, rules.contended_below)
    if not attempt.rechecks and (far, decision.action) in (("fast", "keep"), ("slow", "discard")):
        return Finding(
            "recheck",
            f"much {'faster' if far == 'fast' else 'slower'} than its parent ran: the parent is run again now",
        )
    if policy == "confirm" and not far:
        in_turn = turn(decision, len(found), len(attempt.rechecks) - stale)
        if in_turn is not None:
            return in_turn
    parts = (decision.reason, pace.label, rechecked(best, met), left_behind(runs))
    reason = "; ".join(part for part in parts if part)
    stands: tuple[Run, ...] = ()
    if policy == "confirm" and decision.action == "keep":
        stands = judge.standing(found, met.runs, noise, limits)
    return Finding(decision.action, reason, pace.usable, bool(pace.label), stands, len(found) + 1)


def turn(decision: judge.Decision, looks: int, rechecks: int) -> Finding | None:
    """Whose turn it is where a candidate has to run again: candidate, best, candidate, ..., so that a drifting machine favours
    neither. After the best's turn nothing is kept before the candidate's next: that would be a look that alpha does not count."""
    if decision.action == "repeat" and rechecks < looks:
        return Finding(
            "recheck", f"{decision.reason}; the best is run again first, then this", look=looks + 1
        )
    if decision.action == "keep" and rechecks >= looks:
        return Finding("repeat", f"{decision.reason}; run again after the best was", look=looks + 1)
    return None


def noise_of(
    attempt: Attempt, found: Sequence[Run], met: Sequence[Run], history: Sequence[Record]
) -> judge.Noise:
    """What runs of the same code, and pairs of the same seed, tell of the noise: this attempt's and every record's. Runs that later
    attempts made of their best are groups of their own: a kept record's runs were lucky, and beside them others would make the
    noise look larger."""
    again: dict[str, tuple[float, ...]] = {}
    for record in history:
        again[record.judged_against] = (*again.get(record.judged_against, ()), *record.rechecks)
    now = (run.value for run in measured(attempt.rechecks))
    again[attempt.judged_against] = (*again.get(attempt.judged_against, ()), *now)
    groups = [*(record.values for record in history), *again.values(), [run.value for run in found]]
    pairs = [
        (
            judge.runs_of(record.values, record.seeds),
            judge.runs_of(record.parent_values, record.parent_seeds),
        )
        for record in history
        if len(record.values) > 1 and record.parent_seeds
    ]
    return judge.noise_of(groups, [*pairs, (found, met)])


def measured(runs: Iterable[Measurement]) -> tuple[Run, ...]:
    """Those that have a value."""
    return tuple(Run(run.value, run.seed) for run in runs if run.value is not None)


def is_stale(history: Sequence[Record], commit: str, after: int) -> bool:
    """Whether so many measured experiments have passed since a commit was run that it is time to run it again; 0: never."""
    age = 0
    for record in reversed(history):
        if record.commit == commit or (record.judged_against == commit and record.parent_values):
            break
        age += record.value is not None
    return 0 < after <= age


def incumbent(history: Sequence[Record], commit: str) -> Incumbent:
    """A kept commit by its newest measurement: its own record, or the re-run that a later attempt on it asked for."""
    found = Incumbent((), None)
    for record in history:
        if record.commit == commit and record.status == "keep":
            stands = (
                (record.standing, record.standing_seeds)
                if record.standing
                else (record.values, record.seeds)
            )
            found = Incumbent(judge.runs_of(*stands), record.throughput)
        elif record.judged_against == commit and record.parent_values:
            found = Incumbent(
                judge.runs_of(record.parent_values, record.parent_seeds), record.parent_throughput
            )
    return found


def refreshed(best: Incumbent, rechecks: Sequence[Measurement], below: float) -> Incumbent:
    """The incumbent after its re-runs: they replace its value where the machine's speed has changed, else they add to it."""
    runs = measured(rechecks)
    if not runs:
        return best
    pace = mean(run.throughput for run in rechecks if run.value is not None)
    if judge.far_off(pace, best.throughput, below):
        return Incumbent(runs, pace)
    return Incumbent((*best.runs, *runs)[-NEWEST:], best.throughput)


def rechecked(best: Incumbent, met: Incumbent) -> str:
    if met == best:
        return ""
    if met.throughput == best.throughput:
        return "the parent was run again and is as fast as it was: the difference in speed is the code's"
    return "the machine's speed has changed: compared with a re-run of the parent"


def record_of(
    attempt: Attempt,
    status: Status,
    finding: Finding,
    history: Sequence[Record],
    config: Config,
    branch: str,
    agent: str,
    platform: str,
) -> Record:
    """The attempt as the ledger tells it; only the usable runs count."""
    every = attempt.measurements
    runs = [run for i, run in enumerate(every) if i in finding.usable]
    judged, again = measured(runs), measured(attempt.rechecks)
    values = tuple(run.value for run in judged)
    met = refreshed(
        incumbent(history, attempt.judged_against), attempt.rechecks, config.judge.contended_below
    )
    return Record(
        id=attempt.id,
        commit=attempt.commit,
        parent="" if attempt.is_baseline else attempt.parent,
        rival=attempt.rival,
        status=status,
        description=attempt.description,
        reason=finding.reason,
        metric=config.experiment.metric,
        value=fmean(values) if values else None,
        values=values,
        estimate=judge.mean(finding.standing) if finding.standing else None,
        standing=tuple(run.value for run in finding.standing),
        standing_seeds=judge.seeds_of(finding.standing),
        parent_values=tuple(run.value for run in met.runs) if attempt.rechecks else (),
        parent_seeds=judge.seeds_of(met.runs) if attempt.rechecks else (),
        parent_throughput=met.throughput if attempt.rechecks else None,
        rechecks=tuple(run.value for run in again),
        recheck_seeds=judge.seeds_of(again),
        memory_gb=max((run.memory_gb for run in runs if run.memory_gb is not None), default=None),
        track=config.track,
        platform=platform,
        branch=branch,
        agent="" if attempt.is_baseline else agent,
        seed=every[0].seed if every else None,
        seeds=judge.seeds_of(judged) or tuple(run.seed for run in every),
        training_seconds=mean(run.training_seconds for run in runs),
        total_seconds=mean(run.total_seconds for run in runs),
        slowest_seconds=max((run.seconds for run in every), default=None),
        outside_seconds=max(
            (run.outside_seconds for run in every if run.outside_seconds is not None), default=None
        ),
        score_seconds=max((run.score_seconds for run in every), default=None),
        tokens_M=mean(run.tokens_M for run in runs),
        num_steps=mean(run.num_steps for run in runs),
        throughput=mean(run.throughput for run in runs),
        contended=finding.contended,
        started_at=attempt.started_at,
        finished_at=timestamp(),
        log=every[-1].log if every else "",
        logs=tuple(run.log for run in runs),
        recheck_logs=tuple(run.log for run in attempt.rechecks if run.value is not None),
        is_baseline=attempt.is_baseline,
        proposal=attempt.proposal,
    )


def baseline_finding(
    runs: Sequence[Measurement], wanted: int, below: float, repeats: int
) -> Finding:
    """Whether the baseline has enough good runs. One much slower than the fastest was disturbed: it is replaced, `repeats` times at most."""
    good = near_fastest([run.throughput for run in runs], below)
    if len(good) < wanted and len(runs) < wanted + repeats:
        return Finding("repeat", "")
    dropped = len(runs) - len(good)
    if len(good) < min(
        wanted, 2
    ):  # so uneven that nothing can be told apart: all count, and the noise shows it
        return Finding(
            "keep",
            "the unchanged code, on a machine of very uneven speed",
            tuple(range(len(runs))),
            contended=True,
        )
    label = f"; {dropped} of {len(runs)} runs were slowed by other work" if dropped else ""
    return Finding("keep", f"the unchanged code{label}", good, contended=bool(dropped))


def near_fastest(paces: Sequence[float | None], below: float) -> tuple[int, ...]:
    """Which runs have a throughput near the fastest one's; all where the command does not tell."""
    known = [p for p in paces if p is not None]
    if len(known) < len(paces) or not known:
        return tuple(range(len(paces)))
    return tuple(i for i, p in enumerate(known) if p >= below * max(known))


def next_seed(
    attempt: Attempt, history: Sequence[Record], look: int, is_recheck: bool, seed: int
) -> int:
    """The seed of a candidate's run, or of the best's in turn with it; `look` as `weigh` says.

    First runs have the seed of the best's own first run, so that the two are a pair. A best that is run again because its evidence
    is old gets a fresh one, and what comes after has that: nothing can be tuned to one seed for long. Later looks have seeds that
    nothing ran with before."""
    shared = shared_seed(attempt, history, is_recheck) if look == 1 else None
    return run_seed(seed, attempt.id, look) if shared is None else shared


def shared_seed(attempt: Attempt, history: Sequence[Record], is_recheck: bool) -> int | None:
    """What an attempt's first look has in common with other runs; None where it had better be fresh, or is not known."""
    if attempt.measurements:
        return attempt.measurements[0].seed
    if is_recheck:
        return None
    if attempt.rechecks:
        return attempt.rechecks[0].seed
    for record in reversed(history):
        if record.commit == attempt.judged_against:
            return record.seeds[0] if record.seeds else None
        if (
            record.judged_against == attempt.judged_against
            and record.recheck_seeds[:1] == record.seeds[:1] != ()
        ):
            return record.seeds[0]
    return None


def run_seed(seed: int, attempt_id: str, number: int) -> int:
    """The seed of one run: the same again after a crash, and not the agent's to choose (trap B12)."""
    digest = sha256(f"{seed}/{attempt_id}/{number}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % 2**31


def measured_timeout_s(slowest_s: float | None) -> float:
    """The limit of a run: twice the slowest baseline run, start-up and evaluation included, plus a minute (trap C6)."""
    return TIMEOUT_FACTOR * slowest_s + TIMEOUT_MARGIN_S if slowest_s else FIRST_TIMEOUT_S


def left_behind(runs: Sequence[Measurement]) -> str:
    left = sorted({name for run in runs for name in run.left})
    more = f" and {len(left) - 3} more" if len(left) > 3 else ""
    return (
        f"untracked files left by the run were cleaned away: {', '.join(left[:3])}{more}"
        if left
        else ""
    )


def mean(values: Iterable[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return fmean(known) if known else None
