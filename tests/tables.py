"""The tables of a database beside those of the schema in the source."""

from __future__ import annotations

from typing import Any

from autoresearch.hub.store import migrate
from autoresearch.hub.store.database import Database


def compare_tables(db: Database) -> list[Any]:
    """What differs; nothing where neither was changed alone."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from autoresearch.hub.store.schema import metadata

    with migrate.make_engine(db).connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": _ours})
        return list(compare_metadata(context, metadata))


def _ours(item: object, name: str | None, kind: str, reflected: bool, compare_to: object) -> bool:
    """The full-text index is each database's own."""
    return not (kind == "table" and (name or "").startswith("search"))
