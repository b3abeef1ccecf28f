"""A view as lines, for pipes, logs and screen readers: once everything, then only what has
changed. Pure: views in, lines out."""

from __future__ import annotations

from collections.abc import Iterator

from autoresearch.own_programs import call_program
from autoresearch.researcher.dashboard.draw import draw_heading, run_state, show_value
from autoresearch.researcher.dashboard.snapshot import RunView, VerdictView, View
from autoresearch.researcher.judging.amounts import show_amount

SHOWN = 10
QUARTERS = 4  # a run in progress is told at each quarter of its budget


def describe_view(view: View) -> list[str]:
    """Everything in a few lines."""
    lines = [text.plain for text in draw_heading(view)]
    if not (view.verdicts or view.about.running):
        command = call_program("autoresearch", "run", view.about.folder)
        lines.insert(1, f"no experiment is finished yet; start with: {command}")
    lines += [describe_verdict(v) for v in view.verdicts[-SHOWN:]]
    working = [
        *(describe_run(r) for r in view.runs),
        *(f"{name} is being edited" for name in view.edited),
    ]
    return [*lines, *working, *([view.interruption] if view.interruption else [])]


def describe_changes(before: View, after: View) -> Iterator[str]:
    """A line for each thing that is new; nothing where nothing happened."""
    if after.about.running and not before.about.running:
        yield "research goes on"
    known = {v.id for v in before.verdicts}
    yield from (describe_verdict(v) for v in after.verdicts if v.id not in known)
    if after.about.best != before.about.best and after.about.best is not None:
        yield (
            f"best {after.about.metric} {show_amount(after.about.best)}  "
            f"{after.about.best_commit[:7]}  {after.about.best_description}"
        )
    yield from describe_progress(before, after)
    if before.waiting != after.waiting and after.waiting is not None:
        waiting = f"{after.waiting} wait for the hub"
        yield waiting if after.waiting else "everything has reached the hub"
    if before.about.running and not after.about.running:
        yield "research has stopped"  # last: who waits for this line has seen all that was found


def run_quarter(run: RunView | None) -> int:
    """-1 before a run, 0 when it begins, 1 to 4 as its budget is used up."""
    if run is None:
        return -1
    return int((run.progress or 0.0) * QUARTERS)


def describe_progress(before: View, after: View) -> Iterator[str]:
    """A line for each run that is new or another quarter on."""
    begun = {(r.id, r.number): r for r in before.runs}
    for r in after.runs:
        if run_quarter(r) != run_quarter(begun.get((r.id, r.number))):
            yield describe_run(r)


def describe_verdict(v: VerdictView) -> str:
    return f"{v.id}  {v.kind:8}  {show_value(v):>10}  {v.commit[:7]}  {v.description}: {v.reason}"


def describe_run(r: RunView) -> str:
    return f"{r.id}  run {r.number}     {run_state(r)}  {r.commit[:7]}  {r.description}"
