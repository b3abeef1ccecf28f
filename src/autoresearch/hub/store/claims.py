"""SQL of claims. What is too much like another is decided in `rules.claims`."""

from __future__ import annotations

from autoresearch.hub.store.statements import Reader, Transaction, conditions
from autoresearch.hub.values import HeldClaim, ToldIdea
from autoresearch.models import Claim


def add_claim(tx: Transaction, agent_id: str, text: str, expires_at: str, ttl_s: int) -> Claim:
    sql = """
        INSERT INTO claims (agent_id, text, created_at, expires_at, ttl_s)
        VALUES (:agent_id, :text, :now, :expires_at, :ttl_s)
        RETURNING id, agent_id, text, created_at, expires_at
    """
    (added,) = tx.all(
        Claim, sql, agent_id=agent_id, text=text, now=tx.now, expires_at=expires_at, ttl_s=ttl_s
    )
    return added


_FILTERS = {"after": "id > :after", "agent_id": "agent_id = :agent_id"}
# None holds longer than it may from now on: one that does was made by a clock that was wrong.
_ACTIVE = """
    claims WHERE released_at IS NULL AND expires_at > :at
        AND (julianday(expires_at) - julianday(:at)) * 86400 < ttl_s + 1
"""
_NEWEST = "ORDER BY +id DESC LIMIT :most"  # by `id`, SQLite would walk every claim for the order


def active_claims(reader: Reader, at: str, most: int, **filters: int | str) -> list[Claim]:
    """Claims that hold at that time, newest first; of an agent, or behind a number, if asked."""
    sql = f"""
        SELECT id, agent_id, text, created_at, expires_at FROM {_ACTIVE}
        {conditions(_FILTERS, filters)} {_NEWEST}
    """
    return reader.all(Claim, sql, at=at, most=most, **filters)


def active_ideas(reader: Reader, at: str, most: int, after: int = 0) -> list[ToldIdea]:
    """What the newest claims say that hold at that time and have numbers over `after`."""
    sql = f"{_ACTIVE} AND id > :after {_NEWEST}"
    return reader.texts(ToldIdea, "id, agent_id, text", sql, at=at, after=after, most=most)


def claim(reader: Reader, claim_id: int) -> HeldClaim | None:
    """A claim, whether or not it holds."""
    sql = """
        SELECT id, agent_id, text, created_at, expires_at, ttl_s, released_at FROM claims
        WHERE id = :id
    """
    return reader.one(HeldClaim, sql, id=claim_id)


def extend(tx: Transaction, claim_id: int, expires_at: str, ttl_s: int) -> Claim:
    sql = """
        UPDATE claims SET expires_at = :expires_at, ttl_s = :ttl_s WHERE id = :id
        RETURNING id, agent_id, text, created_at, expires_at
    """
    (extended,) = tx.all(Claim, sql, id=claim_id, expires_at=expires_at, ttl_s=ttl_s)
    return extended


def release(tx: Transaction, claim_id: int) -> None:
    """Give a claim up: it is over now."""
    sql = "UPDATE claims SET released_at = :now, expires_at = :now WHERE id = :id"
    tx.run(sql, id=claim_id, now=tx.now)
