"""Agents that fail, one real small program each: what time heals is waited for, what repeats ends
the night with a sentence, and another may stand in."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from autoresearch.researcher.agents.command import CommandAgent
from autoresearch.researcher.agents.room import Room
from autoresearch.researcher.agents.search import SearchAgent
from autoresearch.researcher.sandbox import choose_sandbox
from autoresearch.researcher.workspace import Workspace
from tiny_workspaces import command, make, noisy, research

EDITS = "open('train.py', 'w').write({text!r})\nprint('DESCRIPTION: better')\n"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return make(tmp_path / "w", noisy(1.0, 0.001))


def coder(folder: Path, program: str) -> CommandAgent:
    """A coding agent that counts how often it was asked."""
    file = folder / "coder.py"
    count = f"from pathlib import Path\ncount = Path({str(folder / 'asked')!r})\n"
    count += "asked = len(count.read_text()) + 1 if count.exists() else 1\n"
    file.write_text(f"{count}count.write_text('x' * asked)\n{program}")
    line = shlex.join([sys.executable, str(file)])
    return CommandAgent(line, folder / "agents", Room(choose_sandbox("none"), {"PATH": "/usr/bin"}))


@pytest.mark.parametrize(
    "trouble",
    [
        "print('API Error: Rate limit reached')",
        "raise SystemExit('limit reached, try again in 0.1 s')",
        "raise SystemExit('API Error: Connection error.')",
    ],
)
def test_a_limit_is_waited_for(workspace: Workspace, tmp_path: Path, trouble: str) -> None:
    """More failures in a row than an agent may have, then it works again: the night goes on."""
    edit = EDITS.format(text=noisy(0.5, 0.001)).replace("\n", "; ")
    agent = coder(tmp_path, f"if asked < 5: {trouble}\nelse: {edit}\n")

    summary = research(workspace, agent, experiments=1, first_wait_s=0.01)

    assert [record.status for record in summary.finished] == ["keep"]
    assert not summary.gave_up and len((tmp_path / "asked").read_text()) == 5


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("print('All is well.')", "changed nothing.*All is well"),
        ("raise SystemExit('Please run /login')", "not logged in.*run /login"),
        ("open('prepare.py', 'a').write('#')\nprint('DESCRIPTION: sly')", "fixed.*it said: sly"),
        ("open('NOTES.md', 'w').write('x')\nprint('Shall I?')", "waits for an answer.*Shall I"),
    ],
)
def test_a_fault_that_repeats_ends_the_night(
    workspace: Workspace, tmp_path: Path, program: str, words: str
) -> None:
    """After three times in a row, with a sentence that quotes the agent."""
    import re

    summary = research(workspace, coder(tmp_path, program), hours=1)

    assert summary.gave_up and len((tmp_path / "asked").read_text()) == 3
    assert re.search(words, summary.ended), summary.ended


def test_no_wait_goes_beyond_the_time(workspace: Workspace, tmp_path: Path) -> None:
    """A limit that ends after the night ends the night at once, and says so."""
    agent = coder(tmp_path, "raise SystemExit('usage limit; try again in 3 hours')")

    summary = research(workspace, agent, hours=1)

    assert summary.gave_up and "before the time is over" in summary.ended
    assert "try again in 3 hours" in summary.ended


def test_another_agent_stands_in(workspace: Workspace, tmp_path: Path) -> None:
    """With a fallback the night goes on while the agent is at its limit; the ledger tells whose
    idea it was."""
    agent = coder(tmp_path, "raise SystemExit('usage limit; try again in 3 hours')")

    summary = research(workspace, agent, experiments=2, fallback=SearchAgent())

    assert [record.agent for record in summary.finished] == ["search", "search"]
    assert not summary.gave_up and len((tmp_path / "asked").read_text()) == 1


def test_giving_up_has_an_exit_code(workspace: Workspace, tmp_path: Path) -> None:
    """A script that starts the night sees that the agent gave up."""
    line = coder(tmp_path, "raise SystemExit('Not logged in')").command

    ended = command(
        "run", str(workspace.folder), "--agent", "command", "--command", line,
        "--hours", "1", "--unsafe-no-sandbox",
    )  # fmt: skip

    assert (ended.returncode, "failed 3 times in a row" in ended.stdout) == (6, True), ended.stderr


def test_the_cost_has_a_limit(workspace: Workspace, tmp_path: Path) -> None:
    """What edits cost, failed ones included, is summed up as the agent tells it."""
    told = "print('Tokens: 1k sent, 5 received. Cost: $0.30 message, $0.30 session.')"
    edit = EDITS.format(text=noisy(0.5, 0.001)).replace("\n", "; ")
    agent = coder(tmp_path, f"{told}\nif asked > 1: {edit}\n")

    summary = research(workspace, agent, max_cost_usd=0.5)

    assert (len(summary.finished), summary.ended) == (
        1,
        "the agent cost 0.60 dollars, the most it may",
    )
    assert summary.finished[0].proposal["cost_usd"] == 0.3
