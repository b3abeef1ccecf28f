"""A wave shared with volunteers: a real researcher asks, another machine runs cells, the wave takes
them; a liar costs time, and no false number is kept or told."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from autoresearch.cli.credentials import Credentials, folder_file, reserve, write
from autoresearch.researcher.judging.values import Record
from autoresearch.researcher.swarm.track import track_id
from autoresearch.researcher.waves.rows import is_row
from autoresearch.researcher.workspace import Workspace
from conftest import Agent
from swarms import PLATFORM, Researcher, until
from tiny_workspaces import make, script

GAINS = (0.0045, -0.002, 0.0045, 0.0045, -0.002, 0.0045)
# one constant for each idea, far enough apart for a three-way merge; luck is the seed's alone, and
# a run of several ideas takes its time
TRAIN = (
    "import os, random, time\n"
    + "".join(f"G{i} = 0.0\n# between\n# two ideas\n" for i in range(len(GAINS)))
    + "LUCK = random.Random(int(os.environ['AUTORESEARCH_SEED'])).gauss(0, 0.01)\n"
    + f"ALL = [{', '.join(f'G{i}' for i in range(len(GAINS)))}]\n"
    + "time.sleep(3 if sum(map(bool, ALL)) > 1 else 0)\n"
    + "print('---')\n"
    + "print(f'val_bpb: {1.0 - sum(ALL) + LUCK:.6f}')\n"
)
# a script's ideas may go into waves here, which is how this one ends with "nothing left"
PRELUDE = "from autoresearch.researcher.waves import pool; pool.CONTROLS = ()\n"


def write_ideas(file: Path) -> Path:
    texts = [TRAIN.replace(f"G{i} = 0.0\n", f"G{i} = {gain}\n") for i, gain in enumerate(GAINS)]
    return script(file, [{"message": f"G{i}", "files": {"train.py": t}} for i, t in
                         enumerate(texts)])  # fmt: skip


def start_researcher(folder: Path, hub: Any, *more: str) -> Researcher:
    make(folder / "asker", TRAIN)
    words = ("--agent", "scripted", "--script", str(write_ideas(folder / "ideas.jsonl")))
    how = ("--waves", "on", "--seed", "10", "--share-waves", *more)
    return Researcher(folder / "asker", hub.url, (*words, *how), prelude=PRELUDE).start(40)


def find_waiting(hub: Any, folder: Path) -> int:
    """How many cells the researcher asks for now."""
    file = folder_file(folder / "asker")
    if not file.exists():
        return 0
    data = json.loads(file.read_text())
    cells = Agent(hub, "asker", data["key"]).get("/api/cells").json()
    return sum(cell["outcome"] is None for cell in cells)


def wave_of(researcher: Researcher) -> tuple[list[Record], Record]:
    """The runs of its wave, and the combination."""
    *rows, combination = [r for r in researcher.records() if "wave" in r.proposal]
    assert all(is_row(r.proposal) for r in rows) and not is_row(combination.proposal)
    return rows, combination


def test_a_volunteer_runs_cells_of_a_wave(tmp_path: Path, own_hub: Callable[..., Any]) -> None:
    """While the researcher runs its own cells, a volunteer on a machine of that kind runs others;
    each cell is in the ledger once, and the combination is measured at home and kept."""
    hub = own_hub()
    researcher = start_researcher(tmp_path, hub)
    shutil.copytree(tmp_path / "asker", tmp_path / "helper", ignore=shutil.ignore_patterns(".a*"))
    helper, account = Workspace(tmp_path / "helper"), hub.agent("helper")
    reserve(folder_file(helper.folder), force=False)
    write(folder_file(helper.folder), Credentials(hub.url, account.key, account.id))
    until(lambda: find_waiting(hub, tmp_path), "cells are asked for")
    work = [sys.executable, "-c", "from autoresearch.cli.autoresearch import main; main()", "work"]
    where = [str(helper.folder), "--hub", hub.url, "--platform", PLATFORM, "--sandbox", "none"]
    done = subprocess.run(
        [*work, *where, "--once", "--json"], capture_output=True, text=True, timeout=120, check=True
    )
    researcher.finish()

    assert json.loads(done.stdout)["cells"] == 1
    rows, combination = wave_of(researcher)
    (theirs,) = [r for r in rows if r.run_by]
    assert theirs.run_by == account.id and theirs.reason.endswith(f"run by {account.id}")
    assert len(rows) == 7 and len({r.commit for r in rows}) == 7 and theirs.log == ""
    assert combination.status == "keep" and combination.run_by == "" and combination.logs
    assert {r.platform for r in rows} == {PLATFORM}
    told = hub.agent().get("/api/results", limit=100).json()
    assert theirs.commit[:7] not in {result["commit"] for result in told}
    assert find_waiting(hub, tmp_path) == 0


def test_a_liar_costs_time_and_no_false_number(tmp_path: Path, own_hub: Callable[..., Any]) -> None:
    """Who reports wonders of every cell steers one wave; what is kept, and told to the hub, was
    measured at home."""
    hub = own_hub()
    researcher = start_researcher(tmp_path, hub)
    liar = hub.agent("liar")
    asked = {"platform": PLATFORM, "track": track_id(Workspace(tmp_path / "asker")), "cells": True}

    def lie() -> bool:
        lease = liar.post("/api/work", asked).json()["lease"]
        if lease is not None:
            told = lease["cell"] | {"val_bpb": 0.1 + lease["cell"]["id"] % 3 / 10}
            liar.post(f"/api/work/{lease['id']}/report", told)
        return researcher.is_over

    until(lie, "the researcher ends")
    researcher.finish()
    rows, combination = wave_of(researcher)

    lied = [r for r in rows if r.run_by == liar.id]
    assert len(lied) >= 3 and all(r.value is not None and r.value < 0.5 for r in lied)
    measured = [value for r in researcher.records() if not r.run_by for value in r.values]
    assert combination.values and min(measured) > 0.9
    results = hub.agent().get("/api/results", limit=100).json()
    assert results and all(r["val_bpb"] is None or r["val_bpb"] > 0.9 for r in results)
