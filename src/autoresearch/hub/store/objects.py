"""SQL of git objects, and of the refs that plain git sees. Objects are never deleted, and what one
holds never changes; the form of its body may.

A body is the whole object, or a delta against another object's content, in the form that packs
have. Whether an object may come in is decided in `rules.push`, which of them is whose base in
`rules.repack`, and making one whole is `object_reader`'s business.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from autoresearch.errors import BadBundle
from autoresearch.git.delta import delta_sizes
from autoresearch.git.fsck import COMMIT
from autoresearch.hub.store.statements import Reader, Transaction
from autoresearch.hub.values import Ref

T = TypeVar("T")
CHAIN_MAX = 50  # deltas between an object and a whole one, when it comes in
# repacking bounds the settled part of a chain by as many again
BROKEN_CHAIN = 2 * CHAIN_MAX
STEPS = 24  # as many deltas in a row, then one against the object where the row began
_ROW = "id, oid, kind, size, body, base_id, step"
_ADD = """
    INSERT INTO objects (oid, kind, size, body, base_id, step)
    VALUES (:oid, :kind, :size, :body, :base_id, :step) ON CONFLICT DO NOTHING
"""
# names in one statement: few lengths, so that few are prepared
_LOOKED_UP = (1, 4, 16, 64, 250)
_MARKS = [f"oid{number}" for number in range(_LOOKED_UP[-1])]


class StoredObject(NamedTuple):
    """An object as it is stored: `size` is the length of what `body` inflates to."""

    id: int
    oid: bytes
    kind: int
    size: int
    body: bytes
    base_id: int | None
    step: int | None


class NewObject(NamedTuple):
    """An object to be stored: whole, or as a delta against `base`, which is stored before it."""

    oid: bytes
    kind: int
    size: int
    body: bytes
    base: bytes | None = None


class ObjectPlace(NamedTuple):
    """What an object's form is."""

    id: int
    base_id: int | None
    step: int | None


class NewForm(NamedTuple):
    """How an object shall be stored from now on; with an empty body, only its step is set."""

    id: int
    oid: bytes
    size: int
    body: bytes
    base_id: int | None
    step: int
    base: bytes = b""  # the name of what has `base_id`, where a delta was made against it


class _Kind(NamedTuple):
    oid: bytes
    kind: int


def kind(reader: Reader, oid: bytes) -> int | None:
    """The kind of a stored object, 1 commit, 2 tree, 3 blob; None where there is none of this
    name.
    """
    value = reader.value("SELECT kind FROM objects WHERE oid = :oid", oid=oid)
    return None if value is None else int(value)


def kinds(reader: Reader, oids: Sequence[bytes]) -> dict[bytes, int]:
    """The kinds of those of these objects that are stored."""
    return dict(_look_up(reader, _Kind, "oid, kind", oids))


def by_names(reader: Reader, oids: Sequence[bytes]) -> dict[bytes, StoredObject]:
    """Those of these objects that are stored, by name."""
    return {row.oid: row for row in _look_up(reader, StoredObject, _ROW, oids)}


def _look_up(
    reader: Reader, make: Callable[..., T], columns: str, oids: Sequence[bytes]
) -> Iterator[T]:
    """Rows by their names, many with one statement."""
    length = next((length for length in _LOOKED_UP if len(oids) <= length), _LOOKED_UP[-1])
    marks = _MARKS[:length]
    sql = f"SELECT {columns} FROM objects WHERE oid IN (:{', :'.join(marks)})"
    for start in range(0, len(oids), length):
        page = [*oids[start : start + length], *[b""] * length]
        yield from reader.all(make, sql, **dict(zip(marks, page, strict=False)))


def size_of(row: StoredObject) -> int:
    """The size of an object's content."""
    if row.base_id is None:
        return row.size
    return delta_sizes(zlib.decompressobj().decompress(row.body, 20))[1]


def by_name(reader: Reader, oid: bytes) -> StoredObject | None:
    return reader.one(StoredObject, f"SELECT {_ROW} FROM objects WHERE oid = :oid", oid=oid)


def by_id(reader: Reader, number: int) -> StoredObject | None:
    return reader.one(StoredObject, f"SELECT {_ROW} FROM objects WHERE id = :id", id=number)


def place(reader: Reader, oid: bytes) -> ObjectPlace | None:
    sql = "SELECT id, base_id, step FROM objects WHERE oid = :oid"
    return reader.one(ObjectPlace, sql, oid=oid)


def place_by_id(reader: Reader, number: int) -> ObjectPlace | None:
    sql = "SELECT id, base_id, step FROM objects WHERE id = :id"
    return reader.one(ObjectPlace, sql, id=number)


def add(tx: Transaction, new: Iterable[NewObject]) -> None:
    """Store objects; those that are there stay as they are.

    One more delta in a row of settled ones is settled itself, and so is a whole commit. Raises
    BadBundle where a base is gone since it was checked.
    """
    for oid, of_kind, size_bytes, body, base in new:
        at = None if base is None else place(tx, base)
        if at is None and base is not None:
            raise BadBundle(f"the base of {oid.hex()} is not on this hub any more; push again")
        step = next_step(at.step) if at else 0 if of_kind == COMMIT else None
        tx.run(
            _ADD, oid=oid, kind=of_kind, size=size_bytes, body=body,
            base_id=at.id if at else None, step=step,
        )  # fmt: skip


def next_step(step: int | None) -> int | None:
    """The place of a delta against an object of this place; None where it is to have another
    base, or another's form is not settled yet.
    """
    return None if step is None or (step + 1) % STEPS == 0 else step + 1


def settle(tx: Transaction, form: NewForm) -> bool:
    """Give an object its form for good, if that is still open and its base has one; whether it
    was.
    """
    if form.base_id is not None and not _can_rest_on(tx, form):
        return False
    values: dict[str, object] = {"id": form.id, "oid": form.oid, "step": form.step}
    body = ""
    if form.body:
        body = ", size = :size, body = :body, base_id = :base_id"
        values |= {"size": form.size, "body": form.body, "base_id": form.base_id}
    sql = f"UPDATE objects SET step = :step{body} WHERE id = :id AND oid = :oid AND step IS NULL"
    return tx.run(sql, **values) > 0


def _can_rest_on(tx: Transaction, form: NewForm) -> bool:
    """Whether the base is settled before it, and still the object that the delta was made against:
    a backup may have been restored meanwhile.
    """
    sql = "SELECT oid FROM objects WHERE id = :id AND step < :step"
    name = tx.value(sql, id=form.base_id, step=form.step)
    return name is not None and (not form.base or bytes(name) == form.base)


def is_misplaced(reader: Reader, row: StoredObject) -> bool:
    """Whether a settled object has a base that is not, or that stands no nearer to a whole one."""
    if row.step is None or row.base_id is None:
        return False
    base = place_by_id(reader, row.base_id)
    return base is None or base.step is None or base.step >= row.step


def last_id(reader: Reader) -> int:
    """The number of the newest object."""
    return int(reader.value("SELECT coalesce(max(id), 0) FROM objects"))


def name_of(reader: Reader, number: int) -> bytes:
    """The name of the object with this number; empty where there is none."""
    return bytes(reader.value("SELECT oid FROM objects WHERE id = :number", number=number) or b"")


def count(reader: Reader, behind: int, to: int) -> int:
    sql = "SELECT count(*) FROM objects WHERE id > :behind AND id <= :to"
    return int(reader.value(sql, behind=behind, to=to))


def read_numbered(reader: Reader, behind: int, to: int) -> Iterator[StoredObject]:
    """The objects numbered over `behind` and up to `to`, page by page."""
    sql = f"SELECT {_ROW} FROM objects WHERE id > :behind AND id <= :to"
    return reader.every(StoredObject, sql, "id", behind, to=to)


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
    return reader.pairs(sql)


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
