"""Git's packs as bytes (gitformat-pack(5)): reading them with deltas and missing bases, and
writing them from stored objects.

A pack comes from strangers. Sizes are declared before the data, so limits hold before anything is
inflated; everything that is inflated, also the second time, is counted against a budget; and no
more than a few objects are in memory at once, for what a delta makes goes to a spool. What the
objects say is `fsck`'s business, whether they belong together the hub's.
"""

from __future__ import annotations

import hashlib
import tempfile
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from struct import unpack
from typing import BinaryIO

from autoresearch.errors import BadBundle, TooLarge
from autoresearch.git.fsck import BLOB, COMMIT, KINDS, TAG, TREE

OFS_DELTA, REF_DELTA = 6, 7
MIB = 1024 * 1024
BLOCK = 256 * 1024
CACHE_BYTES = 16 * MIB  # inflated objects kept at hand while deltas are resolved
SPOOL_BYTES = 2 * MIB  # of compressed objects kept in memory before they go to a temporary file
LEVEL = (
    3  # of compression for what deltas make: half the time of git's 6 for a few per cent in size
)

Lookup = Callable[
    [bytes], "tuple[int, bytes] | None"
]  # object name to (kind, data), for the bases of thin packs
Visit = Callable[[bytes, int, bytes], None]  # (object name, kind, data), once for every object


@dataclass(frozen=True, slots=True)
class PackLimits:
    """What a pack may hold. A pack that inflates to more than `total_bytes`, or to more than
    `floor_bytes` and `ratio` times its size, is a bomb."""

    objects: int = 100_000
    object_bytes: int = 16 * MIB
    total_bytes: int = 1024 * MIB
    floor_bytes: int = 64 * MIB
    ratio: int = 200

    def most_inflated(self, pack_bytes: int) -> int:
        return min(self.total_bytes, self.floor_bytes + self.ratio * pack_bytes)


@dataclass(slots=True)
class PackEntry:
    """An object of a pack: where its compressed body is, in the pack itself or in the spool."""

    kind: int
    size: int
    at: int
    length: int
    oid: bytes = b""
    spooled: bool = False


class Pack:
    """The pack that starts at `start` of `file` and ends with it. `read` first; then `records` and
    `body`."""

    def __init__(self, file: BinaryIO, start: int, limits: PackLimits, lookup: Lookup) -> None:
        self.records: dict[bytes, PackEntry] = {}
        self._file = _Window(file)
        self._start = start
        self._limits = limits
        self._lookup = lookup
        self._end = self._file.size - 20
        self._budget = limits.most_inflated(self._file.size - start)
        self._spool = tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES)  # noqa: SIM115  (closed by `close`)
        self._cache: OrderedDict[bytes, bytes] = OrderedDict()
        self._cached_bytes = 0

    def read(self, visit: Visit) -> None:
        """Check everything about the pack and hand each object to `visit`. Raises BadBundle or
        TooLarge."""
        count = self._header()
        self._check_trailer()
        at = self._start + 12
        by_offset: dict[int, PackEntry] = {}
        deltas: dict[int | bytes, list[tuple[int, int, int]]] = {}
        offsets: dict[int, None] = {}
        for _ in range(count):
            offsets[at] = None
            kind, size, body = self._entry_header(at)
            if kind in KINDS:
                data, length = self._inflate(body, size)
                by_offset[at] = self._add_object(PackEntry(kind, size, body, length), data, visit)
            else:
                base, body = self._base(kind, at, body, offsets)
                delta, length = self._inflate(body, size)
                self._check_size(delta_sizes(delta)[1])
                deltas.setdefault(base, []).append((at, body, size))
            at = body + length
        if at != self._end:
            raise BadBundle("the pack holds more bytes than objects")
        self._resolve(by_offset, deltas, visit)

    def body(self, record: PackEntry) -> bytes:
        """The compressed body of an object, as it stands in a pack."""
        if not record.spooled:
            return self._file.get(record.at, record.length)
        self._spool.seek(record.at)
        return self._spool.read(record.length)

    def data(self, oid: bytes) -> bytes:
        """The content of an object of this pack."""
        if oid in self._cache:
            self._cache.move_to_end(oid)
            return self._cache[oid]
        record = self.records[oid]
        self._spend(record.size)
        return self._remember(oid, zlib.decompress(self.body(record)))

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
        if (
            count * 9 > self._end - self._start
        ):  # a header of one byte and eight of zlib are the least
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

    def _base(
        self, kind: int, at: int, body: int, offsets: dict[int, None]
    ) -> tuple[int | bytes, int]:
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
        if at - distance not in offsets or distance == 0:
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
        record.oid = object_name(record.kind, data)
        if record.oid in self.records:
            raise BadBundle(f"the object {record.oid.hex()} stands twice in the pack")
        visit(record.oid, record.kind, data)
        self.records[record.oid] = record
        return record

    def _resolve(
        self,
        by_offset: dict[int, PackEntry],
        deltas: dict[int | bytes, list[tuple[int, int, int]]],
        visit: Visit,
    ) -> None:
        """Make every delta's object: from bases in the pack first, then from those the store has."""
        if not deltas:
            return
        ready = [
            (at, record.oid)
            for at, record in by_offset.items()
            if at in deltas or record.oid in deltas
        ]
        self._grow(ready, deltas, visit, self.data)
        for oid in [base for base in deltas if isinstance(base, bytes)]:
            if oid in deltas and (stored := self._lookup(oid)) is not None:
                kind, data = stored
                self._spend(len(data))
                self._grow([(-1, oid)], deltas, visit, lambda _, data=data: data, kind)  # type: ignore[misc]
        if deltas:
            base = next(iter(deltas))
            told = base.hex() if isinstance(base, bytes) else "another delta"
            raise BadBundle(
                f"the pack has a delta whose base ({told}) is neither in it nor on this "
                "hub; fetch first, then push"
            )

    def _grow(
        self,
        ready: list[tuple[int, bytes]],
        deltas: dict[int | bytes, list[tuple[int, int, int]]],
        visit: Visit,
        data_of: Callable[[bytes], bytes],
        kind: int = 0,
    ) -> None:
        """Make what is a delta against an object of `ready` (offset, name), then what is one
        against those, and so on."""
        while ready:
            at, oid = ready.pop()
            children = deltas.pop(at, []) + deltas.pop(oid, [])
            if not children:
                continue
            base = data_of(oid)
            of_kind = kind or self.records[oid].kind
            for child_at, body, size in children:
                delta, _ = self._inflate(body, size)
                self._spend(delta_sizes(delta)[1])
                data = apply_delta(base, delta)
                record = self._add_object(self._spool_body(of_kind, data), data, visit)
                self._remember(record.oid, data)
                ready.append((child_at, record.oid))
            data_of, kind = self.data, 0

    def _spool_body(self, kind: int, data: bytes) -> PackEntry:
        body = zlib.compress(data, LEVEL)
        at = self._spool.seek(0, 2)
        self._spool.write(body)
        return PackEntry(kind, len(data), at, len(body), spooled=True)

    def _remember(self, oid: bytes, data: bytes) -> bytes:
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


def delta_sizes(delta: bytes) -> tuple[int, int, int]:
    """Size of the base, size of what comes out, and where the instructions begin."""
    base_size, at = _varint(delta, 0)
    size, at = _varint(delta, at)
    return base_size, size, at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 42:
            raise BadBundle("the pack has a delta whose sizes cannot be read")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return value, at


def apply_delta(base: bytes, delta: bytes) -> bytes:
    """What `delta` makes of `base`. Raises BadBundle where it does not fit."""
    base_size, size, at = delta_sizes(delta)
    if base_size != len(base):
        raise BadBundle("the pack has a delta that was made against another base")
    parts: list[bytes] = []
    made, end = 0, len(delta)
    while at < end:
        op = delta[at]
        at += 1
        if op & 0x80:
            start = length = 0
            for bit in range(7):
                if op & 1 << bit:
                    if at >= end:
                        raise BadBundle("the pack has a delta that is cut off")
                    if bit < 4:
                        start |= delta[at] << 8 * bit
                    else:
                        length |= delta[at] << 8 * (bit - 4)
                    at += 1
            length = length or 0x10000
            if start + length > len(base):
                raise BadBundle("the pack has a delta that copies from beyond its base")
            parts.append(base[start : start + length])
        else:
            length = op
            if not length or at + length > end:
                raise BadBundle("the pack has a delta with an instruction that makes no sense")
            parts.append(delta[at : at + length])
            at += length
        made += length
        if made > size:
            break
    if made != size:
        raise BadBundle("the pack has a delta that makes more or less than it says")
    return b"".join(parts)


def entry_header(kind: int, size: int) -> bytes:
    """What stands before the compressed body of an object in a pack."""
    byte, size = kind << 4 | size & 15, size >> 4
    out = bytearray()
    while size:
        out.append(byte | 0x80)
        byte, size = size & 0x7F, size >> 7
    out.append(byte)
    return bytes(out)


def write_pack(
    count: int, objects: Iterable[tuple[int, int, bytes]], head: bytes = b""
) -> Iterator[bytes]:
    """A pack of `count` objects (kind, size, compressed body), piece by piece, behind `head`,
    which is no part of the checksum."""
    start = b"PACK" + (2).to_bytes(4, "big") + count.to_bytes(4, "big")
    digest = hashlib.sha1(start, usedforsecurity=False)
    pieces, gathered = [head, start], 0
    for kind, size, body in objects:
        header = entry_header(kind, size)
        digest.update(header)
        digest.update(body)
        pieces += (header, body)
        gathered += len(body)
        if gathered >= BLOCK:
            yield b"".join(pieces)
            pieces, gathered = [], 0
    yield b"".join(pieces) + digest.digest()
