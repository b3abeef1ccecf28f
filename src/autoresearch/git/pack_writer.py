"""Packs written from stored objects, as they are: nothing is compressed or compared here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

OFS_DELTA, REF_DELTA = 6, 7  # kinds of entries beside those of objects
PIECE_BYTES = 256 * 1024


def entry_header(kind: int, size: int) -> bytes:
    """What stands before the compressed body of an object in a pack."""
    byte, size = kind << 4 | size & 15, size >> 4
    out = bytearray()
    while size:
        out.append(byte | 0x80)
        byte, size = size & 0x7F, size >> 7
    out.append(byte)
    return bytes(out)


class Packed(NamedTuple):
    """An object as it goes into a pack: whole, or a delta against the object of another `id` that
    comes before it, or of a name that whoever gets the pack holds."""

    kind: int
    size: int  # of what the body inflates to
    body: bytes
    id: int = 0
    base: int | bytes | None = None


def write_pack(count: int, objects: Iterable[Packed], head: bytes = b"") -> Iterator[bytes]:
    """A pack of `count` objects, piece by piece, behind `head`, which is no part of the
    checksum."""
    start = b"PACK" + (2).to_bytes(4, "big") + count.to_bytes(4, "big")
    digest = hashlib.sha1(start, usedforsecurity=False)
    pieces, gathered, at = [head, start], 0, len(start)
    places: dict[int, int] = {}
    for packed in objects:
        header = _object_header(packed, at, places)
        digest.update(header)
        digest.update(packed.body)
        pieces += (header, packed.body)
        places[packed.id] = at
        at += len(header) + len(packed.body)
        gathered += len(packed.body)
        if gathered >= PIECE_BYTES:
            yield b"".join(pieces)
            pieces, gathered = [], 0
    yield b"".join(pieces) + digest.digest()


def _object_header(packed: Packed, at: int, places: dict[int, int]) -> bytes:
    if packed.base is None:
        return entry_header(packed.kind, packed.size)
    if isinstance(packed.base, bytes):
        return entry_header(REF_DELTA, packed.size) + packed.base
    return entry_header(OFS_DELTA, packed.size) + _write_distance(at - places[packed.base])


def _write_distance(distance: int) -> bytes:
    """How far back a base stands, as packs write it."""
    digits = [distance & 0x7F]
    while distance := distance >> 7:
        distance -= 1
        digits.append(distance & 0x7F | 0x80)
    return bytes(reversed(digits))
