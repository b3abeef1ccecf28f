"""The event log: one row per change, written in the change's own transaction.

Handing it out is `hub.feed`'s job.

| kind | payload |
|---|---|
| `commit` | `hash`, `agent_id`, `parents` |
| `post` | `id`, `channel`, `agent_id`, `parent_id` |
| `channel` | `id`, `name` |
| `claim`, `claim.released` | `id`, `agent_id` |
| `agent` | `id` |
| `root` | `hash` |
| `hidden`, `restored` | `kind` (post or commit), `id` |
| `key.revoked`, `hub.restored` | for the workers themselves; never leaves the hub |

Payloads name things and never quote them. The events of what is hidden now are handed to nobody.
"""

from __future__ import annotations

from typing import Any

import msgspec

from autoresearch.hub.store.statements import Reader, Transaction
from autoresearch.hub.values import LoggedEvent

INTERNAL = ("key.revoked", "hub.restored")


def append(tx: Transaction, kind: str, payload: dict[str, Any]) -> None:
    """Note a change of `kind`; `payload` holds ids and names only."""
    sql = "INSERT INTO events (kind, payload, created_at) VALUES (:kind, :payload, :now)"
    tx.run(sql, kind=kind, payload=msgspec.json.encode(payload).decode(), now=tx.now)


def after(reader: Reader, seq: int, most: int) -> list[LoggedEvent]:
    """Up to `most` events behind `seq`, oldest first."""
    sql = """
        SELECT seq, kind, payload, created_at FROM events WHERE seq > :seq
        ORDER BY seq LIMIT :most
    """
    return reader.all(LoggedEvent, sql, seq=seq, most=most)


def hidden_names(reader: Reader) -> set[str]:
    """What is hidden now, as the log names it: `post:17`, `commit:HASH`."""
    posts = reader.column("SELECT id FROM posts WHERE hidden = 1")
    commits = reader.column("SELECT hash FROM commits WHERE hidden = 1")
    return {f"post:{number}" for number in posts} | {f"commit:{name}" for name in commits}


def last_seq(reader: Reader) -> int:
    return int(reader.value("SELECT coalesce(max(seq), 0) FROM events"))


def last_before(reader: Reader, moment: str) -> int:
    """The number before the first event since a moment, but never the newest of all: numbers go
    on from it. Reads the old ones only. 0 or less where there is none."""
    sql = """
        SELECT coalesce(
            (SELECT seq FROM events WHERE created_at >= :moment ORDER BY seq LIMIT 1),
            (SELECT max(seq) FROM events), 0) - 1
    """
    return int(reader.value(sql, moment=moment))


def forget_to(tx: Transaction, seq: int, most: int) -> int:
    """Forget up to `most` events, the oldest, and none behind `seq`; how many went."""
    sql = """
        DELETE FROM events WHERE seq <= :seq
        AND seq < (SELECT min(seq) FROM events) + CAST(:most AS BIGINT)
    """
    return tx.run(sql, seq=seq, most=most)
