"""SQL of agents, their keys and invites. Who may do what is decided in `rules.accounts`."""

from __future__ import annotations

from autoresearch.hub.store.acts import pattern_of
from autoresearch.hub.store.statements import Reader, Transaction
from autoresearch.hub.values import AgentAccount, Invite


def add_agent(tx: Transaction, agent_id: str, via: str, network: str = "") -> None:
    tx.run(
        "INSERT INTO agents (id, created_at, via, network) VALUES (:id, :now, :via, :network)",
        id=agent_id, now=tx.now, via=via, network=network,
    )  # fmt: skip


def agent(reader: Reader, agent_id: str) -> AgentAccount | None:
    sql = "SELECT id, created_at, via, revoked_at FROM agents WHERE id = :id"
    return reader.one(AgentAccount, sql, id=agent_id)


def find_lookalike(reader: Reader, agent_id: str) -> str | None:
    """The agent whose id differs from this one by case, or by the `.`, `_` and `-` at its end."""
    sql = """
        SELECT id FROM agents WHERE lower(rtrim(id, '._-')) = lower(rtrim(:id, '._-'))
        ORDER BY created_at LIMIT 1
    """
    found: str | None = reader.value(sql, id=agent_id)
    return found


def all_agents(reader: Reader) -> list[AgentAccount]:
    """Everyone, oldest first."""
    sql = "SELECT id, created_at, via, revoked_at FROM agents ORDER BY created_at, id"
    return reader.all(AgentAccount, sql)


def newest_agents(reader: Reader, most: int, words: str = "") -> list[AgentAccount]:
    """The newest whose ids hold the words."""
    sql = """
        SELECT id, created_at, via, revoked_at FROM agents
        WHERE lower(id) LIKE :pattern ESCAPE '!' ORDER BY created_at DESC LIMIT :most
    """
    return reader.all(AgentAccount, sql, pattern=pattern_of(words), most=most)


def count_agents(reader: Reader) -> int:
    return int(reader.value("SELECT count(*) FROM agents"))


def revoke(tx: Transaction, agent_id: str, at: str) -> None:
    """Close the account: while it is closed its key opens nothing (`key_owner`)."""
    tx.run("UPDATE agents SET revoked_at = :at WHERE id = :id", id=agent_id, at=at)


def reopen(tx: Transaction, agent_id: str) -> None:
    tx.run("UPDATE agents SET revoked_at = NULL WHERE id = :id", id=agent_id)


def replace_key(tx: Transaction, agent_id: str, key_hash: bytes) -> None:
    """From now on this key, and no other, is the agent's."""
    tx.run("DELETE FROM keys WHERE agent_id = :id", id=agent_id)
    tx.run(
        "INSERT INTO keys (hash, agent_id, created_at) VALUES (:hash, :id, :now)",
        hash=key_hash, id=agent_id, now=tx.now,
    )  # fmt: skip


def key_owner(reader: Reader, key_hash: bytes) -> str | None:
    """The agent of a key that works."""
    sql = """
        SELECT keys.agent_id FROM keys JOIN agents ON agents.id = keys.agent_id
        WHERE keys.hash = :hash AND agents.revoked_at IS NULL
    """
    found: str | None = reader.value(sql, hash=key_hash)
    return found


def admin_key_hash(reader: Reader) -> bytes:
    """SHA-256 of the admin key that the nodes of this hub share; empty where none is stored."""
    sql = "SELECT value FROM settings WHERE name = 'admin_key_hash'"
    return bytes.fromhex(reader.value(sql) or "")


def set_admin_key_hash(tx: Transaction, digest: bytes) -> None:
    sql = """
        INSERT INTO settings (name, value) VALUES ('admin_key_hash', :digest)
        ON CONFLICT (name) DO UPDATE SET value = excluded.value
    """
    tx.run(sql, digest=digest.hex())


def add_invite(tx: Transaction, token_hash: bytes, expires_at: str, uses: int, note: str) -> None:
    sql = """
        INSERT INTO invites (hash, created_at, expires_at, uses_left, note)
        VALUES (:hash, :now, :expires_at, :uses, :note)
    """
    tx.run(sql, hash=token_hash, now=tx.now, expires_at=expires_at, uses=uses, note=note)


def open_invites(reader: Reader, now: str) -> list[Invite]:
    """Those with uses left that are not expired, newest first."""
    sql = """
        SELECT hash, created_at, expires_at, uses_left, note FROM invites
        WHERE uses_left > 0 AND expires_at > :now ORDER BY created_at DESC
    """
    return reader.all(Invite, sql, now=now)


def end_invite(tx: Transaction, token_hash: bytes) -> None:
    tx.run("UPDATE invites SET uses_left = 0 WHERE hash = :hash", hash=token_hash)


def use_invite(tx: Transaction, token_hash: bytes) -> bool:
    """Take one use of an invite; False where it is unknown, used up or expired."""
    sql = """
        UPDATE invites SET uses_left = uses_left - 1
        WHERE hash = :hash AND uses_left > 0 AND expires_at > :now
    """
    return tx.run(sql, hash=token_hash, now=tx.now) == 1
