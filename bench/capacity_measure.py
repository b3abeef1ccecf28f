"""What a real hub's requests cost, one verb after another, for the model of its capacity: CPU of
the nodes, CPU of the database, and how long the writers' turn is held.

Costs are of `agenthub serve` on loopback; the turn is timed in a hub within this process, which is
the same program. Leaves to others: the requests (capacity_requests), the model (capacity_model).
"""

from __future__ import annotations

import asyncio
import random
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from autoresearch.clock import precise_timestamp, utc_now
from autoresearch.hub.rules import accounts, maintenance
from autoresearch.hub.store import backup, claims, migrate
from autoresearch.hub.store.database import Database
from autoresearch.hub.store.postgres import PostgresEngine
from autoresearch.hub.store.sqlite import SqliteEngine
from autoresearch.hub.store.statements import Transaction
from capacity_requests import (
    POST_AFTER,
    READERS,
    READS,
    WRITERS,
    mixed_requests,
    reads_beside_posts,
    requests_of,
    write_idea,
)
from conftest import in_process
from hub_client import Lists
from hub_data import AGENTS, Loaded, fill
from hub_server import Server, load, serving
from postgres import Cluster

COMMITS, POSTS, RESULTS = 1000, 200, 2000
ACTIVE = 2000  # claims that hold: as many as a new one is compared with, at most
HELD = 12  # claims of each agent, which it releases one by one
LASTING_S = 86_400
LISTENERS = 50
Made = dict[str, float]  # a verb's cost in microseconds by what it is of


@dataclass
class Hub:
    """A filled hub of one kind of database, which nobody serves yet."""

    kind: str
    folder: Path
    loaded: Loaded
    held: list[list[int]]  # claims by agent
    url: str = ""
    cluster: Cluster | None = None

    @property
    def options(self) -> list[str]:
        return [f"--database={self.url}"] if self.url else []

    def database_cpu_s(self) -> float:
        """CPU seconds of the database's own processes so far, those that have ended as well."""
        if self.cluster is None or self.cluster.process is None:
            return 0.0
        main = psutil.Process(self.cluster.process.pid)
        times = [main.cpu_times(), *(p.cpu_times() for p in main.children(recursive=True))]
        ended = times[0].children_user + times[0].children_system
        return float(sum(t.user + t.system for t in times) + ended)


def fill_hub(folder: Path) -> Hub:
    """A community on SQLite: commits, results and claims that hold."""
    loaded = fill(folder, (COMMITS, POSTS), RESULTS)
    db = Database(folder)
    with db.write() as tx:
        accounts.create(tx, "crowd", via="operator")
        for number in range(ACTIVE - HELD * AGENTS):
            _claim(tx, "crowd", number)
        held = [[_claim(tx, f"bench-{n}", i) for i in range(HELD)] for n in range(AGENTS)]
    db.close()
    return Hub("sqlite", folder, loaded, held)


def _claim(tx: Transaction, agent_id: str, number: int) -> int:
    ends = precise_timestamp(utc_now() + timedelta(seconds=LASTING_S))
    return claims.add_claim(tx, agent_id, write_idea(number), ends, LASTING_S).id


def copy_hub(hub: Hub, folder: Path, cluster: Cluster | None, name: str = "") -> Hub:
    """The same community in another folder, and there in PostgreSQL where there is one, in the
    database of that name."""
    shutil.copytree(hub.folder, folder)
    if cluster is None:
        return replace(hub, folder=folder)
    url = cluster.empty_database(name)
    migrate.prepare(folder, url)
    old, new = Database(folder), Database(folder, url)
    backup.move(old, new, maintenance.index_words)
    for db in (old, new):
        db.close()
    return Hub("postgresql", folder, hub.loaded, hub.held, url, cluster)


def measure_verb(hub: Hub, server: Server, verb: str, seconds: float) -> Made:
    """CPU microseconds of a request, on the node and in the database."""
    many = READERS if verb in READS else WRITERS
    lists = requests_of(server, verb, random.Random(verb), many)
    return _measure_lists(hub, server, lists, seconds, verb in READS)


def measure_read(hub: Hub, server: Server, verb: str, seconds: float, post: Made) -> Made:
    """The same of a read: by itself, or while others write and nothing is known from before, what
    a `post` costs taken off; whichever is dearer."""
    alone = measure_verb(hub, server, verb, seconds)
    lists = reads_beside_posts(server, verb, random.Random(verb), READERS)
    beside = _measure_lists(hub, server, lists, seconds, True)
    dearer = {
        part: max(alone[part], beside[part] + (beside[part] - post[part]) / POST_AFTER)
        for part in ("node_us", "database_us")
    }
    return {**beside, **dearer}


def _measure_lists(hub: Hub, server: Server, lists: Lists, seconds: float, cycle: bool) -> Made:
    before = hub.database_cpu_s()
    told, node_us = load(server, lists, seconds, cycle)
    database_us = (hub.database_cpu_s() - before) / max(told["requests"], 1) * 1e6
    errors = sum(dict(told["errors"]).values())  # type: ignore[call-overload]
    return {
        "node_us": node_us, "database_us": database_us, "p50_ms": told["p50_ms"],
        "requests": told["requests"], "errors": errors,
    }  # fmt: skip


# ---------------------------------------------------------------- listeners


def measure_listening(hub: Hub, server: Server, post: Made, seconds: float) -> Made:
    """CPU microseconds of one event to one listener of the stream, beside what its post costs."""
    lists = requests_of(server, "post", random.Random(9), 2)
    heard: list[int] = []

    def spent_s() -> float:
        return server.cpu_s() + hub.database_cpu_s()

    async def run() -> tuple[float, float]:
        ready = asyncio.Semaphore(0)
        listening = [asyncio.create_task(_hear(server, ready, heard)) for _ in range(LISTENERS)]
        for _ in listening:
            await ready.acquire()
        before = spent_s()
        told, _ = await asyncio.to_thread(load, server, lists, seconds, False)
        while len(heard) < told["requests"] * LISTENERS:
            await asyncio.sleep(0.1)
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)
        return told["requests"], spent_s() - before

    posts, cpu_s = asyncio.run(asyncio.wait_for(run(), 60 + seconds))
    own_us = posts * (post["node_us"] + post["database_us"])
    each_us = max(0.0, (cpu_s * 1e6 - own_us) / len(heard))
    return {"event_us": each_us, "events": posts, "listeners": LISTENERS}


async def _hear(server: Server, ready: asyncio.Semaphore, heard: list[int]) -> None:
    """Note each post that the stream of events tells."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(server.get(0, "/api/events"))
    try:
        while line := await reader.readline():
            if line.startswith(b"retry"):
                ready.release()
            if line.startswith(b"event: post"):
                heard.append(1)
    finally:
        writer.close()


# ---------------------------------------------------------------- the writers' turn


@dataclass
class TurnClock:
    """How long the turn of all writers was held, and how often."""

    seconds: float = 0.0
    turns: int = 0

    @contextmanager
    def watch(self, engine: Any) -> Iterator[TurnClock]:
        """Time the turns of one kind of database within this process."""
        real = engine.turn

        @contextmanager
        def turn(of: Any) -> Iterator[Any]:
            with real(of) as connection:
                started = perf_counter()
                try:
                    yield connection
                finally:
                    self.seconds += perf_counter() - started
                    self.turns += 1

        engine.turn = turn
        try:
            yield self
        finally:
            engine.turn = real


def measure_turns(hub: Hub, seconds: float) -> dict[str, float]:
    """Microseconds of a commit, and of one change of each verb beside it.

    Posts of one connection have a commit each, posts of many share some: two numbers of which
    both follow."""
    engine = PostgresEngine if hub.url else SqliteEngine
    options: dict[str, Any] = {"database": hub.url, "max_connections_per_network": 4000}
    with in_process(hub.folder, **options) as running:
        me = psutil.Process()
        server = Server(
            0, hub.loaded, int(running.url.rpartition(":")[2]), me, running.http, hub.folder
        )

        def held(verb: str, connections: int) -> tuple[float, float]:
            """Seconds of the turn for each change, and turns for each change."""
            lists = requests_of(server, verb, random.Random(f"turn {verb}"), connections)
            with TurnClock().watch(engine) as clock:
                told, _ = load(server, lists, seconds, False)
            changes = max(told["requests"], 1)
            return clock.seconds / changes, clock.turns / changes

        alone, shared = held("post", 1), held("post", READERS)
        commit_s = (alone[0] - shared[0]) / max(alone[1] - shared[1], 0.01)
        commit_s = min(max(commit_s, 0.0), alone[0])
        found = {"commit": commit_s, "post": max(alone[0] - commit_s, 1e-6)}
        for verb in ("push", "claim"):
            each, turns = held(verb, 1)
            found[verb] = max(each - commit_s * turns, 1e-6)
    return {verb: each * 1e6 for verb, each in found.items()} | {"release": found["claim"] * 1e6}


def measure_mix(hub: Hub, verbs: Mapping[str, float], costs: Mapping[str, Made]) -> Made:
    """CPU microseconds of a request of the mix, as its verbs' costs say, and as it is."""
    with serving(hub.folder, hub.loaded, 1, hub.options) as server:
        lists, counted = mixed_requests(hub.held, server, verbs)
        before = hub.database_cpu_s()
        told, node_us = load(server, lists, 60, False)
        database_us = (hub.database_cpu_s() - before) / max(told["requests"], 1) * 1e6
    total = sum(counted.values())
    predicted = {
        part: sum(times * costs[verb][part] for verb, times in counted.items()) / total
        for part in ("node_us", "database_us")
    }
    return {
        "requests": told["requests"], "wanted": total,
        "errors": sum(dict(told["errors"]).values()),  # type: ignore[call-overload]
        "node_us": node_us, "database_us": database_us,
        "predicted_node_us": predicted["node_us"],
        "predicted_database_us": predicted["database_us"],
        "ratio": sum(predicted.values()) / (node_us + database_us),
    }  # fmt: skip
