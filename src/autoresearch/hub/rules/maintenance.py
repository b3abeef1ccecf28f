"""Maintenance: what is derived is checked against what it is derived from, and worked out anew."""

from __future__ import annotations

import heapq
import zlib
from collections.abc import Iterator
from graphlib import TopologicalSorter

from autoresearch import entries
from autoresearch.git import fsck
from autoresearch.git.fsck import COMMIT, KINDS, TREE
from autoresearch.git.pack import object_name
from autoresearch.hub.rules import devices, results
from autoresearch.hub.rules.incoming import add_commit, message_of
from autoresearch.hub.store import board, commits, database, log_entries, log_rows, objects, search
from autoresearch.hub.store import results as rows
from autoresearch.hub.store.database import Database
from autoresearch.hub.store.object_reader import BrokenObject, ObjectReader
from autoresearch.hub.store.objects import StoredObject
from autoresearch.hub.store.statements import Reader, Transaction
from autoresearch.hub.values import StoredCommit

UNINDEXED_MAX = 10  # posts, results and commits each that are named


def find_problems(reader: Reader) -> Iterator[str]:
    """A sentence for each thing that is wrong; nothing where all is well.

    Hashes every object anew and follows everything it names; compares commits, boards and the
    search index with what they are derived from. `reader` should see one moment
    (`db.read(snapshot=True)`).
    """
    yield from _object_problems(reader)
    yield from _commit_problems(reader)
    yield from database.find_damage(reader)
    yield from _board_problems(reader)
    for missing in search.find_unindexed(reader, UNINDEXED_MAX):
        yield (
            f"{missing.kind} {missing.ref} is not in the search index; `agenthub reindex` mends it"
        )


def _board_problems(reader: Reader) -> Iterator[str]:
    for platform, track in rows.all_boards(reader):
        led = [result.id for result in reversed(rows.leaders(reader, platform, track, 2**31))]
        if led != results.find_leaders(reader, platform, track):
            yield (
                f"the board of {platform!r} {track!r} names other records than its results;"
                " `agenthub reindex` mends it"
            )


def _object_problems(reader: Reader) -> Iterator[str]:
    contents = ObjectReader(reader, afresh=True)
    for row in objects.read_numbered(reader, 0, objects.last_id(reader)):
        try:
            data = contents.content(row).data
        except BrokenObject as error:
            yield str(error)
            continue
        if object_name(row.kind, data) != row.oid or _inflated_size(row) != row.size:
            yield f"object {row.oid.hex()} is not what its name says"
            continue
        if objects.is_misplaced(reader, row):
            yield f"object {row.oid.hex()} is settled on a base that comes behind it"
        yield from _names_problems(reader, row.oid, row.kind, data)


def _inflated_size(row: StoredObject) -> int:
    return len(zlib.decompress(row.body))


def _names_problems(reader: Reader, oid: bytes, kind: int, data: bytes) -> Iterator[str]:
    for name, wanted in _names_in(kind, data):
        found = objects.kind(reader, name)
        if found != wanted:
            state = "absent" if found is None else f"a {KINDS[found]}"
            named = f"the {KINDS[wanted]} {name.hex()}, which is {state}"
            yield f"{KINDS[kind]} {oid.hex()} names {named}"
    if kind == COMMIT and commits.place(reader, oid.hex()) is None:
        yield f"commit {oid.hex()} is stored but not listed; `agenthub reindex` mends it"


def _names_in(kind: int, data: bytes) -> list[tuple[bytes, int]]:
    if kind == COMMIT:
        header = fsck.check_commit(data)
        return [(header.tree, TREE), *((parent, COMMIT) for parent in header.parents)]
    if kind == TREE:
        return [(entry.oid, fsck.MODES[entry.mode]) for entry in fsck.parse_tree(data)]
    return []


def _link_problems(reader: Reader, row: StoredCommit, header: fsck.CommitHeader) -> Iterator[str]:
    """What a commit's row says of its tree, parents and children, and is not so."""
    parents = [parent.hex() for parent in header.parents]
    if row.parents.split() != parents or row.tree != header.tree:
        yield f"commit {row.hash} is listed with other parents, or another tree, than it has"
    seqs = commits.parent_seqs(reader, row.seq)
    linked = [commits.place_by_seq(reader, seq).hash for seq in seqs]
    if linked != parents or any(seq >= row.seq for seq in seqs):
        yield f"commit {row.hash} is not linked to its parents"
    if row.is_leaf == commits.has_children(reader, row.seq):
        yield f"commit {row.hash} is {'' if row.is_leaf else 'not '}listed as a leaf, wrongly"


def _commit_problems(reader: Reader) -> Iterator[str]:
    contents = ObjectReader(reader, afresh=True)
    for row in commits.every_commit(reader):
        try:
            stored = contents.get(bytes.fromhex(row.hash))
        except BrokenObject:  # said already, of the object
            continue
        if stored is None or stored.kind != COMMIT:
            yield f"commit {row.hash} is listed but not stored"
            continue
        yield from _link_problems(reader, row, fsck.check_commit(stored.data))
    for ref in objects.every_ref(reader):
        if commits.place(reader, ref.hash) is None:
            yield f"{ref.name} names {ref.hash}, which is no commit here"


def reindex(tx: Transaction) -> int:
    """Work out anew whatever is derived: the search index, boards and commits; how many commits
    there are.
    """
    search.clear(tx)
    for post in board.every_post(tx):
        search.add(tx, "post", str(post.id), post.agent_id, post.content, post.created_at)
    for result in rows.every_result(tx):
        text = results.search_text(result)
        search.add(tx, "result", str(result.id), result.agent_id, text, result.created_at)
    for platform, track in rows.all_boards(tx):
        results.rebuild_board(tx, platform, track)
    count = _reindex_commits(tx)
    search.copy_hidden(tx)
    return count


def join_stored(db: Database) -> None:
    """Bring a hub of before, where each spelling was a board of its own, to one board a device."""
    if devices.find_split(db.reader):
        with db.write() as tx:
            join_spellings(tx)


def join_spellings(tx: Transaction) -> None:
    """Store everything under the first spelling of its device, and work its boards out anew."""
    for first, *others in devices.find_split(tx):
        for other in others:
            rows.rename_platform(tx, other, first)
            log_entries.append(tx, entries.spelling(other, first, tx.now))
        for track in rows.list_tracks(tx, first):
            results.rebuild_board(tx, first, track)


def index_words(tx: Transaction) -> None:
    """Make every document findable by its words anew, as after a copy from another database."""
    search.clear_words(tx)
    for post in board.every_post(tx):
        search.add_words(tx, "post", str(post.id), post.content)
    for result in rows.every_result(tx):
        search.add_words(tx, "result", str(result.id), results.search_text(result))
    for commit in commits.every_commit(tx):
        search.add_words(tx, "commit", commit.hash, commit.message)


def _reindex_commits(tx: Transaction) -> int:
    """List every stored commit anew, from the objects; who pushed one, and when, is kept where it
    is known. How many there are.
    """
    known = {row.hash: row for row in commits.every_commit(tx)}
    headers = dict(_commit_headers(tx))
    commits.clear(tx)
    for oid in _oldest_first(headers, {bytes.fromhex(row.hash): row.seq for row in known.values()}):
        _list_anew(tx, oid.hex(), headers[oid], known.get(oid.hex()))
    found = [oid.hex() for oid in headers if oid.hex() not in known]
    unlogged = log_entries.find_missing(tx, "commit", found)
    log_entries.append(tx, *(log_rows.describe(tx, "commit", name) for name in unlogged))
    results.name_commits(tx, found)
    return len(headers)


def _list_anew(
    tx: Transaction, commit_hash: str, header: fsck.CommitHeader, was: StoredCommit | None
) -> None:
    agent_id, at = (was.agent_id, was.created_at) if was else ("", tx.now)
    add_commit(tx, commit_hash, header, agent_id, at)
    search.add(tx, "commit", commit_hash, agent_id, message_of(header), at)
    if was and was.hidden:
        commits.set_hidden(tx, commit_hash, True)


def _commit_headers(reader: Reader) -> Iterator[tuple[bytes, fsck.CommitHeader]]:
    contents = ObjectReader(reader, afresh=True)
    for row in objects.read_numbered(reader, 0, objects.last_id(reader)):
        if row.kind == COMMIT:
            yield row.oid, fsck.check_commit(contents.content(row).data)


def _oldest_first(
    headers: dict[bytes, fsck.CommitHeader], order: dict[bytes, int]
) -> Iterator[bytes]:
    """Parents before children, and otherwise in the `order` they had."""
    sorter = TopologicalSorter({oid: header.parents for oid, header in headers.items()})
    sorter.prepare()
    behind = max(order.values(), default=0) + 1
    ready: list[tuple[int, bytes]] = []
    while True:
        for oid in sorter.get_ready():
            if oid in headers:  # else its children wait for ever
                heapq.heappush(ready, (order.get(oid, behind), oid))
        if not ready:
            return
        _, oid = heapq.heappop(ready)
        yield oid
        sorter.done(oid)
