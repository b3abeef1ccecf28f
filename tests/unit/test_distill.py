"""Claims about distill: its pairs tell every edit, its statistics hold, edits come apart and go
together again, and a killed call goes on."""

from __future__ import annotations

import random
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from rich.console import Console

from autoresearch.cli.distill import as_data, describe, distill_branch
from autoresearch.cli.run import hours_to_search
from autoresearch.errors import BadInput, BadWorkspace
from autoresearch.git.repo import Repo
from autoresearch.researcher.display import Display
from autoresearch.researcher.distill.chain import Chain, Combiner, KeptEdit, read_chain
from autoresearch.researcher.distill.design import Row, choose_pairs, difference
from autoresearch.researcher.distill.distiller import Distiller, plan_effects
from autoresearch.researcher.distill.effects import (
    Effect,
    estimate_effects,
    is_worth,
    measure_total,
    select_real,
)
from autoresearch.researcher.executors.local import LocalExecutor
from autoresearch.researcher.experiment import Stopped
from autoresearch.researcher.judging.values import Measurement
from autoresearch.researcher.run_request import RunRequest
from autoresearch.researcher.workspace import Workspace
from tiny_workspaces import make, record, runner

# Its number is the sum of what the lines below say; SECOND needs FIRST to be there.
BASE = """\
import os, random
GAIN = 0.0



SECOND = 0.0

# the end of the constants
LUCK = random.Random(int(os.environ["AUTORESEARCH_SEED"])).gauss(0, 0.01)
OWN = random.SystemRandom().gauss(0, 0.001)
print("---")
print(f"val_bpb: {1.0 - GAIN - SECOND + LUCK + OWN:.6f}")
"""


def any_row(row: Row) -> Row:
    return row


def edits_at(repo: Repo, texts: list[str]) -> list[KeptEdit]:
    """Commits of train.py, each on the one before."""
    edits, parent = [], repo.head()
    for number, text in enumerate(texts, start=2):
        (repo.path / "train.py").write_text(text, "utf-8")
        repo.add(["train.py"])
        commit = repo.commit(f"Edit {number}")
        lines = repo.lines_added(parent, commit)
        edits.append(KeptEdit(f"{number:04d}", commit, parent, f"Edit {number}", lines))
        parent = commit
    return edits


def workspace_with(folder: Path, texts: list[str]) -> tuple[Workspace, Chain]:
    workspace = make(folder, BASE)
    base = workspace.repo.head()
    return workspace, Chain(base, tuple(edits_at(workspace.repo, texts)))


REAL = BASE.replace("GAIN = 0.0", "GAIN = 0.05")
WORSE = REAL.replace("1.0 - GAIN", "1.01 - GAIN")
BOTH = WORSE.replace("SECOND = 0.0", "SECOND = 0.03")


# ---------------------------------------------------------------- pairs and effects


def test_every_pair_says_something_of_every_edit() -> None:
    """Where all edits apply, the halves are complements, and the first pair is all against none."""
    pairs = choose_pairs(any_row, 5, 11, 0)

    assert len(pairs) == 11 and pairs[0] == ((True,) * 5, (False,) * 5)
    assert all(abs(step) == 1 for pair in pairs for step in difference(pair))
    assert choose_pairs(any_row, 5, 11, 0) == pairs


def test_edits_that_need_another_are_never_run_without_it() -> None:
    """Rows are what applies; the effects can be told apart all the same."""

    def second_needs_first(row: Row) -> Row:
        return (row[0], row[1] and row[0], row[2])

    pairs = choose_pairs(second_needs_first, 3, 12, 1)
    gains = [float(difference(pair) @ [0.3, 0.1, -0.2]) for pair in pairs]

    assert all(second_needs_first(row) == row for pair in pairs for row in pair)
    found = [effect.gain for effect in estimate_effects(pairs, gains).edits]
    assert found == pytest.approx([0.3, 0.1, -0.2])


def test_intervals_hold_and_false_edits_go() -> None:
    """In 400 nights of eight edits, half of them worth nothing: 95 % intervals hold nearly that
    often, and of what remains at most one in twenty is false."""
    chance, held, left, false = random.Random(0), 0, 0, 0
    truth = [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 2.0, 3.0]
    for night in range(400):
        pairs = choose_pairs(any_row, 8, 14, night)
        gains = [float(difference(pair) @ truth) + chance.gauss(0, 1) for pair in pairs]
        effects = estimate_effects(pairs, gains)
        real = select_real(effects)
        held += sum(e.low <= t <= e.high for e, t in zip(effects.edits, truth, strict=True))
        left += sum(real)
        false += sum(real[:4])

    assert held / 3200 > 0.93
    assert false / left < 0.05 and left / 400 > 3


def test_too_few_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot tell"):
        estimate_effects(choose_pairs(any_row, 4, 6, 0), [0.0] * 6)


def test_a_gain_has_to_pay_for_its_lines() -> None:
    """Forty lines need more than a third of a run's noise; fewer lines need nothing."""
    small = Effect(0.003, 0.002, 0.004, 0.0)

    assert not is_worth(small, 40, 0.01) and is_worth(small, 20, 0.01)
    assert is_worth(small, -5, 0.01)


def test_the_total_is_a_mean_with_its_interval() -> None:
    total = measure_total([0.9, 1.1, 1.0, 1.2, 0.8])

    assert total.gain == pytest.approx(1.0)
    assert total.low == pytest.approx(1.0 - 2.776 * 0.1581 / 5**0.5, abs=1e-3)


# ---------------------------------------------------------------- the chain


def test_the_chain_is_the_bests_ancestors(tmp_path: Path) -> None:
    """A kept edit that another lane overtook is no part of it."""
    repo = make(tmp_path / "w", BASE).repo
    base = repo.head()
    first, second = edits_at(repo, [REAL, WORSE])
    history = [
        record(id="0001", commit=base, parent="", is_baseline=True),
        record(id="0002", commit=first.commit, parent=base),
        record(id="0009", commit="c" * 40, parent=first.commit),
        record(id="0003", commit=second.commit, parent=first.commit),
    ]

    assert [edit.id for edit in read_chain(repo, history).edits] == ["0002", "0003"]
    with pytest.raises(BadWorkspace, match="no measured baseline"):
        read_chain(repo, history[1:])


def test_edits_come_apart_and_go_together(tmp_path: Path) -> None:
    """Any choice of edits is a commit with just these; all of them are the best's own files."""
    workspace, chain = workspace_with(tmp_path / "w", [REAL, WORSE, BOTH])
    combiner = Combiner(workspace.repo, chain)

    def text(row: Row) -> str:
        return workspace.repo.show(combiner.commit(row), "train.py").decode()

    assert text((True, True, True)) == BOTH
    assert text((False, False, True)) == BASE.replace("SECOND = 0.0", "SECOND = 0.03")
    assert combiner.commit((False, False, False)) == chain.base


def test_an_edit_that_changes_another_ones_line_needs_it(tmp_path: Path) -> None:
    """It is left out where the other is missing, and brings it along where it is to remain."""
    again = REAL.replace("GAIN = 0.05", "GAIN = 0.09")
    workspace, chain = workspace_with(tmp_path / "w", [REAL, again])
    combiner = Combiner(workspace.repo, chain)

    assert combiner.fit((False, True)) == (False, False)
    assert combiner.cover((False, True)) == (True, True)


# ---------------------------------------------------------------- a whole morning


def distiller(
    workspace: Workspace, stop: threading.Event | None = None, display: Display | None = None
) -> Distiller:
    stop = stop or threading.Event()
    executor = LocalExecutor(runner(workspace, stop))
    display = display or Display(Console(quiet=True), quiet=True)
    return Distiller(workspace, executor, display, stop, 60)


def test_what_is_no_better_goes_and_what_is_real_stays(tmp_path: Path) -> None:
    """What was kept by luck is dropped; the two gains remain, one commit each with its interval,
    and the end says what both are worth."""
    workspace, chain = workspace_with(tmp_path / "w", [REAL, WORSE, BOTH])

    result = distiller(workspace).distill(chain, "night-distilled", ends=3)

    assert result.real == (True, False, True) and result.row == result.real
    repo = workspace.repo
    commits = repo.commits(chain.base, repo.resolve("night-distilled"))
    assert len(commits) == 2
    assert repo.message(commits[-1]).startswith("Edit 4\n\nGain 0.0")
    wanted = BOTH.replace("1.01 - GAIN", "1.0 - GAIN")
    assert repo.show("night-distilled", "train.py").decode() == wanted
    # an interval of 95 % misses once in twenty times, and each run has luck of its own
    assert result.total is not None and result.total.gain == pytest.approx(0.08, abs=0.01)
    assert result.total.low < result.total.gain < result.total.high


def test_a_night_of_nothing_leaves_nothing(tmp_path: Path) -> None:
    """Where no edit is better, there is no branch."""
    workspace, chain = workspace_with(tmp_path / "w", [BASE.replace("# the end", "# an end")])

    result = distiller(workspace).distill(chain, "night-distilled", pairs=7)

    assert not any(result.row) or result.effects.edits[0].p < 0.05
    assert any(result.row) == (workspace.repo.ref("refs/heads/night-distilled") is not None)


def test_a_stopped_distill_goes_on(tmp_path: Path) -> None:
    """What was run is not run again, and the design is the same."""
    workspace, chain = workspace_with(tmp_path / "w", [REAL])
    stop = threading.Event()

    class StopsIt(Display):
        """Asks to stop once a run has been told of."""

        def say(self, text: str) -> None:
            if " in " in text:
                stop.set()

    first = distiller(workspace, stop, StopsIt(Console(quiet=True)))
    with pytest.raises(Stopped):
        first.distill(chain, "night-distilled", pairs=7)
    before = first.open_notes(chain, Combiner(workspace.repo, chain), 7)
    assert before.runs

    distiller(workspace).distill(chain, "night-distilled", pairs=7, ends=2)
    after = first.open_notes(chain, Combiner(workspace.repo, chain), 7)

    assert before.runs.items() <= after.runs.items()
    assert after.pairs == before.pairs and after.seed == before.seed
    assert len(after.runs) == 2 * (7 + 2)
    for number in range(7):
        assert after.runs[f"{number}.0"].seed == after.runs[f"{number}.1"].seed


def test_the_next_run_begins_while_one_is_scored(tmp_path: Path) -> None:
    """As in a night: nobody waits for a score before there is room."""
    workspace, chain = workspace_with(tmp_path / "w", [REAL])
    executor = OneBehind(last=6)
    quiet = Display(Console(quiet=True), quiet=True)
    one = Distiller(workspace, executor, quiet, threading.Event(), 60)
    notes = one.open_notes(chain, Combiner(workspace.repo, chain), 3)

    one.carry_out(notes, plan_effects(notes, Combiner(workspace.repo, chain)))

    assert len(executor.asked) == 6 and len({request.mark for request in executor.asked}) == 6


def measured(value: float) -> Measurement:
    return Measurement("ok", "", seed=1, value=value)


@dataclass
class OneBehind:
    """Every run has only its scoring left at once, and is over when the next one is asked for."""

    last: int
    slots: int = 1
    asked: list[RunRequest] = field(default_factory=list)
    scored: Future[Measurement] = field(default_factory=Future)

    def submit(
        self, request: RunRequest, trained: Future[None] | None = None
    ) -> Future[Measurement]:
        before, self.scored = self.scored, Future()
        before.set_result(measured(1.0))
        self.asked.append(request)
        if trained is not None:
            trained.set_result(None)
        if len(self.asked) == self.last:
            self.scored.set_result(measured(1.0))
        return self.scored

    def close(self) -> None:
        pass


# ---------------------------------------------------------------- the commands


def with_ledger(workspace: Workspace, chain: Chain) -> None:
    """The ledger that a night leaves: a baseline of a second a run, and what was kept."""
    notes = {"branch": "autoresearch/w", "slowest_seconds": 1.0}
    base = record(commit=chain.base, parent="", is_baseline=True, **notes)
    kept = [record(id=e.id, commit=e.commit, parent=e.parent, **notes) for e in chain.edits]
    for one in (base, *kept):
        workspace.ledger.append(one)


def test_the_end_of_a_night_is_distilled_in_its_time(tmp_path: Path) -> None:
    """With minutes there are as many pairs as fit; too few are said, and nothing is run."""
    workspace, chain = workspace_with(tmp_path / "w", [REAL])
    with_ledger(workspace, chain)
    quiet = Display(Console(quiet=True), quiet=True)

    assert distill_branch(runner(workspace), quiet, None, minutes=0.2) is None
    assert not (workspace.private / "distill").exists()
    result = distill_branch(runner(workspace), quiet, None, minutes=20 / 60, end_pairs=5)
    assert result is not None and result.effects.pairs == 5
    assert result.branch == "autoresearch/w-distilled" and "1 of 1" in describe(result)
    assert as_data(result)["edits"][0]["verdict"] == "real"


def test_minutes_for_distill_are_a_part_of_the_hours() -> None:
    assert hours_to_search(8, 60) == 7 and hours_to_search(None, 0) is None
    for hours in (None, 1):
        with pytest.raises(BadInput, match="part of --hours"):
            hours_to_search(hours, 60)


def test_too_few_pairs_are_told_before_any_run(tmp_path: Path) -> None:
    workspace, chain = workspace_with(tmp_path / "w", [REAL, WORSE])
    with_ledger(workspace, chain)
    quiet = Display(Console(quiet=True), quiet=True)

    with pytest.raises(BadInput, match="--pairs 5 at least"):
        distill_branch(runner(workspace), quiet, None, pairs=4)
