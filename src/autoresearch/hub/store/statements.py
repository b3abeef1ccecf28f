"""Statements and what they run on: rows that become values, transactions that change.

Which statements run is decided by whoever calls; when, and how they become durable, by `database`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import starmap
from typing import Any, Protocol, TypeVar, get_type_hints

from autoresearch.clock import precise_timestamp
from autoresearch.hub.store.dialect import SQLITE

T = TypeVar("T")
Filter = int | str | None  # of a list, by the name of a condition
PAGE = 500  # rows that are read at once where there may be any number


class Connection(Protocol):
    """What statements run on."""

    dialect: str

    @property
    def in_transaction(self) -> bool: ...

    def execute(self, sql: str, values: Any = ..., /) -> Any: ...

    def read_rows(self, sql: str) -> Iterator[Any]: ...

    def fetch_texts(self, columns: str, sql: str, values: Any) -> list[Any]: ...

    def insert_rows(self, table: str, columns: Sequence[str], rows: Iterable[Any]) -> None: ...


class Reader:
    """Statements that look.

    Each row becomes what `make` returns, which is a value of `models` or `hub.values`.
    """

    __slots__ = ("connection",)

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    @property
    def dialect(self) -> str:
        return self.connection.dialect

    def version(self) -> int | None:
        """A number that is another one after each change by others; None where a database has
        none that costs less than what one wants to spare."""
        if self.dialect != SQLITE:
            return None
        return int(self.connection.execute("PRAGMA data_version").fetchone()[0])

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

    def every(
        self, make: Callable[..., T], sql: str, number: str, behind: int = 0, **values: Any
    ) -> Iterator[T]:
        """As `all`, page by page, of a statement whose rows are numbered over `:behind`: `number`
        is the column that says so.
        """
        sql += f" ORDER BY {number} LIMIT {PAGE}"
        while page := self.all(make, sql, behind=behind, **values):
            yield from page
            behind = getattr(page[-1], number)

    def texts(self, make: Callable[..., T], columns: str, sql: str, /, **values: Any) -> list[T]:
        """As `all`, for rows by the thousand that hold texts and whole numbers only."""
        rows = self.connection.fetch_texts(columns, f"SELECT {columns} FROM {sql}", values)
        return list(starmap(make, rows))

    def one(self, make: Callable[..., T], sql: str, /, **values: Any) -> T | None:
        """As `all`, but the first row only; None where there is none."""
        found = self.all(make, sql, **values)
        return found[0] if found else None

    def column(self, sql: str, /, **values: Any) -> list[Any]:
        """The first column of every row."""
        return [row[0] for row in self.connection.execute(sql, values)]

    def pairs(self, sql: str, /, **values: Any) -> list[tuple[Any, Any]]:
        """The two columns of every row."""
        return [(one, other) for one, other in self.connection.execute(sql, values)]

    def value(self, sql: str, /, **values: Any) -> Any:
        """The first column of the first row; None where there is no row."""
        found = self.column(sql, **values)
        return found[0] if found else None


class Transaction(Reader):
    """Statements that change, within one transaction. `now` is its one time stamp; `known` is what
    earlier statements of it, and earlier changes of its group, have found out.
    """

    __slots__ = ("known", "now")

    def __init__(self, connection: Connection, known: dict[str, Any] | None = None) -> None:
        super().__init__(connection)
        self.known = {} if known is None else known
        self.now = precise_timestamp()

    def run(self, sql: str, /, **values: Any) -> int:
        """Run a change; return how many rows it touched."""
        return int(self.connection.execute(sql, values).rowcount)


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


def conditions(known: Mapping[str, str], asked: Mapping[str, Filter]) -> str:
    """`AND` and the conditions that a call asked for by name: lists are filtered by none, one or
    several of them. A filter that is None does not count.
    """
    return "".join(f" AND {known[name]}" for name, value in asked.items() if value is not None)
