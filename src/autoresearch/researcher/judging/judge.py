"""The one question to the judge: what becomes of this experiment, given all its runs so far?

`judge(case)` answers with a verdict (keep, discard, crash) or with the next run that it needs:
one more of the candidate (repeat), or one of the commit it has to beat (recheck). Numbers in,
numbers and a reason out; no files, no clock, no chance.

The commit to beat is known by its newest runs: machines change speed overnight, and a value from a
fast hour must not judge a candidate in a slow one. So a candidate that has to run again takes turns
with it, it runs again when its runs are old, and others meet it without the luck it was kept with.
Leaves to others: the test (policies), the noise (noise), which runs a machine disturbed
(throughput), doing what is said (loop).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Literal, cast

from autoresearch.models import Status
from autoresearch.researcher.judging.best import describe_recheck, find_best, is_stale, refresh
from autoresearch.researcher.judging.noise import Noise, estimate_noise
from autoresearch.researcher.judging.policies import Decision, Rules, decide, standing_sample
from autoresearch.researcher.judging.throughput import (
    compare_speed,
    is_quiet,
    near_fastest,
    usable_runs,
)
from autoresearch.researcher.judging.values import NO_RUNS, Measurement, Record, Sample

PASSED_OVER = "better than its parent, but not than"  # what such a verdict begins with


@dataclass(frozen=True)
class Case:
    """All that a verdict rests on.

    `against`: the commit to beat, which is `parent` unless another one became best meanwhile.
    `rechecks`: runs of it that this experiment asked for. `history`: the branch's records, oldest
    first. `lines`: added less removed since the commit to beat."""

    rules: Rules
    history: Sequence[Record]
    parent: str
    against: str
    lines: int = 0
    runs: tuple[Measurement, ...] = ()
    rechecks: tuple[Measurement, ...] = ()


@dataclass(frozen=True)
class Finding:
    """What to do with an experiment: settle it, run it again, or run the commit it has to beat.

    `usable`: which runs count. `standing`: the runs that stand for a kept one from now on. `met`:
    the commit to beat, as it was compared. Of a next run: `look` numbers the pair of runs it
    belongs to (None: to none), `seed` is given where other runs had it already.
    """

    action: Literal["keep", "discard", "crash", "repeat", "recheck"]
    reason: str
    usable: tuple[int, ...] = ()
    contended: bool = False
    standing: Sample = NO_RUNS
    met: Sample = NO_RUNS
    look: int | None = 1
    seed: int | None = None

    @property
    def status(self) -> Status:
        """The verdict, where this is one."""
        if self.action in ("repeat", "recheck"):
            raise ValueError(f"{self.action} is no verdict")
        return cast(Status, self.action)


def judge(case: Case) -> Finding:
    """The verdict, or the next run."""
    best = find_best(case.history, case.against)
    met = refresh(best, case.rechecks, case.rules.contended_below)
    finding = replace(weigh(case, best, met), met=met)
    if finding.action in ("repeat", "recheck"):
        return choose_seed(case, finding)
    if case.against != case.parent and finding.action != "crash":
        return replace(finding, reason=name_rival(case, finding))
    return finding


def weigh(case: Case, best: Sample, met: Sample) -> Finding:
    """Decide by all runs so far; `met` is the best with this experiment's own re-runs of it."""
    rules, runs = case.rules, case.runs
    ended = next((run for run in runs if run.value is None), None)
    if ended is not None:
        return Finding("discard" if ended.outcome == "stopped early" else "crash", ended.reason)
    stale = rules.policy == "confirm" and is_stale(case.history, case.against, rules.recheck_after)
    if stale and not case.rechecks and not runs:
        reason = f"{rules.recheck_after} experiments since its best was run: it is run again first"
        return Finding("recheck", reason)
    if not runs:
        return Finding("repeat", "")
    throughputs = [run.throughput for run in runs]
    usable = usable_runs(
        throughputs,
        best.throughput,
        rules.contended_below,
        rules.contended_repeats,
        [run.others_share for run in runs],
        [run.others_on_cards for run in runs],
    )
    if usable.repeat:
        return Finding("repeat", f"{usable.label}: run again rather than judged")
    sample = Sample.from_runs(runs[i] for i in usable.indices)
    noise = gather_noise(case, sample, met)
    decision = decide(sample, met, noise, case.lines, rules)
    speed = compare_speed(sample.throughput, met.throughput, rules.contended_below)
    doubts = [("fast", "keep")]
    if not all(had_quiet(runs[i]) for i in usable.indices):
        doubts.append(("slow", "discard"))
    if not case.rechecks and (speed, decision.action) in doubts:
        word = "faster" if speed == "fast" else "slower"
        return Finding("recheck", f"much {word} than its parent ran: the parent is run again now")
    if rules.policy == "confirm" and not speed:
        turn = take_turns(decision, len(sample), len(case.rechecks) - stale)
        if turn is not None:
            return turn
    parts = (decision.reason, usable.label, describe_recheck(best, met), describe_files_left(runs))
    kept = rules.policy == "confirm" and decision.action == "keep"
    return Finding(
        decision.action,
        "; ".join(part for part in parts if part),
        usable.indices,
        bool(usable.label) and not all(had_quiet(run) for run in runs),
        standing_sample(sample, met, noise, rules) if kept else NO_RUNS,
        look=len(sample) + 1,
    )


def had_quiet(run: Measurement) -> bool:
    return is_quiet(run.others_share, run.others_on_cards)


def take_turns(decision: Decision, looks: int, rechecks: int) -> Finding | None:
    """Whose turn it is where a candidate has to run again: candidate, best, candidate, and so on.

    So a drifting machine favours neither. After the best's turn nothing is kept before the
    candidate's next one: that would be a look that alpha does not count."""
    if decision.action == "repeat" and rechecks < looks:
        reason = f"{decision.reason}; the best is run again first, then this"
        return Finding("recheck", reason, look=looks + 1)
    if decision.action == "keep" and rechecks >= looks:
        reason = f"{decision.reason}; run again after the best was"
        return Finding("repeat", reason, look=looks + 1)
    return None


def name_rival(case: Case, finding: Finding) -> str:
    """The reason of a verdict against a commit that was kept after the candidate was begun: names
    it, and tells what the parent would have said."""
    rival = next(record.id for record in case.history if record.commit == case.against)
    alone = judge(replace(case, against=case.parent, rechecks=()))
    if finding.action == "discard" and alone.action == "keep":
        return f"{PASSED_OVER} {rival}, kept meanwhile: {finding.reason}"
    return f"judged against {rival}, kept meanwhile: {finding.reason}"


def gather_noise(case: Case, sample: Sample, met: Sample) -> Noise:
    """What runs of the same code, and pairs of one seed, tell of the noise: this experiment's and
    every record's.

    Runs that later experiments made of their best are groups of their own: a kept record's runs
    were lucky, and beside them others would make the noise look larger.
    """
    again: dict[str, tuple[float, ...]] = {}
    for record in case.history:
        again[record.judged_against] = (*again.get(record.judged_against, ()), *record.rechecks)
    now = Sample.from_runs(case.rechecks).values
    again[case.against] = (*again.get(case.against, ()), *now)
    groups = [*(record.values for record in case.history), *again.values(), sample.values]
    pairs = [
        (
            Sample.from_ledger(record.values, record.seeds),
            Sample.from_ledger(record.parent_values, record.parent_seeds),
        )
        for record in case.history
        if len(record.values) > 1 and record.parent_seeds
    ]
    return estimate_noise(groups, [*pairs, (sample, met)])


def describe_files_left(runs: Sequence[Measurement]) -> str:
    names = sorted({name for run in runs for name in run.left})
    if not names:
        return ""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"untracked files left by the run were cleaned away: {', '.join(names[:3])}{more}"


# ---------------------------------------------------------------- seeds


def choose_seed(case: Case, finding: Finding) -> Finding:
    """The next run with its seed where that is given. Under greedy each run has one of its own."""
    if case.rules.policy == "greedy":
        return replace(finding, look=None)
    if finding.look != 1:  # later looks have seeds that nothing ran with before
        return finding
    return replace(finding, seed=shared_seed(case, finding.action == "recheck"))


def shared_seed(case: Case, is_recheck: bool) -> int | None:
    """The seed that a first look shares with other runs; None where it is to be a fresh one.

    First runs have the seed of the best's own first run, so that the two are a pair. A best that is
    run again because its runs are old gets a fresh one, and what comes after has that one: nothing
    can be tuned to one seed for long."""
    if case.runs:
        return case.runs[0].seed
    if is_recheck:
        return None
    if case.rechecks:
        return case.rechecks[0].seed
    for record in reversed(case.history):
        if record.commit == case.against:
            return record.seeds[0] if record.seeds else None
        is_renewed = record.recheck_seeds[:1] == record.seeds[:1] != ()
        if record.judged_against == case.against and is_renewed:
            return record.seeds[0]
    return None


def run_seed(seed: int, experiment: str, number: int) -> int:
    """A fresh seed: the same again after a restart, and not the agent's to choose."""
    digest = sha256(f"{seed}/{experiment}/{number}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % 2**31


# ---------------------------------------------------------------- the unchanged code


def judge_baseline(runs: Sequence[Measurement], wanted: int, below: float, repeats: int) -> Finding:
    """Whether the unchanged code has enough good runs. One much slower than the fastest was
    disturbed: it is replaced, `repeats` times at most."""
    good = near_fastest([run.throughput for run in runs], below)
    if len(good) < wanted and len(runs) < wanted + repeats:
        return Finding("repeat", "", look=None)
    if len(good) < min(wanted, 2):
        # so uneven that nothing can be told apart: all count, and the noise shows it
        reason = "the unchanged code, on a machine of very uneven speed"
        return Finding("keep", reason, tuple(range(len(runs))), contended=True)
    dropped = len(runs) - len(good)
    label = f"; {dropped} of {len(runs)} runs were slowed by other work" if dropped else ""
    return Finding("keep", f"the unchanged code{label}", good, contended=bool(dropped))
