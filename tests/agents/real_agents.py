"""The coding agents themselves, end to end, against a model on loopback: each edits, is measured,
kept, billed, and leaves nothing behind; a wrong key is told before anything is measured.

`make test-agents` installs them and runs this file; AGENTS names some of them. It is no part of
`make test`, which needs no npm.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from autoresearch.researcher.workspace import Workspace
from coding_agents import AGENTS, BIN, settings
from model_server import Model, model_server
from tiny_workspaces import command, make

MINI = "mini -y --exit-immediately -m openai/test-model -t {brief}"
LINES = {"mini": MINI}
TOML = """\
[experiment]
free = ["opt.py"]
command = ["python", "bench.py"]
metric = "score"
direction = "max"
"""
FILES = {"opt.py": "X = 5  # 1 to 9\n", "bench.py": 'import opt; print("score:", opt.X)\n'}


def research(
    name: str, workspace: Workspace, home: Path, model: Model, *more: str
) -> subprocess.CompletedProcess[str]:
    home.mkdir()
    return command(
        "run", str(workspace.folder), "--agent", "command", "--command", LINES.get(name, name),
        "--experiments", "1", "--baseline-runs", "1", "--unsafe-no-sandbox", *more,
        env=settings(home, model.url),
    )  # fmt: skip


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return make(tmp_path / "toy", "", TOML, FILES)


@pytest.mark.parametrize("name", AGENTS)
def test_an_agent_edits_and_is_measured(name: str, workspace: Workspace, tmp_path: Path) -> None:
    """Its edit becomes one commit with its own message, is kept, and is billed."""
    assert (BIN / name).exists(), f"{name} is not installed; make test-agents does that"
    model = Model(text="X = 7  # 1 to 9\n", words="I set it.\n\nDESCRIPTION: X is 7 now")
    before = (workspace.folder / ".git" / "config").read_bytes()
    with model_server(model):
        ended = research(name, workspace, tmp_path / "home", model)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    last = workspace.ledger.records()[-1]
    assert (last.status, last.value, last.description) == ("keep", 7.0, "X is 7 now")
    assert workspace.repo.changed_between(last.parent, last.commit) == ["opt.py"]
    assert (workspace.folder / ".git" / "config").read_bytes() == before
    assert [c.path for c in workspace.repo.changes()] == []
    if name not in ("qwen", "mini"):  # which tell none
        assert {"prompt_tokens", "tokens"} & last.proposal.keys(), last.proposal


@pytest.mark.parametrize("name", [name for name in AGENTS if name != "mini"])
def test_a_wrong_key_is_told_before_the_baseline(
    name: str, workspace: Workspace, tmp_path: Path
) -> None:
    """A sentence and exit code 2; nothing was measured for it."""
    error = {"message": "Incorrect API key provided", "type": "authentication_error", "code": 401}
    model = Model(status=401, error={"type": "error", "error": error})
    with model_server(model):
        ended = research(name, workspace, tmp_path / "home", model)

    assert (ended.returncode, workspace.ledger.records()) == (2, []), ended.stdout + ended.stderr
    assert "its key is refused, or it is not logged in" in ended.stderr
