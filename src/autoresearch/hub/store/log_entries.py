"""SQL of the log: entries in the order they came, with the hashes of the tree above them.

The row of an entry holds the roots of all perfect trees that it completes, lowest first, so an
entry costs one row, and a proof reads as many rows as the tree is high. Entries are added, never
changed; there is one writer at a time, over all nodes, so their numbers have no gap. What they say
is decided in `autoresearch.entries`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from autoresearch.entries import NewEntry
from autoresearch.hub.store.statements import Reader, Transaction
from autoresearch.merkle import HASH_BYTES, Frontier, hash_leaf, last_leaf_of, list_peaks

COLUMNS = ("number", "kind", "ref", "data", "hashes")
_SINGLY_MAX = 4
_ADD = """
    INSERT INTO log_entries (number, kind, ref, data, hashes)
    VALUES (:number, :kind, :ref, :data, :hashes)
"""


class StoredEntry(NamedTuple):
    """An entry as it stands in the log. Its leaf hash comes first in `hashes`."""

    number: int
    kind: str
    ref: str
    data: str
    hashes: bytes


def append(tx: Transaction, *entries: NewEntry) -> None:
    """Put entries at the end of the log."""
    if not entries:
        return
    frontier = tx.known.pop("frontier", None) or read_frontier(tx, count(tx))
    rows = [StoredEntry(*make_row(frontier, *entry)) for entry in entries]
    if len(rows) > _SINGLY_MAX:
        tx.connection.insert_rows("log_entries", COLUMNS, rows)
    else:
        for row in rows:
            tx.run(_ADD, **row._asdict())
    tx.known["frontier"] = frontier  # nobody else writes before this transaction ends


def make_row(
    frontier: Frontier, kind: str, ref: str, data: str
) -> tuple[int, str, str, str, bytes]:
    """The row of the next entry of a log."""
    number = frontier.size
    return number, kind, ref, data, b"".join(frontier.append(hash_leaf(data.encode())))


def count(reader: Reader) -> int:
    """How many entries there are."""
    return int(reader.value("SELECT coalesce(max(number), -1) + 1 FROM log_entries"))


def read_frontier(reader: Reader, size: int) -> Frontier:
    """The right edge of the tree of the first `size` entries."""
    places = {last_leaf_of(*peak): peak[0] for peak in list_peaks(size)}
    marks = ", ".join(f":at{index}" for index in range(len(places)))
    values = {f"at{index}": number for index, number in enumerate(places)}
    sql = f"SELECT number, hashes FROM log_entries WHERE number IN ({marks})"
    rows = reader.pairs(sql, **values) if places else []
    return Frontier(size, {places[n]: _pick(hashes, places[n]) for n, hashes in rows})


def perfect_tree(reader: Reader, height: int, place: int) -> bytes:
    """The root of a perfect tree that is full."""
    sql = "SELECT hashes FROM log_entries WHERE number = :number"
    return _pick(reader.value(sql, number=last_leaf_of(height, place)), height)


def _pick(hashes: bytes, height: int) -> bytes:
    return bytes(hashes[HASH_BYTES * height : HASH_BYTES * (height + 1)])


def page(reader: Reader, start: int, most: int) -> list[StoredEntry]:
    """Entries from a number on, in their order."""
    sql = """
        SELECT number, kind, ref, data, hashes FROM log_entries WHERE number >= :start
        ORDER BY number LIMIT :most
    """
    return reader.all(StoredEntry, sql, start=start, most=most)


def every_entry(reader: Reader) -> Iterator[StoredEntry]:
    """The whole log, page by page."""
    sql = f"SELECT {', '.join(COLUMNS)} FROM log_entries WHERE number > :behind"
    return reader.every(StoredEntry, sql, "number", behind=-1)


def about(reader: Reader, kind: str, ref: str) -> list[StoredEntry]:
    """What the log says of one thing, oldest first."""
    sql = """
        SELECT number, kind, ref, data, hashes FROM log_entries WHERE kind = :kind AND ref = :ref
        ORDER BY number
    """
    return reader.all(StoredEntry, sql, kind=kind, ref=ref)


def log_key(reader: Reader) -> bytes:
    """The private key by which this hub signs the heads of its log."""
    return bytes.fromhex(reader.value("SELECT value FROM settings WHERE name = 'log_key'") or "")


def find_missing(reader: Reader, kind: str, refs: Iterable[str]) -> list[str]:
    """Those of which the log has no such entry."""
    return [ref for ref in refs if not about(reader, kind, ref)]
