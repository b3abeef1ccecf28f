"""What a wave leaves in the ledger, and how it is read again: so a killed night goes on in its
middle.

Every run of a wave is an experiment whose proposal says which wave it is of, which ideas that has,
and which of them this run holds. Nothing else is kept anywhere. Leaves to others: which runs there
are (design), making their commits (driving).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from autoresearch.researcher.judging.best import find_best, refresh
from autoresearch.researcher.judging.judge import Case, Finding, judge
from autoresearch.researcher.judging.values import Record
from autoresearch.researcher.waves.design import Row


@dataclass(frozen=True)
class WaveRun:
    """A run of a wave, or (`row` 0) its combination. `seed`: what all runs of the wave share."""

    wave: int
    row: int
    rows: int
    seed: int
    base: str
    ideas: tuple[str, ...]
    held: tuple[str, ...]

    @property
    def inside(self) -> Row:
        return tuple(idea in self.held for idea in self.ideas)

    def as_proposal(self) -> dict[str, object]:
        found: dict[str, object] = msgspec.to_builtins(self)
        return found


def read_run(proposal: Mapping[str, object]) -> WaveRun | None:
    """The run of a wave that a proposal describes; None where it is of none."""
    if "wave" not in proposal:
        return None
    try:
        return msgspec.convert(dict(proposal), WaveRun)
    except msgspec.ValidationError:
        return None


def is_row(proposal: Mapping[str, object]) -> bool:
    """Whether an experiment is a run of a wave, which is no candidate."""
    run = read_run(proposal)
    return run is not None and run.row > 0


def newest_wave(proposals: Sequence[Mapping[str, object]]) -> list[WaveRun]:
    """Every run of the wave that began last; none where there was no wave."""
    runs = [run for proposal in proposals if (run := read_run(proposal)) is not None]
    newest = max((run.wave for run in runs), default=0)
    return [run for run in runs if run.wave == newest]


def measured_rows(history: Sequence[Record], wave: int) -> list[tuple[Row, float, str]]:
    """What the runs of a wave came to, the incumbent's own among them, and by which volunteer each
    was run; empty where it was run here."""
    found: list[tuple[Row, float, str]] = []
    for record in history:
        run = read_run(record.proposal)
        if run is None or run.wave != wave or run.row == 0:
            continue
        found += [((False,) * len(run.ideas), value, "") for value in record.rechecks]
        if record.value is not None:
            found.append((run.inside, record.value, record.run_by))
    return found


def judge_run(run: WaveRun, case: Case) -> Finding:
    """What comes next for a run of a wave: itself, once; before the first the incumbent, once. It
    has no verdict of its own. A combination is judged like any experiment, on a seed that did not
    choose it."""
    if run.row == 0:  # the best is run again first, as after a long time
        return judge(replace(case, rules=replace(case.rules, recheck_after=1)))
    if run.row == 1 and not case.rechecks:
        why = f"wave {run.wave} begins with the best itself"
        return Finding("recheck", why, seed=run.seed)
    if not case.runs:
        return Finding("repeat", "", seed=run.seed)
    best = find_best(case.history, case.against)
    met = refresh(best, case.rechecks, case.rules.contended_below)
    reason = f"run {run.row} of {run.rows} of wave {run.wave}, {len(run.held)} ideas"
    last = case.runs[-1]
    if last.value is None:
        return Finding("crash", f"{reason}: {last.reason}", met=met)
    reason = f"{reason}: the wave decides" + (f"; run by {last.run_by}" if last.run_by else "")
    return Finding("discard", reason, (len(case.runs) - 1,), met=met)
