"""SQL of the trail of what operators did: rows are added and read, never changed."""

from __future__ import annotations

from autoresearch.hub.store.statements import Reader, Transaction
from autoresearch.hub.values import Act


def add(tx: Transaction, actor: str, verb: str, target: str) -> None:
    sql = """
        INSERT INTO acts (created_at, actor, verb, target) VALUES (:now, :actor, :verb, :target)
    """
    tx.run(sql, now=tx.now, actor=actor, verb=verb, target=target)


def newest(reader: Reader, most: int, words: str) -> list[Act]:
    sql = """
        SELECT id, created_at, actor, verb, target FROM acts
        WHERE lower(actor || ' ' || verb || ' ' || target) LIKE :pattern ESCAPE '!'
        ORDER BY id DESC LIMIT :most
    """
    return reader.all(Act, sql, pattern=pattern_of(words), most=most)


def last_at(reader: Reader, verb: str) -> str:
    sql = "SELECT created_at FROM acts WHERE verb = :verb ORDER BY id DESC LIMIT 1"
    return str(reader.value(sql, verb=verb) or "")


def pattern_of(words: str) -> str:
    """For `lower(column) LIKE :pattern ESCAPE '!'`: the words somewhere in the text, as they
    are."""
    escaped = words.lower().replace("!", "!!").replace("%", "!%").replace("_", "!_")
    return f"%{escaped}%"
