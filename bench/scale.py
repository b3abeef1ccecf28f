"""Whether a request costs the same on a hub of a million commits and posts, on SQLite and on
PostgreSQL.

    python bench/scale.py                       # 10,000 to 1,000,000: some hours to fill
    python bench/scale.py --data /tmp/hubs      # keeps the filled hubs, goes on from them
    python bench/scale.py --data /tmp/hubs --rounds 0    # only fills them
    python bench/scale.py --sizes 1000,10000 --databases sqlite

A hub of each size holds as many commits as posts; a train.py has 25 KB, the trunk is as deep as it
is long. Every hub is served at once, and each verb is asked of all sizes in turn. CPU is that of
the node and of the database together; load and servers share this machine's cores. PostgreSQL
flushes what it promises, as SQLite does. Leaves to others: the verbs and the load (hub), filling
(hub_data), copying to PostgreSQL (capacity_measure).
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from autoresearch.hub.store.database import Database
from autoresearch.hub.store.sizes import measure_tables
from capacity import DURABLE
from capacity_measure import Hub, copy_hub
from hub import prepared
from hub_server import Server, load, serving
from hub_verbs import VERBS
from postgres import Cluster, kept_cluster

KINDS = ("sqlite", "postgresql")
WARM_S = 2.0
ASKED = (
    "list of 20 commits", "one commit", "one post", "20 posts of a channel", "a page of leaves",
    "children", "lineage of 200", "diff", "incremental fetch", "post", "push, 1 client",
)  # fmt: skip


@dataclass
class Rest:
    """A hub of which nobody asks anything: seconds until it answers, bytes of memory once it was
    asked, and of its database, for each commit with its post."""

    kind: str
    size: int
    start_s: float
    bytes_each: float
    memory_bytes: int = 0


@dataclass
class Cost:
    """One verb on one hub, over all rounds."""

    verb: str
    kind: str
    size: int
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    errors: int = 0


def measure_kind(hubs: Sequence[Hub], rounds: int, seconds: float) -> tuple[list[Rest], list[Cost]]:
    """Every hub of one kind of database, served at once."""
    with ExitStack() as stack:
        resting, servers = [], []
        for hub in hubs:
            began = perf_counter()
            servers.append(stack.enter_context(serving(hub.folder, hub.loaded, 1, hub.options)))
            start_s = perf_counter() - began
            size = len(hub.loaded.parents)
            resting.append(Rest(hub.kind, size, start_s, count_bytes(hub) / size))
        costs = ask_all(hubs, servers, rounds, seconds)
        for rest, server in zip(resting, servers, strict=True):
            rest.memory_bytes = server.process.memory_info().rss
        return resting, costs


def ask_all(
    hubs: Sequence[Hub], servers: Sequence[Server], rounds: int, seconds: float
) -> list[Cost]:
    """Each verb of all sizes in turn."""
    found = {(v, s.size): Cost(v, hubs[0].kind, s.size) for v in ASKED for s in servers}
    rng, pairs = random.Random(7), list(zip(hubs, servers, strict=True))
    for hub, server in pairs:  # what only the first requests cost is nobody's figure
        ask(hub, server, Cost(ASKED[0], hub.kind, server.size), rng, WARM_S)
    for number in range(rounds):
        for verb in ASKED:
            for hub, server in pairs if number % 2 == 0 else reversed(pairs):
                ask(hub, server, found[verb, server.size], rng, seconds)
    return list(found.values())


def ask(hub: Hub, server: Server, cost: Cost, rng: random.Random, seconds: float) -> None:
    maker, may_repeat = VERBS[cost.verb]
    before_s = hub.database_cpu_s()
    told, node_us = load(server, maker(server, rng, seconds), seconds, may_repeat)
    database_us = (hub.database_cpu_s() - before_s) / max(told["requests"], 1) * 1e6
    cost.p50_ms.append(told["p50_ms"])
    cost.p99_ms.append(told["p99_ms"])
    cost.cpu_us.append(node_us + database_us)
    cost.errors += sum(dict(told["errors"]).values())  # type: ignore[call-overload]
    print(f"{hub.kind}, {cost.verb} at {cost.size}: {cost.cpu_us[-1]:,.0f} µs", file=sys.stderr)


def count_bytes(hub: Hub) -> int:
    db = Database(hub.folder, hub.url)
    try:
        return sum(table.size_bytes for table in measure_tables(db.reader))
    finally:
        db.close()


def copy_once(data: Path, hub: Hub, server: Cluster) -> Hub:
    """The hub's copy in PostgreSQL; one that `data` holds from an earlier run is used again."""
    size = len(hub.loaded.parents)
    folder, name, done = data / f"copy-{size}", f"hub{size}", data / f"copy-{size}.done"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        print(f"copying the hub of {size} to PostgreSQL", file=sys.stderr)
        copy_hub(hub, folder, server, name)
        done.touch()
    return replace(hub, kind="postgresql", folder=folder, url=server.url(name), cluster=server)


def measure(
    data: Path, sizes: Sequence[int], kinds: Sequence[str], rounds: int, seconds: float
) -> tuple[list[Rest], list[Cost]]:
    filled = [Hub("sqlite", *prepared(data, [size], size)[0], held=[]) for size in sizes]
    resting: list[Rest] = []
    costs: list[Cost] = []
    for kind in kinds:
        with ExitStack() as stack:
            hubs = filled
            if kind == "postgresql":
                server = stack.enter_context(kept_cluster(data / "postgresql", DURABLE))
                hubs = [copy_once(data, hub, server) for hub in filled]
            more = measure_kind(hubs, rounds, seconds) if rounds else ([], [])
            resting += more[0]
            costs += more[1]
    return resting, costs


# ---------------------------------------------------------------- telling


def tell_rest(resting: Sequence[Rest]) -> Iterator[str]:
    yield "| database | commits and posts | start s | memory MB | bytes of a commit and a post |"
    yield "|---|--:|--:|--:|--:|"
    for rest in resting:
        told = f"{rest.start_s:.1f} | {rest.memory_bytes / 1e6:,.0f} | {rest.bytes_each:,.0f}"
        yield f"| {rest.kind} | {rest.size:,} | {told} |"


def tell_costs(costs: Sequence[Cost], kind: str) -> Iterator[str]:
    """A line for each verb: its figures at each size, and the largest beside the smallest."""
    sizes = sorted({cost.size for cost in costs})
    yield f"\n{kind}, at {', '.join(f'{size:,}' for size in sizes)}:\n"
    yield "| verb | p50 ms | p99 ms | CPU µs | CPU, largest / smallest | errors |"
    yield "|---|--:|--:|--:|--:|--:|"
    for verb in ASKED:
        of = {c.size: c for c in costs if (c.verb, c.kind) == (verb, kind)}
        rows = [of[size] for size in sizes]
        times = [
            " / ".join(f"{median(values):,.2f}" for values in column)
            for column in ([c.p50_ms for c in rows], [c.p99_ms for c in rows])
        ]
        cpu = [median(c.cpu_us) for c in rows]
        told = " / ".join(f"{value:,.0f}" for value in cpu)
        errors = sum(c.errors for c in rows)
        yield f"| {verb} | {' | '.join(times)} | {told} | {cpu[-1] / cpu[0]:.2f} | {errors} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default="10000,100000,1000000", help="commas between them")
    parser.add_argument("--databases", default=",".join(KINDS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    parser.add_argument("--data", type=Path, help="keep filled hubs here and use them again")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    args = parser.parse_args()
    sizes, kinds = [int(size) for size in args.sizes.split(",")], args.databases.split(",")
    with ExitStack() as stack:
        temporary = TemporaryDirectory(prefix="bench-scale-")
        data = args.data or Path(stack.enter_context(temporary))
        data.mkdir(exist_ok=True)
        resting, costs = measure(data, sizes, kinds, args.rounds, args.seconds)
    if not args.rounds:
        return
    if args.json:
        print(json.dumps({"rest": [vars(r) for r in resting], "costs": [vars(c) for c in costs]}))
        return
    print(f"{platform.machine()}, {psutil.cpu_count()} cores, Python {platform.python_version()}\n")
    for line in tell_rest(resting):
        print(line)
    for kind in kinds:
        for line in tell_costs(costs, kind):
            print(line)


if __name__ == "__main__":
    main()
