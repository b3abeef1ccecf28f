"""Rows of git objects, and the refs that plain git sees. Objects are never changed or deleted; whether they may come in is `rules.push`'s to say."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.sqlite import insert

from autoresearch.hub.store.database import Reader, Row, Transaction
from autoresearch.hub.store.query import Query, given
from autoresearch.hub.store.schema import objects, refs

_O = objects.c
_KIND = Query(select(_O.kind).where(_O.oid == given("oid")["oid"]))
_OBJECT = Query(select(_O.kind, _O.size, _O.body).where(_O.oid == given("oid")["oid"]))
_ADD = Query(
    insert(objects).values(**given("oid", "kind", "size", "body")).on_conflict_do_nothing()
)
_BEHIND = Query(
    select(_O.id, _O.oid, _O.kind, _O.size, _O.body)
    .where(_O.id > given("behind")["behind"], _O.id <= given("to")["to"])
    .order_by(_O.id)
    .limit(given("most")["most"])
)
_NAME_OF = Query(select(_O.oid).where(_O.id == given("number")["number"]))
_COUNT = Query(
    select(func.count()).where(_O.id > given("behind")["behind"], _O.id <= given("to")["to"])
)
_LAST = Query(select(func.coalesce(func.max(_O.id), 0)))

_R = refs.c
_REF = Query(select(_R.name, _R.hash, _R.agent_id).where(_R.name == given("name")["name"]))
_REFS = Query(
    select(_R.name, _R.hash).order_by(_R.updated_at.desc(), _R.name).limit(given("most")["most"])
)
_new_ref = insert(refs).values(**given("name", "hash", "agent_id", "updated_at"))
_SET_REF = Query(
    _new_ref.on_conflict_do_update(
        index_elements=["name"],
        set_={"hash": _new_ref.excluded.hash, "updated_at": _new_ref.excluded.updated_at},
    )
)
_DROP_REF = Query(delete(refs).where(_R.name == given("name")["name"]))
_PAGE = 500


def kind(reader: Reader, oid: bytes) -> int | None:
    """The kind of a stored object, 1 commit, 2 tree, 3 blob; None where there is none of this name."""
    value = reader.value(_KIND, oid=oid)
    return None if value is None else int(value)


def get(reader: Reader, oid: bytes) -> tuple[int, bytes] | None:
    """Kind and content of a stored object."""
    row = reader.row(_OBJECT, oid=oid)
    return None if row is None else (row[0], zlib.decompress(row[2]))


def size(reader: Reader, oid: bytes) -> int:
    """The inflated size of a stored object; -1 where there is none."""
    row = reader.row(_OBJECT, oid=oid)
    return -1 if row is None else int(row[1])


def packed(reader: Reader, oids: Iterable[bytes]) -> Iterator[tuple[int, int, bytes]]:
    """(kind, size, compressed body) of stored objects, as a pack wants them. Raises KeyError for one that is not stored."""
    for oid in oids:
        row = reader.row(_OBJECT, oid=oid)
        if row is None:
            raise KeyError(oid.hex())
        yield row


def add(tx: Transaction, rows: Iterable[tuple[bytes, int, int, bytes]]) -> None:
    """Store objects (oid, kind, size, compressed body); those that are there stay as they are."""
    for oid, of_kind, size_bytes, body in rows:
        tx.run(_ADD, oid=oid, kind=of_kind, size=size_bytes, body=body)


def last_id(reader: Reader) -> int:
    """The number of the newest object."""
    return int(reader.value(_LAST))


def name_of(reader: Reader, number: int) -> bytes:
    """The name of the object with this number; empty where there is none."""
    return bytes(reader.value(_NAME_OF, number=number) or b"")


def count(reader: Reader, behind: int, to: int) -> int:
    return int(reader.value(_COUNT, behind=behind, to=to))


def numbered(reader: Reader, behind: int, to: int) -> Iterator[Row]:
    """(id, oid, kind, size, compressed body) of the objects numbered over `behind` and up to `to`, page by page."""
    while rows := reader.rows(_BEHIND, behind=behind, to=to, most=_PAGE):
        yield from rows
        behind = rows[-1][0]


def ref(reader: Reader, name: str) -> Row | None:
    """(name, hash, agent_id)."""
    return reader.row(_REF, name=name)


def newest_refs(reader: Reader, most: int) -> list[tuple[str, str]]:
    """(name, hash), the most recently moved first."""
    return [(row[0], row[1]) for row in reader.rows(_REFS, most=most)]


def set_ref(tx: Transaction, name: str, commit_hash: str, agent_id: str) -> None:
    tx.run(_SET_REF, name=name, hash=commit_hash, agent_id=agent_id, updated_at=tx.now)


def drop_ref(tx: Transaction, name: str) -> None:
    tx.run(_DROP_REF, name=name)
