"""How many agents a hub serves, and how it grows: measured costs, a model of its queues, and a
check of the model against real load.

    python bench/capacity.py                          # both databases: about three minutes
    python bench/capacity.py --databases sqlite --seconds 0.4
    python bench/capacity.py --costs costs.json       # goes on from what is measured there

An agent makes 12 experiments an hour. For each it reads boards, claims and news, claims an idea,
fetches a commit, posts a result, releases its claim; what is kept is pushed: 22 of 125, as in the
published night (docs/judging-details.md). Costs are measured on loopback, with the load client on
the same cores; the simulated machines have cores like these.
"""

from __future__ import annotations

import json
import math
import platform
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from capacity_growth import Growth, measure_growth
from capacity_growth import table as growth_table
from capacity_measure import (
    Hub,
    copy_hub,
    fill_hub,
    measure_listening,
    measure_mix,
    measure_read,
    measure_turns,
    measure_verb,
)
from capacity_model import Cost, Load, Plant, demand, simulate
from capacity_requests import READS
from hub_server import serving
from postgres import Cluster, cluster

HELP = {"help_option_names": ["-h", "--help"]}
KEEP_RATE = 22 / 125
EXPERIMENT = {  # how often an agent asks for what, for one experiment
    "push": KEEP_RATE, "post": 1, "release": 1,
    "results": 2, "leaderboard": 1, "leaves": 1, "commits": 1, "posts": 2, "events": 1,
    "claims": 1, "fetch": 1, "claim": 1,
}  # fmt: skip
PER_HOUR = 12.0
DURABLE = ("listen_addresses=", "timezone=UTC", "shared_buffers=128MB", "max_connections=200")
FULL = 0.7  # of its time that a processor may be busy for
WARM_S, SIMULATED_S = 20.0, 40.0
EVENTS = 3 + KEEP_RATE  # of an experiment: a claim, its release, a post, a push of some
Costs = dict[str, Any]


class Notes:
    """What was measured, in a file as soon as it is known."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self.known: Costs = json.loads(file.read_text()) if file and file.exists() else {}

    def find(self, kind: str, what: str) -> Any:
        return self.known.get(kind, {}).get(what)

    def note(self, kind: str, what: str, value: Any) -> None:
        self.known.setdefault(kind, {})[what] = value
        if self._file:
            self._file.write_text(json.dumps(self.known, indent=1))
        print(f"{kind} {what}: {json.dumps(value)[:200]}", file=sys.stderr)


def measure(notes: Notes, kinds: list[str], seconds: float) -> None:
    """Whatever is not known yet, of each kind of database."""
    with ExitStack() as stack:
        root = Path(stack.enter_context(TemporaryDirectory(prefix="bench-capacity-")))
        filled: list[Hub] = []
        for kind in kinds:
            wanted = [*EXPERIMENT, "stream", "turns", "mix", "growth"]
            if all(notes.find(kind, what) for what in wanted):
                continue
            filled = filled or [fill_hub(root / "filled")]
            with opened(root, kind, filled[0]) as (hub, server):
                measure_kind(notes, hub, seconds)
                if not notes.find(kind, "growth"):
                    growth = measure_growth(root, KEEP_RATE, server)
                    notes.note(kind, "growth", [asdict(one) for one in growth])


@contextmanager
def opened(root: Path, kind: str, filled: Hub) -> Iterator[tuple[Hub, Cluster | None]]:
    """A copy of the filled hub, in SQLite or in a PostgreSQL that flushes what it promises."""
    with ExitStack() as stack:
        server = stack.enter_context(cluster(DURABLE)) if kind == "postgresql" else None
        yield copy_hub(filled, root / kind, server), server


def measure_kind(notes: Notes, hub: Hub, seconds: float) -> None:
    due = [verb for verb in EXPERIMENT if not notes.find(hub.kind, verb)]
    if due or not notes.find(hub.kind, "stream"):
        with serving(hub.folder, hub.loaded, 1, hub.options) as server:
            for verb in due:
                if verb != "release":  # comes with each claim
                    post = notes.find(hub.kind, "post")
                    found = (
                        measure_read(hub, server, verb, seconds, post)
                        if verb in READS
                        else measure_verb(hub, server, verb, seconds)
                    )
                    notes.note(hub.kind, verb, found)
            if not notes.find(hub.kind, "stream"):
                post = notes.find(hub.kind, "post")
                told = measure_listening(hub, server, post, seconds)
                notes.note(hub.kind, "stream", told)
        if "claim" in due:
            notes.note(hub.kind, "release", notes.find(hub.kind, "claim"))
    if not notes.find(hub.kind, "turns"):
        notes.note(hub.kind, "turns", measure_turns(hub, seconds))
    if not notes.find(hub.kind, "mix"):
        verbs = notes.known[hub.kind]
        notes.note(hub.kind, "mix", measure_mix(hub, EXPERIMENT, verbs))


def read_costs(known: Costs) -> dict[str, Cost]:
    return {
        verb: Cost(
            known[verb]["node_us"] / 1e6,
            known[verb]["database_us"] / 1e6,
            0.0 if verb in READS else known["turns"][verb] / 1e6,
        )
        for verb in EXPERIMENT
    }


def tell_costs(kind: str, known: Costs) -> Iterator[str]:
    yield f"\n## {kind}: a request\n"
    yield "| verb | times | node CPU µs | database CPU µs | turn µs | errors |"
    yield "|---|--:|--:|--:|--:|--:|"
    for verb, times in EXPERIMENT.items():
        made, turn = known[verb], known["turns"].get(verb, 0) if verb not in READS else 0
        told = f"{made['node_us']:,.0f} | {made['database_us']:,.0f} | {turn:,.0f}"
        yield f"| {verb} | {times:g} | {told} | {made['errors']} |"
    mix = known["mix"]
    yield f"\na commit takes the turn for {known['turns']['commit']:,.0f} µs beside its changes"
    yield (
        "16 agents, {requests:.0f} of {wanted:.0f} requests, {errors} errors: predicted"
        " {predicted_node_us:,.0f} + {predicted_database_us:,.0f} µs of CPU a request,"
        " measured {node_us:,.0f} + {database_us:,.0f}: {ratio:.2f}".format(**mix)
    )


def tell_model(
    kind: str, known: Costs, agents: list[int], nodes: list[int], cores: int, database_cores: int
) -> Iterator[str]:
    costs, one = read_costs(known), Load(1, PER_HOUR, EXPERIMENT)
    each, rate = demand(one, costs), one.experiments_per_s
    cpu_s, turn_ms = each.node_s + each.database_s, each.turn_s * 1e3
    yield f"\nan experiment takes {cpu_s * 1e3:.1f} ms of CPU and {turn_ms:.1f} of the turn"
    yield f"agents served by a core that is busy for {FULL:.0%}: {FULL / (rate * cpu_s):,.0f}"
    if each.turn_s:
        yield f"agents that fill the writers' turn: {1 / (rate * each.turn_s):,.0f}"
    event_s = known["stream"]["event_us"] / 1e6
    together = math.sqrt(FULL / (rate * EVENTS * event_s)) if event_s else math.inf
    yield (
        f"an event to a listener takes {event_s * 1e6:.1f} µs of CPU: agents who all listen to"
        f" all, for a core: {together:,.0f}"
    )
    yield f"\n| agents | nodes of {cores} cores | node | database | turn | waiting p50 | p99 |"
    yield "|--:|--:|--:|--:|--:|--:|--:|"
    for many in agents:
        for number in nodes if kind != "sqlite" else [1]:
            plant = Plant(number, cores, database_cores, known["turns"]["commit"] / 1e6)
            load = Load(many, PER_HOUR, EXPERIMENT)
            found = simulate(plant, load, costs, WARM_S, SIMULATED_S)
            busy = " | ".join(f"{part:.0%}" for part in (found.node, found.database, found.turn))
            waits = f"{found.wait_ms(0.5):,.1f} ms | {found.wait_ms(0.99):,.1f} ms"
            yield f"| {many:,} | {number} | {busy} | {waits} |"


def numbers(_: click.Context, __: click.Parameter, text: str) -> list[int]:
    return [int(part.replace("_", "")) for part in text.split(",")]


@click.command(help=__doc__, context_settings=HELP)
@click.option("--databases", default="sqlite,postgresql", show_default=True)
@click.option("--seconds", default=0.8, show_default=True, help="Of each measurement.")
@click.option("--costs", type=click.Path(path_type=Path), help="Keep what is measured here.")
@click.option("--agents", default="1000,10000,30000,100000", callback=numbers, show_default=True)
@click.option("--nodes", default="1,4,16", callback=numbers, show_default=True)
@click.option("--cores", default=8, show_default=True, help="Of each node.")
@click.option("--database-cores", default=16, show_default=True)
@click.option("--events-days", default=30.0, show_default=True)
@click.option("--search-days", default=90.0, show_default=True)
def main(
    databases: str, seconds: float, costs: Path | None, agents: list[int], nodes: list[int],
    cores: int, database_cores: int, events_days: float, search_days: float,
) -> None:  # fmt: skip
    notes, kinds = Notes(costs), databases.split(",")
    measure(notes, kinds, seconds)
    print(f"{platform.machine()}, {psutil.cpu_count()} cores, Python {platform.python_version()}")
    for kind in kinds:
        known = notes.known[kind]
        for line in tell_costs(kind, known):
            print(line)
        for line in tell_model(kind, known, agents, nodes, cores, database_cores):
            print(line)
        grown = [Growth(**one) for one in known["growth"]]
        print(
            f"\n1,000 agents for a year, events {events_days:g} and words {search_days:g} days:\n"
        )
        print(growth_table(grown, search_days, events_days))


if __name__ == "__main__":
    main()
