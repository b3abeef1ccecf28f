"""Three nodes, one PostgreSQL, no shared disk: what any node acknowledged, every node has, exactly
once, whichever of them is killed, and when the database is.
"""

from __future__ import annotations

import itertools
import os
import random
import shutil
import signal
import threading
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from autoresearch.hub.rules import maintenance
from autoresearch.hub.store.database import Database
from conftest import Agent, RunningHub, served
from git_work import Work, bundled, commit, oid, push, tree
from postgres import Cluster, cluster

BLOB, TREE, COMMIT = 3, 2, 1
KILLS = int(os.environ.get("THREE_NODES_KILLS", "6"))  # 300 for the acceptance run
AGENTS = 4


@dataclass
class Nodes:
    """Nodes of one hub; each is started anew when it was killed."""

    folder: Path
    url: str
    running: list[RunningHub] = field(default_factory=list)
    _stacks: list[ExitStack] = field(default_factory=list)

    def start(self, number: int) -> None:
        stack = ExitStack()
        data = self.folder / f"node{number}"
        hub = stack.enter_context(served(data, workers=1, database=self.url))
        self.running[number : number + 1] = [hub]
        self._stacks[number : number + 1] = [stack]

    def kill(self, number: int) -> None:
        """kill -9, and its caches with it."""
        process = self.running[number].process
        assert process is not None
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        shutil.rmtree(self.folder / f"node{number}" / "cache", ignore_errors=True)
        self._stacks[number].close()

    def close(self) -> None:
        for stack in self._stacks:
            stack.close()


@dataclass
class Acknowledged:
    """What was answered 201, and what was sent and never answered."""

    posts: list[str] = field(default_factory=list)
    commits: list[str] = field(default_factory=list)
    refused: Counter[int] = field(default_factory=Counter)


def write(nodes: Nodes, agent: tuple[str, str], stop: threading.Event, done: Acknowledged) -> None:
    """Push and post to one node after another, whatever becomes of them."""
    chance = random.Random(agent[0])
    for number in itertools.count():
        if stop.is_set():
            return
        one = Agent(chance.choice(nodes.running), *agent)
        text = f"{agent[0]} {number}"
        try:
            answer = one.post("/api/channels/discussion/posts", {"content": text})
            done.refused[answer.status_code] += 1
            if answer.status_code == 201:
                done.posts.append(text)
            blob = text.encode()
            folder = tree((b"100644", b"train.py", oid(BLOB, blob)))
            made = commit(oid(TREE, folder), message=blob)
            if (
                push(one, bundled([(BLOB, blob), (TREE, folder), (COMMIT, made)])).status_code
                == 201
            ):
                done.commits.append(oid(COMMIT, made).hex())
        except (httpx.TransportError, RuntimeError):  # it was killed; its client may be closed
            time.sleep(0.05)


def all_posts(one: Agent) -> list[str]:
    found: list[str] = []
    before = 2**60
    path = "/api/channels/discussion/posts"
    while page := one.get(path, limit=1000, before=before).json():
        found += [post["content"] for post in page]
        before = page[-1]["id"]
    return found


def check(nodes: Nodes, agent: tuple[str, str], done: Acknowledged) -> None:
    """Every acknowledged write is on every node, once; nodes tell the same events."""
    events = []
    for node in nodes.running:
        one = Agent(node, *agent)
        counted = Counter(all_posts(one))
        assert [text for text in done.posts if counted[text] != 1] == []
        assert max(counted.values()) == 1
        for of in done.commits:
            assert one.get(f"/api/git/fetch/{of}").content.startswith(b"# v2 git bundle"), of
        events.append(one.get("/api/events", wait=0, after=0, limit=1000).json()["events"])
    assert events[0] == events[1] == events[2]


@pytest.fixture
def server() -> Any:
    """A PostgreSQL that this test may stop."""
    with cluster() as found:
        yield found


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_one_node_acknowledged_all_have(tmp_path: Path, server: Cluster) -> None:
    """Mixed load on three nodes, of which one after another is killed and started again, and in
    between the database."""
    nodes = Nodes(tmp_path, server.hub_database())
    done, stop = Acknowledged(), threading.Event()
    chance = random.Random(11)
    try:
        for number in range(3):
            nodes.start(number)
        keys = [(a.id, a.key) for a in (nodes.running[0].agent() for _ in range(AGENTS))]
        threads = [
            threading.Thread(target=write, args=(nodes, key, stop, done), daemon=True)
            for key in keys
        ]
        for thread in threads:
            thread.start()
        for turn in range(KILLS):
            time.sleep(chance.uniform(0.2, 1.0))
            if turn % 3 == 2:
                server.stop()
                server.start()
            else:
                nodes.kill(turn % 3)
                nodes.start(turn % 3)
        time.sleep(2)
        stop.set()
        for thread in threads:
            thread.join(60)

        assert len(done.posts) > KILLS and len(done.commits) > KILLS
        assert set(done.refused) <= {201, 503}, done.refused
        check(nodes, keys[0], done)
        work = Work.new(tmp_path / "clone")
        for node in nodes.running:
            address = node.url.replace("http://", f"http://x:{keys[0][1]}@") + "/git"
            work.git("fetch", "-q", address, done.commits[-1])
    finally:
        stop.set()
        nodes.close()
    db = Database(tmp_path / "node0", nodes.url)
    with db.read(snapshot=True) as reader:
        assert list(maintenance.find_problems(reader)) == []
    db.close()
