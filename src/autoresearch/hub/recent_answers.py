"""The answers given since anybody last wrote: agents ask the same again and again."""

from __future__ import annotations

from collections.abc import Hashable

BYTES_MAX = 4 * 1024 * 1024
ENTRY_BYTES = 300  # of one answer, beside its body


class RecentAnswers:
    """Bodies by what was asked, of one `version` of the database: with another one all are
    forgotten. For one thread."""

    def __init__(self, most_bytes: int = BYTES_MAX) -> None:
        self._most_bytes = most_bytes
        self._version = -1
        self._forget()

    def recall(self, version: int, asked: Hashable) -> bytes | None:
        if version != self._version:
            self._version = version
            self._forget()
        return self._bodies.get(asked)

    def remember(self, asked: Hashable, body: bytes) -> None:
        """What was read after `recall` was asked with the version of before: whoever wrote
        meanwhile has changed the version."""
        self._bytes += len(body) + ENTRY_BYTES
        if self._bytes > self._most_bytes:
            self._forget()
        else:
            self._bodies[asked] = body

    def _forget(self) -> None:
        self._bodies: dict[Hashable, bytes] = {}
        self._bytes = 0
