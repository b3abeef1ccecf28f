"""What is known when an attempt is judged, gathered from its runs and the ledger. Pure: no files, no processes.

The incumbent is the last kept commit. Its value is what the ledger says of it, or of its last re-run: machines change speed
overnight, and a value measured on a fast machine must not judge a candidate on a slow one. Leaves to others: the statistics
(judge), doing what is decided (loop).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from statistics import fmean
from typing import Literal

from autoresearch.models import Status
from autoresearch.researcher import judge
from autoresearch.researcher.config import Config
from autoresearch.researcher.experiment import Measurement, now
from autoresearch.researcher.journal import Attempt
from autoresearch.researcher.ledger import Record

FIRST_TIMEOUT_S = 3600.0  # of the baseline, where the limit is to be measured
TIMEOUT_FACTOR, TIMEOUT_MARGIN_S = 2.0, 60.0


@dataclass(frozen=True)
class Incumbent:
    """The best so far as a candidate meets it: its judged runs and their throughput."""

    values: tuple[float, ...]
    throughput: float | None


@dataclass(frozen=True)
class Finding:
    """What to do with an attempt: settle it, run it again, or run its parent again first. `usable`: which runs count."""

    action: Literal["keep", "discard", "crash", "repeat", "recheck"]
    reason: str
    usable: tuple[int, ...] = ()
    contended: bool = False


def weigh(attempt: Attempt, history: Sequence[Record], lines: int, config: Config, policy: judge.Policy) -> Finding:
    """Judge an attempt by all its runs so far. `lines`: added less removed."""
    runs, rules = attempt.measurements, config.judge
    crashed = next((run for run in runs if run.value is None), None)
    if crashed is not None:
        return Finding("crash", crashed.reason)
    if not runs:
        return Finding("repeat", "")
    best = incumbent(history, attempt.parent)
    paces = [run.throughput for run in runs]
    pace = judge.pace(paces, best.throughput, rules.contended_below, rules.contended_repeats)
    if pace.repeat:
        return Finding("repeat", f"{pace.label}: run again rather than judged")
    met = refreshed(best, attempt.rechecks, rules.contended_below)
    values = [run.value for i, run in enumerate(runs) if i in pace.usable and run.value is not None]
    decision = judge.decide(
        values,
        met.values,
        [r.values for r in history],
        lines,
        judge.Rules(policy, config.experiment.direction, rules.alpha, rules.repeats),
    )
    far = judge.far_off(mean(paces[i] for i in pace.usable), met.throughput, rules.contended_below)
    if not attempt.rechecks and (far, decision.action) in (("fast", "keep"), ("slow", "discard")):
        return Finding(
            "recheck",
            f"much {'faster' if far == 'fast' else 'slower'} than its parent ran: the parent is run again now",
        )
    parts = (decision.reason, pace.label, rechecked(best, met), left_behind(runs))
    return Finding(decision.action, "; ".join(part for part in parts if part), pace.usable, bool(pace.label))


def incumbent(history: Sequence[Record], commit: str) -> Incumbent:
    """A kept commit by its newest measurement: its own record, or the re-run that a later attempt on it asked for."""
    found = Incumbent((), None)
    for record in history:
        if record.commit == commit and record.status == "keep":
            found = Incumbent(record.values, record.throughput)
        elif record.parent == commit and record.parent_values:
            found = Incumbent(record.parent_values, record.parent_throughput)
    return found


def refreshed(best: Incumbent, rechecks: Sequence[Measurement], below: float) -> Incumbent:
    """The incumbent after its re-runs: they replace its value where the machine's speed has changed, else they add to it."""
    good = [run for run in rechecks if run.value is not None]
    values = tuple(run.value for run in good if run.value is not None)
    if not values:
        return best
    pace = mean(run.throughput for run in good)
    if judge.far_off(pace, best.throughput, below):
        return Incumbent(values, pace)
    return Incumbent((*best.values, *values), best.throughput)


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
    values = tuple(run.value for run in runs if run.value is not None)
    met = refreshed(incumbent(history, attempt.parent), attempt.rechecks, config.judge.contended_below)
    return Record(
        id=attempt.id,
        commit=attempt.commit,
        parent="" if attempt.is_baseline else attempt.parent,
        status=status,
        description=attempt.description,
        reason=finding.reason,
        metric=config.experiment.metric,
        value=fmean(values) if values else None,
        values=values,
        parent_values=met.values if attempt.rechecks else (),
        parent_throughput=met.throughput if attempt.rechecks else None,
        memory_gb=max((run.memory_gb for run in runs if run.memory_gb is not None), default=None),
        track=config.track,
        platform=platform,
        branch=branch,
        agent="" if attempt.is_baseline else agent,
        seed=every[0].seed if every else None,
        seeds=tuple(run.seed for run in every),
        training_seconds=mean(run.training_seconds for run in runs),
        total_seconds=mean(run.total_seconds for run in runs),
        slowest_seconds=max((run.seconds for run in every), default=None),
        tokens_M=mean(run.tokens_M for run in runs),
        num_steps=mean(run.num_steps for run in runs),
        throughput=mean(run.throughput for run in runs),
        contended=finding.contended,
        started_at=attempt.started_at,
        finished_at=now(),
        log=every[-1].log if every else "",
        is_baseline=attempt.is_baseline,
        proposal=attempt.proposal,
    )


def baseline_finding(runs: Sequence[Measurement], wanted: int, below: float, repeats: int) -> Finding:
    """Whether the baseline has enough good runs. One much slower than the fastest was disturbed: it is replaced, `repeats` times at most."""
    good = near_fastest([run.throughput for run in runs], below)
    if len(good) < wanted and len(runs) < wanted + repeats:
        return Finding("repeat", "")
    dropped = len(runs) - len(good)
    if len(good) < min(wanted, 2):  # so uneven that nothing can be told apart: all count, and the noise shows it
        return Finding(
            "keep", "the unchanged code, on a machine of very uneven speed", tuple(range(len(runs))), contended=True
        )
    label = f"; {dropped} of {len(runs)} runs were slowed by other work" if dropped else ""
    return Finding("keep", f"the unchanged code{label}", good, contended=bool(dropped))


def near_fastest(paces: Sequence[float | None], below: float) -> tuple[int, ...]:
    """Which runs have a throughput near the fastest one's; all where the command does not tell."""
    known = [p for p in paces if p is not None]
    if len(known) < len(paces) or not known:
        return tuple(range(len(paces)))
    return tuple(i for i, p in enumerate(known) if p >= below * max(known))


def run_seed(seed: int, attempt_id: str, number: int) -> int:
    """The seed of one run: another for every run, the same again after a crash, and not the agent's to choose (trap B12)."""
    digest = sha256(f"{seed}/{attempt_id}/{number}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % 2**31


def measured_timeout_s(slowest_s: float | None) -> float:
    """The limit of a run: twice the slowest baseline run, start-up and evaluation included, plus a minute (trap C6)."""
    return TIMEOUT_FACTOR * slowest_s + TIMEOUT_MARGIN_S if slowest_s else FIRST_TIMEOUT_S


def left_behind(runs: Sequence[Measurement]) -> str:
    left = sorted({name for run in runs for name in run.left})
    more = f" and {len(left) - 3} more" if len(left) > 3 else ""
    return f"untracked files left by the run were cleaned away: {', '.join(left[:3])}{more}" if left else ""


def mean(values: Iterable[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return fmean(known) if known else None
