"""Acceptance: kill -9 at random moments of `autoresearch run`, and at every single step of the
books; nothing is lost, doubled, left."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from rich.console import Console

from autoresearch.git.repo import Repo
from autoresearch.researcher.agents.scripted import ScriptedAgent
from autoresearch.researcher.display import Display
from autoresearch.researcher.experiment import Runner
from autoresearch.researcher.loop import Loop, Options
from autoresearch.researcher.workspace import Workspace
from kills import Effect, Instant, Killed, interrupt
from tiny_workspaces import ENVIRONMENT, alive, check_books, kept, make, noisy, script

ROUNDS, IDEAS = 20, 60  # more ideas than a quick machine has time for before the last round
# a run long enough to be killed in, with a grandchild that would outlive it
SLOW = (
    "import os, time\nif os.fork() == 0:\n    time.sleep(300)\n    os._exit(0)\ntime.sleep(0.15)\n"
)


def steps(count: int, slow: str = "") -> list[dict[str, object]]:
    """Edits of every fate: gains, losses, gains inside the noise, crashes, refused ones."""
    value, made = 1.0, []
    for number in range(count):
        files: dict[str, str] = {}
        fate = number % 6
        if fate in (0, 3):
            value *= 0.9
            files["train.py"] = slow + noisy(value, 0.001)
        elif fate == 1:
            files["train.py"] = slow + noisy(value * 1.5, 0.001)
        elif fate == 2:
            files["train.py"] = slow + noisy(value - 0.0015, 0.001)
        elif fate == 4:
            files["train.py"] = slow + f"raise SystemExit('broken {number}')\n"
        else:
            files["prepare.py"] = f"LIMIT = {number}\n"
        made.append({"message": f"idea {number}", "files": files})
    return made


def check_one_at_a_time(workspace: Workspace, ideas: int) -> None:
    """The books, and besides: ideas in the order they were told, and the branch exactly the kept
    ones."""
    check_books(workspace, ideas)
    tried = [record for record in workspace.ledger.records() if not record.is_baseline]
    assert [f"idea {n}" for n in range(ideas)] == [record.description for record in tried]
    assert [r.commit for r in tried if r.status == "keep"] == kept(workspace, tried[0].branch)


def start(workspace: Workspace, ideas: Path) -> subprocess.Popen[bytes]:
    arguments = [
        "run",
        str(workspace.folder),
        "--agent",
        "scripted",
        "--script",
        str(ideas),
        "--sandbox",
        "none",
    ]
    program = "from autoresearch.cli.autoresearch import main; main()"
    output = (workspace.private.parent.parent / "out.txt").open("ab")
    with output:
        return subprocess.Popen(
            [sys.executable, "-c", program, *arguments], stdout=output, stderr=output
        )


@pytest.mark.slow
def test_twenty_kills_lose_nothing(tmp_path: Path) -> None:
    """Twenty times killed with -9 at a random moment and started again, the books are those of a
    night without a kill."""
    chance = random.Random(20)
    workspace = make(tmp_path / "w", SLOW + noisy(1.0, 0.001))
    ideas = script(tmp_path / "ideas.jsonl", steps(IDEAS, SLOW))
    killed = 0
    for _ in range(ROUNDS):
        process = start(workspace, ideas)
        try:
            process.wait(timeout=chance.uniform(0.3, 1.8))
        except subprocess.TimeoutExpired:
            killed += 1
        process.kill()
        process.wait()
    last = start(workspace, ideas)

    assert last.wait(timeout=200) == 0, (tmp_path / "out.txt").read_text()
    check_one_at_a_time(workspace, IDEAS)
    assert killed >= 10
    assert alive(workspace.folder) == []


# ---------------------------------------------------------------- every single step


def research(folder: Path, ideas: int) -> None:
    workspace = Workspace(folder)
    stop = threading.Event()
    runner = Runner(workspace, Instant(), ENVIRONMENT, stop=stop)
    agent = ScriptedAgent(steps(ideas))
    with workspace.lock():
        Loop(
            workspace, agent, runner, Options(), Display(Console(quiet=True), quiet=True), stop
        ).run()


EFFECTS: list[Effect] = [(Repo, "git_bytes"), (os, "fsync"), (os, "write"), (Path, "replace")]


@pytest.mark.slow
def test_a_kill_at_any_step_of_the_books_is_mended(tmp_path: Path) -> None:
    """Whatever step of an experiment was the last (journal, commit, ref, branch, ledger, table),
    the next start makes it whole."""
    ideas = 3
    make(tmp_path / "whole", noisy(1.0, 0.001))
    with pytest.MonkeyPatch.context() as patch:
        total = interrupt(patch, EFFECTS, 0, False)
        research(tmp_path / "whole", ideas)
        effects = total()
    started = time.monotonic()
    tried = killed = 0
    for at in random.Random(9).sample(range(1, effects + 1), effects):
        if (
            time.monotonic() - started > 25 and tried >= 20
        ):  # a slow machine tries fewer, never none
            break
        tried += 1
        folder = tmp_path / f"cut-{at}"
        make(folder, noisy(1.0, 0.001))
        with pytest.MonkeyPatch.context() as patch:
            interrupt(patch, EFFECTS, at, at % 2 == 1)
            try:
                research(folder, ideas)
            except Killed:
                killed += 1
        research(folder, ideas)
        check_one_at_a_time(Workspace(folder), ideas)
    assert tried >= 20 and killed >= tried - 2  # the last steps of a run are not always the same
