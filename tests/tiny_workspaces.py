"""Tiny workspaces: repositories whose experiment is a few lines of Python and takes milliseconds.
No torch, no data."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console

from autoresearch.git.repo import Repo
from autoresearch.researcher.agents.base import Agent, Brief, Edit
from autoresearch.researcher.agents.mixture import Mixture
from autoresearch.researcher.display import Display
from autoresearch.researcher.executors.local import LocalExecutor
from autoresearch.researcher.executors.slots import Slot
from autoresearch.researcher.experiment import Runner
from autoresearch.researcher.journal import Journal
from autoresearch.researcher.judging.values import Measurement, Record
from autoresearch.researcher.ledger import row
from autoresearch.researcher.loop import Loop, Options, Summary
from autoresearch.researcher.run_request import RunRequest
from autoresearch.researcher.sandbox import choose_sandbox
from autoresearch.researcher.swarm.base import Swarm
from autoresearch.researcher.workspace import Workspace

# prints the value it is told to, a little noise from the harness's seed, and what makes up the
# block
NOISY = """\
import os, random
VALUE = {value}  # 0.1 to 10.0
NOISE = random.Random(int(os.environ["AUTORESEARCH_SEED"])).gauss(0, {noise})
print("---")
print(f"val_bpb: {{VALUE + NOISE:.6f}}")
print("peak_vram_mb: 2048.0")
"""
TOML = """\
[experiment]
free = ["train.py"]
command = ["python", "train.py"]
timeout_s = 60
"""
PATIENCE_S = 100
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin"}


def noisy(value: float = 1.0, noise: float = 0.01) -> str:
    return NOISY.format(value=value, noise=noise)


def make(
    folder: Path, train: str, toml: str = TOML, files: Mapping[str, str] | None = None
) -> Workspace:
    """A repository with `train.py`, a fixed `prepare.py` and one commit."""
    repo = Repo.init(folder)
    for name, text in {
        "train.py": train,
        "prepare.py": "LIMIT = 1\n",
        "autoresearch.toml": toml,
        **(files or {}),
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    repo.add(change.path for change in repo.changes())
    repo.commit("Start")
    return Workspace(folder)


def runner(workspace: Workspace, stop: threading.Event | None = None) -> Runner:
    return Runner(workspace, choose_sandbox("none"), ENVIRONMENT, readable=(), stop=stop)


def measure(
    workspace: Workspace,
    timeout_s: float = 60,
    mark: str = f"test-mark-{os.getpid()}",
    seed: int = 1,
) -> Measurement:
    """One run of the commit checked out."""
    folder = workspace.private / "runs" / "0001" / "1"
    return runner(workspace).measure(
        RunRequest(workspace.repo.head(), seed, mark, folder, timeout_s)
    )


class Writes:
    """An agent that writes the texts it was given, in turn, into train.py."""

    name = "writes"

    def __init__(self, *texts: str | Callable[[Path], None]) -> None:
        self.texts = texts
        self.asked = 0

    def edit(self, worktree: Path, brief: Brief) -> Edit:
        step = self.texts[self.asked]
        self.asked += 1
        if callable(step):
            step(worktree)
        else:
            (worktree / "train.py").write_text(step, "utf-8")
        return Edit(f"idea {self.asked}")


def research(
    workspace: Workspace,
    agent: Agent | Mixture,
    slots: int = 1,
    using: Runner | None = None,
    display: Display | None = None,
    swarm: Swarm | None = None,
    **options: Any,
) -> Summary:
    """Run the loop in this process, silently unless there is a display, with so many experiments at
    once."""
    stop = threading.Event()
    display = display or Display(Console(quiet=True), quiet=True)
    alone = dataclasses.replace(using, stop=stop) if using else runner(workspace, stop)
    executor = LocalExecutor(alone, [Slot()] * slots)
    with workspace.lock():
        return Loop(
            workspace, agent, alone, Options(**options), display, stop, swarm, executor
        ).run()


def kept(workspace: Workspace, branch: str) -> list[str]:
    """The commits of an experiment branch after the baseline, oldest first."""
    records = workspace.ledger.records()
    base = next(record.commit for record in records if record.is_baseline)
    return workspace.repo.commits(base, branch)


def command(
    *args: str, cwd: Path | None = None, env: Mapping[str, str] | None = None, **kwargs: Any
) -> subprocess.CompletedProcess[str]:
    """The `autoresearch` command as a user calls it."""
    return subprocess.run(
        [sys.executable, "-c", "from autoresearch.cli.autoresearch import main; main()", *args],
        cwd=cwd, env=env, capture_output=True, text=True, timeout=240, check=False, **kwargs,
    )  # fmt: skip


def script(file: Path, edits: list[dict[str, Any]]) -> Path:
    """A file for `--agent scripted`."""
    file.write_text("".join(json.dumps(edit) + "\n" for edit in edits), "utf-8")
    return file


def wait_for(claim: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not claim():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def marked(mark: str) -> list[int]:
    """Processes alive that carry a mark in their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if (
                process.environ().get("AUTORESEARCH_RUN") == mark
                and process.status() != psutil.STATUS_ZOMBIE
            ):
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def alive(folder: Path) -> list[str]:
    """Processes that have anything to do with a workspace."""
    found = []
    for process in psutil.process_iter():
        try:
            told = " ".join([*process.cmdline(), process.environ().get("AUTORESEARCH_RUN_DIR", "")])
            if (
                str(folder) in told
                and process.status() != psutil.STATUS_ZOMBIE
                and process.pid != os.getpid()
            ):
                found.append(f"{process.pid}: {told}")
        except psutil.Error:
            continue
    return found


def check_books(workspace: Workspace, ideas: int) -> None:
    """Every experiment once in both ledgers, the branch at the last one kept, every attempt
    reachable, nothing open or left."""
    records = workspace.ledger.records()
    tried = [record for record in records if not record.is_baseline]
    assert sorted(f"idea {n}" for n in range(ideas)) == sorted(
        record.description for record in tried
    )
    assert len({record.id for record in records}) == len(records) == ideas + 1
    assert Counter(row(record) for record in records) == Counter(
        workspace.ledger.tsv.read_text().splitlines()[1:]
    )
    last = [record.commit for record in records if record.status == "keep"][-1]
    assert workspace.repo.ref(f"refs/heads/{records[0].branch}") == last
    reachable = workspace.repo.refs("refs/autoresearch/attempts/").values()
    assert {record.commit for record in tried} <= set(reachable)
    assert Journal(workspace.private / "state.json").state.attempts == {}
    assert not list((workspace.private / "worktrees").glob("*"))
    assert [c for c in workspace.repo.changes() if c.kind != "?"] == []


def record(**fields: Any) -> Record:
    """A record with the few fields a test cares about."""
    base = Record("0001", "a" * 40, "", "keep", "baseline", "", value=1.0, values=(1.0,))
    return dataclasses.replace(base, **fields)
