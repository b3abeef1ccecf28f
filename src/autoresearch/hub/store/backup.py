"""Copies of a whole hub, out and in, while it serves.

The database is all there is to keep: git's objects are in it.

A copy is taken and put back page by page through SQLite's own backup interface, so that it is one
consistent moment, and putting it back is one transaction: whoever reads sees the old hub or the
new one, and a crash in between leaves the old one.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from autoresearch.errors import BadInput, Conflict, NotFound, StorageFull
from autoresearch.files import sync_folder, sync_path
from autoresearch.hub.store import events, migrate
from autoresearch.hub.store.database import Database, Transaction


def save(db: Database, target: Path) -> int:
    """Write a copy of the hub to `target`, which must not exist; return its size in bytes."""
    if target.exists():
        raise Conflict(f"{target} exists; a backup overwrites nothing")
    if not target.parent.is_dir():
        raise NotFound(f"there is no folder {target.parent}; make it first")
    draft = _draft(target.parent)
    try:
        with describing_disk(target.parent):
            with closing(sqlite3.connect(draft)) as copy:
                db.reader.connection.backup(copy)
                copy.execute("PRAGMA journal_mode=DELETE")
            sync_path(draft)
            _name(draft, target)
            sync_folder(target.parent)
    finally:
        for name in (draft, Path(f"{draft}-journal"), Path(f"{draft}-wal")):
            name.unlink(missing_ok=True)
    return target.stat().st_size


@contextmanager
def describing_disk(folder: Path) -> Iterator[None]:
    """Turn a full disk into a sentence."""
    try:
        yield
    except sqlite3.OperationalError as error:
        full = "disk is full" in str(error) or "disk I/O" in str(error)
        raise (StorageFull(f"{folder} takes no more: {error}") if full else error) from None


def _name(draft: Path, target: Path) -> None:
    """Give a backup its name. Raises Conflict where a file of that name has just appeared."""
    try:
        os.link(draft, target)  # unlike a rename, this replaces nothing
    except FileExistsError:
        raise Conflict(f"{target} exists; a backup overwrites nothing") from None
    except OSError:  # a file system without hard links
        target.touch(exist_ok=False)
        draft.rename(target)


def restore(db: Database, source: Path) -> None:
    """Make the hub what it was when `source` was saved.

    Running workers go on with it; keys and events start afresh for them.
    """
    if not source.is_file():
        raise NotFound(f"no backup {source}")
    draft = _draft(db.folder)
    address = f"{source.resolve().as_uri()}?mode=ro"  # percent-encoded, whatever it is called
    try:
        with (
            describing_disk(db.folder),
            sqlite3.connect(address, uri=True) as saved,
            sqlite3.connect(draft) as copy,
        ):
            _check(saved, source)
            saved.backup(copy)
        saved.close()
        with describing_disk(db.folder), db.exclusive() as live:
            copy.execute("PRAGMA journal_mode=WAL")
            _after(copy, live)
            copy.backup(live)
        copy.close()
    finally:
        for name in (draft, Path(f"{draft}-wal"), Path(f"{draft}-shm")):
            name.unlink(missing_ok=True)


def _check(saved: sqlite3.Connection, source: Path) -> None:
    try:
        healthy = saved.execute("PRAGMA integrity_check(1)").fetchone()[0] == "ok"
        found = migrate.version(saved) if healthy else ""
    except sqlite3.DatabaseError:
        found = ""
    if not found:
        raise BadInput(f"{source} is no backup of a hub, or a damaged one")
    if found != migrate.HEAD:
        raise BadInput(
            f"{source} is of version {found}, this program of {migrate.HEAD};"
            " start a hub on a copy of it first"
        )


def _after(copy: sqlite3.Connection, live: sqlite3.Connection) -> None:
    """Number on from the live hub: no listener mistakes a new event for one it has seen, and no
    id ever means two things.
    """
    copy.isolation_level = None
    copy.execute("BEGIN IMMEDIATE")
    for name, newest in live.execute("SELECT name, seq FROM sqlite_sequence").fetchall():
        if (
            copy.execute(
                "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", (newest, name)
            ).rowcount
            == 0
        ):
            copy.execute("INSERT INTO sqlite_sequence(name, seq) VALUES (?, ?)", (name, newest))
    events.append(Transaction(copy), "hub.restored", {})
    copy.execute("COMMIT")


def _draft(folder: Path) -> Path:
    descriptor, name = tempfile.mkstemp(prefix=".backup-", dir=folder)
    os.close(descriptor)
    return Path(name)
