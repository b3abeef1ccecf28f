"""Rows that count what was used of an allowance. What is allowed is decided in `rules.limits`."""

from __future__ import annotations

from sqlalchemy import case, or_, select
from sqlalchemy.dialects.sqlite import insert

from autoresearch.hub.store.database import Reader, Transaction
from autoresearch.hub.store.query import Query, given
from autoresearch.hub.store.schema import limits

_fresh = limits.c.started_s <= given("stale_s")["stale_s"]
_new = insert(limits).values(
    **given("subject", "action"), started_s=given("now_s")["now_s"], used=1
)
_TAKE = Query(  # one statement: begins an hour, counts within it, or touches nothing where the allowance is used up
    _new.on_conflict_do_update(
        index_elements=["subject", "action"],
        set_={
            "started_s": case((_fresh, _new.excluded.started_s), else_=limits.c.started_s),
            "used": case((_fresh, 1), else_=limits.c.used + 1),
        },
        where=or_(_fresh, limits.c.used < given("allowed")["allowed"]),
    )
)
_STATE = Query(
    select(limits.c.started_s, limits.c.used)
    .where(limits.c.subject == given("subject")["subject"])
    .where(limits.c.action == given("action")["action"])
)


def take(
    tx: Transaction, subject: str, action: str, allowed: int, now_s: int, window_s: int
) -> bool:
    """Count one use; False, counting none, where `allowed` are used up in the window that runs."""
    if allowed < 1:
        return False
    return (
        tx.run(
            _TAKE,
            subject=subject,
            action=action,
            now_s=now_s,
            stale_s=now_s - window_s,
            allowed=allowed,
        )
        == 1
    )


def state(reader: Reader, subject: str, action: str) -> tuple[int, int]:
    """When the running window began (Unix seconds) and how much of it is used."""
    started_s, used = reader.row(_STATE, subject=subject, action=action) or (0, 0)
    return int(started_s), int(used)
