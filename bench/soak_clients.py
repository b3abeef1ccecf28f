"""The clients of a soak: each a real program or library in a thread of its own, which writes down
what the hub acknowledged, and compares every answer with that.

Leaves to others: what happens to the hub meanwhile (`soak_faults`).
"""

from __future__ import annotations

import importlib.util
import json
import os
import random
import shutil
import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from ah_agent import AhAgent
from autoresearch.client import Hub
from autoresearch.errors import AutoresearchError
from conftest import Agent
from git_work import Work, bundled, commit, oid, push, tree

CHANNEL = "discussion"
MEANT = {401, 429, 503, 507}  # what a hub in trouble may say
PAUSE_S = 0.2
STALLED_S = 10.0


@dataclass
class Book:
    """What was acknowledged, and what was wrong. Any thread writes."""

    posts: dict[int, str] = field(default_factory=dict)
    commits: dict[str, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, who: str, what: str) -> None:
        with self.lock:
            self.counts[f"{who}: {what}"] += 1

    def accuse(self, who: str, what: str) -> None:
        self.note(who, "WRONG")
        with self.lock:
            self.wrong.append(f"{who}: {what}"[:400])

    def keep_post(self, who: str, number: int, text: str) -> None:
        self.note(who, "acknowledged")
        with self.lock:
            known = self.posts.setdefault(number, text)
        if known != text:
            self.accuse(who, f"post {number} was acknowledged twice")

    def keep_commit(self, who: str, name: str) -> None:
        self.note(who, "acknowledged")
        with self.lock:
            self.commits[name] = who

    def pick_post(self, chance: random.Random) -> tuple[int, str] | None:
        with self.lock:
            return chance.choice(list(self.posts.items())) if self.posts else None

    def pick_commit(self, chance: random.Random) -> str | None:
        with self.lock:
            return chance.choice(list(self.commits)) if self.commits else None


@dataclass
class Client:
    """One client; `step` does one thing with the hub."""

    name: str
    agent: Agent
    folder: Path
    book: Book
    chance: random.Random
    number: int = 0

    def text(self) -> str:
        self.number += 1
        return f"{self.name} {self.number} {self.chance.random()}"

    def step(self) -> None:
        raise NotImplementedError

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                self.step()
            except (httpx.TransportError, OSError, subprocess.SubprocessError, AutoresearchError):
                self.book.note(self.name, "no answer")
            stop.wait(PAUSE_S)

    def check(self, answer: httpx.Response, status: int) -> bool:
        """Whether it is the answer that was asked for; a trouble that is meant is noted."""
        if answer.status_code == status:
            return True
        if answer.status_code in MEANT:
            self.book.note(self.name, str(answer.status_code))
        else:
            self.book.accuse(self.name, f"{answer.request.url} {answer.status_code} {answer.text}")
        return False

    @property
    def git_url(self) -> str:
        return self.agent.hub.url.replace("http://", f"http://x:{self.agent.key}@") + "/git"


class Curl(Client):
    """The curl program: posts."""

    def step(self) -> None:
        text = self.text()
        done = subprocess.run(
            [
                *("curl", "-sS", "-m", "30", "-w", "\n%{http_code}", "--data-binary", "@-"),
                *("-H", f"Authorization: Bearer {self.agent.key}"),
                *("-H", "Content-Type: application/json"),
                f"{self.agent.hub.url}/api/channels/{CHANNEL}/posts",
            ],
            input=json.dumps({"content": text}), capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        body, _, status = done.stdout.rpartition("\n")
        if done.returncode != 0:
            self.book.note(self.name, "no answer")
        elif status == "201":
            self.book.keep_post(self.name, json.loads(body)["id"], text)
        elif int(status) in MEANT:
            self.book.note(self.name, status)
        else:
            self.book.accuse(self.name, f"{status} {body}")


class Git(Client):
    """The git program: commits and pushes; now and then a clone, which has to have all of it."""

    def step(self) -> None:
        work = Work(self.folder) if self.folder.exists() else Work.new(self.folder)
        made, branch = work.commit(self.text()), f"refs/heads/{self.agent.id}"
        done = work.run("push", "-q", self.git_url, f"+HEAD:{branch}")
        if done.returncode != 0:
            self.book.note(self.name, "refused or no answer")
            return
        self.book.keep_commit(self.name, made)
        if self.number % 5 == 0:
            self.clone(made)

    def clone(self, made: str) -> None:
        place = self.folder.with_name(f"{self.folder.name}-clone")
        shutil.rmtree(place, ignore_errors=True)
        parent = Work(self.folder.parent)
        words = ("-b", self.agent.id, self.git_url, place.name)
        if parent.run("clone", "-q", *words).returncode != 0:
            self.book.note(self.name, "no clone")
        elif (found := Work(place).git("rev-parse", "HEAD")) != made:
            self.book.accuse(self.name, f"cloned {found}, pushed {made}")
        elif Work(place).run("fsck", "--strict").returncode != 0:
            self.book.accuse(self.name, "a clone is broken")
        else:
            self.book.note(self.name, "cloned")


class Dulwich(Client):
    """The dulwich library, where it is installed: pushes."""

    def step(self) -> None:
        from dulwich import porcelain

        if not self.folder.exists():
            self.folder.mkdir()
            porcelain.init(str(self.folder))
        (self.folder / "train.py").write_text(self.text())
        with porcelain.open_repo_closing(str(self.folder)) as repo:
            porcelain.add(repo, [str(self.folder / "train.py")])
            who = b"d <d@example.com>"
            made = porcelain.commit(repo, message=b"try", author=who, committer=who)
            branch = f"HEAD:refs/heads/{self.agent.id}".encode()
            with open(os.devnull, "wb") as quiet:
                try:
                    porcelain.push(repo, self.git_url, [branch], quiet, quiet, force=True)
                except Exception:  # noqa: BLE001 - of many kinds, none of which it documents
                    self.book.note(self.name, "refused or no answer")
                    return
        self.book.keep_commit(self.name, made.decode())


class Ah(Client):
    """The `ah` program: posts."""

    def step(self) -> None:
        text = self.text()
        hub = {"AGENTHUB_URL": self.agent.hub.url, "AGENTHUB_KEY": self.agent.key}
        done = AhAgent.at(self.folder).run("post", CHANNEL, text, "--json", env=hub)
        if done.code == 0:
            self.book.keep_post(self.name, json.loads(done.out)["id"], text)
        else:
            self.book.note(self.name, f"exit {done.code}")


class Library(Client):
    """The researcher's own client: pushes, reports and reads."""

    def step(self) -> None:
        data = self.text().encode()
        top = tree((b"100644", b"train.py", oid(3, data)))
        made = commit(oid(2, top), message=data)
        answer = push(self.agent, bundled([(3, data), (2, top), (1, made)]))
        if not self.check(answer, 201):
            return
        name = oid(1, made).hex()
        self.book.keep_commit(self.name, name)
        line = f"commit:{name[:7]} platform:soak val_bpb:{self.chance.random():.6f} vram_gb:1.0"
        text = f"{line} | {self.text()}"
        with Hub(self.agent.hub.url, self.agent.key, timeout_s=30) as hub:
            self.book.keep_post(self.name, hub.post("results", text).id, text)
            hub.leaderboard()
            if not hub.has(name):
                self.book.accuse(self.name, f"commit {name} is not there")


class Reader(Client):
    """Reads what others have acknowledged, and pages."""

    def step(self) -> None:
        if found := self.book.pick_post(self.chance):
            answer = self.agent.get(f"/api/posts/{found[0]}")
            if self.check(answer, 200) and answer.json()["content"] != found[1]:
                self.book.accuse(self.name, f"post {found[0]} reads {answer.text}")
        name = self.book.pick_commit(self.chance)
        if name and self.check(self.agent.get(f"/api/git/commits/{name}"), 200):
            self.check(self.agent.get(f"/api/git/fetch/{name}"), 200)
        page = self.chance.choice(["/", "/board", "/graph", "/leaderboard", "/agents"])
        if self.check(self.agent.hub.http.get(page), 200):
            self.book.note(self.name, "read")


class Listener(Client):
    """Follows the events: each comes once, in order."""

    last: int | None = None

    def step(self) -> None:
        after = {} if self.last is None else {"after": self.last}
        answer = self.agent.get("/api/events", wait=1, **after)
        if not self.check(answer, 200):
            return
        told = answer.json()
        numbers = [event["seq"] for event in told["events"]]
        if numbers != sorted(set(numbers)) or (numbers and numbers[0] <= (self.last or 0)):
            self.book.accuse(self.name, f"events {numbers[:5]} behind {self.last}")
        self.last = told["last"]
        self.book.note(self.name, "heard")


class Stalled(Client):
    """Asks for much and reads nothing."""

    def step(self) -> None:
        host, port = self.agent.hub.url.removeprefix("http://").split(":")
        name = self.book.pick_commit(self.chance)
        path = f"/api/git/fetch/{name}" if name and self.number % 2 else "/api/events"
        self.number += 1
        head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.agent.key}\r\n\r\n"
        with socket.create_connection((host, int(port)), 10) as held:
            held.sendall(head.encode())
            threading.Event().wait(STALLED_S * self.chance.random())
        self.book.note(self.name, "stalled")


KINDS: dict[str, type[Client]] = {
    "curl": Curl, "git": Git, "dulwich": Dulwich, "ah": Ah, "library": Library,
    "reader": Reader, "listener": Listener, "stalled": Stalled,
}  # fmt: skip


def list_kinds() -> list[str]:
    """Those that this machine can start."""
    has_dulwich = importlib.util.find_spec("dulwich") is not None
    return [name for name in KINDS if name != "dulwich" or has_dulwich]


@contextmanager
def running_clients(
    make_agent: Callable[[str], Any], folder: Path, book: Book, seed: int
) -> Iterator[list[Client]]:
    """One of each kind, until the block ends."""
    stop = threading.Event()
    clients = [
        KINDS[name](name, make_agent(name), folder / name, book, random.Random(seed + at))
        for at, name in enumerate(list_kinds())
    ]
    threads = [threading.Thread(target=client.run, args=(stop,)) for client in clients]
    for thread in threads:
        thread.start()
    try:
        yield clients
    finally:
        stop.set()
        for thread in threads:
            thread.join(120)
