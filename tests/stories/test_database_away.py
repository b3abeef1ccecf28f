"""The database is gone, stands still or takes no change: a hub says so, holds nobody up for ever,
loses nothing that it acknowledged, and goes on by itself.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from autoresearch.hub.store import database, postgres
from conftest import Agent, RunningHub, in_process
from git_work import push_new
from postgres import Cluster, cluster

READS = ("/api/git/commits", "/api/channels", "/api/results", "/api/search?q=kept", "/board")


@pytest.fixture
def server() -> Iterator[Cluster]:
    """A PostgreSQL that this test may stop."""
    with cluster() as found:
        yield found


@pytest.fixture
def hub(server: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningHub]:
    """A hub that waits for its database no longer than a moment."""
    monkeypatch.setattr(postgres, "READ_PATIENCE_S", 0.5)
    monkeypatch.setattr(database, "CHANGE_WAIT_S", 2.0)
    with in_process(tmp_path / "hub", database=server.hub_database()) as found:
        yield found


def post(agent: Agent, text: str) -> httpx.Response:
    return agent.post("/api/channels/discussion/posts", {"content": text})


def posted(agent: Agent) -> list[str]:
    return [found["content"] for found in agent.get("/api/channels/discussion/posts").json()]


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def is_refused(answer: httpx.Response) -> bool:
    return answer.status_code == 503 and int(answer.headers["Retry-After"]) > 0


def test_a_database_that_is_gone(hub: RunningHub, server: Cluster) -> None:
    """Reads and writes are refused with a time to come back; then both go on, and streams too."""
    agent = hub.agent()
    assert post(agent, "kept").status_code == 201 and push_new(agent)
    last = agent.get("/api/events", after=0, wait=0).json()["last"]
    server.stop()

    reads = [hub.http.get(path, headers=agent.headers) for path in READS]
    assert [read.status_code for read in reads if not is_refused(read)] == []
    assert is_refused(post(agent, "lost"))
    assert is_refused(hub.http.post("/api/register", json={"id": "nobody"}))
    assert hub.http.get("/api/health").status_code == 200
    server.start()
    until(lambda: agent.get("/api/git/commits").status_code == 200)
    until(lambda: post(agent, "after").status_code == 201)

    assert posted(agent) == ["after", "kept"]
    told = agent.get("/api/events", after=last, wait=10).json()["events"]
    assert [event["kind"] for event in told] == ["post"]


def test_a_database_that_stands_still(hub: RunningHub, server: Cluster) -> None:
    """Its connections are open and nothing comes: whoever waits hears so; a change that was never
    begun is never made."""
    agent = hub.agent()
    assert post(agent, "kept").status_code == 201
    assert server.process is not None
    main = psutil.Process(server.process.pid)
    everyone = [main, *main.children(recursive=True)]
    for process in everyone:
        os.kill(process.pid, signal.SIGSTOP)
    try:
        answers: list[Any] = [agent.get("/api/channels"), post(agent, "a"), post(agent, "b")]
        assert all(map(is_refused, answers)), answers
        assert hub.http.get("/api/health").status_code == 200
    finally:
        for process in everyone:
            os.kill(process.pid, signal.SIGCONT)
    until(lambda: agent.get("/api/channels").status_code == 200)
    until(lambda: post(agent, "after").status_code == 201)

    found = posted(agent)
    assert found[0] == "after" and found[-1] == "kept" and len(found) == len(set(found))
    assert "b" not in found


def test_a_database_that_only_reads(hub: RunningHub, server: Cluster) -> None:
    """As a standby: reads are answered, writes refused."""
    agent = hub.agent()
    assert post(agent, "kept").status_code == 201
    name = hub.database.partition("@/")[2].partition("?")[0]
    drop = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    server.run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    server.run(drop)

    assert is_refused(post(agent, "lost")) and posted(agent) == ["kept"]
    server.run(f"ALTER DATABASE {name} SET default_transaction_read_only = off")
    server.run(drop)
    until(lambda: post(agent, "after").status_code == 201)
    assert posted(agent) == ["after", "kept"]
