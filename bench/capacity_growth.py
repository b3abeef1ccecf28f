"""How a hub's database grows with each experiment, table by table, and what of it the settings of
retention forget. Measured from a generated community. Leaves to others: telling it (capacity)."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from autoresearch.hub.rules import maintenance
from autoresearch.hub.store import backup, claims, ended, events, migrate, search
from autoresearch.hub.store.database import Database, compact
from autoresearch.hub.store.sizes import measure_tables
from autoresearch.hub.values import TableSize
from hub_data import AGENTS, fill
from postgres import Cluster

YEAR_EXPERIMENTS = 1000 * 12 * 24 * 365  # of 1,000 agents with 12 an hour
FOR_EVER = "9999-01-01T00:00:00.000000Z"
CLAIM_DAYS = 30  # that a claim stays once it is over (`hub.rules.retention`)
FORGOTTEN = {"events": "events", "documents": "words", "search": "words", "claims": "claims"}


@dataclass(frozen=True)
class Growth:
    """One table: bytes of an experiment, and those of them that no setting forgets."""

    table: str
    rows: float
    size_bytes: float
    lasting_bytes: float

    def year_bytes(self, days: Mapping[str, float]) -> float:
        """After a year; `days` is how long each kind of what can be forgotten stays."""
        share = min(1.0, days.get(FORGOTTEN.get(self.table, ""), 365) / 365)
        going = self.size_bytes - self.lasting_bytes
        return YEAR_EXPERIMENTS * (self.lasting_bytes + going * share)


def measure_growth(
    root: Path, keep_rate: float, cluster: Cluster | None, experiments: int = 3000
) -> list[Growth]:
    """A community's experiments: a result each, a claim each, a commit of those that are kept."""
    folder = root / f"growth-{'postgresql' if cluster else 'sqlite'}"
    empty = root / f"{folder.name}-empty"
    fill(folder, (round(experiments * keep_rate), 0), experiments)
    db = Database(folder)
    with db.write() as tx:
        for number in range(experiments):
            words = " ".join(secrets.token_hex(4) for _ in range(6))
            agent_id = f"bench-{number % AGENTS}"
            made = claims.add_claim(tx, agent_id, f"parameter {words}", tx.now, 3600)
            claims.release(tx, made.id)
            for kind in ("claim", "claim.released"):
                events.append(tx, kind, {"id": made.id, "agent_id": agent_id})
    db.close()
    migrate.prepare(empty)
    db, none = (_open(each, cluster) for each in (folder, empty))
    before, after, nothing = _measure(db, cluster), _forget(db, cluster), _measure(none, cluster)
    for each in (db, none):
        each.close()
    shutil.rmtree(folder)
    return [
        Growth(
            name,
            before[name].rows / experiments,
            max(0, before[name].size_bytes - nothing[name].size_bytes) / experiments,
            max(0, after[name].size_bytes - nothing[name].size_bytes) / experiments,
        )
        for name in before
    ]


def _open(folder: Path, cluster: Cluster | None) -> Database:
    """The hub in `folder`, in PostgreSQL where there is one."""
    if cluster is None:
        return Database(folder)
    url = cluster.empty_database()
    migrate.prepare(folder, url)
    old, new = Database(folder), Database(folder, url)
    backup.move(old, new, maintenance.index_words)
    old.close()
    return new


def _measure(db: Database, cluster: Cluster | None) -> dict[str, TableSize]:
    if cluster is None:
        compact(db)
    else:
        cluster.run("VACUUM FULL", db.url)  # what is free does not count, as in a large table
    return {size.name: size for size in measure_tables(db.reader)}


def _forget(db: Database, cluster: Cluster | None) -> dict[str, TableSize]:
    """What stays where everything is forgotten that may be."""
    with db.write() as tx:
        events.forget_to(tx, events.last_seq(tx) - 1, 10**9)
        ended.forget_ended(tx, "claims", FOR_EVER, 10**9)
        while posts := search.find_old_posts(tx, FOR_EVER, 1000):
            search.forget_posts(tx, posts)
        if cluster is None:
            search.begin_merge(tx)
            while search.merge_on(tx):
                pass
    return _measure(db, cluster)


def table(found: Sequence[Growth], search_days: float, events_days: float) -> str:
    """The tables that grow, and what a year of 1,000 agents comes to."""
    all_stay = {"claims": CLAIM_DAYS}
    some_go = {"claims": CLAIM_DAYS, "words": search_days, "events": events_days}
    lines = [
        "| table | rows an experiment | bytes of it | lasting | GB a year | with retention |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    sums = [0.0, 0.0, 0.0, 0.0]
    for one in found:
        parts = (
            one.size_bytes, one.lasting_bytes,
            one.year_bytes(all_stay) / 1e9, one.year_bytes(some_go) / 1e9,
        )  # fmt: skip
        sums = [a + b for a, b in zip(sums, parts, strict=True)]
        if one.size_bytes >= 10:
            told = f"{parts[0]:,.0f} | {parts[1]:,.0f} | {parts[2]:,.1f} | {parts[3]:,.1f}"
            lines.append(f"| {one.table} | {one.rows:.2f} | {told} |")
    lines.append(f"| all | | {sums[0]:,.0f} | {sums[1]:,.0f} | {sums[2]:,.1f} | {sums[3]:,.1f} |")
    return "\n".join(lines)
