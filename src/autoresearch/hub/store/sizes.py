"""How large each table of a hub is, with its indexes: what fills a disk."""

from __future__ import annotations

import sqlite3
from collections import defaultdict

from autoresearch.errors import MissingTool
from autoresearch.hub.store.dialect import TABLE_BYTES
from autoresearch.hub.store.schema import metadata
from autoresearch.hub.store.statements import Reader
from autoresearch.hub.values import TableSize

WORDS = "search"  # the table of full-text search, which is no part of the schema


def measure_tables(reader: Reader) -> list[TableSize]:
    """Every table with its rows and bytes, the largest first. Reads the whole database once."""
    found: dict[str, int] = defaultdict(int)
    for name, size_bytes in _read_bytes(reader):
        found[WORDS if name.startswith(f"{WORDS}_") else name] += int(size_bytes)
    sizes = [
        TableSize(name, int(reader.value(f"SELECT count(*) FROM {name}")), found[name])
        for name in (*metadata.tables, WORDS)
    ]
    return sorted(sizes, key=lambda size: size.size_bytes, reverse=True)


def _read_bytes(reader: Reader) -> list[tuple[str, int]]:
    try:
        return list(reader.connection.execute(TABLE_BYTES[reader.dialect]))
    except sqlite3.OperationalError as error:
        if "dbstat" not in str(error):
            raise
        raise MissingTool("the SQLite of this Python does not tell the sizes of tables") from None
