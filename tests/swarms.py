"""A small swarm for tests: a hub that can be killed and started again at its address, and
researchers of every kind as real processes.

The experiment takes a fraction of a second and its score is real: a constant to tune, and a list
of gains to add to, so that the search agent, a model and a program each find something of their
own on the same file.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from autoresearch.git.repo import Repo
from autoresearch.hub.rules import claims
from autoresearch.models import VerifyLine
from autoresearch.researcher.judging.values import Record
from autoresearch.researcher.swarm import standing
from autoresearch.researcher.workspace import Workspace
from autoresearch.resultline import read_lines
from conftest import Agent, RunningHub, served
from tiny_workspaces import make

PLATFORM = "bench"
TRAIN = """\
import math, os, random, time
WIDTH = 1.0  # 0.1 to 10.0
gains = []
# the next idea goes above this line
time.sleep({seconds})
noise = random.Random(int(os.environ["AUTORESEARCH_SEED"])).gauss(0, 0.0005)
print("---")
print(f"val_bpb: {{2 + 0.05 * math.log(WIDTH / 4) ** 2 - sum(gains) + noise:.6f}}")
print("peak_vram_mb: 64.0")
"""
MARK = "# the next idea goes above this line"
# A coding agent: takes the next idea of its list, which it keeps beside itself, and writes it into
# the file.
PROGRAM = """\
import pathlib, sys
brief = sys.stdin.read()
ideas = pathlib.Path(sys.argv[1])
idea, _, rest = ideas.read_text().partition("\\n")
ideas.write_text(rest)
description, line = idea.split("\\t")
file = pathlib.Path("train.py")
file.write_text(file.read_text().replace({mark!r}, line + "\\n" + {mark!r}))
print("DESCRIPTION:", description)
"""


def idea(words: str, gain: float) -> tuple[str, str]:
    """A description and the line of code that goes with it."""
    return words, f"gains.append({gain})  # {words}"


def answer(words: str, line: str) -> str:
    """The idea as a model answers it."""
    return (
        f"DESCRIPTION: {words}\nFILE: train.py\n<<<<<<< "
        f"SEARCH\n{MARK}\n=======\n{line}\n{MARK}\n>>>>>>> REPLACE\n"
    )


def workspace(folder: Path, seconds: float = 0.2) -> Workspace:
    return make(folder, TRAIN.format(seconds=seconds))


def program(folder: Path, ideas: Sequence[tuple[str, str]]) -> str:
    """A command line for `--agent command` that carries these ideas out, one a call. It has to
    write in `folder`/ideas."""
    (folder / "coder.py").write_text(PROGRAM.format(mark=MARK))
    left = folder / "ideas" / "left.txt"
    left.parent.mkdir()
    left.write_text("".join(f"{words}\t{line}\n" for words, line in ideas))
    return shlex.join([sys.executable, str(folder / "coder.py"), str(left)])


def seed(hub: RunningHub, folder: Path) -> str:
    """Make a workspace's commit the hub's root; its hash."""
    command = [
        sys.executable,
        "-m",
        "autoresearch.cli.agenthub",
        "seed",
        str(folder),
        *hub.place,
    ]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=True
    ).stdout.split()[-1]


@dataclass
class Town:
    """A hub at one address, through kills and restarts."""

    data: Path
    stack: ExitStack = field(default_factory=ExitStack)
    hub: RunningHub | None = None

    def __enter__(self) -> Town:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def open(self) -> RunningHub:
        """Start, or start again at the same address."""
        address = [f"--listen={self.hub.url.removeprefix('http://')}"] if self.hub else []
        self.hub = self.stack.enter_context(served(self.data, *address, workers=1))
        return self.hub

    def kill(self) -> None:
        assert self.hub and self.hub.process
        family = [psutil.Process(self.hub.process.pid)]
        for process in [*family, *family[0].children(recursive=True)]:
            process.send_signal(signal.SIGKILL)
        self.hub.process.wait(120)

    @property
    def url(self) -> str:
        assert self.hub
        return self.hub.url


@dataclass
class Researcher:
    """`autoresearch run --hub` in a folder of its own."""

    folder: Path
    url: str
    options: tuple[str, ...] = ()
    isolated: bool = False
    environment: dict[str, str] = field(default_factory=dict)
    prelude: str = ""  # Python that runs in its process before the program
    process: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        return self.folder.name

    def start(self, experiments: int) -> Researcher:
        arguments = [
            "run",
            str(self.folder),
            "--hub",
            self.url,
            "--agent-id",
            self.name,
            "--platform",
            PLATFORM,
        ]
        arguments += [
            "--experiments",
            str(experiments),
            *([] if self.isolated else ["--unsafe-no-sandbox"]),
            *self.options,
        ]
        source = f"{self.prelude}from autoresearch.cli.autoresearch import main; main()"
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", source, *arguments],
                stdout=output,
                stderr=output,
                env=clean_environment() | self.environment,
            )
        return self

    @property
    def output(self) -> Path:
        return self.folder.parent / f"{self.name}.out"

    def kill(self) -> None:
        assert self.process
        self.process.kill()
        self.process.wait(120)

    def finish(self, timeout_s: float = 200) -> None:
        assert self.process
        assert self.process.wait(timeout_s) == 0, self.output.read_text()

    @property
    def is_over(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def records(self) -> list[Record]:
        return Workspace(self.folder).ledger.records()

    def tried(self) -> list[Record]:
        return [record for record in self.records() if not record.is_baseline]

    def waiting(self) -> int:
        found = standing.read_standing(self.folder / ".autoresearch")
        return found.waiting if found else 0

    def repo(self) -> Repo:
        return Repo(self.folder)


def clean_environment() -> dict[str, str]:
    """Ours without a hub's settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("AGENTHUB_")}


def until(happens: Callable[[], Any], what: str, timeout_s: float = 120) -> Any:
    """Wait for something; what it is where it does not happen."""
    deadline = time.monotonic() + timeout_s
    while not (found := happens()):
        assert time.monotonic() < deadline, f"waited {timeout_s} s: {what}"
        time.sleep(0.1)
    return found


# ---------------------------------------------------------------- what has to be true in the end


def pages(agent: Agent, path: str, **filters: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = agent.get(path, limit=1000, **filters).json()
    return found


def check_told_once(reader: Agent, swarm: dict[str, Researcher]) -> None:
    """Each ledger's records are on the hub once: a result of one's own, or the answer to another's
    claim; and nothing else is."""
    results, posts = pages(reader, "/api/results"), pages(reader, "/api/channels/results/posts")
    told = Counter((r["agent_id"], r["commit"], r["status"], r["description"]) for r in results)
    answers = Counter(
        (p["agent_id"], v.commit)
        for p in posts
        for v in read_lines(p["content"])
        if isinstance(v, VerifyLine)
    )
    expected, answered = Counter[Any](), Counter[Any]()
    for name, one in swarm.items():
        others = {
            c["hash"] for c in pages(reader, "/api/git/commits") if c["agent_id"] not in ("", name)
        }
        for record in one.records():
            if record.commit in others:
                answered[(name, record.commit[:7])] += 1
            else:
                expected[(name, record.commit[:7], record.status, record.description)] += 1
    assert told == expected
    assert answers == answered
    assert len(posts) == sum(len(one.records()) for one in swarm.values())
    assert [one.waiting() for one in swarm.values()] == [0] * len(swarm)


def check_one_dag(reader: Agent, swarm: dict[str, Researcher], root: str) -> int:
    """Every improvement is on the hub and descends from the root. How many commits build on what
    somebody else had pushed."""
    commits = {c["hash"]: c for c in pages(reader, "/api/git/commits")}
    assert len([c for c in commits.values() if not c["parents"]]) == 1
    kept = {r.commit for one in swarm.values() for r in one.records() if r.status == "keep"}
    assert kept <= set(commits)
    for commit in kept:
        assert root in [c["hash"] for c in reader.get(f"/api/git/commits/{commit}/lineage").json()]
    authors = {c["hash"]: c["agent_id"] for c in commits.values()}
    return sum(
        authors.get(c["parent_hash"], "") not in ("", c["agent_id"]) for c in commits.values()
    )


def check_no_idea_twice(reader: Agent) -> list[tuple[str, str]]:
    """No two agents tried nearly the same thing. Who tried what."""
    tried = [
        (r["agent_id"], r["description"], claims.idea(r["description"]))
        for r in pages(reader, "/api/results")
        if r["description"] != "baseline"
    ]
    twice = [
        (one, other)
        for one in tried
        for other in tried
        if one[0] < other[0] and claims.find_alike(one[2], [other[2]]) is not None
    ]
    assert twice == []
    return [(agent, words) for agent, words, _ in tried]
