"""Deltas as packs have them (gitformat-pack(5)): what makes one object from another.

Applying one is for strangers' bytes and checks every instruction. Making one looks whole lines up
in the base, and words in what is left, then lengthens every match byte by byte.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple

from autoresearch.errors import BadBundle

COPY_MAX = 0x10000  # bytes of one instruction, as git writes it
INSERT_MAX = 127
GAP_MAX = 4096  # bytes between two matches whose words are compared
LINE_MIN, WORD_MIN = 12, 8  # shorter pieces are found too often in the wrong place
_WORDS = re.compile(rb"[^ ]* ?", re.DOTALL)
_ENTRIES = re.compile(rb"[^\0]*\0[\0-\xff]{20}|[\0-\xff]+")


def delta_sizes(delta: bytes) -> tuple[int, int, int]:
    """Size of the base, size of what comes out, and where the instructions begin."""
    base_size, at = _read_varint(delta, 0)
    size, at = _read_varint(delta, at)
    return base_size, size, at


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 42:
            raise BadBundle("the pack has a delta whose sizes cannot be read")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, at
        shift += 7


def apply_delta(base: bytes, delta: bytes) -> bytes:
    """What `delta` makes of `base`. Raises BadBundle where it does not fit."""
    base_size, size, at = delta_sizes(delta)
    if base_size != len(base):
        raise BadBundle("the pack has a delta that was made against another base")
    parts: list[bytes] = []
    made, end = 0, len(delta)
    while at < end and made <= size:
        op = delta[at]
        at += 1
        if op & 0x80:
            start, length, at = _read_copy(delta, op, at)
            if start + length > base_size:
                raise BadBundle("the pack has a delta that copies from beyond its base")
            parts.append(base[start : start + length])
        else:
            length = op
            if not length or at + length > end:
                raise BadBundle("the pack has a delta with an instruction that makes no sense")
            parts.append(delta[at : at + length])
            at += length
        made += length
    if made != size:
        raise BadBundle("the pack has a delta that makes more or less than it says")
    return b"".join(parts)


def _read_copy(delta: bytes, op: int, at: int) -> tuple[int, int, int]:
    """Where a copy starts, how long it is, and where the next instruction stands."""
    start = length = 0
    try:
        for bit in _BITS[op & 0x7F]:
            if bit < 4:
                start |= delta[at] << 8 * bit
            else:
                length |= delta[at] << 8 * (bit - 4)
            at += 1
    except IndexError:
        raise BadBundle("the pack has a delta that is cut off") from None
    return start, length or COPY_MAX, at


_BITS = [tuple(bit for bit in range(7) if op & 1 << bit) for op in range(128)]


class _Match(NamedTuple):
    """`length` bytes that stand at `start` of the base and at `at` of the new object."""

    start: int
    at: int
    length: int


def make_delta(base: bytes, data: bytes, is_tree: bool = False) -> bytes:
    """A delta that makes `data` of `base`."""
    pieces = _ENTRIES.findall if is_tree else _lines
    matches = [_Match(0, 0, 0)]
    whole = _find_matches(base, data, pieces(base), pieces(data), 1 if is_tree else LINE_MIN)
    for match in (*whole, _Match(len(base), len(data), 0)):
        _add_match(matches, base, data, match)
    return _write(base, data, matches)


def _lines(data: bytes) -> list[bytes]:
    return data.splitlines(keepends=True)


def _add_match(matches: list[_Match], base: bytes, data: bytes, match: _Match) -> None:
    """Add a match, with what is alike in the words before it, and lengthen all of them."""
    start, at, length = matches[-1]
    behind_start, behind = start + length, at + length
    old, new = base[behind_start : match.start], data[behind : match.at]
    if old and new and len(old) + len(new) <= GAP_MAX:
        for inner in _find_matches(old, new, _WORDS.findall(old), _WORDS.findall(new), WORD_MIN):
            moved = _Match(inner.start + behind_start, inner.at + behind, inner.length)
            _lengthen(matches, base, data, moved)
    _lengthen(matches, base, data, match)


def _lengthen(matches: list[_Match], base: bytes, data: bytes, match: _Match) -> None:
    """Add a match; the last one grows forwards, this one backwards into what is between them."""
    start, at, length = matches[-1]
    gap = data[at + length : match.at]
    more = _count_alike(base[start + length : start + length + len(gap)], gap)
    matches[-1] = _Match(start, at, length + more)
    gap = gap[more:]
    before = base[max(0, match.start - len(gap)) : match.start]
    less = _count_alike(before[::-1], gap[::-1])
    matches.append(_Match(match.start - less, match.at - less, match.length + less))


def _find_matches(
    base: bytes, data: bytes, old: Iterable[bytes], new: Iterable[bytes], least: int
) -> list[_Match]:
    """Runs of pieces of the new object that stand in the base, in the new one's order."""
    places: dict[bytes, list[int]] = {}
    place = 0
    for piece in old:
        if len(piece) >= least:
            places.setdefault(piece, []).append(place)
        place += len(piece)
    found: list[_Match] = []
    at = start = run = 0  # a run of `run` bytes ends before `at`; it began at `start` of the base
    for piece in new:
        if run and base.startswith(piece, start + run):
            run += len(piece)
        else:
            if run:
                found.append(_Match(start, at - run, run))
            behind, run = start + run, 0
            if (listed := places.get(piece)) is not None:
                start = listed[min(bisect_left(listed, behind), len(listed) - 1)]
                run = len(piece)
            else:
                start = behind
        at += len(piece)
    if run:
        found.append(_Match(start, at - run, run))
    return found


def _count_alike(one: bytes, other: bytes) -> int:
    """How many bytes are the same at the beginning of both."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _write(base: bytes, data: bytes, matches: Iterable[_Match]) -> bytes:
    out = bytearray(_varint(len(base)) + _varint(len(data)))
    done = 0
    for start, at, length in matches:
        for begin in range(done, at, INSERT_MAX):
            part = data[begin : min(begin + INSERT_MAX, at)]
            out.append(len(part))
            out += part
        for begin in range(start, start + length, COPY_MAX):
            out += _copy(begin, min(COPY_MAX, start + length - begin))
        done = at + length
    return bytes(out)


def _copy(start: int, length: int) -> bytes:
    op, arguments = 0x80, bytearray()
    numbers = start.to_bytes(4, "little") + (length & 0xFFFF).to_bytes(3, "little")
    for bit, byte in enumerate(numbers):
        if byte:
            op |= 1 << bit
            arguments.append(byte)
    return bytes([op]) + arguments


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
