"""Git's packs as bytes (gitformat-pack(5)), read with deltas and missing bases. Writing them is
`pack_writer`'s business.

A pack comes from strangers. Sizes are declared before the data, so limits hold before anything is
inflated; everything that is inflated, also the second time, is counted against a budget; and no
more than a few objects are in memory at once. Deltas stay what they are unless their chain or
their object is too long; then what they make goes to a spool. What is stored already is not looked
into again. What the objects say is `fsck`'s business, whether they belong together the hub's.
"""

from __future__ import annotations

import hashlib
import tempfile
import zlib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from struct import unpack
from typing import BinaryIO, NamedTuple

from autoresearch.errors import BadBundle, TooLarge
from autoresearch.git.delta import apply_delta, delta_sizes
from autoresearch.git.fsck import BLOB, COMMIT, KINDS, TAG, TREE
from autoresearch.git.pack_writer import OFS_DELTA, REF_DELTA
from autoresearch.git.recall import RECALL

MIB = 1024 * 1024
BLOCK = 256 * 1024
CACHE_BYTES = 16 * MIB  # inflated objects kept at hand while deltas are resolved
ASKED_MAX, ASKED_BYTES = 250, 4 * MIB  # objects, and their bytes, that are looked up at once
HELD_BYTES = 16 * MIB  # of deltas kept between the two times they are needed
SPOOL_BYTES = 2 * MIB  # of compressed objects kept in memory before they go to a temporary file
LEVEL = 3  # of compression for what a delta made: half the time of 6 for a few per cent in size

# object name to (kind, data, how many deltas lead to it), for the bases of thin packs
Lookup = Callable[[bytes], "tuple[int, bytes, int] | None"]
KindsOf = Callable[[Sequence[bytes]], Mapping[bytes, int]]  # of those that are stored already
Visit = Callable[[bytes, int, bytes], None]  # (object name, kind, data), once for every new object


@dataclass(frozen=True, slots=True)
class PackLimits:
    """What a pack may hold. A pack that inflates to more than `total_bytes`, or to more than
    `floor_bytes` and `ratio` times its size, is a bomb."""

    objects: int = 100_000
    object_bytes: int = 16 * MIB
    total_bytes: int = 1024 * MIB
    floor_bytes: int = 64 * MIB
    ratio: int = 200
    chain: int = 50  # deltas behind each other that are kept as they come
    delta_bytes: int = MIB  # larger objects are kept whole

    def most_inflated(self, pack_bytes: int) -> int:
        return min(self.total_bytes, self.floor_bytes + self.ratio * pack_bytes)


@dataclass(slots=True)
class PackEntry:
    """An object of a pack. Its compressed body is in the pack itself, or in the spool: the object
    whole, or with `base` a delta of `delta_size` bytes against the object of that name."""

    kind: int
    size: int
    at: int
    length: int
    oid: bytes = b""
    base: bytes | None = None
    delta_size: int = 0
    depth: int = 0  # deltas between it and a whole object
    is_stored: bool = False  # it was there already, and is nothing new
    is_spooled: bool = False


class _Delta(NamedTuple):
    """A delta whose object is not made yet."""

    entry_at: int
    at: int
    length: int
    size: int
    data: bytes | None  # where there was room to keep it


Deltas = dict[int | bytes, list[_Delta]]  # by what they are made against: an offset or a name


class Pack:
    """The pack that starts at `start` of `file` and ends with it. `read` first; then `records` and
    `body`."""

    def __init__(
        self, file: BinaryIO, start: int, limits: PackLimits, lookup: Lookup, kinds_of: KindsOf
    ) -> None:
        self.records: dict[bytes, PackEntry] = {}
        self._file = _Window(file)
        self._start = start
        self._limits = limits
        self._lookup = lookup
        self._kinds_of = kinds_of
        self._end = self._file.size - 20
        self._budget = limits.most_inflated(self._file.size - start)
        # closed by `close`
        self._spool = tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES)  # noqa: SIM115
        self._cache: OrderedDict[bytes, bytes] = OrderedDict()
        self._cached_bytes = 0
        self._held_bytes = 0
        self._names: dict[int, bytes] = {}  # of the objects at these offsets; empty while unknown
        self._deltas: Deltas = {}
        self._asked: list[tuple[PackEntry, int, bytes | None]] = []  # which of these are stored?
        self._asked_bytes = 0
        self._depths: dict[bytes, int] = {}  # of bases that are stored

    def read(self, visit: Visit) -> None:
        """Check everything about the pack and hand each new object to `visit`. Raises BadBundle or
        TooLarge."""
        count = self._header()
        self._check_trailer()
        at = self._start + 12
        for _ in range(count):
            kind, size, body = self._entry_header(at)
            if kind in KINDS:
                data, length = self._inflate(body, size)
                entry = PackEntry(kind, size, body, length, object_name(kind, data))
                self._ask(entry, at, data)
            else:
                base, body = self._base(kind, at, body)
                length = self._scan_delta(at, base, body, size)
            at = body + length
            if len(self._asked) >= ASKED_MAX or self._asked_bytes >= ASKED_BYTES:
                self._answer(visit)
        if at != self._end:
            raise BadBundle("the pack holds more bytes than objects")
        self._answer(visit)
        self._resolve(visit)

    def _scan_delta(self, at: int, base: int | bytes, body: int, size: int) -> int:
        """Check a delta's form and say how long it is; its object is named where it was made of
        the same bytes before, and waits for its base otherwise."""
        data, length = self._inflate(body, size)
        made = delta_sizes(data)[1]
        self._check_size(made)
        against = base if isinstance(base, bytes) else self._names[base]
        if against and (name := RECALL.get(self._key(against, body, length))) is not None:
            self._ask(PackEntry(0, made, body, length, name, against, size), at, None)
            return length
        self._held_bytes += size
        held = data if self._held_bytes <= HELD_BYTES else None
        self._deltas.setdefault(base, []).append(_Delta(at, body, length, size, held))
        self._names[at] = b""
        return length

    def _ask(self, entry: PackEntry, at: int, data: bytes | None) -> None:
        """Note an object; whether it is stored is asked of many at once."""
        self._note(entry)
        self._names[at] = entry.oid
        self._asked.append((entry, at, data))
        self._asked_bytes += len(data or b"")

    def _answer(self, visit: Visit) -> None:
        """Visit what is new of those asked about; what is only remembered has to be made."""
        kinds = self._kinds_of([entry.oid for entry, _, _ in self._asked])
        for entry, at, data in self._asked:
            entry.is_stored = entry.oid in kinds
            if data is not None and not entry.is_stored:
                visit(entry.oid, entry.kind, data)
            elif data is None and entry.is_stored:
                entry.kind = kinds[entry.oid]
            elif data is None and entry.base is not None:
                del self.records[entry.oid]
                self._names[at] = b""
                delta = _Delta(at, entry.at, entry.length, entry.delta_size, None)
                self._deltas.setdefault(entry.base, []).append(delta)
        self._asked, self._asked_bytes = [], 0

    def _key(self, base: bytes, body: int, length: int) -> bytes:
        return blake2b(base + self._file.get(body, length), digest_size=20).digest()

    def body(self, record: PackEntry) -> bytes:
        """The compressed body of an object, as it stands in a pack."""
        if not record.is_spooled:
            return self._file.get(record.at, record.length)
        self._spool.seek(record.at)
        return self._spool.read(record.length)

    def data(self, oid: bytes) -> bytes:
        """The content of an object of this pack."""
        if oid in self._cache:
            self._cache.move_to_end(oid)
            return self._cache[oid]
        record = self.records.get(oid)
        if record is None or (record.is_stored and record.base is not None):
            return self._read_stored(oid)
        self._spend(record.size)
        data = zlib.decompress(self.body(record))
        if record.base is not None:  # at most `limits.chain` deep
            data = apply_delta(self.data(record.base), data)
        return self._remember(oid, data)

    def _read_stored(self, oid: bytes) -> bytes:
        found = self._lookup(oid)
        assert found is not None  # its kind was known
        self._depths[oid] = found[2]
        self._spend(len(found[1]))
        return self._remember(oid, found[1])

    def forget(self) -> None:
        """Let go of what is only needed while reading."""
        self._cache.clear()
        self._cached_bytes = 0

    def close(self) -> None:
        self.forget()
        self._spool.close()

    def _header(self) -> int:
        header = self._file.get(self._start, 12)
        if len(header) < 12 or self._end < self._start + 12:
            raise BadBundle("the bundle ends before its pack")
        magic, version, count = unpack(">4sII", header)
        if magic != b"PACK" or version != 2:
            raise BadBundle("what follows the bundle's header is no pack of version 2")
        if count > self._limits.objects:
            raise TooLarge(
                f"the pack has {count} objects; this hub takes {self._limits.objects} "
                "at once, so push in parts"
            )
        if count * 9 > self._end - self._start:  # a byte of header and eight of zlib are the least
            raise BadBundle("the pack is shorter than the objects it promises")
        return int(count)

    def _check_trailer(self) -> None:
        digest = hashlib.sha1(usedforsecurity=False)
        for at in range(self._start, self._end, BLOCK):
            digest.update(self._file.get(at, min(BLOCK, self._end - at)))
        if digest.digest() != self._file.get(self._end, 20):
            raise BadBundle(
                "the pack's checksum is wrong: it was damaged or cut on the way; push again"
            )

    def _entry_header(self, at: int) -> tuple[int, int, int]:
        """Kind, declared size, and where the rest begins."""
        raw = self._file.get(at, 12)
        byte = raw[0] if raw else 0
        kind, size, shift, used = byte >> 4 & 7, byte & 15, 4, 1
        while byte & 0x80:
            if used >= len(raw) or shift > 40:
                raise BadBundle("the pack has an object whose size cannot be read")
            byte = raw[used]
            size |= (byte & 0x7F) << shift
            shift += 7
            used += 1
        if kind not in (COMMIT, TREE, BLOB, TAG, OFS_DELTA, REF_DELTA):
            raise BadBundle(f"the pack has an object of the unknown kind {kind}")
        self._check_size(size)
        return kind, size, at + used

    def _base(self, kind: int, at: int, body: int) -> tuple[int | bytes, int]:
        """What a delta is made against, an offset or a name, and where its body begins."""
        if kind == REF_DELTA:
            return self._file.get(body, 20), body + 20
        raw = self._file.get(body, 10)
        distance, used = 0, 0
        while True:
            if used >= len(raw):
                raise BadBundle("the pack has a delta whose base cannot be read")
            byte = raw[used]
            used += 1
            distance = (distance << 7) + (byte & 0x7F)
            if not byte & 0x80:
                break
            distance += 1
        if at - distance not in self._names or distance == 0:
            raise BadBundle("the pack has a delta whose base is no object of it")
        return at - distance, body + used

    def _check_size(self, size: int) -> None:
        if size > self._limits.object_bytes:
            raise TooLarge(
                f"an object has {size} bytes; this hub takes files of up to "
                f"{self._limits.object_bytes}"
            )

    def _spend(self, size: int) -> None:
        self._budget -= size + 64
        if self._budget < 0:
            raise TooLarge("the pack inflates to more than this hub takes at once; push in parts")

    def _inflate(self, at: int, size: int) -> tuple[bytes, int]:
        """The `size` bytes whose zlib stream begins at `at`, and the length of the stream."""
        self._spend(size)
        inflater = zlib.decompressobj()
        step, most = size + (size >> 6) + 64, 2 * size + 4096
        data, fed = b"", 0
        try:
            while not inflater.eof:
                chunk = self._file.get(at + fed, min(step, self._end - at - fed, 4 * MIB))
                if not chunk or fed > most:
                    raise BadBundle("the pack has an object that is cut off")
                fed += len(chunk)
                data += inflater.decompress(chunk, size + 1 - len(data))
                if len(data) > size:
                    break
        except zlib.error:
            raise BadBundle("the pack has an object that cannot be inflated") from None
        if len(data) != size or not inflater.eof:
            raise BadBundle("the pack has an object that is not as long as it says")
        return data, fed - len(inflater.unused_data)

    def _add_object(self, record: PackEntry, data: bytes, visit: Visit) -> PackEntry:
        record.is_stored = record.oid in self._kinds_of([record.oid])
        if not record.is_stored:
            visit(record.oid, record.kind, data)
        return self._note(record)

    def _note(self, record: PackEntry) -> PackEntry:
        if record.oid in self.records:
            raise BadBundle(f"the object {record.oid.hex()} stands twice in the pack")
        self.records[record.oid] = record
        return record

    def _resolve(self, visit: Visit) -> None:
        """Make every delta's object: from bases in the pack first, then from those the store
        has."""
        deltas = self._deltas
        if not deltas:
            return
        named = self._names.items()
        ready = [(at, oid) for at, oid in named if oid and (at in deltas or oid in deltas)]
        self._grow(ready, visit)
        for oid in [base for base in deltas if isinstance(base, bytes)]:
            if oid in deltas and (kind := self._kinds_of([oid]).get(oid)) is not None:
                self._grow([(-1, oid)], visit, kind)
        if deltas:
            base = next(iter(deltas))
            told = base.hex() if isinstance(base, bytes) else "another delta"
            raise BadBundle(
                f"the pack has a delta whose base ({told}) is neither in it nor on this "
                "hub; fetch first, then push"
            )

    def _grow(self, ready: list[tuple[int, bytes]], visit: Visit, kind: int = 0) -> None:
        """Make what is a delta against an object of `ready` (offset, name), then what is one
        against those, and so on. All have one `kind` where that is given."""
        deltas = self._deltas
        while ready:
            at, oid = ready.pop()
            children = deltas.pop(at, []) + deltas.pop(oid, [])
            if not children:
                continue
            base = self.data(oid)
            of_kind = kind or self.records[oid].kind
            for child in children:
                name = self._make_object(oid, base, of_kind, child, visit)
                ready.append((child.entry_at, name))

    def _make_object(
        self, base: bytes, base_data: bytes, kind: int, delta: _Delta, visit: Visit
    ) -> bytes:
        """Make the object of a delta, and tell its name."""
        told = self._inflate(delta.at, delta.size)[0] if delta.data is None else delta.data
        self._spend(delta_sizes(told)[1])
        data = apply_delta(base_data, told)
        oid = object_name(kind, data)
        RECALL.remember(self._key(base, delta.at, delta.length), oid)
        record = PackEntry(kind, len(data), delta.at, delta.length, oid, base, delta.size)
        self._add_object(record, data, visit)
        if not record.is_stored and not self._keep_delta(record):
            self._spool_body(record, data)
        self._remember(oid, data)
        return oid

    def _keep_delta(self, record: PackEntry) -> bool:
        """Whether a new object stays the delta that it came as."""
        assert record.base is not None
        record.depth = self._depth(record.base) + 1
        return (
            record.depth <= self._limits.chain
            and record.size <= self._limits.delta_bytes
            and record.length * 2 <= record.size
        )

    def _depth(self, oid: bytes) -> int:
        """How many deltas lead to a base."""
        record = self.records.get(oid)
        if record is not None and not record.is_stored:
            return record.depth
        if oid not in self._depths:
            self._read_stored(oid)
        return self._depths[oid]

    def _spool_body(self, record: PackEntry, data: bytes) -> None:
        body = zlib.compress(data, LEVEL)
        record.at, record.length = self._spool.seek(0, 2), len(body)
        self._spool.write(body)
        record.base, record.delta_size, record.depth, record.is_spooled = None, 0, 0, True

    def _remember(self, oid: bytes, data: bytes) -> bytes:
        if oid in self._cache:
            return data
        self._cache[oid] = data
        self._cached_bytes += len(data)
        while self._cached_bytes > CACHE_BYTES and len(self._cache) > 1:
            self._cached_bytes -= len(self._cache.popitem(last=False)[1])
        return data


class _Window:
    """Random reads of a file through one block of memory: never the whole file at once."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = file.seek(0, 2)
        self._from = 0
        self._block = b""

    def get(self, at: int, length: int) -> bytes:
        """Up to `length` bytes from `at`; fewer where the file ends."""
        inside = at - self._from
        if inside >= 0 and inside + length <= len(self._block):
            return self._block[inside : inside + length]
        self._file.seek(at)
        if length >= BLOCK:
            return self._file.read(length)
        self._from, self._block = at, self._file.read(BLOCK)
        return self._block[:length]


def object_name(kind: int, data: bytes) -> bytes:
    """The SHA-1 that names an object, 20 bytes."""
    digest = hashlib.sha1(b"%b %d\0" % (KINDS[kind].encode(), len(data)), usedforsecurity=False)
    digest.update(data)
    return digest.digest()
