"""Measures a night's kept edits again and leaves a branch of those that are real.

Pairs of runs with fresh seeds tell every edit's effect; the edits that remain are put on the base
one by one, and the result is measured against the base once more, with seeds that decided nothing.
Each run is on disk once it is over, so a killed distill goes on. Leaves to others: the pairs
(design), the statistics (effects), commits (chain), where runs take place (executors).
"""

from __future__ import annotations

import secrets
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from autoresearch.errors import BadWorkspace
from autoresearch.files import replace_file
from autoresearch.researcher.display import Display, show_duration
from autoresearch.researcher.distill.chain import Chain, Combiner
from autoresearch.researcher.distill.design import Pair, Row, choose_pairs
from autoresearch.researcher.distill.effects import (
    SPARE,
    Effect,
    Effects,
    estimate_effects,
    is_worth,
    measure_total,
    select_real,
)
from autoresearch.researcher.executors.base import Executor
from autoresearch.researcher.experiment import Stopped
from autoresearch.researcher.judging.amounts import show_amount
from autoresearch.researcher.judging.judge import run_seed
from autoresearch.researcher.judging.values import Measurement
from autoresearch.researcher.run_request import RunRequest
from autoresearch.researcher.sandbox import sweep_processes
from autoresearch.researcher.workspace import Workspace

MORE_PAIRS = 6  # than edits, where nothing else is asked for
END = "end-"  # what the names of its runs begin with
FEWEST_ENDS = 2  # pairs of the end that give an interval


class DistillNotes(msgspec.Struct, frozen=True):
    """What was run so far. `runs` by name, `0.1` for the second half of the first pair. `branch`
    and `tip`: what remains, once that is decided."""

    chain: Chain
    pairs: tuple[Pair, ...]
    seed: int
    mark: str
    runs: dict[str, Measurement] = {}
    branch: str = ""
    tip: str = ""


@dataclass(frozen=True)
class DistillRun:
    """One half of a pair. `name`: in the notes, `0.1` for the second half of the first pair.
    `number`: among all."""

    name: str
    number: int
    title: str
    commit: str
    seed: int
    unseen: Path | None = None


@dataclass(frozen=True)
class Distilled:
    """What remains. `real`: the edits with an effect of their own; `row`: those of the branch, with
    what they do not apply without. `total` is None where nothing remains, `test` where there is no
    such text."""

    chain: Chain
    effects: Effects
    real: Row
    row: Row
    branch: str = ""
    total: Effect | None = None
    end_pairs: int = 0
    tip: str = ""
    values: tuple[float, ...] = ()  # of the result, at the end
    test: Effect | None = None  # the total's on text that nobody saw
    look: int = 0  # the how manieth at that text


@dataclass(frozen=True)
class DistilledEnd:
    """What remains against the unchanged code. `values`: of the first; `pairs`: that came to
    numbers; `total` and `test`, on text that nobody saw, where these are enough."""

    values: tuple[float, ...] = ()
    pairs: int = 0
    total: Effect | None = None
    test: Effect | None = None


def read_end(notes: DistillNotes, direction: str) -> DistilledEnd:
    """What the runs of the end say so far."""
    names = [name for name in notes.runs if name.startswith(END) and name.endswith(".0")]
    ours = [notes.runs[name] for name in names]
    theirs = [notes.runs.get(f"{name[:-2]}.1") for name in names]
    both = [(a, b) for a, b in zip(ours, theirs, strict=True) if b is not None]
    gains = [gain_of(a.value, b.value, direction) for a, b in both]
    tested = [gain_of(a.test_value, b.test_value, direction) for a, b in both]
    known = [[gain for gain in every if gain is not None] for every in (gains, tested)]
    total, test = (measure_total(each) if len(each) >= FEWEST_ENDS else None for each in known)
    values = [
        a.value
        for (a, _), gain in zip(both, gains, strict=True)
        if gain is not None and a.value is not None
    ]
    return DistilledEnd(tuple(values), len(known[0]), total, test)


def gain_of(first: float | None, second: float | None, direction: str) -> float | None:
    """By how much the first is better; None where one is not known."""
    if first is None or second is None:
        return None
    return second - first if direction == "min" else first - second


def count_pairs(edits: int) -> int:
    return edits + MORE_PAIRS


def plan_effects(notes: DistillNotes, combiner: Combiner) -> Iterator[DistillRun]:
    """Of the pairs that tell every edit's effect."""
    for number, pair in enumerate(notes.pairs):
        title = f"pair {number + 1} of {len(notes.pairs)}"
        halves = (combiner.commit(pair[0]), combiner.commit(pair[1]))
        yield from plan_pair(notes.seed, number, str(number), halves, title)


def plan_ends(notes: DistillNotes, ends: int, unseen: Path | None) -> Iterator[DistillRun]:
    """Of what remains against the unchanged code."""
    for number in range(ends):
        title, place = f"the end, pair {number + 1} of {ends}", len(notes.pairs) + number
        halves = (notes.tip, notes.chain.base)
        yield from plan_pair(notes.seed, place, f"{END}{number}", halves, title, unseen)


def plan_pair(
    seed: int,
    place: int,
    name: str,
    commits: tuple[str, str],
    title: str,
    unseen: Path | None = None,
) -> Iterator[DistillRun]:
    """Both halves with one fresh seed. The order alternates with the pair's place among all, so
    that a drifting machine favours neither."""
    fresh = run_seed(seed, "distill", place + 1)
    for half in (0, 1) if place % 2 == 0 else (1, 0):
        named = f"{title}, {'ab'[half]}"
        yield DistillRun(f"{name}.{half}", 2 * place + half, named, commits[half], fresh, unseen)


@dataclass(frozen=True)
class Distiller:
    """Holds what the work needs; the caller holds the workspace's lock."""

    workspace: Workspace
    executor: Executor
    display: Display
    stop: threading.Event
    timeout_s: float
    unseen: Path | None = None  # rows of the test part: the end's runs are scored on them too

    def distill(self, chain: Chain, branch: str, pairs: int = 0, ends: int = 5) -> Distilled:
        """Run, decide, and make `branch`. Raises Stopped; BadWorkspace where too many runs
        crashed."""
        combiner = Combiner(self.workspace.repo, chain)
        notes = self.open_notes(chain, combiner, max(pairs or count_pairs(len(chain.edits)), 1))
        sweep_processes(notes.mark)
        rows = notes.pairs
        notes = self.carry_out(notes, plan_effects(notes, combiner))
        gains = [(row, self.gain(notes, str(number))) for number, row in enumerate(rows)]
        told = [(row, gain) for row, gain in gains if gain is not None]
        if len(told) < len(chain.edits) + SPARE:
            raise BadWorkspace(
                f"only {len(told)} of {len(rows)} pairs of runs came to numbers, too few for "
                f"{len(chain.edits)} edits; see the logs in {self.folder}, or ask for more --pairs"
            )
        effects = estimate_effects([pair for pair, _ in told], [gain for _, gain in told])
        real = self.choose_real(chain, effects)
        row = combiner.cover(real)
        if not any(row):
            return Distilled(chain, effects, real, row)
        if not notes.tip:
            tip = combiner.series(row, describe_edits(chain, effects, real))
            name = self.make_branch(branch, tip)
            notes = self.write_notes(msgspec.structs.replace(notes, tip=tip, branch=name))
        notes = self.carry_out(notes, plan_ends(notes, ends, self.unseen))
        end = read_end(notes, self.direction)
        return Distilled(
            chain, effects, real, row, notes.branch, end.total, end.pairs, notes.tip, end.values,
            end.test,
        )  # fmt: skip

    def choose_real(self, chain: Chain, effects: Effects) -> Row:
        """The edits that are better than nothing and worth their lines."""
        return tuple(
            real and is_worth(effect, edit.lines, effects.sigma)
            for real, effect, edit in zip(
                select_real(effects), effects.edits, chain.edits, strict=True
            )
        )

    def make_branch(self, wanted: str, tip: str) -> str:
        """Name the branch, with a number where another one has the name."""
        repo, number = self.workspace.repo, 1
        name = wanted
        while repo.ref(f"refs/heads/{name}") is not None:
            number += 1
            name = f"{wanted}-{number}"
        repo.set_ref(f"refs/heads/{name}", tip)
        return name

    # ---------------------------------------------------------------- runs

    @property
    def folder(self) -> Path:
        return self.workspace.private / "distill"

    def open_notes(self, chain: Chain, combiner: Combiner, pairs: int) -> DistillNotes:
        """What an earlier call noted of the same chain and as many pairs, else a new design."""
        try:
            notes = msgspec.json.decode(self.notes_file(chain).read_bytes(), type=DistillNotes)
            if notes.chain == chain and len(notes.pairs) == pairs:
                return notes
        except (FileNotFoundError, msgspec.MsgspecError):
            pass
        seed = secrets.randbits(31)
        rows = choose_pairs(combiner.fit, len(chain.edits), pairs, seed)
        return self.write_notes(DistillNotes(chain, rows, seed, secrets.token_hex(16)))

    def notes_file(self, chain: Chain) -> Path:
        return self.folder / f"{chain.tip[:12]}.json"

    def write_notes(self, notes: DistillNotes) -> DistillNotes:
        """On disk when this returns."""
        self.folder.mkdir(parents=True, exist_ok=True)
        replace_file(self.notes_file(notes.chain), msgspec.json.encode(notes))
        return notes

    @property
    def direction(self) -> str:
        return self.workspace.config.experiment.direction

    def gain(self, notes: DistillNotes, name: str) -> float | None:
        """By how much the first half of a pair is better; None on a crash."""
        first, second = (notes.runs[f"{name}.{half}"].value for half in (0, 1))
        return gain_of(first, second, self.direction)

    def carry_out(self, notes: DistillNotes, runs: Iterable[DistillRun]) -> DistillNotes:
        """Those that are not noted yet, in their order, as many at once as there is room for; the
        notes with them all. Raises Stopped, with what was over by then noted."""
        left = deque(run for run in runs if run.name not in notes.runs)
        going: dict[Future[Measurement], tuple[DistillRun, Future[None]]] = {}
        training: set[Future[None]] = set()  # the others have only their scoring left
        is_stopped = False
        while going or (left and not is_stopped):
            while left and len(training) < self.executor.slots and not self.stop.is_set():
                run, trained = left.popleft(), Future[None]()
                going[self.begin(notes, run, trained)] = run, trained
                training.add(trained)
            is_stopped = is_stopped or self.stop.is_set()
            changes: list[Future[Any]] = [*going, *training]
            done = wait(changes, return_when=FIRST_COMPLETED).done
            training -= done
            for future in [future for future in going if future in done]:
                run, trained = going.pop(future)
                training.discard(trained)
                self.display.finish_run(("", run.number))
                try:
                    measured = future.result()
                except Stopped:
                    is_stopped = True
                    continue
                notes = msgspec.structs.replace(notes, runs={**notes.runs, run.name: measured})
                self.write_notes(notes)
                self.tell(run, measured)
        if is_stopped:
            raise Stopped
        return notes

    def begin(
        self, notes: DistillNotes, run: DistillRun, trained: Future[None]
    ) -> Future[Measurement]:
        folder = self.workspace.private / "runs" / "distill" / run.name
        self.display.start_run(("", run.number), f"  {run.title}", folder / "out")
        mark = f"{notes.mark}-{run.number}"
        request = RunRequest(run.commit, run.seed, mark, folder, self.timeout_s, unseen=run.unseen)
        return self.executor.submit(request, trained)

    def tell(self, run: DistillRun, measured: Measurement) -> None:
        value = "none" if measured.value is None else show_amount(measured.value)
        said = f": {measured.reason}" if measured.reason else ""
        self.display.say(f"  {run.title}: {value} in {show_duration(measured.seconds)}{said}")


def describe_edits(chain: Chain, effects: Effects, real: Row) -> Sequence[str]:
    """The commit message of each edit that remains."""
    messages = []
    for edit, effect, own in zip(chain.edits, effects.edits, real, strict=True):
        told = (
            f"Gain {show_amount(effect.gain)} "
            f"[{show_amount(effect.low)} to {show_amount(effect.high)}] in "
            f"{effects.pairs} pairs of runs with fresh seeds."
            if own
            else "Not shown to be better by itself; a later edit does not apply without it."
        )
        messages.append(f"{edit.description}\n\n{told}\nExperiment {edit.id}, {edit.commit[:12]}.")
    return messages
