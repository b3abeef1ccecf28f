"""An operator's care for the DAG: check rows against objects, index the objects anew, publish the root everybody starts from."""

from __future__ import annotations

import heapq
import zlib
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from autoresearch.errors import AutoresearchError, BadInput
from autoresearch.git import bundle, fsck
from autoresearch.git.checkouts import commit_folder
from autoresearch.git.fsck import COMMIT, KINDS, TREE
from autoresearch.git.pack import object_name
from autoresearch.git.repo import Repo
from autoresearch.hub.rules import push, results
from autoresearch.hub.store import commits, events, objects, search
from autoresearch.hub.store.database import Database, Reader, Transaction

# the same files make the same root, whoever publishes them and when
_WHO = {"NAME": "agenthub", "EMAIL": "agenthub@localhost", "DATE": "1767225600 +0000"}
SEED_IDENTITY = {
    f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in _WHO.items()
}


def problems(reader: Reader) -> Iterator[str]:
    """Hash every object anew, follow everything it names, and compare the rows of commits with what the commits say.

    A sentence for each thing that is wrong, nothing where all is well. `reader` should see one moment (`db.read(snapshot=True)`).
    """
    yield from _object_problems(reader)
    yield from _row_problems(reader)


def _object_problems(reader: Reader) -> Iterator[str]:
    for _, oid, kind, size, body in objects.numbered(reader, 0, objects.last_id(reader)):
        try:
            data = zlib.decompress(body)
        except zlib.error:
            yield f"object {oid.hex()} cannot be inflated"
            continue
        if len(data) != size or object_name(kind, data) != oid:
            yield f"object {oid.hex()} is not what its name says"
            continue
        yield from _names_problems(reader, oid, kind, data)


def _names_problems(reader: Reader, oid: bytes, kind: int, data: bytes) -> Iterator[str]:
    for name, wanted in _named(kind, data):
        found = objects.kind(reader, name)
        if found != wanted:
            told = "absent" if found is None else f"a {KINDS[found]}"
            yield f"{KINDS[kind]} {oid.hex()} names the {KINDS[wanted]} {name.hex()}, which is {told}"
    if kind == COMMIT and commits.place(reader, oid.hex()) is None:
        yield f"commit {oid.hex()} is stored but not listed; `agenthub reindex` mends it"


def _named(kind: int, data: bytes) -> list[tuple[bytes, int]]:
    if kind == COMMIT:
        header = fsck.commit(data)
        return [(header.tree, TREE), *((parent, COMMIT) for parent in header.parents)]
    if kind == TREE:
        return [(entry.oid, fsck.MODES[entry.mode]) for entry in fsck.parse_tree(data)]
    return []


def _row_problems(reader: Reader) -> Iterator[str]:
    for row in commits.every(reader):
        stored = objects.get(reader, bytes.fromhex(row.hash))
        if stored is None or stored[0] != COMMIT:
            yield f"commit {row.hash} is listed but not stored"
            continue
        header = fsck.commit(stored[1])
        parents = [parent.hex() for parent in header.parents]
        if row.parents.split() != parents or row.tree != header.tree:
            yield f"commit {row.hash} is listed with other parents, or another tree, than it has"
        seqs = commits.parent_seqs(reader, row.seq)
        if [commits.by_seq(reader, seq)[0] for seq in seqs] != parents or any(
            seq >= row.seq for seq in seqs
        ):
            yield f"commit {row.hash} is not linked to its parents"
        if bool(row.is_leaf) == commits.has_children(reader, row.seq):
            yield f"commit {row.hash} is {'' if row.is_leaf else 'not '}listed as a leaf, wrongly"
    for name, commit_hash in objects.newest_refs(reader, 2**31):
        if commits.place(reader, commit_hash) is None:
            yield f"{name} names {commit_hash}, which is no commit here"


def reindex(tx: Transaction) -> int:
    """List every stored commit anew, from the objects; who pushed one, and when, is kept where it is known. How many there are.

    Those that full-text search does not know are added to it.
    """
    known = {row.hash: row for row in commits.every(tx)}
    headers = dict(_commit_headers(tx))
    commits.clear(tx)
    for oid in _oldest_first(headers, {bytes.fromhex(row.hash): row.seq for row in known.values()}):
        _list_anew(tx, oid.hex(), headers[oid], known.get(oid.hex()))
    results.resolve(tx, [oid.hex() for oid in headers if oid.hex() not in known])
    return len(headers)


def _list_anew(
    tx: Transaction, commit_hash: str, header: fsck.CommitHeader, was: commits.Listed | None
) -> None:
    agent_id, at, hidden = (
        (was.agent_id, was.created_at, bool(was.hidden)) if was else ("", tx.now, False)
    )
    push.add_commit(tx, commit_hash, header, agent_id, at)
    if not search.known(tx, "commit", commit_hash):
        search.add(tx, "commit", commit_hash, agent_id, push.message_of(header), at)
    if hidden:
        commits.set_hidden(tx, commit_hash, True)
        search.set_hidden(tx, "commit", commit_hash, True)


def _commit_headers(reader: Reader) -> Iterator[tuple[bytes, fsck.CommitHeader]]:
    for _, oid, kind, _, body in objects.numbered(reader, 0, objects.last_id(reader)):
        if kind == COMMIT:
            yield oid, fsck.commit(zlib.decompress(body))


def _oldest_first(
    headers: dict[bytes, fsck.CommitHeader], order: dict[bytes, int]
) -> Iterator[bytes]:
    """Parents before children, and otherwise in the `order` they had."""
    waits = {oid: len(set(header.parents)) for oid, header in headers.items()}
    children: dict[bytes, list[bytes]] = {}
    for oid, header in headers.items():
        for parent in set(header.parents):
            children.setdefault(parent, []).append(oid)
    behind = max(order.values(), default=0) + 1
    ready = [(order.get(oid, behind), oid) for oid, count in waits.items() if count == 0]
    heapq.heapify(ready)
    while ready:
        _, oid = heapq.heappop(ready)
        yield oid
        for child in children.get(oid, ()):
            waits[child] -= 1
            if waits[child] == 0:
                heapq.heappush(ready, (order.get(child, behind), child))


def seed(db: Database, folder: Path) -> str:
    """Publish `folder` as the root everybody starts from; the root's hash. Again with the same files, it changes nothing.

    A git repository is published as it was committed, with its history; any other folder becomes one commit.
    """
    if not folder.is_dir():
        raise BadInput(
            f"{folder} is no folder; give the one whose files everybody should start from"
        )
    with TemporaryDirectory() as scratch:
        path = Path(scratch) / "seed.bundle"
        commit_hash = _bundle(folder, Path(scratch) / "repository", path)
        with path.open("rb") as file:
            header = bundle.read_header(file)
            with push.Incoming(db.reader, file, header.pack_start) as incoming, db.write() as tx:
                incoming.check(header.heads)
                incoming.store(tx, agent_id="")
                commits.set_root(tx, commit_hash)
                events.append(tx, "root", {"hash": commit_hash})
    return commit_hash


def _bundle(folder: Path, scratch: Path, path: Path) -> str:
    """Write the bundle of what `folder` holds to `path`; the hash of its commit."""
    if (folder / ".git").exists():
        repo = Repo(folder)
        commit_hash = repo.head()
    else:
        repo = Repo.init(scratch)
        commit_hash = commit_folder(repo, folder.resolve(), "baseline", SEED_IDENTITY)
        repo.git("update-ref", "--no-deref", "HEAD", commit_hash)
    try:
        repo.git("bundle", "create", "-q", str(path.resolve()), "HEAD")
    except AutoresearchError as error:
        raise BadInput(f"{folder} could not be bundled: {error}") from error
    return commit_hash
