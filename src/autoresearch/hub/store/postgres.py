"""PostgreSQL's part of the database: connections that come back by themselves, and who may write
when.

One writer at a time, over all nodes, as with SQLite: a writing transaction begins with an
advisory lock that it holds until it is committed. So whoever reads, checks and writes in one
transaction is alone, and numbers grow in the order in which rows are committed: whoever has seen
event 7 has seen all before it. Changes that wait share a commit, so one fsync serves many.

A lost connection is opened anew. A read outside a transaction is then asked again; within one it
fails, for what was done so far is gone. Where the server does not answer, HubUnavailable says so.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from autoresearch.errors import BadInput, HubUnavailable, StorageFull
from autoresearch.hub.store.database import UNCERTAIN
from autoresearch.hub.store.dialect import POSTGRESQL, translate

if TYPE_CHECKING:  # the driver is an extra: it is imported where a PostgreSQL address is given
    import psycopg
    from psycopg.adapt import AdaptersMap

LOCK = 0x61676875  # the advisory lock of writers, in this database
AWAY = "the hub's database does not answer; try again in a moment"
CHANNEL = "agenthub"
AWAY_S = 1.0  # after a connection failed, before the next is tried; or as many times the time
AWAY_TIMES = 5  # that it took to fail
READ_PATIENCE_S, WRITE_PATIENCE_S = 10.0, 40.0  # for one statement of a serving hub
PAGE = 200  # rows fetched at once where there may be any number
STATEMENTS_MAX = 500  # that a connection keeps prepared
LISTEN_S = 1.0  # a listener looks this often whether it is to stop
_DISK_FULL = "53100"
_NOT_NOW = ("25006", "25P03")  # read-only for the moment; ended while it was idle
_DEFAULTS = {  # unless the address says otherwise; milliseconds for tcp_user_timeout
    "connect_timeout": "3",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
    "application_name": "agenthub",
    "client_encoding": "utf8",
}
# what the server is told: a node whose packets vanish holds the writers' turn for 15 s at most
_SESSION = """
    SELECT set_config('statement_timeout', '60s', false),
        set_config('lock_timeout', '20s', false),
        set_config('idle_in_transaction_session_timeout', '60s', false),
        set_config('tcp_keepalives_idle', '10', false),
        set_config('tcp_keepalives_interval', '5', false),
        set_config('tcp_keepalives_count', '3', false),
        set_config('tcp_user_timeout', '10s', false),
        set_config('synchronous_commit',
            replace(current_setting('synchronous_commit'), 'off', 'on'), false)
"""
_TAKE_TURN = "SELECT pg_advisory_xact_lock(:lock), pg_notify(:channel, '')"
log = logging.getLogger("agenthub")
_IDLE, _UNKNOWN = 0, 4  # libpq's words for a connection without a transaction, and a lost one


class PostgresConnection:
    """A connection that takes statements as SQLite's does, and is opened when it is needed."""

    dialect = POSTGRESQL

    def __init__(self, connect: Callable[[], psycopg.Connection], patience_s: float) -> None:
        self._connect = connect
        self._patience_s = patience_s
        self._asked_at = 0.0  # when the statement under way was sent; 0 where none is
        self._raw: psycopg.Connection | None = None
        self._has_begun = False

    @property
    def in_transaction(self) -> bool:
        raw = self._raw
        return raw is not None and raw.info.transaction_status not in (_IDLE, _UNKNOWN)

    def execute(self, sql: str, values: Any = (), /) -> psycopg.Cursor[Any]:
        """Run a statement. Raises HubUnavailable where the server does not answer."""
        is_within = self._has_begun and not sql.startswith("BEGIN")
        self._has_begun = sql.startswith("BEGIN") or (
            is_within and sql not in ("COMMIT", "ROLLBACK")
        )
        try:
            return self._run(sql, values, is_within)
        except Exception as error:
            is_lost = self._raw is not None and self._raw.closed
            if is_lost and sql == "COMMIT":
                raise HubUnavailable(UNCERTAIN) from error
            if is_within or not is_lost:
                raise describe(error) from error
        return self._run_again(sql, values)

    def _run(self, sql: str, values: Any, is_within: bool) -> psycopg.Cursor[Any]:
        if self._raw is None or self._raw.closed:
            if is_within:
                raise HubUnavailable("the hub's database was lost; nothing of this was stored")
            self._raw = self._connect()
        text: Any = translate(sql)
        self._asked_at = time.monotonic()
        try:
            return self._raw.execute(text, values or {}, binary=True)
        finally:
            self._asked_at = 0.0

    def _run_again(self, sql: str, values: Any) -> psycopg.Cursor[Any]:
        """The connection had been lost since it was used last, and nothing of the statement was
        done."""
        try:
            return self._run(sql, values, False)
        except Exception as error:
            raise describe(error) from error

    def cut_if_stalled(self) -> None:
        """End a statement that has waited too long: a server that stands still, or a network that
        was cut, holds nobody up for ever. From another thread.
        """
        asked_at, raw = self._asked_at, self._raw
        is_late = asked_at and time.monotonic() - asked_at > self._patience_s
        if is_late and raw is not None and not raw.closed:
            with socket.socket(fileno=os.dup(raw.fileno())) as line:
                line.shutdown(socket.SHUT_RDWR)

    def read_rows(self, sql: str) -> Iterator[Any]:
        """Rows as they are fetched, however many; within a transaction."""
        self.execute(f"DECLARE rows NO SCROLL CURSOR FOR {sql}")
        while page := self.execute(f"FETCH {PAGE} FROM rows").fetchall():
            yield from page
        self.execute("CLOSE rows")

    def fetch_texts(self, _: str, sql: str, values: Any) -> list[Any]:
        """Rows of texts and whole numbers; they come all at once anyhow."""
        return self.execute(sql, values).fetchall()

    def insert_rows(self, table: str, columns: Sequence[str], rows: Iterable[Any]) -> None:
        """Rows in bulk, within a transaction."""
        raw = self._raw
        assert raw is not None  # a transaction has begun
        sql: Any = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
        with raw.cursor() as cursor, cursor.copy(sql) as copy:
            for row in rows:
                copy.write_row(row)

    def close(self) -> None:
        if self._raw is not None:
            self._raw.close()


def describe(error: BaseException) -> BaseException:
    """The error as callers should hear it."""
    import psycopg

    if not isinstance(error, psycopg.Error):
        return error
    if isinstance(error, psycopg.DataError) and "NUL" in str(error):
        return BadInput("no text has NUL characters (0x00)")
    if not isinstance(error, psycopg.OperationalError) and error.sqlstate not in _NOT_NOW:
        return error
    if error.sqlstate == _DISK_FULL:
        return StorageFull("the disk of the hub's database is full; nothing of this was stored")
    log.warning("the database does not answer: %s", str(error).strip())
    return HubUnavailable(AWAY)


@cache
def _adapters() -> AdaptersMap:
    """One type for all numbers: one plan a statement. Flags are integers."""
    from psycopg import adapters
    from psycopg.adapt import AdaptersMap
    from psycopg.types.numeric import Int8BinaryDumper

    made = AdaptersMap(adapters)
    for kind in (int, bool):
        made.register_dumper(kind, Int8BinaryDumper)
    return made


class PostgresEngine:
    """One database, shared by any number of nodes."""

    snapshot = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
    poll_s = 1.0  # a notification wakes sooner

    def __init__(self, url: str) -> None:
        from psycopg import ProgrammingError
        from psycopg.conninfo import conninfo_to_dict, make_conninfo

        try:
            given = conninfo_to_dict(url)
        except ProgrammingError:
            raise BadInput(
                "--database takes postgresql://USER@HOST/NAME, or nothing for SQLite in --data"
            ) from None
        more = {name: value for name, value in _DEFAULTS.items() if name not in given}
        self._address = make_conninfo(url, **more)
        self._turn = threading.Lock()
        self._away_until = 0.0
        self._connections: list[PostgresConnection] = []
        self._writing = self.open(WRITE_PATIENCE_S)
        self._stop = threading.Event()
        self._listener: threading.Thread | None = None

    def open(self, patience_s: float = 0.0) -> PostgresConnection:
        connection = PostgresConnection(self.connect, patience_s or READ_PATIENCE_S)
        self._connections.append(connection)
        return connection

    def connect(self, is_plain: bool = False) -> psycopg.Connection:
        """A new connection; a plain one treats values as the driver does by itself. Where one
        could not be had a moment ago, nobody waits for another.
        """
        if time.monotonic() < self._away_until:
            raise HubUnavailable(AWAY)
        from psycopg import OperationalError, connect

        started = time.monotonic()
        try:
            context = None if is_plain else _adapters()
            raw = connect(self._address, autocommit=True, context=context)
            raw.execute(_SESSION)
            raw.prepared_max = STATEMENTS_MAX
        except OperationalError as error:
            now = time.monotonic()
            self._away_until = now + max(AWAY_S, AWAY_TIMES * (now - started))
            raise describe(error) from error
        return raw

    @contextmanager
    def turn(self) -> Iterator[PostgresConnection]:
        """The writing connection, while no other thread writes; other nodes wait in `begin`."""
        with self._turn:
            yield self._writing

    @contextmanager
    def exclusive(self) -> Iterator[PostgresConnection]:
        """The writing connection, without a transaction, while nobody else writes."""
        with self._turn:
            self._writing.execute("SELECT pg_advisory_lock(:lock)", {"lock": LOCK})
            try:
                yield self._writing
            finally:
                self._writing.execute("SELECT pg_advisory_unlock(:lock)", {"lock": LOCK})

    def begin(self) -> None:
        """Begin to write, once every other writer is done. Listeners hear of the commit."""
        self._writing.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
        self._writing.execute(_TAKE_TURN, {"lock": LOCK, "channel": CHANNEL})

    def describe(self, error: BaseException) -> BaseException:
        return describe(error)

    def listen(self, on_news: Callable[[], None]) -> None:
        """Call `on_news` whenever any node has committed, and after a lost connection."""
        self._listener = threading.Thread(
            target=self._hear, args=(on_news,), name="hub-listener", daemon=True
        )
        self._listener.start()

    def _hear(self, on_news: Callable[[], None]) -> None:
        while not self._stop.is_set():
            try:
                with self.connect() as raw:
                    raw.execute(f"LISTEN {CHANNEL}")
                    on_news()
                    while not self._stop.is_set():
                        if any(True for _ in raw.notifies(timeout=LISTEN_S, stop_after=1)):
                            on_news()
                        self._cut_stalled()
            except Exception as error:
                if describe(error) is error and not isinstance(error, HubUnavailable):
                    log.exception("the database's notifications are not heard")
                self._cut_stalled()
                self._stop.wait(AWAY_S)

    def _cut_stalled(self) -> None:
        for connection in tuple(self._connections):
            connection.cut_if_stalled()

    def measure_bytes(self, connection: PostgresConnection) -> tuple[int, int]:
        """The size of the database; its log is the server's."""
        rows = connection.execute("SELECT pg_database_size(current_database())").fetchall()
        return int(rows[0][0]), 0

    def close(self) -> None:
        self._stop.set()
        if self._listener is not None:
            self._listener.join()
        for connection in self._connections:
            connection.close()
