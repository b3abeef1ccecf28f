"""Waves in a real night: opens their runs one after the other, and at the end the combination that
promises most, which the judge decides on like any experiment.

What a wave is stands in the proposals of its runs alone, in ledger and journal, so a killed night
goes on in the middle of one. Where the swarm shares cells, volunteers run some meanwhile: one that
was delivered needs no run here, and one that was not is run here, so nobody is waited for. Leaves
to others: when a wave pays (waves.pool), what its runs hold (waves.design), what they tell (waves.estimate), running and judging (loop).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from autoresearch.researcher.agents.base import Edit
from autoresearch.researcher.display import Display
from autoresearch.researcher.distill.chain import Chain, Combiner, KeptEdit
from autoresearch.researcher.journal import Attempt
from autoresearch.researcher.judging.amounts import show_amount, show_change
from autoresearch.researcher.judging.judge import run_seed
from autoresearch.researcher.judging.values import Measurement, Record
from autoresearch.researcher.loop.branch_state import BranchState
from autoresearch.researcher.loop.editing import Editing
from autoresearch.researcher.loop.proposals import Proposal
from autoresearch.researcher.swarm.base import SharedCell, Swarm
from autoresearch.researcher.waves.design import Row, choose_rows, find_apart
from autoresearch.researcher.waves.estimate import (
    WaveEffects,
    choose_combination,
    estimate_effects,
)
from autoresearch.researcher.waves.pool import (
    MOST,
    Progress,
    ScreenedIdea,
    WaveMode,
    choose_wave,
    gain_over,
    kept_values,
    measure_noise,
    read_pool,
    screen_error,
)
from autoresearch.researcher.waves.rows import WaveRun, measured_rows, newest_wave

AGENT = "wave"  # in the ledger
WaveCommits = Literal["one", "chain"]


@dataclass(frozen=True)
class WavePlan:
    """A wave as its runs tell it: the ideas on their base, what excludes what, and its runs, with
    the commits of those that have one. The incumbent's own run is none of them."""

    first: WaveRun
    combiner: Combiner
    apart: frozenset[tuple[int, int]]
    rows: tuple[Row, ...]
    commits: dict[int, str] = field(default_factory=dict)  # by the run's number

    def held(self, number: int) -> tuple[str, ...]:
        row = self.rows[number - 1]
        return tuple(idea for idea, inside in zip(self.first.ideas, row, strict=True) if inside)

    def describe_run(self, number: int) -> str:
        count, held = len(self.rows), ", ".join(self.held(number))
        return f"wave {self.first.wave}, run {number} of {count}: {held}"

    def cell(self, number: int) -> SharedCell:
        """A run as a volunteer may do it; its commit is made once."""
        if number not in self.commits:
            row, message = self.rows[number - 1], self.describe_run(number)
            self.commits[number] = self.combiner.commit(row, message)
        return SharedCell(self.commits[number], self.first.seed)


@dataclass(eq=False)
class WaveDriver:
    """`commits`: whether a combination is one commit or one for each idea. `seed`: the user's."""

    mode: WaveMode
    commits: WaveCommits
    state: BranchState
    editing: Editing
    display: Display
    seed: int
    swarm: Swarm = field(default_factory=Swarm)
    over: int = 0  # the newest wave that has nothing left to do
    plan: WavePlan | None = None

    def open_next(self, progress: Progress, is_last: bool) -> bool:
        """Open the next experiment of a wave, if there is one. `is_last`: nothing else is left to
        do."""
        if self.mode == "off":
            return False
        runs = self.known_runs()
        if runs and runs[0].wave > self.over:
            return self.go_on(runs)
        return self.begin((len(runs) and runs[0].wave + 1) or 1, progress, is_last)

    def known_runs(self) -> list[WaveRun]:
        """Of the newest wave: what is done and what is open."""
        attempts = self.state.journal.state.attempts.values()
        proposals = [record.proposal for record in self.state.history()]
        return newest_wave([*proposals, *(attempt.proposal for attempt in attempts)])

    # ---------------------------------------------------------------- a new one

    def begin(self, number: int, progress: Progress, is_last: bool) -> bool:
        """Open the first run of a new wave, where one is due."""
        best, history = self.state.best(), self.state.history()
        direction = self.state.workspace.config.experiment.direction
        noise = measure_noise(history, best.commit)
        pool = read_pool(history, direction, noise)
        if not choose_wave(pool, noise, progress, self.mode, is_last):
            return False
        fitting = self.applicable(best, pool)
        ideas = choose_wave(fitting, noise, progress, self.mode, is_last)
        if not ideas:
            return False
        seed = run_seed(self.seed, f"wave {number}", 1)
        ids = tuple(idea.id for idea in ideas)
        first = WaveRun(number, 1, 0, seed, best.commit, ids, ())
        self.plan = self.make_plan(first)
        self.display.say(
            f"wave {number}: {len(ids)} ideas in {len(self.plan.rows)} runs, "
            "each with about half of them"
        )
        self.share_rows(self.plan, range(2, len(self.plan.rows) + 1))
        return self.open_row(self.plan, 1)

    def applicable(self, best: Record, pool: Sequence[ScreenedIdea]) -> list[ScreenedIdea]:
        """The first of them that still go together with the best."""
        found: list[ScreenedIdea] = []
        for idea in pool:
            if len(found) == MOST:
                break
            if any(self.combiner(best.commit, [idea.id]).fit((True,))):
                found.append(idea)
        return found

    # ---------------------------------------------------------------- one that has begun

    def go_on(self, runs: Sequence[WaveRun]) -> bool:
        """Open what comes next of a wave; False where that has to wait, or nothing does."""
        seen, first = {run.row for run in runs}, runs[0]
        if 0 in seen:  # its combination
            self.over = first.wave
            return False
        plan = self.plan
        is_new = plan is None or plan.first.wave != first.wave
        if plan is None or is_new:
            plan = self.plan = self.make_plan(first)
        missing = [number for number, _ in enumerate(plan.rows, start=1) if number not in seen]
        if is_new:
            self.share_rows(plan, missing)
        if missing:
            return self.open_row(plan, self.choose_row(plan, missing))
        if any(a.agent == AGENT for a in self.state.journal.state.attempts.values()):
            return False
        self.over = first.wave
        return self.open_combination(plan)

    def make_plan(self, first: WaveRun) -> WavePlan:
        """The same for the same ideas on the same base, whenever it is made."""
        combiner, count = self.combiner(first.base, first.ideas), len(first.ideas)
        apart = find_apart(count, lambda row: combiner.fit(row) == row)
        rows = (combiner.fit(row) for row in choose_rows(count, apart, first.seed)[1:])
        return WavePlan(first, combiner, apart, tuple(row for row in rows if any(row)))

    def combiner(self, base: str, ideas: Sequence[str]) -> Combiner:
        records = self.records()
        edits = (records[name] for name in ideas)
        kept = (KeptEdit(r.id, r.commit, r.parent, r.description, 0) for r in edits)
        return Combiner(self.state.workspace.repo, Chain(base, tuple(kept)))

    def records(self) -> dict[str, Record]:
        return {record.id: record for record in self.state.history()}

    def share_rows(self, plan: WavePlan, numbers: Sequence[int]) -> None:
        """Let volunteers run these: the last ones first, for ours begin with the first."""
        if self.swarm.shares_cells:
            self.swarm.ask_for_cells([plan.cell(number) for number in reversed(numbers)])

    def choose_row(self, plan: WavePlan, missing: Sequence[int]) -> int:
        """What a volunteer delivered, else what none is at, else the one that was taken last."""
        if not self.swarm.shares_cells:
            return missing[0]
        known = {number: self.swarm.find_cell(plan.cell(number)) for number in missing}
        delivered = [n for n, cell in known.items() if cell and cell.val_bpb is not None]
        free = [n for n, cell in known.items() if not cell or not cell.held_by]
        return (delivered or free or missing)[0]

    def open_row(self, plan: WavePlan, number: int) -> bool:
        """Open one run of a wave; with what a volunteer says of it, where one did it."""
        first, count, cell = plan.first, len(plan.rows), plan.cell(number)
        held, message = plan.held(number), plan.describe_run(number)
        run = WaveRun(first.wave, number, count, first.seed, first.base, first.ideas, held)
        told = self.swarm.find_cell(cell)
        self.swarm.withdraw_cell(cell)
        attempt = self.open(first.base, cell.commit, message, run, {})
        if told is not None and told.val_bpb is not None:
            run_by = told.run_by or ""
            measured = Measurement("ok", "", cell.seed, value=told.val_bpb, run_by=run_by)
            self.state.journal.update(attempt.id, measurements=(measured,))
            words = f"{show_amount(told.val_bpb)}, run by {run_by}"
            self.display.verdict(attempt.id, "run", words)
        return True

    def open_combination(self, plan: WavePlan) -> bool:
        """Open the combination that promises most as an experiment on the present best."""
        first, best = plan.first, self.state.best()
        effects = self.estimate(plan)
        if effects is None:
            self.display.say(f"wave {first.wave}: too few of its runs came to numbers")
            return False
        combiner = self.combiner(best.commit, first.ideas)
        row = combiner.fit(choose_combination(effects, plan.apart))
        if not any(row):
            self.display.say(f"wave {first.wave}: no idea promises anything")
            return False
        held = tuple(idea for idea, inside in zip(first.ideas, row, strict=True) if inside)
        run = WaveRun(first.wave, 0, len(plan.rows), first.seed, best.commit, first.ideas, held)
        commit, message = self.commit_combination(combiner, effects, row, run)
        self.open(best.commit, commit, message, run, merge_edits(held, self.records()))
        return True

    def commit_combination(
        self, combiner: Combiner, effects: WaveEffects, row: Row, run: WaveRun
    ) -> tuple[str, str]:
        """One commit, or the last of one for each idea; and the message of the whole."""
        each = describe_ideas(combiner.chain.edits, effects)
        promise = show_change(effects.predict(row))
        self.display.say(f"wave {run.wave}: {len(run.held)} ideas together promise {promise}")
        subject = f"wave {run.wave}: {len(run.held)} ideas together, {', '.join(run.held)}"
        inside = [words for words, is_in in zip(each, row, strict=True) if is_in]
        message = "\n".join([subject, "", f"Expected: {promise}.", *inside])
        if self.commits == "chain":
            return combiner.series(row, each), message
        return combiner.commit(row, message), message

    def estimate(self, plan: WavePlan) -> WaveEffects | None:
        """What the runs tell; None where fewer than half of them came to numbers."""
        history, first = self.state.history(), plan.first
        measured = measured_rows(history, first.wave)
        if 2 * len(measured) < len(plan.rows):
            return None
        direction = self.state.workspace.config.experiment.direction
        sign = -1.0 if direction == "min" else 1.0
        noise, records = measure_noise(history, first.base), self.records()
        best = kept_values(history)
        return estimate_effects(
            [row for row, _, _ in measured],
            [sign * value for _, value, _ in measured],
            noise.sigma * math.sqrt(1 - noise.shared),
            [gain_over(records[idea], best, direction) for idea in first.ideas],
            screen_error(noise),
            [run_by for _, _, run_by in measured],
        )

    def open(
        self, parent: str, commit: str, message: str, run: WaveRun, more: Mapping[str, object]
    ) -> Attempt:
        attempt = self.state.begin(parent, agent=AGENT)
        edit = Edit(message, {**run.as_proposal(), **more})
        self.editing.open_experiment(attempt, Proposal(edit, commit))
        return attempt


def describe_ideas(edits: Sequence[KeptEdit], effects: WaveEffects) -> list[str]:
    """Each idea with what it is worth by itself."""
    return [
        f"{edit.description} ({edit.id}: {show_change(float(gain))} ± {float(error):.2g})"
        for edit, gain, error in zip(edits, effects.gains, effects.errors, strict=True)
    ]


def merge_edits(ids: Sequence[str], records: Mapping[str, Record]) -> dict[str, object]:
    """The constants that a combination changes, so that agents who tune them know where it is;
    nothing where an idea is more than constants."""
    edits = [records[name].proposal.get("edit") for name in ids]
    merged = {k: v for edit in edits if isinstance(edit, Mapping) for k, v in edit.items()}
    return {"edit": merged} if all(isinstance(edit, Mapping) for edit in edits) else {}
