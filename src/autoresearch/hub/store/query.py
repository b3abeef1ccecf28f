"""SQLAlchemy Core statements as prepared strings: written once for every database, compiled once, run raw.

Only plain types (int, str, bytes, float, None) cross this border: SQLAlchemy's own execution layer, and with it
its type conversions, is bypassed for speed (a point query costs the driver's price plus a few microseconds).
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from sqlalchemy import bindparam
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql.elements import ClauseElement

_SQLITE = sqlite.dialect(paramstyle="named")


class Query:
    """One statement. `expects` are the names a caller must give; constants in the statement are bound here."""

    def __init__(self, statement: ClauseElement) -> None:
        self.statement = statement

    @cached_property
    def _compiled(self) -> Any:
        return self.statement.compile(dialect=_SQLITE, compile_kwargs={"render_postcompile": True})

    @cached_property
    def sqlite(self) -> str:
        """The statement as SQLite reads it."""
        return str(self._compiled)

    @cached_property
    def constants(self) -> dict[str, Any]:
        """Values that stand in the statement itself."""
        binds = self._compiled.binds
        return {
            name: value for name, value in self._compiled.params.items() if not binds[name].required
        }


def given(*names: str) -> dict[str, Any]:
    """`insert(t).values(**given("a", "b"))`: columns whose values the caller names when the query runs."""
    return {name: bindparam(name, required=True) for name in names}
