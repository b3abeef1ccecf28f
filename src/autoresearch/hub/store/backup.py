"""Copies of a whole hub, out and in, while it serves.

The database is all there is to keep: git's objects are in it. A backup is the file that a SQLite
hub would be, so that a hub of either kind is restored from one of either kind.

A copy is one consistent moment, and putting it back is one transaction: whoever reads sees the
old hub or the new one, and a crash in between leaves the old one. From SQLite to SQLite it goes
page by page through SQLite's own backup interface, else row by row.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from autoresearch import entries
from autoresearch.errors import BadInput, Conflict, NotFound, StorageFull
from autoresearch.files import sync_folder, sync_path
from autoresearch.hub.store import copies, events, log_entries, migrate, sqlite
from autoresearch.hub.store.database import Database
from autoresearch.hub.store.statements import Connection, Reader, Transaction


def save(db: Database, target: Path, index_words: Callable[[Transaction], None]) -> int:
    """Write a copy of the hub to `target`, which must not exist; return its size in bytes."""
    if target.exists():
        raise Conflict(f"{target} exists; a backup overwrites nothing")
    if not target.parent.is_dir():
        raise NotFound(f"there is no folder {target.parent}; make it first")
    draft = _draft(target.parent)
    try:
        with describing_disk(target.parent):
            (_save_rows if db.url else _save_pages)(db, draft, index_words)
            sync_path(draft)
            _name(draft, target)
            sync_folder(target.parent)
    finally:
        for name in (draft, Path(f"{draft}-journal"), Path(f"{draft}-wal")):
            name.unlink(missing_ok=True)
    return target.stat().st_size


def _save_pages(db: Database, draft: Path, _: Callable[[Transaction], None]) -> None:
    with closing(sqlite.connect(draft)) as copy:
        db.reader.connection.backup(copy)  # type: ignore[attr-defined]
        copy.execute("PRAGMA journal_mode=DELETE")


def _save_rows(db: Database, draft: Path, index_words: Callable[[Transaction], None]) -> None:
    """One moment of a PostgreSQL database, as the file that a SQLite hub would be."""
    migrate.bring_up_to_date(migrate.sqlite_engine(draft), is_new=True)
    with closing(sqlite.connect(draft)) as copy, db.read(snapshot=True) as reader:
        copy.execute("BEGIN")
        tx = Transaction(copy)
        copies.replace_rows(reader, tx)
        index_words(tx)
        copy.execute("COMMIT")


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


def restore(db: Database, source: Path, index_words: Callable[[Transaction], None]) -> None:
    """Make the hub what it was when `source` was saved, from either kind of database.

    Running workers go on with it; keys and events start afresh for them.
    """
    if not source.is_file():
        raise NotFound(f"no backup {source}")
    address = f"{source.resolve().as_uri()}?mode=ro"  # percent-encoded, whatever it is called
    with closing(sqlite.connect(address, is_uri=True)) as saved:
        _check(saved, source)
        if db.url:
            _restore_rows(db, saved, index_words)
        else:
            _restore_pages(db, saved)


def _restore_rows(
    db: Database, saved: sqlite.SqliteConnection, index_words: Callable[[Transaction], None]
) -> None:
    with db.write() as tx:
        copies.replace_rows(Reader(saved), tx)
        index_words(tx)
        copies.take_statistics(tx)
        _note_restoring(tx)


def _restore_pages(db: Database, saved: sqlite.SqliteConnection) -> None:
    draft = _draft(db.folder)
    try:
        with describing_disk(db.folder), closing(sqlite.connect(draft)) as copy:
            saved.backup(copy)
            with db.exclusive() as live:
                copy.execute("PRAGMA journal_mode=WAL")
                _number_on(copy, live)
                copy.backup(live)  # type: ignore[arg-type]
    finally:
        for name in (draft, Path(f"{draft}-wal"), Path(f"{draft}-shm")):
            name.unlink(missing_ok=True)


def _check(saved: sqlite.SqliteConnection, source: Path) -> None:
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


def _number_on(copy: sqlite.SqliteConnection, live: Connection) -> None:
    """Number on from the live hub: no listener mistakes a new event for one it has seen, and no
    id ever means two things.
    """
    copy.execute("BEGIN IMMEDIATE")
    tx = Transaction(copy)
    numbers = copies.last_numbers(Reader(live))
    copies.continue_numbers(
        tx, {name: max(last, numbers[name]) for name, last in copies.last_numbers(tx).items()}
    )
    copies.forget_move(tx)
    _note_restoring(tx)
    copy.execute("COMMIT")


def _note_restoring(tx: Transaction) -> None:
    """Tell the workers; and whoever saw a longer log, why it is shorter now."""
    events.append(tx, "hub.restored", {})
    log_entries.append(tx, entries.backup_restored(tx.now))


def move(
    source: Database, target: Database, index_words: Callable[[Transaction], None]
) -> dict[str, int]:
    """Copy a hub into another, empty database while it is read; how many rows of each table.

    Nobody writes meanwhile, and afterwards nobody writes to the old one any more. Raises Conflict
    where the target is used or a row did not arrive; then nothing was changed.
    """
    with source.write() as old, target.write() as new:
        copies.check_empty(new)
        counts = copies.replace_rows(old, new)
        index_words(new)
        copies.take_statistics(new)
        copies.set_moved(old)
    # the new one is committed first: a failure leaves the old one in service
    return counts


def _draft(folder: Path) -> Path:
    descriptor, name = tempfile.mkstemp(prefix=".backup-", dir=folder)
    os.close(descriptor)
    return Path(name)
