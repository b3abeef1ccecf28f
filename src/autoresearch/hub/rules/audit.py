"""Who did what when, of those who run the hub: a trail that only grows.

An act is noted in the transaction of the thing itself: there is none without the other. Keys and
invites never stand in it.
"""

from __future__ import annotations

from autoresearch.hub.store import acts
from autoresearch.hub.store.statements import Reader, Transaction
from autoresearch.hub.values import Act
from autoresearch.untrusted import to_line

TEXT_MAX = 200


def note(tx: Transaction, actor: str, verb: str, target: str = "") -> None:
    """`actor` is a person as the system knows them, and by which door they came."""
    acts.add(tx, to_line(actor, TEXT_MAX), verb, to_line(target, TEXT_MAX))


def newest(reader: Reader, most: int, words: str = "") -> list[Act]:
    """Newest first; with `words` only what holds them, in actor, verb or target."""
    return acts.newest(reader, most, words)


def last_at(reader: Reader, verb: str) -> str:
    """When it was done last; empty where it never was."""
    return acts.last_at(reader, verb)
