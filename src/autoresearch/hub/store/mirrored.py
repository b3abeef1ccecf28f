"""SQL of a mirror: rows that another hub wrote, put in under the numbers that they have there.

What may be put in is decided in `rules.mirrored_rows` and `rules.mirrored_commits`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from autoresearch.errors import Conflict
from autoresearch.hub.store import copies, log_entries
from autoresearch.hub.store.log_rows import SOURCES
from autoresearch.hub.store.statements import Reader, Transaction

ORIGIN = "mirror_of"  # the setting of a mirror: the address of its hub
_COLUMNS = {"at": "created_at", "number": "id", "key": "public_key"}
_TABLES = {"result": "results", "verdict": "verifications"}

_UNFIT = (
    *(sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError),
    *(OverflowError, KeyError),
)
Row = Mapping[str, str | int | float | None]


class OpenName(NamedTuple):
    """A result or verdict that points to no commit yet, and how it names one."""

    kind: str
    ref: str
    named: str


def origin(reader: Reader) -> str:
    """The hub that this is a mirror of; empty for any other hub."""
    sql = "SELECT value FROM settings WHERE name = :name"
    return str(reader.value(sql, name=ORIGIN) or "")


def begin_mirror(tx: Transaction, url: str) -> None:
    """Make a new hub the empty mirror of another. Raises Conflict where it holds anything."""
    copies.check_empty(tx)
    if log_entries.count(tx) > tx.value("SELECT count(*) FROM channels"):
        raise Conflict("the folder holds a hub already; a mirror needs one of its own")
    tx.run("DELETE FROM channels")
    tx.run("DELETE FROM log_entries")
    tx.run("INSERT INTO settings (name, value) VALUES (:name, :url)", name=ORIGIN, url=url)


def add_entries(tx: Transaction, rows: Sequence[tuple[int, str, str, str, bytes]]) -> None:
    """The next entries of the log, with their hashes."""
    tx.connection.insert_rows("log_entries", log_entries.COLUMNS, rows)


def list_refs(reader: Reader, kind: str) -> set[str]:
    """The rows of a kind that are here, as the log names them, without hidden posts."""
    source = SOURCES[kind]
    shown = " WHERE hidden = 0" if kind == "post" else ""
    return set(map(str, reader.column(f"SELECT {source.key} FROM {source.table}{shown}")))


def add_row(tx: Transaction, kind: str, row: Row) -> None:
    """A row by the words that its entry is made of."""
    names = {**_COLUMNS, **({"agent_id": "id"} if kind == "account" else {})}
    columns = {names.get(name, name): value for name, value in row.items()}
    marks = ", ".join(f":{name}" for name in columns)
    sql = f"INSERT INTO {SOURCES[kind].table} ({', '.join(columns)}) VALUES ({marks})"
    try:
        tx.run(sql, **columns)
    except _UNFIT as error:
        raise Conflict(f"{kind} {columns['id']} does not fit to what came before it") from error


def fill_post(tx: Transaction, post_id: int, content: str) -> None:
    """The text of a post that was hidden when it came."""
    sql = "UPDATE posts SET content = :content WHERE id = :id"
    tx.run(sql, id=post_id, content=content)


def open_names(reader: Reader, shortest: int) -> list[OpenName]:
    """Results and verdicts that point to no commit."""
    parts = (
        f"SELECT '{kind}' AS kind, CAST(id AS TEXT) AS ref, named FROM {table}"
        " WHERE commit_hash IS NULL AND length(named) >= :shortest"
        for kind, table in _TABLES.items()
    )
    return reader.all(OpenName, " UNION ALL ".join(parts), shortest=shortest)


def point(tx: Transaction, kind: str, ref: str, commit_hash: str) -> None:
    """Let a result or verdict point to a commit."""
    sql = f"UPDATE {_TABLES[kind]} SET commit_hash = :hash WHERE id = :id"
    tx.run(sql, hash=commit_hash, id=int(ref))
