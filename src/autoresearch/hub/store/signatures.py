"""SQL of agents' public keys: rows are added, never changed. What holds is decided in
`rules.signatures`.
"""

from __future__ import annotations

from autoresearch.hub.store.statements import Reader, Transaction
from autoresearch.models import PublicKey

_KEY = "id, agent_id, public_key, created_at"


def keys_of(reader: Reader, agent_id: str) -> list[PublicKey]:
    """Oldest first."""
    sql = f"SELECT {_KEY} FROM public_keys WHERE agent_id = :agent_id ORDER BY id"
    return reader.all(PublicKey, sql, agent_id=agent_id)


def current_key(reader: Reader, agent_id: str) -> str:
    """The key that holds; empty where there is none."""
    sql = """
        SELECT public_key FROM public_keys WHERE agent_id = :agent_id ORDER BY id DESC LIMIT 1
    """
    return str(reader.value(sql, agent_id=agent_id) or "")


def add_key(tx: Transaction, agent_id: str, public_key: str) -> PublicKey:
    sql = f"""
        INSERT INTO public_keys (agent_id, public_key, created_at)
        VALUES (:agent_id, :public_key, :now) RETURNING {_KEY}
    """
    (added,) = tx.all(PublicKey, sql, agent_id=agent_id, public_key=public_key, now=tx.now)
    return added
