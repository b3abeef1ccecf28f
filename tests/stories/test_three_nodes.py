"""Three nodes, one PostgreSQL, no shared disk: what any node acknowledged, every node has, exactly
once, whichever of them is killed or cut off, and when the database is killed.

The last node finds the database through a line that can be cut: a cable into a network namespace
of its own where this user may make one (root may), else a relay. THREE_NODES_WAY chooses.
"""

from __future__ import annotations

import itertools
import os
import random
import shutil
import signal
import subprocess
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from autoresearch.hub.rules import accounts, board, maintenance
from autoresearch.hub.store.database import Database
from conftest import Agent, RunningHub, served
from git_work import Work, bundled, commit, oid, push, tree
from network_namespace import Namespace, make_namespace
from postgres import QUICK, Cluster, cluster
from relay import Relay

BLOB, TREE, COMMIT = 3, 2, 1
KILLS = int(os.environ.get("THREE_NODES_KILLS", "6"))  # 300 for the acceptance run
WAY = os.environ.get("THREE_NODES_WAY", "")  # namespace or relay
AGENTS = 4
CUTS_EVERY = 12  # turns; the first is the fourth
QUICKLY = "?sslmode=disable&connect_timeout=2&tcp_user_timeout=2000"  # the line is known to be cut
POSTS = "/api/channels/discussion/posts"


@dataclass(frozen=True)
class Site:
    """A database, and the line by which the last node finds it."""

    server: Cluster
    database: str
    line: Relay | Namespace
    options: tuple[str, ...] = ()
    prefix: tuple[str, ...] = ()

    def serve(self, data: Path, is_on_the_line: bool) -> Any:
        if not is_on_the_line:
            return served(data, workers=1, database=self.database)
        url = self.database.partition("?")[0].replace("@/", f"@{self.line.address}/") + QUICKLY
        return served(data, *self.options, workers=1, database=url, prefix=self.prefix)


@contextmanager
def build_site() -> Iterator[Site]:
    with ExitStack() as stack:
        try:
            cable = None if WAY == "relay" else stack.enter_context(make_namespace())
        except (OSError, subprocess.CalledProcessError):
            if WAY:
                raise
            cable = None
        if cable is None:
            server = stack.enter_context(cluster())
            line = stack.enter_context(Relay([server.socket]))
            yield Site(server, server.hub_database(), line)
        else:
            settings = (*QUICK, f"listen_addresses={cable.address}", "timezone=UTC")
            server = stack.enter_context(cluster(settings, trusted=f"{cable.address}/30"))
            options = (f"--listen={cable.listen}",)
            yield Site(server, server.hub_database(), cable, options, cable.prefix)


@dataclass
class Nodes:
    """Nodes of one hub; each is started anew when it was killed."""

    folder: Path
    site: Site
    running: list[RunningHub] = field(default_factory=list)
    _stacks: list[ExitStack] = field(default_factory=list)

    def start(self, number: int) -> None:
        stack = ExitStack()
        node = self.site.serve(self.folder / f"node{number}", number == 2)
        self.running[number : number + 1] = [stack.enter_context(node)]
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
            answer = one.post(POSTS, {"content": text})
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


def listen(nodes: Nodes, agent: tuple[str, str], stop: threading.Event, heard: list[int]) -> None:
    """The numbers of all events, from the last node, as a browser has them: a stream that broke is
    taken up behind the last one that it told."""
    while not stop.wait(0.1):
        node = nodes.running[-1]
        last = {"Last-Event-ID": str(heard[-1] if heard else 0)}
        headers = {"Authorization": f"Bearer {agent[1]}", **last}
        try:
            with node.http.stream("GET", "/api/events", headers=headers) as answer:
                for line in answer.iter_lines():
                    heard += [int(line.removeprefix("id: "))] if line.startswith("id: ") else []
                    if stop.is_set():
                        return
        except (httpx.TransportError, RuntimeError):
            continue


def cut_off(nodes: Nodes, keys: tuple[str, str]) -> None:
    """The last node's packets vanish, then its connections break. It says that it cannot answer,
    the others go on; and it goes on by itself once the line is mended, with what they did."""
    site = nodes.site
    *others, alone = everybody = [Agent(node, *keys) for node in nodes.running]
    until(lambda: all(send(one, "before").status_code == 201 for one in everybody))
    gone = others[0].hub.agent("gone")
    left = [send(others[0], "to be hidden").json()["id"] for _ in range(2)]
    assert [
        Agent(alone.hub, gone.id, gone.key).get(f"/api/posts/{n}").status_code for n in left
    ] == [200, 200]
    site.line.freeze()
    time.sleep(1)
    site.line.cut()
    for answer in (alone.get("/api/git/commits"), send(alone, "to the node that is cut off")):
        assert answer.status_code == 503 and int(answer.headers["Retry-After"]) > 0, answer.text
        assert "try again" in answer.json()["error"]
    assert alone.hub.http.get("/api/health").status_code == 200
    until(lambda: all(send(one, "meanwhile").status_code == 201 for one in others))
    db = Database(nodes.folder / "operator", site.database)
    db.transact(lambda tx: accounts.revoke(tx, gone.id))
    db.transact(lambda tx: board.hide(tx, left[0], True))
    db.close()
    site.line.mend()
    until(lambda: send(alone, "again").status_code == 201)
    until(lambda: Agent(alone.hub, gone.id, gone.key).get("/api/channels").status_code == 401)
    assert [alone.get(f"/api/posts/{n}").status_code for n in left] == [404, 200]


def send(one: Agent, text: str) -> httpx.Response:
    return one.post(POSTS, {"content": f"{text} {uuid.uuid4()}"})


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def all_posts(one: Agent) -> list[str]:
    found: list[str] = []
    before = 2**60
    while page := one.get(POSTS, limit=1000, before=before).json():
        found += [post["content"] for post in page]
        before = page[-1]["id"]
    return found


def all_events(one: Agent) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while page := one.get("/api/events", wait=0, after=found[-1]["seq"] if found else 0).json()[
        "events"
    ]:
        found += page
    return found


def check(nodes: Nodes, agent: tuple[str, str], done: Acknowledged, heard: list[int]) -> None:
    """Every acknowledged write is on every node, once; nodes tell the same events, and told them
    once to whoever listened."""
    events = []
    for node in nodes.running:
        one = Agent(node, *agent)
        counted = Counter(all_posts(one))
        assert [text for text in done.posts if counted[text] != 1] == []
        assert max(counted.values()) == 1
        for of in done.commits:
            assert one.get(f"/api/git/fetch/{of}").content.startswith(b"# v2 git bundle"), of
        events.append(all_events(one))
    assert events[0] == events[1] == events[2]
    told = [event["seq"] for event in events[0]]
    until(lambda: heard[-1:] == told[-1:])
    # what is hidden now was told while it was not
    assert heard == sorted(set(heard)) and set(told) <= set(heard)


@pytest.mark.slow
@pytest.mark.timeout(600 + 20 * KILLS)
def test_what_one_node_acknowledged_all_have(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Mixed load on three nodes. One after another is killed and started again, and in between the
    database; one loses its way to the database for a while."""
    with build_site() as site:
        with capsys.disabled():
            print(f"\nthe line that is cut is a {type(site.line).__name__.lower()}")
        nodes = Nodes(tmp_path, site)
        try:
            load_and_kill(tmp_path, nodes)
        finally:
            nodes.close()
        db = Database(tmp_path / "node0", site.database)
        with db.read(snapshot=True) as reader:
            assert list(maintenance.find_problems(reader)) == []
        db.close()


def load_and_kill(folder: Path, nodes: Nodes) -> None:
    done, heard, stop, deaf = Acknowledged(), list[int](), threading.Event(), threading.Event()
    chance = random.Random(11)
    for number in range(3):
        nodes.start(number)
    keys = [(a.id, a.key) for a in (nodes.running[0].agent() for _ in range(AGENTS))]
    threads = [
        threading.Thread(target=write, args=(nodes, key, stop, done), daemon=True) for key in keys
    ]
    listener = threading.Thread(target=listen, args=(nodes, keys[0], deaf, heard), daemon=True)
    try:
        for thread in (*threads, listener):
            thread.start()
        victims = itertools.cycle(range(3))
        for turn in range(KILLS):
            time.sleep(chance.uniform(0.2, 1.0))
            if turn % CUTS_EVERY == 3:
                cut_off(nodes, keys[0])
            elif turn % 3 == 2:
                nodes.site.server.stop()
                nodes.site.server.start()
            else:
                number = next(victims)
                nodes.kill(number)
                nodes.start(number)
        time.sleep(2)
        stop.set()
        for thread in threads:
            thread.join(60)

        assert len(done.posts) > KILLS and len(done.commits) > KILLS
        assert set(done.refused) <= {201, 503}, done.refused
        check(nodes, keys[0], done, heard)
        work = Work.new(folder / "clone")
        for node in nodes.running:
            address = node.url.replace("http://", f"http://x:{keys[0][1]}@") + "/git"
            work.git("fetch", "-q", address, done.commits[-1])
    finally:
        stop.set()
        deaf.set()
