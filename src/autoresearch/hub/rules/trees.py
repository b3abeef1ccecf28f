"""Walks through stored trees: what one commit has that others lack.

Reads through a small cache, for neighbours share nearly everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from autoresearch.errors import TooLarge
from autoresearch.git.fsck import Entry, parse_tree
from autoresearch.hub.store.object_reader import ObjectReader
from autoresearch.hub.store.statements import Reader

CACHED = 4096  # trees
Named = dict[bytes, Entry]
New = tuple[bytes, Sequence[bytes]]  # an object, and what stood at its place


class Trees:
    """Trees of one database by name, for the length of one request."""

    def __init__(self, reader: Reader, contents: ObjectReader | None = None) -> None:
        self._objects = contents or ObjectReader(reader)
        self._cache: dict[bytes, Named] = {}

    def expect(self, oids: Sequence[bytes]) -> None:
        """Have these at hand, which are walked next."""
        self._objects.expect([oid for oid in oids if oid not in self._cache])

    def entries(self, oid: bytes) -> Named:
        """The entries of a tree by name, in its order. Raises KeyError where it is not stored."""
        found = self._cache.get(oid)
        if found is None:
            stored = self._objects.get(oid)
            if stored is None:
                raise KeyError(oid.hex())
            if len(self._cache) >= CACHED:
                self._cache.clear()
            found = self._cache[oid] = {entry.name: entry for entry in parse_tree(stored.data)}
        return found

    def new(self, tree: bytes, others: Sequence[bytes], seen: set[bytes]) -> Iterator[New]:
        """Trees and files reachable from `tree` that neither stand at the same place in one of
        `others` nor are in `seen`, each with what stands at its place there; adds them to `seen`.
        """
        todo = [(tree, others)]
        while todo:
            oid, beside = todo.pop()
            if oid in seen or oid in beside:
                continue
            seen.add(oid)
            yield oid, beside
            around = [self.entries(other) for other in beside]
            for entry in self.entries(oid).values():
                twins = [twin for named in around if (twin := named.get(entry.name)) is not None]
                if entry.oid in seen or any(entry.oid == twin.oid for twin in twins):
                    continue
                if entry.is_tree:
                    todo.append((entry.oid, [twin.oid for twin in twins if twin.is_tree]))
                else:
                    seen.add(entry.oid)
                    yield entry.oid, [twin.oid for twin in twins if not twin.is_tree]

    def changes(
        self, old: bytes, new: bytes, most: int
    ) -> Iterator[tuple[bytes, Entry | None, Entry | None]]:
        """(path, before, after) of every file that differs, in the order of paths.

        Raises TooLarge behind `most` of them.
        """
        for number, change in enumerate(self._changes(old, new, b"")):
            if number >= most:
                raise TooLarge(
                    f"over {most} files differ; fetch both commits and compare them with git"
                )
            yield change

    def _changes(
        self, old: bytes | None, new: bytes | None, path: bytes
    ) -> Iterator[tuple[bytes, Entry | None, Entry | None]]:
        todo: list[tuple[bytes, Entry | None, Entry | None]] = self._pairs(old, new, path)
        todo.reverse()
        while todo:
            name, before, after = todo.pop()
            old_tree = before.oid if before is not None and before.is_tree else None
            new_tree = after.oid if after is not None and after.is_tree else None
            old_file = before if old_tree is None else None
            new_file = after if new_tree is None else None
            if old_file is not None or new_file is not None:
                yield name, old_file, new_file
            if old_tree is not None or new_tree is not None:
                todo.extend(reversed(self._pairs(old_tree, new_tree, name + b"/")))

    def _pairs(
        self, old: bytes | None, new: bytes | None, path: bytes
    ) -> list[tuple[bytes, Entry | None, Entry | None]]:
        before = {} if old is None else self.entries(old)
        after = {} if new is None else self.entries(new)
        names = sorted(_differing(before, after))
        return [(path + name, before.get(name), after.get(name)) for name in names]


def _differing(before: Named, after: Named) -> Iterable[bytes]:
    for name in before.keys() | after.keys():
        one, other = before.get(name), after.get(name)
        if one is None or other is None or (one.oid, one.mode) != (other.oid, other.mode):
            yield name
