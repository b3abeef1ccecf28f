"""A volunteer's run of a cell: what is not ours to run is refused before anything runs, and a run
that nobody waits for any more ends at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace as change
from rich.console import Console

from autoresearch.client import Hub
from autoresearch.errors import BadInput
from autoresearch.models import Cell
from autoresearch.researcher.display import Display
from autoresearch.researcher.experiment import Stopped
from autoresearch.researcher.verify.board import HubBoard
from autoresearch.researcher.verify.cell_runs import CellRunner
from autoresearch.researcher.verify.rerun import Notebook
from autoresearch.researcher.verify.verifier import Verifier
from claimants import BOX, Claimant, make_swarm
from tiny_workspaces import marked, noisy, runner

SLOW = "import time\ntime.sleep(30)\n" + noisy(0.9, 0.001)


@dataclass
class Place:
    """A researcher with commits on a hub, and a volunteer beside it."""

    asker: Claimant
    runs: CellRunner

    def cell(self, seed: int = 3, **files: str) -> Cell:
        commit, _ = self.asker.claims(0.9, **files)
        name, track = self.asker.agent.id, self.asker.track
        return Cell(commit, BOX, track, None, 1, name, seed, "", "")


@pytest.fixture
def place(tmp_path: Path, own_hub: Callable[..., Any]) -> Place:
    hub = own_hub()
    asker, workspace = make_swarm(tmp_path, hub)
    stop, display = threading.Event(), Display(Console(quiet=True), quiet=True)
    notebook = Notebook(workspace.private / "verify")
    verifier = Verifier(workspace, runner(workspace, stop), notebook, display, stop, BOX)
    board = HubBoard(Hub(hub.url, hub.agent("helper").key), "helper", BOX, asker.track)
    return Place(asker, CellRunner(verifier, board))


def test_a_cell_is_run_once_with_its_seed(place: Place) -> None:
    """The value is the one that its own seed gives, every time."""
    cell = place.cell(train=noisy(0.9, 0.1))
    values = [place.runs.run(cell, threading.Event()).value for _ in range(2)]
    other = place.runs.run(change(cell, seed=4), threading.Event())

    assert values[0] == values[1] != other.value and other.seed == 4


def test_what_is_not_ours_is_not_run(place: Place) -> None:
    """Changed fixed files, another machine or track, our own cell, and no seed or hash at all."""
    good = place.cell(train=noisy(0.9, 0.001))
    forged = place.cell(train=noisy(0.9, 0.001), prepare="LIMIT = 2\n")
    wrong = [
        forged, change(good, platform="another"), change(good, track="another"),
        change(good, agent_id="helper"), change(good, seed=-1), change(good, seed=2**31),
        change(good, commit="--upload-pack=x"), change(good, commit="HEAD"),
    ]  # fmt: skip
    for cell in wrong:
        with pytest.raises(BadInput):
            place.runs.run(cell, threading.Event())
    assert not (place.runs.verifier.workspace.private / "runs" / "cell").exists()


def test_a_run_that_nobody_waits_for_ends(place: Place) -> None:
    """Its lease was lost: it is stopped within seconds, and nothing of it is left running."""
    lost = threading.Event()
    threading.Timer(2.0, lost.set).start()
    began_at = time.monotonic()
    with pytest.raises(Stopped):
        place.runs.run(place.cell(train=SLOW), lost)

    assert time.monotonic() - began_at < 20
    mark = (place.runs.verifier.workspace.private / "cell.mark").read_text()
    assert marked(mark) == []
