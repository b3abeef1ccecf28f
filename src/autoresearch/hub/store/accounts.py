"""Rows of agents, their keys and invites. Who may do what is decided in `rules.accounts`."""

from __future__ import annotations

from sqlalchemy import delete, insert, select, update

from autoresearch.hub.store.database import Reader, Row, Transaction
from autoresearch.hub.store.query import Query, given
from autoresearch.hub.store.schema import agents, invites, keys

_ADD_AGENT = Query(insert(agents).values(**given("id", "created_at", "via")))
_AGENT = Query(
    select(agents.c.id, agents.c.created_at, agents.c.via, agents.c.revoked_at).where(
        agents.c.id == given("agent_id")["agent_id"]
    )
)
_AGENTS = Query(
    select(agents.c.id, agents.c.created_at, agents.c.via, agents.c.revoked_at).order_by(
        agents.c.created_at, agents.c.id
    )
)
_REVOKE = Query(
    update(agents).where(agents.c.id == given("agent_id")["agent_id"]).values(given("revoked_at"))
)
_ADD_KEY = Query(insert(keys).values(**given("hash", "agent_id", "created_at")))
_DROP_KEYS = Query(delete(keys).where(keys.c.agent_id == given("of")["of"]))
_OWNER = Query(
    select(keys.c.hash, keys.c.agent_id)
    .join(agents, agents.c.id == keys.c.agent_id)
    .where(keys.c.hash == given("key_hash")["key_hash"])
    .where(agents.c.revoked_at.is_(None))
)
_ADD_INVITE = Query(
    insert(invites).values(**given("hash", "created_at", "expires_at", "uses_left", "note"))
)
_USE_INVITE = Query(
    update(invites)
    .where(invites.c.hash == given("token_hash")["token_hash"])
    .where(invites.c.uses_left > 0)
    .where(invites.c.expires_at > given("at")["at"])
    .values(uses_left=invites.c.uses_left - 1)
)


def add_agent(tx: Transaction, agent_id: str, via: str) -> None:
    tx.run(_ADD_AGENT, id=agent_id, created_at=tx.now, via=via)


def agent(reader: Reader, agent_id: str) -> Row | None:
    """(id, created_at, via, revoked_at), or None."""
    return reader.row(_AGENT, agent_id=agent_id)


def all_agents(reader: Reader) -> list[Row]:
    """(id, created_at, via, revoked_at) of everyone, oldest first."""
    return reader.rows(_AGENTS)


def revoke(tx: Transaction, agent_id: str) -> None:
    """Close the account and forget its keys."""
    tx.run(_REVOKE, agent_id=agent_id, revoked_at=tx.now)
    tx.run(_DROP_KEYS, of=agent_id)


def replace_key(tx: Transaction, agent_id: str, key_hash: bytes) -> None:
    """From now on this key, and no other, is the agent's."""
    tx.run(_DROP_KEYS, of=agent_id)
    tx.run(_ADD_KEY, hash=key_hash, agent_id=agent_id, created_at=tx.now)


def reopen(tx: Transaction, agent_id: str) -> None:
    tx.run(_REVOKE, agent_id=agent_id, revoked_at=None)


def owner(reader: Reader, key_hash: bytes) -> tuple[bytes, str] | None:
    """(stored hash, agent id) of a live key."""
    row = reader.row(_OWNER, key_hash=key_hash)
    return (row[0], row[1]) if row else None


def add_invite(tx: Transaction, token_hash: bytes, expires_at: str, uses: int, note: str) -> None:
    tx.run(
        _ADD_INVITE,
        hash=token_hash,
        created_at=tx.now,
        expires_at=expires_at,
        uses_left=uses,
        note=note,
    )


def use_invite(tx: Transaction, token_hash: bytes) -> bool:
    """Take one use of an invite; False where it is unknown, used up or expired."""
    return tx.run(_USE_INVITE, token_hash=token_hash, at=tx.now) == 1
