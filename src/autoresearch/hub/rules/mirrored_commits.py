"""Commits of another hub, fetched as bundles and checked as any push is.

A commit is listed only where its entry in the log says of it what its object says: parents, tree
and message; author and time are the entry's. A batch is kept whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from autoresearch import entries
from autoresearch.entries import mark_late
from autoresearch.errors import BadBundle, Conflict, NotFound
from autoresearch.git import bundle
from autoresearch.hub.rules.incoming import Incoming
from autoresearch.hub.rules.mirrored_log import LogSource
from autoresearch.hub.store import commits, log_entries, mirrored, search
from autoresearch.hub.store.database import Database
from autoresearch.hub.store.statements import Reader, Transaction
from autoresearch.hub.values import NewCommit
from autoresearch.log_replay import LogReplay, read_fields

BATCH = 2000  # commits that are fetched and stored together
HAVES_MAX = 64


@dataclass(frozen=True, slots=True)
class LoggedCommit:
    """A commit as its entry has it. `data` is the entry itself."""

    number: int
    hash: str
    parents: tuple[str, ...]
    agent_id: str
    at: str
    entered: str
    data: str


Absent = dict[str, LoggedCommit]  # by hash, those that are not here, in the order of the log


def take_commits(
    db: Database, source: LogSource, replay: LogReplay
) -> Iterator[tuple[int, list[str]]]:
    """Keep the commits that are not here yet, batch by batch. Yields how many came so far, and the
    hashes of those in view that the hub does not hand out.

    Raises Conflict where a commit is not what its entry says.
    """
    absent = list_absent(db.reader, replay)
    in_all = len(absent)
    due = [name for name in absent if not replay.is_hidden("commit", name)]
    while due:
        batch, due = due[:BATCH], due[BATCH:]
        with TemporaryDirectory(prefix="agenthub-") as folder:
            files, left = _fetch_batch(source, Path(folder), batch, absent)
            with db.write() as tx:
                for file in files:
                    _store(tx, file, replay, absent)
        due = [name for name in due if name in absent]
        yield in_all - len(absent), left


def list_absent(reader: Reader, replay: LogReplay) -> Absent:
    """The commits that the log names and that are not here."""
    here = mirrored.list_refs(reader, "commit")
    if all(ref in here for kind, ref in replay.rows if kind == "commit"):
        return {}
    return {
        entry.ref: _read_commit(entry.number, entry.ref, entry.data)
        for entry in log_entries.every_entry(reader)
        if entry.kind == "commit" and entry.ref not in here
    }


def _read_commit(number: int, ref: str, data: str) -> LoggedCommit:
    fields = read_fields(data)
    parents = tuple(str(fields.get("parents")).split())
    agent_id, at = str(fields.get("agent")), str(fields.get("at"))
    return LoggedCommit(number, ref, parents, agent_id, at, str(fields.get("entered", "")), data)


def _fetch_batch(
    source: LogSource, folder: Path, batch: Sequence[str], absent: Absent
) -> tuple[list[Path], list[str]]:
    """Bundles that bring a batch, and which commits they do not bring. From the newest back, so
    that a line comes in one piece."""
    files: list[Path] = []
    left: list[str] = []
    brought: set[str] = set()
    for name in reversed(batch):
        if name in brought:
            continue
        line, bases = _walk_back(name, absent, brought)
        file = folder / f"{len(files)}.bundle"
        try:
            source.fetch(name, file, bases)
        except NotFound:
            left.append(name)
            continue
        brought |= line
        files.append(file)
    return files, left


def _walk_back(name: str, absent: Absent, brought: set[str]) -> tuple[set[str], list[str]]:
    """What a commit brings that is not here, and the newest of what that builds on."""
    line, bases, todo = {name}, dict[str, None](), [name]
    while todo:
        for parent in absent[todo.pop()].parents:
            if parent in absent and parent not in brought:
                if parent not in line:
                    line.add(parent)
                    todo.append(parent)
            else:
                bases[parent] = None
    return line, list(bases)[:HAVES_MAX]


def _store(tx: Transaction, file: Path, replay: LogReplay, absent: Absent) -> None:
    """A bundle into the database, as a push does it."""
    with ExitStack() as stack:
        stream = stack.enter_context(file.open("rb"))
        header = bundle.read_header(stream)
        incoming = stack.enter_context(Incoming(tx, stream, header.pack_start))
        incoming.check(header.heads)
        incoming.store_objects(tx)
        for name, parents, tree, message in incoming.list_new():
            logged = absent.pop(name, None)
            made = logged and _describe(logged, parents, tree, message)
            if logged is None or made != logged.data:
                raise Conflict(f"commit {name} is not what the log says; nothing of it is kept")
            _add(tx, logged, tree, message, replay.is_hidden("commit", name))


def _describe(logged: LoggedCommit, parents: Iterable[str], tree: bytes, message: str) -> str:
    entry = entries.commit(
        logged.hash, " ".join(parents), tree.hex(), logged.agent_id, message, logged.at
    )
    return (mark_late(entry, logged.entered) if logged.entered else entry).data


def _add(tx: Transaction, logged: LoggedCommit, tree: bytes, message: str, is_hidden: bool) -> None:
    """List it under the place that it has in the log, so that lists have the hub's order."""
    places = [place for parent in logged.parents if (place := commits.place(tx, parent))]
    if len(places) < len(logged.parents):
        raise BadBundle(f"a parent of {logged.hash} is not here")
    new = NewCommit(
        logged.hash, " ".join(logged.parents), logged.agent_id, message, logged.at, tree
    )
    commits.add_commit(tx, new, places, seq=logged.number + 1)
    search.add(tx, "commit", logged.hash, logged.agent_id, message, logged.at)
    if is_hidden:
        commits.set_hidden(tx, logged.hash, True)
        search.set_hidden(tx, "commit", logged.hash, True)
