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

Payloads name things and never quote them: what is hidden later is then hidden here as well.
"""

from __future__ import annotations

from typing import Any

import msgspec

from autoresearch.hub.store.database import Reader, Transaction
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


def last_seq(reader: Reader) -> int:
    return int(reader.value("SELECT coalesce(max(seq), 0) FROM events"))


def prune(tx: Transaction, keep: int) -> int:
    """Forget all but the newest; how many went."""
    return tx.run(
        "DELETE FROM events WHERE seq <= (SELECT max(seq) FROM events) - :keep", keep=keep
    )
