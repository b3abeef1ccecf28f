"""Stored objects made whole: their content, whatever form their rows have."""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

from autoresearch.errors import AutoresearchError, BadBundle
from autoresearch.git.delta import apply_delta
from autoresearch.hub.store import objects
from autoresearch.hub.store.objects import BROKEN_CHAIN, StoredObject
from autoresearch.hub.store.statements import Reader

CACHE_BYTES = 16 * 1024 * 1024  # of one reader
RECENT_BYTES = 16 * 1024 * 1024  # of a process
LARGE_BYTES = 1024 * 1024  # larger objects are not remembered
ENTRY_BYTES = 250  # of an object that is remembered, beside its content


class BrokenObject(AutoresearchError):
    """An object that is stored but cannot be made whole; the text says why."""


class GitObject(NamedTuple):
    """An object with its content, and how many deltas led to it."""

    kind: int
    data: bytes
    depth: int = 0


class RecentObjects:
    """What the settled objects read last hold, for all requests of a process: everybody reads the
    newest commits, at the end of the longest chains.

    Neither the content of a name nor the form of what is settled ever changes, so nothing here is
    out of date, and all of it may be forgotten. Two generations: the older is forgotten once the
    younger is full. Any thread may ask and tell.
    """

    def __init__(self, most_bytes: int = RECENT_BYTES) -> None:
        self._most_bytes = most_bytes
        self.forget()

    def forget(self) -> None:
        self._young: dict[bytes, GitObject] = {}
        self._old: dict[bytes, GitObject] = {}
        self._bytes = 0  # of the younger, roughly: threads do not wait for each other

    def recall(self, row: StoredObject) -> GitObject | None:
        if row.step is None:
            return None
        found = self._young.get(row.oid)
        if found is None and (found := self._old.get(row.oid)) is not None:
            self.remember(row, found)
        return found

    def remember(self, row: StoredObject, found: GitObject) -> None:
        if row.step is None or row.oid in self._young or len(found.data) > LARGE_BYTES:
            return
        if self._bytes >= self._most_bytes // 2:
            self._old, self._young, self._bytes = self._young, {}, 0
        self._young[row.oid] = found
        self._bytes += len(found.data) + ENTRY_BYTES


RECENT = RecentObjects()  # of this process


class ObjectReader:
    """Reads objects of one database with the latest at hand: what one is a delta against was
    mostly read a moment ago. `afresh`: from the rows alone, whatever this process remembers.
    """

    def __init__(self, reader: Reader, most_bytes: int = CACHE_BYTES, afresh: bool = False) -> None:
        self._reader = reader
        self._most_bytes = most_bytes
        self._settled = RecentObjects() if afresh else RECENT
        self._found: OrderedDict[int, GitObject] = OrderedDict()
        self._expected: dict[bytes, StoredObject] = {}
        self._bytes = 0

    def expect(self, oids: Sequence[bytes]) -> None:
        """Have the rows of these at hand, which are asked for next."""
        self._expected = objects.by_names(self._reader, oids)

    def get(self, oid: bytes) -> GitObject | None:
        """An object; None where there is none of this name. Raises BrokenObject."""
        row = self.row(oid)
        return None if row is None else self.content(row)

    def row(self, oid: bytes) -> StoredObject | None:
        return self._expected.pop(oid, None) or objects.by_name(self._reader, oid)

    def content(self, row: StoredObject) -> GitObject:
        """What an object holds. Raises BrokenObject."""
        found = self._recall(row.id) or self._settled.recall(row)
        chain = [] if found else [row]
        while found is None and (base_id := chain[-1].base_id) is not None:
            found = self._recall(base_id)
            if found is None:
                base = objects.by_id(self._reader, base_id)
                if base is None or len(chain) > BROKEN_CHAIN:
                    raise BrokenObject(_lacks_base(row.oid, len(chain)))
                found = self._settled.recall(base)
                if found is None:
                    chain.append(base)
        if found is None:
            first = chain.pop()
            found = self._keep(first, GitObject(row.kind, _inflate(row.oid, first.body)))
        for link in reversed(chain):
            data = _apply(row.oid, found.data, _inflate(row.oid, link.body))
            found = self._keep(link, GitObject(row.kind, data, found.depth + 1))
        if found.depth > BROKEN_CHAIN:
            raise BrokenObject(_lacks_base(row.oid, found.depth + 1))
        return found

    def _recall(self, number: int) -> GitObject | None:
        found = self._found.get(number)
        if found is not None:
            self._found.move_to_end(number)
        return found

    def _keep(self, row: StoredObject, found: GitObject) -> GitObject:
        self._settled.remember(row, found)
        self._found[row.id] = found
        self._bytes += len(found.data)
        while self._bytes > self._most_bytes and len(self._found) > 1:
            self._bytes -= len(self._found.popitem(last=False)[1].data)
        return found


def _lacks_base(oid: bytes, length: int) -> str:
    if length > BROKEN_CHAIN:
        return f"object {oid.hex()} is a delta whose chain of bases does not end"
    return f"object {oid.hex()} is a delta, and a base of it is not stored"


def _inflate(oid: bytes, body: bytes) -> bytes:
    try:
        return zlib.decompress(body)
    except zlib.error:
        raise BrokenObject(f"object {oid.hex()} cannot be inflated") from None


def _apply(oid: bytes, base: bytes, delta: bytes) -> bytes:
    try:
        return apply_delta(base, delta)
    except BadBundle as error:
        raise BrokenObject(f"object {oid.hex()} cannot be made of its base: {error}") from None
