"""Coding-agent command lines, stood for by small real programs that read a brief, edit files and
talk."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import psutil
import pytest

from autoresearch.errors import BadInput, MissingTool
from autoresearch.researcher.agents.base import AgentFailed, AgentUnavailable, Brief
from autoresearch.researcher.agents.command import CommandAgent
from autoresearch.researcher.agents.presets import PRESETS
from autoresearch.researcher.agents.room import Room
from autoresearch.researcher.sandbox import choose_sandbox

BRIEF = Brief(
    number=7,
    parent="b" * 40,
    free=("train.py", "model.py"),
    metric="val_bpb",
    direction="min",
    seed=1,
)


def agent(
    folder: Path, program: str, *places: str, timeout_s: float = 60, **environment: str
) -> CommandAgent:
    """An agent whose program is a Python script, called with `places`."""
    file = folder / "coder.py"
    file.write_text(program)
    line = shlex.join([sys.executable, str(file), *places])
    env = {"PATH": os.environ["PATH"], **environment}
    return CommandAgent(line, folder / "transcripts", plain_room(env), timeout_s=timeout_s)


def plain_room(environment: dict[str, str]) -> Room:
    """What a program has without a sandbox."""
    return Room(choose_sandbox("none"), environment)


@pytest.fixture
def worktree(tmp_path: Path) -> Path:
    folder = tmp_path / "worktree"
    folder.mkdir()
    (folder / "train.py").write_text("RATE = 1\n")
    return folder


def test_a_program_edits_the_checkout_and_names_its_commit(worktree: Path, tmp_path: Path) -> None:
    """The brief arrives on standard input, the edit stays in the checkout, the last DESCRIPTION
    line becomes the message."""
    program = """
import sys
brief = sys.stdin.read()
assert "Experiment 7" in brief and "train.py" in brief
open("train.py", "w").write("RATE = 2\\n")
print("DESCRIPTION: a first thought")
print("DESCRIPTION: double the rate")
"""
    edit = agent(tmp_path, program).edit(worktree, BRIEF)

    assert edit.message == "double the rate"
    assert (worktree / "train.py").read_text() == "RATE = 2\n"
    assert "Experiment 7" in (tmp_path / "transcripts" / "00007.brief.md").read_text()
    assert "a first thought" in (tmp_path / "transcripts" / "00007.log").read_text()


@pytest.mark.parametrize("place", ["{brief}", "--file={brief_file}"])
def test_the_brief_can_be_an_argument_or_a_file(worktree: Path, tmp_path: Path, place: str) -> None:
    """Each way of handing over brings the whole text, and {free} one argument a file; no shell
    looks at any of it."""
    program = """
import sys
text = sys.argv[1]
if text.startswith("--file="):
    text = open(text[7:]).read()
assert "## Rules" in text and sys.argv[2:] == ["train.py", "model.py"], sys.argv
"""
    assert (
        agent(tmp_path, program, place, "{free}")
        .edit(worktree, BRIEF)
        .message.endswith("experiment 7")
    )


def test_a_hung_program_is_ended_with_its_children(worktree: Path, tmp_path: Path) -> None:
    """Over the time limit, the program and the child it started are gone, and the failure says
    so."""
    program = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print("child", child.pid, flush=True)
time.sleep(600)
"""
    with pytest.raises(AgentFailed, match="over 3 s"):
        agent(tmp_path, program, timeout_s=3).edit(worktree, BRIEF)

    child = int((tmp_path / "transcripts" / "00007.log").read_text().split()[1])
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


def test_a_failing_program_is_quoted(worktree: Path, tmp_path: Path) -> None:
    """A program that fails costs this edit only; its last words are told, without control
    characters."""
    with pytest.raises(AgentFailed, match="no key for the model"):
        agent(tmp_path, "import sys; sys.exit('\\x1b[31mno key for the model')").edit(
            worktree, BRIEF
        )


def test_a_missing_program_is_said(worktree: Path, tmp_path: Path) -> None:
    """A command that is not installed is a failed edit with its name in it."""
    absent = CommandAgent("no-such-coder -p", tmp_path, plain_room({"PATH": os.environ["PATH"]}))
    with pytest.raises(AgentFailed, match="no-such-coder"):
        absent.edit(worktree, BRIEF)


def test_our_keys_stay_ours(worktree: Path, tmp_path: Path) -> None:
    """The program gets the user's environment without the hub's key; its own keys it keeps."""
    program = (
        "import os; assert 'AGENTHUB_KEY' not in os.environ and os.environ['THEIR_KEY'] == 't'"
    )
    agent(tmp_path, program, AGENTHUB_KEY="secret", THEIR_KEY="t").edit(worktree, BRIEF)


@pytest.mark.parametrize("line", ["", "unclosed 'quote"])
def test_a_command_that_is_none_is_refused(worktree: Path, tmp_path: Path, line: str) -> None:
    """An empty or unreadable --command says what is expected."""
    with pytest.raises(BadInput, match="--command"):
        CommandAgent(line, tmp_path, plain_room({})).edit(worktree, BRIEF)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_starts_its_own_program_and_never_asks(name: str, tmp_path: Path) -> None:
    """Each preset hands the brief over in one of the three ways and starts the program it is named
    after."""
    preset = CommandAgent(name, tmp_path, plain_room({}))
    argv = preset.argv("the brief", tmp_path / "b.md", ["train.py"])
    assert preset.program() == name
    assert argv[0] == "sh" or "the brief" in argv or str(tmp_path / "b.md") in argv


def test_a_program_that_is_missing_is_told_at_once(tmp_path: Path) -> None:
    """Before anything is measured: of a preset and of an own line."""
    for line in ("claude", "no-such-coder --task {brief}"):
        with pytest.raises(MissingTool, match="is not installed"):
            CommandAgent(line, tmp_path, plain_room({"PATH": str(tmp_path)})).check()


def known(folder: Path, program: str) -> CommandAgent:
    """A small program by the name of a known agent."""
    (folder / "bin").mkdir()
    file = folder / "bin" / "claude"
    file.write_text(f"#!{sys.executable}\n{program}")
    file.chmod(0o755)
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    return CommandAgent("claude", folder / "transcripts", plain_room({"PATH": path}))


@pytest.mark.parametrize(
    ("program", "error"),
    [
        ("import sys; sys.exit('Invalid API key')", BadInput),
        ("print('litellm.AuthenticationError: Incorrect API key')", BadInput),
        ("import sys; sys.exit('There is an issue: unknown model x')", BadInput),
        ("import sys; sys.exit('usage limit reached, try again in 2 hours')", AgentUnavailable),
    ],
)
def test_a_known_program_is_asked_first(
    tmp_path: Path, program: str, error: type[Exception]
) -> None:
    """What a person has to mend ends the run before the baseline; what passes does not."""
    with pytest.raises(error):
        known(tmp_path, program).check()


def test_a_known_program_that_answers_is_well(tmp_path: Path) -> None:
    """It is asked for one word, in an empty folder that is gone afterwards."""
    program = "import os, sys; assert 'ready' in sys.stdin.read() and os.listdir() == []"
    agent = known(tmp_path, program)
    agent.check()
    assert not (agent.folder / "check").exists()
