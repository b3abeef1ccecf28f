"""What plain git may not take, by whatever hash it asks: commits that an operator hid, and the
files and folders that only those hold.

A hidden commit that something in view builds on still travels with that, and so do its files.
"""

from __future__ import annotations

import threading

from autoresearch.hub.rules import fetch
from autoresearch.hub.store import commits
from autoresearch.hub.store.statements import Reader

PAGE = 1000  # commits in view that are looked through at a time


class HiddenObjects:
    """Asked with every fetch.

    What hidden commits alone hold is looked for when somebody asks for a part of it: once in all
    commits in view, then in those that are new.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ends: list[int] = []
        self._upto = 0
        self._oids: set[bytes] = set()  # what nothing up to `_upto` in view holds

    def refuse(self, reader: Reader, wanted: set[str]) -> str:
        """Why something in `wanted` (hashes) is not handed out; empty where all of it is."""
        hidden = commits.hidden_commits(reader)
        if not hidden:
            return ""
        if commit := min(wanted.intersection(hidden), default=""):
            return f"commit {commit} was hidden by this hub's operator"
        with self._lock:
            found = self._find(reader, {bytes.fromhex(oid) for oid in wanted})
        return f"{found.hex()} is in no commit that this hub shows" if found else ""

    def _find(self, reader: Reader, wanted: set[bytes]) -> bytes:
        ends = find_ends(reader)
        if ends != self._ends:
            self._ends, self._upto = ends, 0
            self._oids = set(fetch.names(reader, ends))
        while self._oids & wanted and self._look_on(reader):
            pass
        return min(self._oids & wanted, default=b"")

    def _look_on(self, reader: Reader) -> bool:
        """Take off what the next commits in view hold; False where there are no more."""
        seqs = commits.seqs_behind(reader, self._upto, PAGE)
        if not seqs:
            return False
        hidden = set(self._ends)
        self._oids.difference_update(fetch.names(reader, [s for s in seqs if s not in hidden]))
        self._upto = seqs[-1]
        return True


def find_ends(reader: Reader) -> list[int]:
    """The numbers of hidden commits that nothing in view builds on, oldest first."""
    ends: set[int] = set()
    for seq in commits.hidden_seqs(reader):  # children before their parents
        if ends.issuperset(commits.child_seqs(reader, seq)):
            ends.add(seq)
    return sorted(ends)
