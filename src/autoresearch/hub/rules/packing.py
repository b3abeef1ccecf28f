"""Stored objects in the order and the form of a pack: deltas as they are where their base comes
before them or is held by who gets the pack, and whole objects otherwise.

The form of a row may change while a pack is written, its content never: so each row is taken as
it stands when its turn comes.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from autoresearch.git.pack import LEVEL
from autoresearch.git.pack_writer import Packed
from autoresearch.hub.store import objects
from autoresearch.hub.store.object_reader import BrokenObject, ObjectReader
from autoresearch.hub.store.objects import BROKEN_CHAIN, StoredObject
from autoresearch.hub.store.statements import Reader

PAGE = 250  # rows that are read at once
NOTHING: Collection[bytes] = frozenset()


def pack_objects(
    reader: Reader, oids: Sequence[bytes], held: Collection[bytes] = NOTHING
) -> Iterator[Packed]:
    """These objects, each once, for somebody who has `held`. Raises KeyError for one that is not
    stored.
    """
    wanted = set(oids)
    return _pack(reader, _read(reader, oids), lambda row: row.oid in wanted, held)


def pack_range(reader: Reader, behind: int, upto: int) -> Iterator[Packed]:
    """The objects numbered over `behind` and up to `upto`, for somebody who has nothing."""
    rows = objects.read_numbered(reader, behind, upto)
    return _pack(reader, rows, lambda row: behind < row.id <= upto, NOTHING)


def _read(reader: Reader, oids: Sequence[bytes]) -> Iterator[StoredObject]:
    for start in range(0, len(oids), PAGE):
        page = oids[start : start + PAGE]
        rows = objects.by_names(reader, page)
        for oid in page:
            yield rows[oid]


def _pack(
    reader: Reader,
    rows: Iterable[StoredObject],
    is_sent: Callable[[StoredObject], bool],
    held: Collection[bytes],
) -> Iterator[Packed]:
    written: set[int] = set()
    for first in rows:
        if first.id in written:
            continue
        row, waiting = first, [first]  # each of these is the base of the one before it
        base = None
        while row.base_id is not None and row.base_id not in written:
            base = objects.by_id(reader, row.base_id)
            if base is None or len(waiting) > BROKEN_CHAIN:
                raise BrokenObject(f"object {first.oid.hex()} has no whole one among its bases")
            if not is_sent(base):
                break
            row, base = base, None
            waiting.append(row)
        while waiting:
            row = waiting.pop()
            written.add(row.id)
            yield _form(reader, row, base.oid if base else None, held)
            base = None


def _form(
    reader: Reader, row: StoredObject, absent: bytes | None, held: Collection[bytes]
) -> Packed:
    """A row for a pack; `absent` is its base where that is not in the pack."""
    if absent is None:
        return Packed(row.kind, row.size, row.body, row.id, row.base_id)
    if absent in held:
        return Packed(row.kind, row.size, row.body, row.id, absent)
    whole = ObjectReader(reader).content(row)
    return Packed(row.kind, len(whole.data), zlib.compress(whole.data, LEVEL), row.id)
