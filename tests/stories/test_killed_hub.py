"""The hub is killed without warning, again and again, under a load of pushes and posts. What it
answered 201 is there; nothing is half there."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from autoresearch.hub.rules import maintenance
from autoresearch.hub.store.database import Database
from conftest import RunningHub, served
from git_work import bundled, commit, oid, push, tree

KILLS = int(os.environ.get("KILLED_HUB_KILLS", "20"))  # 50 for the acceptance run
BLOB, TREE, COMMIT = 3, 2, 1


def load(agent: Any, stop: threading.Event, kept: list[str], posted: list[int]) -> None:
    """Push and post until the hub dies or `stop`; note what was answered 201."""
    number = 0
    while not stop.is_set():
        number += 1
        text = os.urandom(12).hex().encode()
        folder = tree((b"100644", b"train.py", oid(BLOB, text)))
        first = commit(oid(TREE, folder), message=text)
        second = commit(oid(TREE, folder), oid(COMMIT, first), message=b"on top of " + text)
        try:
            if (
                push(
                    agent,
                    bundled([(BLOB, text), (TREE, folder), (COMMIT, first), (COMMIT, second)]),
                ).status_code
                == 201
            ):
                kept += [oid(COMMIT, first).hex(), oid(COMMIT, second).hex()]
            answer = agent.post(
                "/api/channels/results/posts", {"content": f"{text.decode()} {number}"}
            )
            if answer.status_code == 201:
                posted.append(answer.json()["id"])
        except httpx.TransportError:
            return


def kill(hub: RunningHub) -> None:
    """SIGKILL to the supervisor and every worker."""
    assert hub.process is not None
    processes = [
        psutil.Process(hub.process.pid),
        *psutil.Process(hub.process.pid).children(recursive=True),
    ]
    for process in processes:
        try:
            process.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            pass
    hub.process.wait(30)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_nothing_answered_is_lost(tmp_path: Path) -> None:
    """Killed again and again at a random moment under load: every 201 is there afterwards, and
    `verify` finds nothing wrong."""
    chance = random.Random(7)
    data = tmp_path / "hub"
    kept: list[str] = []
    posted: list[int] = []
    keys: list[tuple[str, str]] = []
    for _ in range(KILLS):
        with served(data, workers=1) as hub:
            keys = keys or [(agent.id, agent.key) for agent in (hub.agent(), hub.agent())]
            stop = threading.Event()
            agents = [type(hub.agent())(hub, *key) for key in keys]
            threads = [
                threading.Thread(target=load, args=(agent, stop, kept, posted)) for agent in agents
            ]
            for thread in threads:
                thread.start()
            time.sleep(chance.uniform(0.02, 0.3))
            kill(hub)
            stop.set()
            for thread in threads:
                thread.join(60)
    with served(data) as hub:
        agent = type(hub.agent())(hub, *keys[0])
        assert len(kept) > KILLS
        lost = [of for of in kept if agent.get(f"/api/git/commits/{of}").status_code != 200]
        assert lost == []
        assert [post for post in posted if agent.get(f"/api/posts/{post}").status_code != 200] == []
    db = Database(data)
    with db.read(snapshot=True) as reader:
        assert list(maintenance.find_problems(reader)) == []
    db.close()
