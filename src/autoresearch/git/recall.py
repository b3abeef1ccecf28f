"""What deltas came to before: a pack of a whole history is sent again and again, and most of what
is in it need not be made and hashed a second time.

A key stands for the base's name and the delta's bytes; the same two always make the same object.
So nothing here can be out of date, and all of it may be forgotten.
"""

from __future__ import annotations

ENTRIES_MAX = 100_000


class Recall:
    """Two generations of names by key: the older is forgotten once the younger is full."""

    def __init__(self, most: int = ENTRIES_MAX) -> None:
        self._most = most
        self._young: dict[bytes, bytes] = {}
        self._old: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        name = self._young.get(key)
        if name is None and (name := self._old.get(key)) is not None:
            self.remember(key, name)
        return name

    def remember(self, key: bytes, name: bytes) -> None:
        if len(self._young) >= self._most:
            self._old, self._young = self._young, {}
        self._young[key] = name


RECALL = Recall()  # of this process
