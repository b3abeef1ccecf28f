"""What a process remembers of objects it has read: only what cannot change, within a bound, and
never instead of the rows."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoresearch.git.delta import make_delta
from autoresearch.hub.rules import maintenance
from autoresearch.hub.store import migrate, objects
from autoresearch.hub.store.database import Database
from autoresearch.hub.store.object_reader import (
    RECENT,
    BrokenObject,
    GitObject,
    ObjectReader,
    RecentObjects,
)
from autoresearch.hub.store.objects import NewForm, NewObject, StoredObject
from autoresearch.hub.store.statements import Transaction

BLOB = 3
BASE, NEXT = b"a line of some length\n" * 40, b"a line of some length\n" * 40 + b"one more\n"


@pytest.fixture
def db(tmp_path: Path, database_url: str) -> Iterator[Database]:
    """A whole object, and a delta against it; both settled."""
    migrate.prepare(tmp_path, database_url)
    database = Database(tmp_path, database_url)
    delta = make_delta(BASE, NEXT)
    with database.write() as tx:
        add(tx, b"b" * 20, BASE, None)
        base = objects.by_name(tx, b"b" * 20)
        assert base is not None
        objects.settle(tx, NewForm(base.id, base.oid, 0, b"", None, 0))
        add(tx, b"n" * 20, delta, b"b" * 20)
    RECENT.forget()
    yield database
    RECENT.forget()
    database.close()


def add(tx: Transaction, oid: bytes, data: bytes, base: bytes | None) -> None:
    objects.add(tx, [NewObject(oid, BLOB, len(data), zlib.compress(data), base)])


def row_of(step: int | None, oid: bytes = b"o" * 20) -> StoredObject:
    return StoredObject(1, oid, BLOB, 0, b"", None, step)


def test_an_object_is_made_once_for_all_requests(db: Database) -> None:
    """The second reader needs neither the base nor the delta's body."""
    assert ObjectReader(db.reader).get(b"n" * 20) == GitObject(BLOB, NEXT, 1)
    with db.write() as tx:
        tx.run("UPDATE objects SET body = :body", body=b"rubbish")

    assert ObjectReader(db.reader).get(b"n" * 20) == GitObject(BLOB, NEXT, 1)


def test_a_check_reads_the_rows(db: Database) -> None:
    """Damage is found, whatever was read before it."""
    assert ObjectReader(db.reader).get(b"n" * 20) is not None
    with db.write() as tx:
        tx.run("UPDATE objects SET body = :body", body=b"rubbish")

    with pytest.raises(BrokenObject):
        ObjectReader(db.reader, afresh=True).get(b"n" * 20)
    assert any("cannot be inflated" in said for said in maintenance.find_problems(db.reader))


def test_what_is_not_stored_is_not_there(db: Database) -> None:
    """A restored backup may lack what was read a moment ago."""
    assert ObjectReader(db.reader).get(b"n" * 20) is not None
    with db.write() as tx:
        tx.run("DELETE FROM objects WHERE oid = :oid", oid=b"n" * 20)

    assert ObjectReader(db.reader).get(b"n" * 20) is None


def test_an_object_that_is_not_settled_is_not_remembered() -> None:
    """How many deltas lead to it may change; a push is judged by that number."""
    recent = RecentObjects()
    recent.remember(row_of(None), GitObject(BLOB, b"x", 5))
    assert recent.recall(row_of(0)) is None


def test_memory_is_bounded() -> None:
    """A hundred times as much as fits leaves what was read last, and no more than fits."""
    recent = RecentObjects(most_bytes=100_000)
    for number in range(1000):
        recent.remember(row_of(0, number.to_bytes(20, "big")), GitObject(BLOB, bytes(10_000)))

    kept = [n for n in range(1000) if recent.recall(row_of(0, n.to_bytes(20, "big")))]
    assert kept and kept[-1] == 999 and len(kept) <= 11
