"""Claims about `autoresearch status`: true, and without touching anything."""

from __future__ import annotations

import json
from pathlib import Path

from autoresearch.researcher.report.status import read, sentences
from autoresearch.researcher.workspace import Workspace
from tiny_workspaces import Writes, command, make, noisy, research


def test_before_the_first_run(tmp_path: Path) -> None:
    """An untouched experiment says how to start it."""
    workspace = make(tmp_path, noisy())

    assert "autoresearch run" in sentences(read(workspace))[0]
    assert not (workspace.folder / "results.tsv").exists()


def test_after_a_night(tmp_path: Path) -> None:
    """Counts, baseline with its noise, the best with its commit."""
    workspace = make(tmp_path, noisy(1.0, 0.001))
    research(
        workspace,
        Writes(noisy(0.9, 0.001), noisy(2.0, 0.001), "raise SystemExit('x')\n"),
        experiments=3,
    )

    found = read(workspace)

    assert (found.kept, found.discarded, found.crashed, found.running, found.attempt) == (
        1,
        1,
        1,
        False,
        None,
    )
    assert found.noise and found.best and found.best < 0.95 and found.best_description == "idea 1"
    assert "1 kept, 1 discarded, 1 crashed" in sentences(found)[0]


def test_while_it_runs(tmp_path: Path) -> None:
    """A runner's lock is seen, and still held afterwards; the open experiment is told with its
    progress."""
    workspace = make(tmp_path, noisy(1.0, 0.001))

    def looks(worktree: Path) -> None:
        seen.append(read(Workspace(tmp_path)))
        (worktree / "train.py").write_text(noisy(0.9, 0.001))

    seen: list = []
    research(workspace, Writes(looks), experiments=1)

    assert seen[0].running and seen[0].attempt.phase == "editing"
    assert "being edited" in sentences(seen[0])[-1]


def test_the_command_speaks_json(tmp_path: Path) -> None:
    """For scripts: one object."""
    make(tmp_path, noisy())

    told = command("status", str(tmp_path), "--json")

    assert json.loads(told.stdout)["running"] is False and told.returncode == 0, told.stderr
