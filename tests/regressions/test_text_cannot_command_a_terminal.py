"""What an agent writes as its commit message, or a program as its last words, cannot command a
person's terminal."""

from __future__ import annotations

import re
from pathlib import Path

from tiny_workspaces import command, make, noisy, script

WILD = "\x1b]0;owned\x07\x1b[2J[red]halve it[/red]\u202e"
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]")


def test_no_command_prints_what_an_agent_smuggled_in(tmp_path: Path) -> None:
    """run, status, watch and report show the words of a hostile message and of a hostile log, and
    no control character of them."""
    workspace = make(tmp_path / "w", noisy(1.0, 0.001))
    edits = [
        {"message": WILD, "files": {"train.py": noisy(0.5, 0.001)}},
        {"message": "crash", "files": {"train.py": f"raise SystemExit({WILD!r})\n"}},
    ]
    ideas = script(tmp_path / "ideas.jsonl", edits)
    folder = str(workspace.folder)

    told = [
        command(
            "run", folder, "--agent", "scripted", "--script", str(ideas), "--unsafe-no-sandbox"
        ),
        command("status", folder),
        command("watch", folder, "--once"),
        command("report", folder, "--out", str(tmp_path / "out")),
    ]

    for said in told:
        assert "halve it" in said.stdout, said.stderr
        assert not CONTROL.search(said.stdout + said.stderr)
