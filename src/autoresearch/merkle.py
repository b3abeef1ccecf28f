"""Merkle trees as RFC 6962 and RFC 9162 (section 2.1) define them: roots and proofs. Pure.

A leaf hashes as SHA-256 of 0x00 and its data, a node as SHA-256 of 0x01 and both below it; the
left side of a tree of n leaves is the largest perfect tree of fewer than n. Perfect trees never
change once they are full, so whoever stores their hashes adds a leaf, and proves one, in
logarithmic time. Leaves to others: what leaves mean and where hashes are stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence

PerfectTree = Callable[[int, int], bytes]  # by height and place: its root
HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256().digest()


def hash_leaf(data: bytes) -> bytes:
    return hashlib.sha256(b"\0" + data).digest()


def hash_node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


class Frontier:
    """The right edge of a growing tree: the roots of the perfect trees it is made of."""

    def __init__(self, size: int = 0, peaks: Mapping[int, bytes] | None = None) -> None:
        self.size = size
        self._peaks = dict(peaks or {})

    def append(self, leaf_hash: bytes) -> list[bytes]:
        """Add a leaf; the roots of the perfect trees that it completes, by height, itself first."""
        completed = [leaf_hash]
        while self.size >> (len(completed) - 1) & 1:
            completed.append(hash_node(self._peaks.pop(len(completed) - 1), completed[-1]))
        self._peaks[len(completed) - 1] = completed[-1]
        self.size += 1
        return completed

    def root(self) -> bytes:
        """The hash of the whole tree."""
        heights = sorted(self._peaks)
        if not heights:
            return EMPTY_ROOT
        found = self._peaks[heights[0]]
        for height in heights[1:]:
            found = hash_node(self._peaks[height], found)
        return found


def list_peaks(size: int) -> list[tuple[int, int]]:
    """The perfect trees that make a tree of this size, each by height and place."""
    heights = [height for height in range(size.bit_length()) if size >> height & 1]
    return [(height, (size >> height) - 1) for height in heights]


def last_leaf_of(height: int, place: int) -> int:
    """The number of the leaf that completes a perfect tree."""
    return ((place + 1) << height) - 1


def prove_inclusion(tree: PerfectTree, number: int, size: int) -> list[bytes]:
    """The audit path of a leaf in the tree of the first `size`, lowest first."""
    start, end = 0, size
    path: list[bytes] = []
    while end - start > 1:
        middle = start + _left_size(end - start)
        if number < middle:
            path.append(_root_of(tree, middle, end))
            end = middle
        else:
            path.append(_root_of(tree, start, middle))
            start = middle
    return path[::-1]


def prove_consistency(tree: PerfectTree, old: int, new: int) -> list[bytes]:
    """That the first `old` leaves of a tree of `new` are those of the tree of `old`."""
    if old in (0, new):
        return []
    start, end = 0, new
    path: list[bytes] = []
    while end != old:
        middle = start + _left_size(end - start)
        if old <= middle:
            path.append(_root_of(tree, middle, end))
            end = middle
        else:
            path.append(_root_of(tree, start, middle))
            start = middle
    whole = [_root_of(tree, start, end)] if start else []  # else it is the old root, known
    return [*whole, *path[::-1]]


def is_included(
    leaf_hash: bytes, number: int, size: int, path: Iterable[bytes], root: bytes
) -> bool:
    """Whether an audit path leads from a leaf to a root."""
    if not 0 <= number < size:
        return False
    place, last, found = number, size - 1, leaf_hash
    for step in path:
        if last == 0:
            return False
        if place & 1 or place == last:
            found = hash_node(step, found)
            place, last = _climb_to_right(place, last)
        else:
            found = hash_node(found, step)
        place, last = place >> 1, last >> 1
    return last == 0 and found == root


def is_consistent(
    old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]
) -> bool:
    """Whether a proof shows that one tree is the beginning of another."""
    if not 0 <= old <= new:
        return False
    if old in (0, new):
        return not path and (old_root == (new_root if old else EMPTY_ROOT))
    steps = [old_root, *path] if old & (old - 1) == 0 else list(path)
    if not steps:
        return False
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    was = now = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            was, now = hash_node(step, was), hash_node(step, now)
            place, last = _climb_to_right(place, last)
        else:
            now = hash_node(now, step)
        place, last = place >> 1, last >> 1
    return last == 0 and (was, now) == (old_root, new_root)


def _climb_to_right(place: int, last: int) -> tuple[int, int]:
    """Up the right edge of a tree that is not full, where nothing stands beside."""
    while place and not place & 1:
        place, last = place >> 1, last >> 1
    return place, last


def _left_size(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1


def _root_of(tree: PerfectTree, start: int, end: int) -> bytes:
    """The root of some leaves in a row, whose left sides are perfect."""
    size = end - start
    if size & (size - 1) == 0:
        height = size.bit_length() - 1
        return tree(height, start >> height)
    middle = start + _left_size(size)
    return hash_node(_root_of(tree, start, middle), _root_of(tree, middle, end))
