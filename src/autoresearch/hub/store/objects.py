"""SQL of git objects, and of the refs that plain git sees. Objects are never changed or deleted.

Whether an object may come in is decided in `rules.push`.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from autoresearch.hub.store.database import Reader, Transaction
from autoresearch.hub.values import Ref

_OBJECT = "SELECT kind, size, body FROM objects WHERE oid = :oid"
_ADD = """
    INSERT INTO objects (oid, kind, size, body) VALUES (:oid, :kind, :size, :body)
    ON CONFLICT DO NOTHING
"""
_PAGE = 500


class PackedObject(NamedTuple):
    """An object as a pack holds it: the kind, the inflated size, the compressed body."""

    kind: int
    size: int
    body: bytes


class NewObject(NamedTuple):
    """An object to be stored."""

    oid: bytes
    kind: int
    size: int
    body: bytes


class NumberedObject(NamedTuple):
    """A stored object with its number."""

    id: int
    oid: bytes
    kind: int
    size: int
    body: bytes


class GitObject(NamedTuple):
    """An object with its content."""

    kind: int
    data: bytes


def kind(reader: Reader, oid: bytes) -> int | None:
    """The kind of a stored object, 1 commit, 2 tree, 3 blob; None where there is none of this
    name.
    """
    value = reader.value("SELECT kind FROM objects WHERE oid = :oid", oid=oid)
    return None if value is None else int(value)


def get(reader: Reader, oid: bytes) -> GitObject | None:
    found = reader.one(PackedObject, _OBJECT, oid=oid)
    return None if found is None else GitObject(found.kind, zlib.decompress(found.body))


def size(reader: Reader, oid: bytes) -> int:
    """The inflated size of a stored object; -1 where there is none."""
    value = reader.value("SELECT size FROM objects WHERE oid = :oid", oid=oid)
    return -1 if value is None else int(value)


def read_packed(reader: Reader, oids: Iterable[bytes]) -> Iterator[PackedObject]:
    """Stored objects as a pack wants them. Raises KeyError for one that is not stored."""
    for oid in oids:
        found = reader.one(PackedObject, _OBJECT, oid=oid)
        if found is None:
            raise KeyError(oid.hex())
        yield found


def add(tx: Transaction, new: Iterable[NewObject]) -> None:
    """Store objects; those that are there stay as they are."""
    for oid, of_kind, size_bytes, body in new:
        tx.run(_ADD, oid=oid, kind=of_kind, size=size_bytes, body=body)


def last_id(reader: Reader) -> int:
    """The number of the newest object."""
    return int(reader.value("SELECT coalesce(max(id), 0) FROM objects"))


def name_of(reader: Reader, number: int) -> bytes:
    """The name of the object with this number; empty where there is none."""
    return bytes(reader.value("SELECT oid FROM objects WHERE id = :number", number=number) or b"")


def count(reader: Reader, behind: int, to: int) -> int:
    sql = "SELECT count(*) FROM objects WHERE id > :behind AND id <= :to"
    return int(reader.value(sql, behind=behind, to=to))


def read_numbered(reader: Reader, behind: int, to: int) -> Iterator[NumberedObject]:
    """The objects numbered over `behind` and up to `to`, page by page."""
    sql = """
        SELECT id, oid, kind, size, body FROM objects
        WHERE id > :behind AND id <= :to ORDER BY id LIMIT :most
    """
    while page := reader.all(NumberedObject, sql, behind=behind, to=to, most=_PAGE):
        yield from page
        behind = page[-1].id


def ref(reader: Reader, name: str) -> Ref | None:
    return reader.one(Ref, "SELECT name, hash, agent_id FROM refs WHERE name = :name", name=name)


def every_ref(reader: Reader) -> list[Ref]:
    """In order of the alphabet."""
    return reader.all(Ref, "SELECT name, hash, agent_id FROM refs ORDER BY name")


def refs_of(reader: Reader, agent_id: str) -> list[Ref]:
    sql = "SELECT name, hash, agent_id FROM refs WHERE agent_id = :agent_id ORDER BY name"
    return reader.all(Ref, sql, agent_id=agent_id)


def visible_refs(reader: Reader) -> list[tuple[str, str]]:
    """Names and hashes of commits that are not hidden, in order of the alphabet."""
    sql = """
        SELECT refs.name, refs.hash FROM refs JOIN commits ON commits.hash = refs.hash
        WHERE commits.hidden = 0 ORDER BY refs.name
    """
    return list(reader.connection.execute(sql))


def find_rival(reader: Reader, name: str, folders: Sequence[str]) -> str | None:
    """A ref below `name`, at one of its `folders`, or of the same name in another case."""
    lower = name.lower()
    same = [lower, *(folder.lower() for folder in folders)]
    marks = ", ".join(f":same{number}" for number in range(len(same)))
    sql = f"""
        SELECT name FROM refs WHERE (lower(name) IN ({marks}) AND name <> :name)
        OR (lower(name) >= :below AND lower(name) < :behind) ORDER BY name LIMIT 1
    """
    values = {f"same{number}": value for number, value in enumerate(same)}
    # "0" follows "/" in the order of letters
    found: str | None = reader.value(
        sql, name=name, below=f"{lower}/", behind=f"{lower}0", **values
    )
    return found


def set_ref(tx: Transaction, name: str, commit_hash: str, agent_id: str) -> None:
    sql = """
        INSERT INTO refs (name, hash, agent_id, updated_at) VALUES (:name, :hash, :agent_id, :now)
        ON CONFLICT (name) DO UPDATE SET hash = excluded.hash, updated_at = excluded.updated_at
    """
    tx.run(sql, name=name, hash=commit_hash, agent_id=agent_id, now=tx.now)


def drop_ref(tx: Transaction, name: str) -> None:
    tx.run("DELETE FROM refs WHERE name = :name", name=name)
