"""SQLite's part of the database: one file, its connections, and who may write when.

SQLite never says "database is locked" here: writers queue for a file lock before they begin,
first within the process and then between processes (a turnstile in front of the lock keeps a busy
worker from overtaking a waiting one).
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from autoresearch.errors import HubUnavailable, StorageFull
from autoresearch.hub.store.dialect import SQLITE

FILE_NAME = "hub.sqlite3"
FULL_DISK = ("disk is full", "disk I/O error")  # as which SQLite tells a used-up quota
OLDEST_SQLITE = (3, 35, 0)  # RETURNING
# only for what the file lock cannot order: recovery after a crash, a backup by a stranger
BUSY_TIMEOUT_S = 60.0
CACHE_KIB = 8192  # page cache of one connection

_PRAGMAS = (  # per connection: most of these are forgotten with the connection that set them
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    f"PRAGMA busy_timeout={int(BUSY_TIMEOUT_S * 1000)}",
    f"PRAGMA cache_size=-{CACHE_KIB}",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA journal_size_limit=67108864",
    "PRAGMA trusted_schema=OFF",
)


class SqliteConnection(sqlite3.Connection):
    """A connection that knows its dialect."""

    dialect = SQLITE

    def read_rows(self, sql: str) -> Iterator[Any]:
        """Rows as they are fetched, however many."""
        return iter(self.execute(sql))

    def fetch_texts(self, columns: str, sql: str, values: Any) -> list[Any]:
        """Rows of texts and whole numbers, all in one step. At each step `sqlite3` gives the
        interpreter's lock away, and where threads compete to have it back costs more than a row.
        """
        packed = f"SELECT json_group_array(json_array({columns})) FROM ({sql})"
        rows: list[Any] = msgspec.json.decode(self.execute(packed, values).fetchone()[0])
        return rows

    def insert_rows(self, table: str, columns: Sequence[str], rows: Iterable[Any]) -> None:
        marks = ", ".join("?" for _ in columns)
        self.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows)


def connect(path: Path | str, is_uri: bool = False) -> SqliteConnection:
    """A connection of the caller's own to any file; it begins no transaction by itself."""
    return sqlite3.connect(
        path,
        uri=is_uri,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=512,
        factory=SqliteConnection,
    )


class SqliteEngine:
    """One file below `folder`, shared by threads, by the workers of a server and by the operator's
    verbs.
    """

    snapshot = "BEGIN"
    poll_s = 0.05

    def __init__(self, folder: Path) -> None:
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            raise RuntimeError(
                f"SQLite {sqlite3.sqlite_version} is too old for the hub; it needs 3.35 or newer"
            )
        self.path = folder / FILE_NAME
        self._connections: list[SqliteConnection] = []
        self._turn = threading.Lock()
        self._turnstile = os.open(folder / "turn.lock", os.O_RDWR | os.O_CREAT, 0o600)
        self._lock = os.open(folder / "write.lock", os.O_RDWR | os.O_CREAT, 0o600)
        with self._alone():  # SQLite waits for nobody when it turns a new file to WAL
            self._writing = self.open()

    def open(self) -> SqliteConnection:
        connection = connect(self.path)
        for pragma in _PRAGMAS:
            connection.execute(pragma)
        self._connections.append(connection)
        return connection

    @contextmanager
    def turn(self) -> Iterator[SqliteConnection]:
        """The writing connection, while no other thread or process writes."""
        with self._alone():
            yield self._writing

    exclusive = turn

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self._turn:
            fcntl.flock(self._turnstile, fcntl.LOCK_EX)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX)
            finally:
                fcntl.flock(self._turnstile, fcntl.LOCK_UN)
            try:
                yield
            finally:
                fcntl.flock(self._lock, fcntl.LOCK_UN)

    def begin(self) -> None:
        """Begin to write. Raises HubUnavailable where the hub has moved to another database."""
        self._writing.execute("BEGIN IMMEDIATE")
        sql = "SELECT value FROM settings WHERE name = 'moved'"
        if self._writing.execute(sql).fetchone() is not None:
            raise HubUnavailable("this hub has moved to another database; nothing is written here")

    def describe(self, error: BaseException) -> BaseException:
        """The error as callers should hear it: a full disk is nobody's fault but has a sentence
        of its own.
        """
        if isinstance(error, sqlite3.OperationalError) and str(error).endswith(FULL_DISK):
            return StorageFull(
                "the hub's disk is full; nothing of this was stored:"
                " try again later, and tell its operator"
            )
        return error

    def listen(self, on_news: Callable[[], None]) -> None:
        """Other processes do not call: who wants to know looks into the table."""

    def measure_bytes(self, _: SqliteConnection) -> tuple[int, int]:
        """The sizes of the file and of its log."""
        return _size_bytes(self.path), _size_bytes(Path(f"{self.path}-wal"))

    def close(self) -> None:
        for connection in self._connections:
            connection.close()
        os.close(self._turnstile)
        os.close(self._lock)


def _size_bytes(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def find_damage(connection: Any) -> Iterator[str]:
    """What is wrong with the file and with references between its rows."""
    for (said,) in connection.execute("PRAGMA integrity_check(10)"):
        if said != "ok":
            yield f"the database file is damaged: {said}"
    for table, row, other, _ in connection.execute("PRAGMA foreign_key_check"):
        yield f"row {row} of {table} refers to a missing row of {other}"
