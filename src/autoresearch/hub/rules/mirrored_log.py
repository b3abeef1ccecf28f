"""Another hub's log, followed into a database here: each page is proved against the head that the
hub signed before it is kept.

A page that was kept is never asked for again, so whoever is interrupted goes on where it was.
Rows and commits are `mirrored_rows`' and `mirrored_commits`' business.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from autoresearch import merkle
from autoresearch.errors import Conflict, HubUnavailable
from autoresearch.hub.store import log_entries, mirrored
from autoresearch.hub.store.database import Database
from autoresearch.hub.store.statements import Reader
from autoresearch.log_replay import LogReplay, is_head_signed
from autoresearch.models import ConsistencyProof, LogEntry, TreeHead

PAGE = 1000


class LogSource(Protocol):
    """The hub that is followed; `client.Hub` is one."""

    url: str

    def log_head(self) -> TreeHead: ...
    def log_consistency(self, old: int, new: int) -> ConsistencyProof: ...
    def log_entries(
        self, start: int = 0, *, limit: int | None = None, texts: bool = False
    ) -> list[LogEntry]: ...
    def fetch(self, commit: str, target: Path, have: Iterable[str] = ()) -> int: ...


def follow_log(db: Database, source: LogSource, head: TreeHead) -> Iterator[int]:
    """Keep what is new up to a head; how many entries are kept, after every page.

    Raises Conflict where the log that is kept is no beginning of it.
    """
    size = _check_beginning(db.reader, head)
    while size < head.size:
        rows, frontier = _read_page(db.reader, source, size, head.size)
        path = source.log_consistency(frontier.size, head.size).path
        if not _is_under(frontier, head, path):
            raise Conflict(
                f"entries {size} to {frontier.size - 1} are not under the head that"
                f" {source.url} signed; nothing of them is kept"
            )
        with db.write() as tx:
            mirrored.add_entries(tx, rows)
        size = frontier.size
        yield size


def _check_beginning(reader: Reader, head: TreeHead) -> int:
    """How many entries are here. A longer log here, or another of the same length, is none of
    this hub's."""
    if not is_head_signed(head):
        raise Conflict("the head of the log is not signed by the key that it names")
    size = log_entries.count(reader)
    if size > head.size:
        raise Conflict(
            f"the mirror has {size} entries and the hub shows {head.size}: it went back to a"
            " backup or rewrote its past, or somebody wrote to the mirror"
        )
    if size == head.size and log_entries.read_frontier(reader, size).root().hex() != head.root:
        raise Conflict("the hub shows another log than the one that is mirrored")
    return size


def _read_page(
    reader: Reader, source: LogSource, start: int, end: int
) -> tuple[list[tuple[int, str, str, str, bytes]], merkle.Frontier]:
    """The rows of the next entries, and the tree with them."""
    page = source.log_entries(start, limit=PAGE)[: end - start]
    if not page or [entry.number for entry in page] != list(range(start, start + len(page))):
        raise HubUnavailable(f"{source.url} does not hand out entry {start} of its log")
    frontier = log_entries.read_frontier(reader, start)
    rows = [log_entries.make_row(frontier, entry.kind, entry.ref, entry.data) for entry in page]
    return rows, frontier


def _is_under(frontier: merkle.Frontier, head: TreeHead, path: Sequence[str]) -> bool:
    try:
        steps = [bytes.fromhex(step) for step in path]
        root = bytes.fromhex(head.root)
    except ValueError:
        return False
    return merkle.is_consistent(frontier.size, frontier.root(), head.size, root, steps)


def replay_log(reader: Reader, heads: Iterable[TreeHead], head: TreeHead) -> LogReplay:
    """What the log that is kept says, and what in it cannot be."""
    replay = LogReplay(tuple(heads))
    for entry in log_entries.every_entry(reader):
        replay.take(*entry[:4])
    replay.check_end(head)
    return replay
