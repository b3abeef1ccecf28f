"""The one door to the database: connections, transactions, durability.

Which statements run is decided elsewhere.

Reads: `with db.read() as reader`, from any thread, on that thread's own connection; cheap enough
for the event loop.

Writes come in three ways, all with the same promise (durable once they return, nothing of them
otherwise):

    with db.write() as tx: ...      a transaction of the caller's own; not on the event loop
    db.transact(change)             `change(tx)` runs on the writer thread, many share one fsync
    await db.change(change)         the same for the event loop

`change` may be run at most once; raising in it takes back what it did and leaves its neighbours
in the group alone.

SQLite never says "database is locked" here: writers queue for a file lock before they begin,
first within the process and then between processes (a turnstile in front of the lock keeps a busy
worker from overtaking a waiting one).
"""

from __future__ import annotations

import asyncio
import fcntl
import inspect
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import contextmanager
from itertools import starmap
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from autoresearch.clock import precise_timestamp
from autoresearch.errors import StorageFull

T = TypeVar("T")

FILE_NAME = "hub.sqlite3"
OLDEST_SQLITE = (3, 35, 0)  # RETURNING
BUSY_TIMEOUT_S = (
    # only for what the file lock cannot order: recovery after a crash, a backup by a stranger
    60.0
)
CACHE_KIB = 8192  # page cache of one connection
GROUP_MAX = 256  # changes that share one commit

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


class Reader:
    """Statements that look.

    Each row becomes what `make` returns, which is a value of `models` or `hub.values`.
    """

    __slots__ = ("connection",)

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def all(self, make: Callable[..., T], sql: str, /, **values: Any) -> list[T]:
        """`make(*row)` of every row.

        The columns carry the names of `make`'s parameters, in their order.
        """
        cursor = self.connection.execute(sql, values)
        flags = _FLAGS.get((make, sql))
        if flags is None:
            flags = _FLAGS[make, sql] = _check(make, sql, cursor.description)
        rows = cursor.fetchall()
        return list(starmap(make, _with_flags(rows, flags) if flags else rows))

    def one(self, make: Callable[..., T], sql: str, /, **values: Any) -> T | None:
        """As `all`, but the first row only; None where there is none."""
        found = self.all(make, sql, **values)
        return found[0] if found else None

    def column(self, sql: str, /, **values: Any) -> list[Any]:
        """The first column of every row."""
        return [row[0] for row in self.connection.execute(sql, values)]

    def value(self, sql: str, /, **values: Any) -> Any:
        """The first column of the first row; None where there is no row."""
        found = self.column(sql, **values)
        return found[0] if found else None


class Transaction(Reader):
    """Statements that change, within one transaction. `now` is its one time stamp."""

    __slots__ = ("now",)

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self.now = precise_timestamp()

    def run(self, sql: str, /, **values: Any) -> int:
        """Run a change; return how many rows it touched."""
        return self.connection.execute(sql, values).rowcount


_FLAGS: dict[tuple[Callable[..., Any], str], list[int]] = {}


def _check(make: Callable[..., Any], sql: str, columns: Sequence[Any]) -> list[int]:
    """That a statement's columns fit the parameters of `make`, once for each; the places of those
    that are flags.
    """
    fields = list(inspect.signature(make).parameters)
    names = [column[0] for column in columns]
    if names != fields[: len(names)]:
        raise TypeError(f"{sql} gives {names}, where {make} takes {fields}")
    types = get_type_hints(make)
    return [place for place, name in enumerate(names) if types.get(name) is bool]


def _with_flags(rows: Iterable[Sequence[Any]], flags: list[int]) -> Iterator[list[Any]]:
    """The rows with True and False where a database keeps 1 and 0."""
    for cells in map(list, rows):
        for place in flags:
            cells[place] = bool(cells[place])
        yield cells


def conditions(known: Mapping[str, str], asked: Iterable[str]) -> str:
    """`AND` and the conditions that a call asked for by name: lists are filtered by none, one or
    several of them.
    """
    return "".join(f" AND {known[name]}" for name in asked)


class Database:
    """One SQLite file below `folder`, shared by threads, by the workers of a server and by the
    operator's verbs.
    """

    def __init__(self, folder: Path) -> None:
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            raise RuntimeError(
                f"SQLite {sqlite3.sqlite_version} is too old for the hub; it needs 3.35 or newer"
            )
        self.folder = folder
        self.path = folder / FILE_NAME
        self._threads = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._turn = threading.Lock()
        self._turnstile = os.open(folder / "turn.lock", os.O_RDWR | os.O_CREAT, 0o600)
        self._lock = os.open(folder / "write.lock", os.O_RDWR | os.O_CREAT, 0o600)
        with self._alone():  # SQLite waits for nobody when it turns a new file to WAL
            self._writing = self._open()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None
        self.after_commit: list[
            Callable[[], None]
        ] = []  # called on whatever thread committed; must be quick

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=512,
        )
        for pragma in _PRAGMAS:
            connection.execute(pragma)
        self._connections.append(connection)
        return connection

    @property
    def reader(self) -> Reader:
        """This thread's reader, each statement seeing what is committed when it starts."""
        try:
            return self._threads.reader  # type: ignore[no-any-return]
        except AttributeError:
            self._threads.reader = Reader(self._open())
            return self._threads.reader  # type: ignore[no-any-return]

    @contextmanager
    def read(self, snapshot: bool = False) -> Iterator[Reader]:
        """This thread's reader; with `snapshot`, all statements see the same moment."""
        reader = self.reader
        if not snapshot or reader.connection.in_transaction:
            yield reader
            return
        reader.connection.execute("BEGIN")
        try:
            yield reader
        finally:
            reader.connection.execute("COMMIT")

    @contextmanager
    def exclusive(self) -> Iterator[sqlite3.Connection]:
        """The writing connection, while no other thread or process writes."""
        with self._alone():
            yield self._writing

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

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """One transaction: committed and on disk when the block ends, undone when it raises."""
        with self.exclusive() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield Transaction(connection)
                connection.execute("COMMIT")
            except BaseException as error:
                _roll_back(connection)
                raise _describe(error) from error
        self._tell()

    def transact(self, change: Callable[[Transaction], T]) -> T:
        """Run `change` in a transaction that may be shared with others' changes; return what it
        returned.
        """
        return self._submit(change).result()

    async def change(self, change: Callable[[Transaction], T]) -> T:
        """`transact` for the event loop."""
        return await asyncio.wrap_future(self._submit(change))

    def _submit(self, change: Callable[[Transaction], T]) -> Future[T]:
        if self._writer is None:
            with self._turn:
                if self._writer is None:
                    self._writer = threading.Thread(
                        target=self._write_groups, name="hub-writer", daemon=True
                    )
                    self._writer.start()
        job = _Job(change)
        self._jobs.put(job)
        return job.done

    def _write_groups(self) -> None:
        while (job := self._jobs.get()) is not None:
            with self.exclusive() as connection:
                # gathered after the wait for the lock: those who waited meanwhile share the commit
                group = [job]
                while len(group) < GROUP_MAX and not self._jobs.empty():
                    if (more := self._jobs.get()) is None:
                        self._jobs.put(None)
                        break
                    group.append(more)
                _commit_group(connection, group)
            for member in group:
                member.tell()
            self._tell()

    @property
    def waiting(self) -> int:
        """How many changes wait for the writer thread of this process."""
        return self._jobs.qsize()

    def _tell(self) -> None:
        for listener in tuple(self.after_commit):
            listener()

    def close(self) -> None:
        """Finish what was submitted, then close every connection.

        The database may not be used afterwards.
        """
        if self._writer is not None:
            self._jobs.put(None)
            self._writer.join()
        for connection in self._connections:
            connection.close()
        os.close(self._turnstile)
        os.close(self._lock)


class _Job:
    """A change that waits for the writer thread, and its outcome."""

    __slots__ = ("change", "done", "error", "result")

    def __init__(self, change: Callable[[Transaction], Any]) -> None:
        self.change = change
        self.done: Future[Any] = Future()
        self.result: Any = None
        self.error: BaseException | None = None

    def run(self, connection: sqlite3.Connection) -> None:
        connection.execute("SAVEPOINT job")
        try:
            self.result = self.change(Transaction(connection))
        except BaseException as error:
            self.error = error
            if (
                not connection.in_transaction
            ):  # SQLite itself gave up the whole transaction: disk full, I/O error
                raise
            connection.execute("ROLLBACK TO job")
        connection.execute("RELEASE job")

    def tell(self) -> None:
        try:
            if self.error is not None:
                self.done.set_exception(_describe(self.error))
            else:
                self.done.set_result(self.result)
        except InvalidStateError:  # the caller went away; what it asked for is done all the same
            pass


def _commit_group(connection: sqlite3.Connection, group: list[_Job]) -> None:
    try:
        connection.execute("BEGIN IMMEDIATE")
        for job in group:
            job.run(connection)
        connection.execute("COMMIT")
    except BaseException as error:  # noqa: BLE001  (every member of the group gets it)
        _roll_back(connection)
        for job in group:
            job.error = job.error or error


def _describe(error: BaseException) -> BaseException:
    """The error as callers should hear it: a full disk is nobody's fault but has a sentence of
    its own.
    """
    if isinstance(error, sqlite3.OperationalError) and "disk is full" in str(error):
        return StorageFull(
            "the hub's disk is full; nothing of this was stored:"
            " try again later, and tell its operator"
        )
    return error


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def compact(db: Database) -> None:
    """Write the database anew, so that what is free in it goes back to the disk."""
    with db.exclusive() as connection:
        connection.execute("VACUUM")


def find_damage(reader: Reader) -> Iterator[str]:
    """What is wrong with the database file and with references between its rows; nothing where
    all is well.
    """
    for said in reader.column("PRAGMA integrity_check(10)"):
        if said != "ok":
            yield f"the database file is damaged: {said}"
    for table, row, other, _ in reader.connection.execute("PRAGMA foreign_key_check"):
        yield f"row {row} of {table} refers to a missing row of {other}"
