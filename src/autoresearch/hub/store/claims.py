"""Rows of claims. What is too much like another is decided in `rules.claims`."""

from __future__ import annotations

from sqlalchemy import insert, select, update

from autoresearch.hub.store.database import Reader, Row, Transaction
from autoresearch.hub.store.query import Query, given
from autoresearch.hub.store.schema import claims

CLAIM = (claims.c.id, claims.c.agent_id, claims.c.text, claims.c.created_at, claims.c.expires_at)

_ADD = Query(
    insert(claims)
    .values(**given("agent_id", "text", "created_at", "expires_at", "ttl_s"))
    .returning(claims.c.id)
)
_ACTIVE = Query(
    select(*CLAIM)
    .where(claims.c.released_at.is_(None), claims.c.expires_at > given("at")["at"])
    .order_by(claims.c.id.desc())
    .limit(given("most")["most"])
)
_CLAIM = Query(
    select(*CLAIM, claims.c.ttl_s, claims.c.released_at).where(
        claims.c.id == given("claim_id")["claim_id"]
    )
)
_of = claims.c.id == given("claim_id")["claim_id"]
_EXTEND = Query(update(claims).where(_of).values(given("expires_at", "ttl_s")))
_RELEASE = Query(update(claims).where(_of).values(given("released_at")))


def add(tx: Transaction, agent_id: str, text: str, expires_at: str, ttl_s: int) -> int:
    return int(
        tx.value(
            _ADD,
            agent_id=agent_id,
            text=text,
            created_at=tx.now,
            expires_at=expires_at,
            ttl_s=ttl_s,
        )
    )


def active(reader: Reader, at: str, most: int) -> list[Row]:
    """CLAIM columns of claims that hold at that time, newest first."""
    return reader.rows(_ACTIVE, at=at, most=most)


def claim(reader: Reader, claim_id: int) -> Row | None:
    """CLAIM columns, `ttl_s` and `released_at`."""
    return reader.row(_CLAIM, claim_id=claim_id)


def extend(tx: Transaction, claim_id: int, expires_at: str, ttl_s: int) -> None:
    tx.run(_EXTEND, claim_id=claim_id, expires_at=expires_at, ttl_s=ttl_s)


def release(tx: Transaction, claim_id: int) -> None:
    tx.run(_RELEASE, claim_id=claim_id, released_at=tx.now)
