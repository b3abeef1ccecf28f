"""The event log: one row per change, written in the change's own transaction. Handing it out is `hub.feed`'s job.

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
from sqlalchemy import func, insert, select

from autoresearch.hub.store.database import Reader, Row, Transaction
from autoresearch.hub.store.query import Query, given
from autoresearch.hub.store.schema import events

INTERNAL = ("key.revoked", "hub.restored")

_APPEND = Query(insert(events).values(**given("kind", "payload", "created_at")))
_AFTER = Query(
    select(events.c.seq, events.c.kind, events.c.payload, events.c.created_at)
    .where(events.c.seq > given("after")["after"])
    .order_by(events.c.seq)
    .limit(given("most")["most"])
)
_LAST = Query(select(func.coalesce(func.max(events.c.seq), 0)))


def append(tx: Transaction, kind: str, payload: dict[str, Any]) -> None:
    """Note a change of `kind`; `payload` holds ids and names only."""
    tx.run(_APPEND, kind=kind, payload=msgspec.json.encode(payload).decode(), created_at=tx.now)


def after(reader: Reader, seq: int, most: int) -> list[Row]:
    """Up to `most` events (seq, kind, payload as JSON text, created_at) behind `seq`, oldest first."""
    return reader.rows(_AFTER, after=seq, most=most)


def last_seq(reader: Reader) -> int:
    return int(reader.value(_LAST))
