"""Claims about waves in a real loop: ideas that one run cannot show are found together, bad ones
stay out, nothing is run twice after a restart, and what excludes each other never meets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from autoresearch.models import Cell
from autoresearch.researcher.agents.base import Brief, Edit, NothingLeft
from autoresearch.researcher.experiment import Runner
from autoresearch.researcher.judging.values import Measurement, Record
from autoresearch.researcher.loop import Summary
from autoresearch.researcher.run_request import RunRequest
from autoresearch.researcher.sandbox import choose_sandbox
from autoresearch.researcher.swarm.base import SharedCell, Swarm
from autoresearch.researcher.waves.rows import read_run
from autoresearch.researcher.workspace import Workspace
from tiny_workspaces import ENVIRONMENT, make, research

# one constant for each idea, far enough apart for a three-way merge; luck is the seed's alone
LINES = 6
TRAIN = (
    "import os, random\n"
    + "".join(f"G{i} = 0.0\n# between\n# two ideas\n" for i in range(LINES))
    + "LUCK = random.Random(int(os.environ['AUTORESEARCH_SEED'])).gauss(0, 0.01)\n"
    + f"GAIN = sum([{', '.join(f'G{i}' for i in range(LINES))}])\n"
    + "print('---')\n"
    + "print(f'val_bpb: {1.0 - GAIN + LUCK:.6f}')\n"
)
GOOD, BAD = 0.0045, -0.002
SEED = 10  # the first run of the unchanged code is neither lucky nor unlucky


class OneByOne:
    """Changes one line at a time, as `ideas` say, and then has nothing left."""

    name = "one by one"

    def __init__(self, *ideas: tuple[int, float]) -> None:
        self.ideas = ideas

    def edit(self, worktree: Path, brief: Brief) -> Edit:
        tried = sum("step" in record.proposal for record in brief.history)
        if tried == len(self.ideas):
            raise NothingLeft("all were tried")
        line, gain = self.ideas[tried]
        text = (worktree / "train.py").read_text("utf-8")
        (worktree / "train.py").write_text(
            text.replace(f"G{line} = 0.0\n", f"G{line} = {gain}\n"), "utf-8"
        )
        edit = {f"train.py:G{line}": [0.0, gain]}
        return Edit(f"G{line} 0.0 → {gain}", {"step": tried, "edit": edit})


FOUR_GOOD = OneByOne((0, GOOD), (1, BAD), (2, GOOD), (3, GOOD), (4, BAD), (5, GOOD))


class Volunteers(Swarm):
    """Other machines: deliver a cell in the moment it is asked for, if it is one of `diligent`;
    stay at all others for ever."""

    shares_cells = True

    def __init__(self, *diligent: int) -> None:
        self.diligent = diligent
        self.asked: list[SharedCell] = []
        self.withdrawn: list[SharedCell] = []

    def ask_for_cells(self, cells: Sequence[SharedCell]) -> None:
        self.asked += cells

    def find_cell(self, cell: SharedCell) -> Cell | None:
        if cell not in self.asked:
            return None
        is_done = self.asked.index(cell) in self.diligent
        who = {"run_by": "helper"} if is_done else {"held_by": "sleeper"}
        value = 0.5 if is_done else None
        return Cell(cell.commit, "a box", "a-track", value, 1, "us", cell.seed, "", "", **who)

    def withdraw_cell(self, cell: SharedCell) -> None:
        self.withdrawn.append(cell)


@dataclass(frozen=True)
class Mortal(Runner):
    """Dies in its thirteenth run: after three of the baseline, six ideas, the best again, and two
    of a wave."""

    lived: list[RunRequest] = field(default_factory=list)

    def measure(self, request: RunRequest) -> Measurement:
        self.lived.append(request)
        if len(self.lived) == 13:
            raise RuntimeError("killed")
        return super().measure(request)


def night(workspace: Workspace, agent: OneByOne = FOUR_GOOD, **options: Any) -> Summary:
    return research(workspace, agent, waves="on", seed=SEED, **options)


def waves_of(workspace: Workspace) -> list[Record]:
    return [r for r in workspace.ledger.records() if "wave" in r.proposal]


def text_of(workspace: Workspace, commit: str) -> str:
    return workspace.repo.show(commit, "train.py").decode()


@pytest.mark.parametrize("commits", ["one", "chain"])
def test_what_no_single_run_shows_is_found_together(tmp_path: Path, commits: str) -> None:
    """Six ideas inside the noise are discarded one by one; a wave of seven runs finds the four
    good ones, and the judge keeps them together: as one commit, or as one for each."""
    workspace = make(tmp_path / "w", TRAIN)

    night(workspace, wave_commits=commits)

    records = workspace.ledger.records()
    *rows, combination = waves_of(workspace)
    assert [r.status for r in records[1:7]] == ["discard"] * 6
    assert len(rows) == 7 and {r.status for r in rows} == {"discard"}
    assert len({seed for r in rows for seed in r.seeds}) == 1 and len(rows[0].rechecks) == 1
    assert combination.status == "keep" and combination.agent == "wave"
    wanted = TRAIN
    for line in (0, 2, 3, 5):
        wanted = wanted.replace(f"G{line} = 0.0", f"G{line} = {GOOD}")
    assert text_of(workspace, combination.commit) == wanted
    assert combination.proposal["edit"] == {
        f"train.py:G{line}": [0.0, GOOD] for line in (0, 2, 3, 5)
    }
    count = len(workspace.repo.commits(records[0].commit, combination.commit))
    assert count == (1 if commits == "one" else 4)


def test_a_wave_goes_on_where_it_was(tmp_path: Path) -> None:
    """A researcher that dies in the middle of a run of a wave is followed by another one: no run is
    missing or in the ledger twice, and it ends like a night that was never interrupted."""
    workspace, other = make(tmp_path / "w", TRAIN), make(tmp_path / "v", TRAIN)
    night(other)
    with pytest.raises(RuntimeError, match="killed"):
        night(workspace, using=Mortal(workspace, choose_sandbox("none"), ENVIRONMENT))
    before = len(waves_of(workspace))
    night(Workspace(workspace.folder))

    runs = [read_run(r.proposal) for r in waves_of(workspace)]
    assert before == 2 and [run.row for run in runs if run] == [1, 2, 3, 4, 5, 6, 7, 0]
    ends = [waves_of(one)[-1] for one in (workspace, other)]
    assert text_of(workspace, ends[0].commit) == text_of(other, ends[1].commit)


def test_two_values_of_one_line_are_never_together(tmp_path: Path) -> None:
    """Ideas that change the same line exclude each other; the better one is taken."""
    workspace = make(tmp_path / "w", TRAIN)

    night(workspace, OneByOne((0, GOOD / 2), (2, GOOD), (0, GOOD), (4, GOOD)))

    *rows, combination = waves_of(workspace)
    assert all(not {"0002", "0004"} <= set(read_run(r.proposal).held) for r in rows)  # type: ignore[union-attr]
    assert f"G0 = {GOOD}\n" in text_of(workspace, combination.commit)


def test_no_wave_without_being_asked(tmp_path: Path) -> None:
    workspace = make(tmp_path / "w", TRAIN)

    research(workspace, FOUR_GOOD, seed=SEED)

    assert not waves_of(workspace) and len(workspace.ledger.records()) == 7


def test_a_wave_of_nothing_promises_nothing(tmp_path: Path) -> None:
    """Ideas that are all a little worse end in no combination, once and for all."""
    workspace = make(tmp_path / "w", TRAIN)
    agent = OneByOne((0, BAD), (2, BAD), (4, BAD))

    night(workspace, agent)
    night(workspace, agent)

    assert [read_run(r.proposal).row for r in waves_of(workspace)] == [1, 2, 3]  # type: ignore[union-attr]


def test_what_volunteers_deliver_is_not_run_again(tmp_path: Path) -> None:
    """The last runs are asked for first, and the wave takes those that came, with whose word they
    are; the combination is measured here, whatever they promised."""
    workspace, volunteers = make(tmp_path / "w", TRAIN), Volunteers(0, 1)

    night(workspace, swarm=volunteers)

    *rows, combination = waves_of(workspace)
    order = [run.row for r in rows if (run := read_run(r.proposal))]
    assert order == [1, 6, 7, 2, 3, 4, 5]
    theirs = [r for r in rows if r.run_by]
    assert [(r.value, r.run_by, r.log) for r in theirs] == [(0.5, "helper", "")] * 2
    assert all(r.reason.endswith("the wave decides; run by helper") for r in theirs)
    assert all(r.run_by == "" and r.log for r in rows if r not in theirs)
    assert combination.run_by == "" and min(combination.values) > 0.9
    assert set(volunteers.asked) < set(volunteers.withdrawn)


def test_nobody_is_waited_for(tmp_path: Path) -> None:
    """Where volunteers are at every cell and never come back, the night is as one without them."""
    workspace, other = make(tmp_path / "w", TRAIN), make(tmp_path / "v", TRAIN)
    night(other)
    night(workspace, swarm=Volunteers())

    found, alone = ([r.values for r in one.ledger.records()] for one in (workspace, other))
    assert found == alone


def test_a_wave_that_goes_on_asks_for_what_is_missing(tmp_path: Path) -> None:
    """After a kill, only runs that nobody has begun are asked for again."""
    workspace, volunteers = make(tmp_path / "w", TRAIN), Volunteers()
    with pytest.raises(RuntimeError, match="killed"):
        night(workspace, using=Mortal(workspace, choose_sandbox("none"), ENVIRONMENT))
    night(Workspace(workspace.folder), swarm=volunteers)

    assert len(volunteers.asked) == 4 and waves_of(workspace)[-1].status == "keep"
