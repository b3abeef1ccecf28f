"""Upkeep of the board and the search index: whether what is derived still agrees, and working it out anew. Git's objects are `care`'s."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from autoresearch.hub.rules import results
from autoresearch.hub.store import board, commits, search
from autoresearch.hub.store import results as rows
from autoresearch.hub.store.database import Reader, Row, Transaction

PAGE = 500


def problems(reader: Reader) -> Iterator[str]:
    """What is wrong with the database file, its references, the boards and the search index; nothing where all is well."""
    for (said,) in reader.raw("PRAGMA integrity_check(10)"):
        if said != "ok":
            yield f"the database file is damaged: {said}"
    for table, row, other, _ in reader.raw("PRAGMA foreign_key_check"):
        yield f"row {row} of {table} refers to a missing row of {other}"
    for platform, track in rows.all_boards(reader):
        led = [row[0] for row in reversed(rows.records(reader, platform, track, 2**31))]
        if led != results.running_best(rows.may_lead(reader, platform, track)):
            yield f"the board of {platform!r} {track!r} names other records than its results; `agenthub reindex` mends it"
    for kind, ref in islice(_unfindable(reader), 10):
        yield f"{kind} {ref} is not in the search index; `agenthub reindex` mends it"


def _unfindable(reader: Reader) -> Iterator[tuple[str, str]]:
    for post in _pages(reader, board.in_order):
        if not search.known(reader, "post", str(post[0])):
            yield "post", str(post[0])
    for result in _pages(reader, rows.in_order):
        if not search.known(reader, "result", str(result[0])):
            yield "result", str(result[0])
    for commit in commits.every(reader):
        if not search.known(reader, "commit", commit.hash):
            yield "commit", commit.hash


def reindex(tx: Transaction) -> None:
    """Make the search index anew from posts and results, and the boards from the results. `care.reindex`, afterwards, adds the commits."""
    search.clear(tx)
    for post in _pages(tx, board.in_order):
        post_id, agent_id, content, created_at, hidden = post
        search.add(tx, "post", str(post_id), agent_id, content, created_at)
        if hidden:
            search.set_hidden(tx, "post", str(post_id), True)
    for row in _pages(tx, rows.in_order):
        result_id, agent_id, created_at, hidden = row[:4]
        search.add(tx, "result", str(result_id), agent_id, results.words(*row[4:]), created_at)
        if hidden:
            search.set_hidden(tx, "result", str(result_id), True)
    for platform, track in rows.all_boards(tx):
        rows.set_leaders(
            tx, platform, track, results.running_best(rows.may_lead(tx, platform, track))
        )


def _pages(reader: Reader, read: Callable[[Reader, int, int], list[Row]]) -> Iterator[Row]:
    """Every row of a table in order of its id, a page at a time."""
    last = 0
    while page := read(reader, last, PAGE):
        yield from page
        last = page[-1][0]
