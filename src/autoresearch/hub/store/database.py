"""The one door to the database: connections, transactions, durability.

Which statements run is decided elsewhere. What differs between SQLite and PostgreSQL is each
engine's business (`sqlite`, `postgres`).

Reads: `with db.read() as reader`, from any thread, on that thread's own connection; cheap enough
for the event loop.

Writes come in three ways, all with the same promise (durable once they return, nothing of them
otherwise, and no other writer between their statements):

    with db.write() as tx: ...      a transaction of the caller's own; not on the event loop
    db.transact(change)             `change(tx)` runs on the writer thread, many share one fsync
    await db.change(change)         the same for the event loop

`change` may be run at most once; raising in it takes back what it did and leaves its neighbours
in the group alone.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar

from autoresearch.errors import HubUnavailable, MissingTool
from autoresearch.hub.store import sqlite
from autoresearch.hub.store.dialect import COMPACT, SQLITE
from autoresearch.hub.store.sqlite import FILE_NAME, SqliteEngine
from autoresearch.hub.store.statements import Connection, Reader, Transaction
from autoresearch.installation import install_command

__all__ = ["FILE_NAME", "Database", "compact", "find_damage"]
T = TypeVar("T")
GROUP_MAX = 256  # changes that share one commit
CHANGE_WAIT_S = 40.0  # longer than a writer waits for its turn
UNCERTAIN = (
    "the hub's database does not answer: this may be stored or not; look before you send it again"
)


class Engine(Protocol):
    """One kind of database: its connections, whose turn it is to write, what its errors mean."""

    snapshot: str  # begins a transaction whose statements see the same moment
    poll_s: float  # how often to look for what other processes changed

    def open(self) -> Connection: ...

    def turn(self) -> AbstractContextManager[Connection]:
        """The writing connection, while no other thread writes."""

    def exclusive(self) -> AbstractContextManager[Connection]:
        """The same while no other process writes either."""

    def begin(self) -> None:
        """Begin a transaction on the writing connection, alone among all writers."""

    def describe(self, error: BaseException) -> BaseException: ...

    def listen(self, on_news: Callable[[], None]) -> None: ...

    def measure_bytes(self, connection: Any) -> tuple[int, int]: ...

    def close(self) -> None: ...


class Database:
    """A hub's rows, shared by threads, by the workers of a server and by the operator's verbs.

    In a SQLite file below `folder`, or in the PostgreSQL database at `url`, where any number of
    nodes share it, each with a folder of its own.
    """

    def __init__(self, folder: Path, url: str = "") -> None:
        self.folder = folder
        self.url = url
        self.engine = _open_engine(folder, url)
        self._threads = threading.local()
        self._turn = threading.Lock()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None
        # called on whatever thread committed, or heard of a commit; must be quick
        self.after_commit: list[Callable[[], None]] = []

    @property
    def poll_s(self) -> float:
        """How often to look for what other processes changed."""
        return self.engine.poll_s

    @property
    def reader(self) -> Reader:
        """This thread's reader, each statement seeing what is committed when it starts."""
        try:
            return self._threads.reader  # type: ignore[no-any-return]
        except AttributeError:
            self._threads.reader = Reader(self.engine.open())
            return self._threads.reader  # type: ignore[no-any-return]

    @contextmanager
    def read(self, snapshot: bool = False) -> Iterator[Reader]:
        """This thread's reader; with `snapshot`, all statements see the same moment."""
        reader = self.reader
        if not snapshot or reader.connection.in_transaction:
            yield reader
            return
        reader.connection.execute(self.engine.snapshot)
        try:
            yield reader
        finally:
            reader.connection.execute("COMMIT")

    def exclusive(self) -> AbstractContextManager[Connection]:
        """The writing connection, without a transaction, while nobody else writes."""
        return self.engine.exclusive()

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """One transaction: committed and on disk when the block ends, undone when it raises."""
        with self.engine.turn() as connection:
            try:
                self.engine.begin()
                yield Transaction(connection)
                connection.execute("COMMIT")
            except BaseException as error:
                _roll_back(connection)
                raise self.engine.describe(error) from error
        self._tell()

    def transact(self, change: Callable[[Transaction], T]) -> T:
        """Run `change` in a transaction that may be shared with others' changes; return what it
        returned.
        """
        result: T = self._submit(_Job(change)).done.result()
        return result

    async def change(self, change: Callable[[Transaction], T]) -> T:
        """`transact` for the event loop. Raises HubUnavailable where it takes too long."""
        job = self._submit(_Job(change, asyncio.get_running_loop()))
        try:
            result: T = await asyncio.wait_for(job.done, CHANGE_WAIT_S)
            return result
        except asyncio.TimeoutError:
            raise HubUnavailable(job.withdraw()) from None

    def listen(self) -> None:
        """From now on `after_commit` is called for what other processes commit as well, where the
        database tells."""
        self.engine.listen(self._tell)

    def measure_bytes(self) -> tuple[int, int]:
        """The sizes of the database and of its log, as far as it is a file of its own."""
        return self.engine.measure_bytes(self.reader.connection)

    def _submit(self, job: _Job) -> _Job:
        if self._writer is None:
            with self._turn:
                if self._writer is None:
                    self._writer = threading.Thread(
                        target=self._write_groups, name="hub-writer", daemon=True
                    )
                    self._writer.start()
        self._jobs.put(job)
        return job

    def _write_groups(self) -> None:
        while (job := self._jobs.get()) is not None:
            group = [job]
            with self.engine.turn() as connection:
                self._commit_group(connection, group)
            self._tell_group(group)
            self._tell()

    def _tell_group(self, group: list[_Job]) -> None:
        """Each waiting thread by itself; an event loop, which each call would wake up, by one."""
        waiting: dict[asyncio.AbstractEventLoop | None, list[_Job]] = {}
        for job in group:
            waiting.setdefault(job.loop, []).append(job)
        for loop, jobs in waiting.items():
            if loop is None:
                _tell_all(jobs, self.engine)
            else:
                with suppress(RuntimeError):  # the loop has ended, and with it who waited
                    loop.call_soon_threadsafe(_tell_all, jobs, self.engine)

    @property
    def waiting(self) -> int:
        """How many changes wait for the writer thread of this process."""
        return self._jobs.qsize()

    def _commit_group(self, connection: Connection, group: list[_Job]) -> None:
        try:
            try:
                self.engine.begin()
            finally:
                # after the wait for the turn: those who waited meanwhile share what comes of it
                self._gather(group)
            known: dict[str, Any] = {}
            for job in group:
                job.run(connection, known)
            connection.execute("COMMIT")
        except BaseException as error:  # noqa: BLE001  (every member of the group gets it)
            _roll_back(connection)
            for job in group:
                job.error = job.error or error

    def _gather(self, group: list[_Job]) -> None:
        while len(group) < GROUP_MAX and not self._jobs.empty():
            if (more := self._jobs.get()) is None:
                self._jobs.put(None)
                return
            group.append(more)

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
        self.engine.close()


def _open_engine(folder: Path, url: str) -> Engine:
    if not url:
        return SqliteEngine(folder)
    from autoresearch.hub.store.postgres import PostgresEngine

    try:
        return PostgresEngine(url)
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "psycopg":
            raise
        raise MissingTool(
            "PostgreSQL needs a driver that is not installed here;"
            f" install it with: {install_command('postgres')}"
        ) from error


class _Job:
    """A change that waits for the writer thread, and its outcome."""

    __slots__ = ("change", "done", "error", "has_begun", "is_withdrawn", "loop", "result")

    def __init__(
        self, change: Callable[[Transaction], Any], loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        self.change = change
        self.loop = loop  # where the caller waits; None for a thread of its own
        self.done: Any = Future() if loop is None else loop.create_future()
        self.result: Any = None
        self.error: BaseException | None = None
        self.has_begun = self.is_withdrawn = False

    def withdraw(self) -> str:
        """The caller waits no longer; what it is to be told. Never begun, it is never run."""
        self.is_withdrawn = True
        return UNCERTAIN if self.has_begun else "the hub's database is too slow; try again later"

    def run(self, connection: Connection, known: dict[str, Any]) -> None:
        self.has_begun = True  # before the look: whoever withdraws now hears that it has
        if self.is_withdrawn:
            return
        connection.execute("SAVEPOINT job")
        try:
            self.result = self.change(Transaction(connection, known))
        except BaseException as error:
            self.error = error
            known.clear()  # some of it is taken back
            # the database itself gave up the whole transaction: disk full, connection lost
            if not connection.in_transaction:
                raise
            connection.execute("ROLLBACK TO job")
        connection.execute("RELEASE job")

    def tell(self, engine: Engine) -> None:
        """On the loop of the caller, where it has one."""
        if self.done.done():  # the caller went away; what it asked for is done all the same
            return
        if self.error is not None:
            self.done.set_exception(engine.describe(self.error))
        else:
            self.done.set_result(self.result)


def _tell_all(jobs: Iterable[_Job], engine: Engine) -> None:
    for job in jobs:
        job.tell(engine)


def _roll_back(connection: Connection) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def compact(db: Database) -> None:
    """Write the database anew, so that what is free in it goes back to the disk."""
    with db.exclusive() as connection:
        for sql in COMPACT[connection.dialect]:
            connection.execute(sql)


def find_damage(reader: Reader) -> Iterator[str]:
    """What is wrong with the database file and with references between its rows; nothing where
    all is well. PostgreSQL guards both itself.
    """
    if reader.dialect == SQLITE:
        yield from sqlite.find_damage(reader.connection)
