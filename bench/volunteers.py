"""Volunteers over real HTTP: 10,000 that send a heartbeat a minute, and 4,400 that join within one.

    python bench/volunteers.py                                        # four minutes
    python bench/volunteers.py --volunteers 500 --joining 200 --seconds 10

Fills a hub with accounts, results and a lease of each volunteer, and serves it with
`agenthub serve --workers 2` on loopback. Every heartbeat, registration and question comes on a
connection of its own, at a moment that was drawn before, whether or not the hub keeps up: what is
late counts from that moment. Two minutes are measured, with heartbeats alone, and with everybody
who joins. Afterwards it counts in the database whether a lease was lost or a result handed out
twice. Hub and volunteers share this machine's cores; nothing leaves it.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import hashlib
import json
import platform
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from autoresearch.clock import shift_time
from autoresearch.hub.rules.work import LEASE_S
from autoresearch.hub.store import accounts, board, migrate, results, work_leases
from autoresearch.hub.store.database import Database
from autoresearch.hub.store.statements import Transaction
from hub_client import percentile
from hub_data import Loaded
from hub_server import Server, serving

BOARD = {"platform": "gpu", "track": "track"}
AHEAD = 2  # results for each volunteer there may be
AIM_MS = 100.0
PER_TRANSACTION = 1000


@dataclass
class Answers:
    """Seconds by kind of request, from the moment it was due; statuses that are no success."""

    late_s: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    refused: Counter[str] = field(default_factory=Counter)

    def describe(self, kind: str) -> str:
        ordered = sorted(self.late_s[kind])
        p50, p99 = (percentile(ordered, share) for share in (0.5, 0.99))
        return f"{kind} {len(ordered)}, p50 {p50:.1f} ms, p99 {p99:.1f} ms"


def fill(data: Path, volunteers: int, joining: int) -> list[str]:
    """A new hub with an author's results, and volunteers with a lease each; their keys."""
    migrate.prepare(data)
    db = Database(data)
    keys = [f"ahk_bench_{number:032d}" for number in range(volunteers)]
    with db.write() as tx:
        accounts.add_agent(tx, "author", "operator")
        post = board.add_post(tx, 1, "author", None, "many results")
    wanted = AHEAD * (volunteers + joining)
    for first in range(0, wanted, PER_TRANSACTION):
        with db.write() as tx:
            for number in range(first, min(first + PER_TRANSACTION, wanted)):
                add_result(tx, post.id, number)
                if number < volunteers:
                    add_volunteer(tx, number, keys[number])
    db.close()
    return keys


def add_result(tx: Transaction, post_id: int, number: int) -> None:
    commit = hashlib.sha1(f"{number}".encode(), usedforsecurity=False).hexdigest()
    results.add_result(
        tx, post_id=post_id, agent_id="author", commit=commit, commit_hash=commit, **BOARD,
        val_bpb=1 + number / 1e6, vram_gb=1.0, status="keep", description=f"idea {number}",
        reason="", problem="", runs=None, sd=None, signed_by=None,
    )  # fmt: skip


def add_volunteer(tx: Transaction, number: int, key: str) -> None:
    """With an account from a network of its own, and the lease of that number."""
    name = f"volunteer-{number}"
    accounts.add_agent(tx, name, "open", f"network-{number}")
    accounts.replace_key(tx, name, hashlib.sha256(key.encode()).digest())
    work_leases.add_lease(tx, name, "result_id", number + 1, shift_time(tx.now, LEASE_S))


# ---------------------------------------------------------------- the volunteers


async def send(port: int, path: str, key: str, body: object = None) -> tuple[int, bytes]:
    """One POST on a connection of its own: status and body."""
    data = b"" if body is None else json.dumps(body).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST {path} HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n"
    head += f"Authorization: Bearer {key}\r\n" if key else ""
    writer.write(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
    answer = await reader.read(-1)
    writer.close()
    top, _, rest = answer.partition(b"\r\n\r\n")
    return int(top[9:12]), rest


@dataclass
class Crowd:
    """Whoever asks the hub within one measured minute."""

    port: int
    keys: list[str]
    mark: str
    answers: Answers = field(default_factory=Answers)

    async def beat(self, number: int, due: float) -> None:
        path = f"/api/work/{number + 1}/heartbeat"
        await self.timed("heartbeats", due, path, self.keys[number])

    async def join(self, number: int, due: float) -> None:
        body = {"id": f"new-{self.mark}-{number}"}
        told = await self.timed("registrations", due, "/api/register", "", body)
        if told:
            asked = asyncio.get_running_loop().time()
            await self.timed("questions", asked, "/api/work", json.loads(told)["api_key"], BOARD)

    async def timed(self, kind: str, due: float, path: str, key: str, body: object = None) -> bytes:
        """The answer's body, empty where it is no success."""
        try:
            status, told = await send(self.port, path, key, body)
        except OSError as error:
            status, told = 0, str(error).encode()
        self.answers.late_s[kind].append(asyncio.get_running_loop().time() - due)
        if status not in (200, 201):
            self.answers.refused[f"{kind}: {status}"] += 1
            return b""
        return told

    async def run(self, joining: int, seconds: float) -> None:
        """Each at a moment of its own."""
        rng, began = random.Random(self.mark), asyncio.get_running_loop().time()
        moments = [(began + rng.uniform(0, seconds), self.beat, n) for n in range(len(self.keys))]
        moments += [(began + rng.uniform(0, seconds), self.join, n) for n in range(joining)]
        tasks = []
        for due, act, number in sorted(moments, key=lambda moment: moment[0]):
            await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
            tasks.append(asyncio.create_task(act(number, due)))
        await asyncio.gather(*tasks)


def measure(server: Server, keys: list[str], mark: str, joining: int, seconds: float) -> Answers:
    """One minute, told in lines."""
    crowd, before_s, began = Crowd(server.port, keys, mark), server.cpu_s(), time.perf_counter()
    gc.collect()
    asyncio.run(crowd.run(joining, seconds))
    took_s, used_s = time.perf_counter() - began, server.cpu_s() - before_s
    print(f"{mark}: {took_s:.0f} s, {used_s:.1f} s of the hub's processor time")
    for kind in crowd.answers.late_s:
        print(f"  {crowd.answers.describe(kind)}")
    print(f"  refused: {dict(crowd.answers.refused) or 'none'}")
    return crowd.answers


def count_lost(data: Path, volunteers: int, joined: int) -> str:
    """What the database says of every lease."""
    db = Database(data)
    held = db.reader.value("SELECT count(*) FROM work_leases WHERE ended_at IS NULL")
    of_results = "SELECT count(DISTINCT result_id) FROM work_leases WHERE ended_at IS NULL"
    distinct = db.reader.value(of_results)
    db.close()
    lost, twice = volunteers + joined - int(held), int(held) - int(distinct)
    return f"leases lost: {lost}; results handed out twice: {twice}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--volunteers", type=int, default=10_000)
    parser.add_argument("--joining", type=int, default=4_400)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "hub"
        keys = fill(data, options.volunteers, options.joining)
        with serving(data, Loaded(keys), workers=2) as server:
            print(f"{platform.machine()}, {options.volunteers} volunteers, 2 workers")
            quiet = measure(server, keys, "heartbeats", 0, options.seconds)
            storm = measure(server, keys, "joining", options.joining, options.seconds)
        joined = len(storm.late_s["questions"])
        print(count_lost(data, options.volunteers, joined))
    worst = percentile(sorted(quiet.late_s["heartbeats"]), 0.99)
    print(f"p99 of a heartbeat is {'under' if worst < AIM_MS else 'over'} {AIM_MS:.0f} ms")


if __name__ == "__main__":
    main()
