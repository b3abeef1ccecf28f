"""All rows of a hub, from one database into another of either kind.

Rows go as they are, with their numbers; what the target numbers later is behind all of both. The
words of full-text search are each database's own and are made anew by whoever copies.
"""

from __future__ import annotations

from collections.abc import Mapping

from autoresearch.errors import Conflict
from autoresearch.hub.store.dialect import LAST_NUMBER, SET_NUMBER, TAKE_STATISTICS, UNHURRIED
from autoresearch.hub.store.schema import metadata
from autoresearch.hub.store.statements import Reader, Transaction

KEPT = ("admin_key_hash",)  # settings that belong to the nodes, not to what they serve
MOVED = "moved"  # the setting of a hub that has gone to another database
TABLES = [table for table in metadata.sorted_tables if table.name != "settings"]
_COUNTED = ("agents", "posts", "commits", "objects", "events")


def count_rows(reader: Reader) -> dict[str, int]:
    """How many rows each table has."""
    names = [table.name for table in TABLES]
    return {name: int(reader.value(f"SELECT count(*) FROM {name}")) for name in names}


def check_empty(reader: Reader) -> None:
    """Raise Conflict where somebody uses this hub already."""
    if any(reader.value(f"SELECT count(*) FROM {table}") for table in _COUNTED):
        raise Conflict("the database holds a hub already; give one that is new and empty")


def replace_rows(source: Reader, target: Transaction) -> dict[str, int]:
    """Make the target's rows those of the source; how many of each table. Raises Conflict, so that
    the transaction is undone, where some did not arrive.
    """
    numbers = last_numbers(target)
    _empty(target)
    for table in TABLES:
        names = [column.name for column in table.columns]
        keys = ", ".join(column.name for column in table.primary_key)
        rows = source.connection.read_rows(
            f"SELECT {', '.join(names)} FROM {table.name} ORDER BY {keys}"
        )
        target.connection.insert_rows(table.name, names, rows)
    _copy_settings(source, target)
    wanted, found = count_rows(source), count_rows(target)
    if wanted != found:
        raise Conflict(f"not all rows arrived: {wanted} became {found}; nothing was changed")
    continue_numbers(
        target, {name: max(last, numbers[name]) for name, last in last_numbers(source).items()}
    )
    return found


def last_numbers(reader: Reader) -> dict[str, int]:
    """The number that each table gave out last, whether or not its row is still there."""
    return {
        table: max(
            int(reader.value(f"SELECT coalesce(max({column}), 0) FROM {table}")),
            int(reader.value(LAST_NUMBER[reader.dialect], table=table, column=column)),
        )
        for table, column in _numbered_tables().items()
    }


def continue_numbers(tx: Transaction, numbers: Mapping[str, int]) -> None:
    """Let each table number on behind these."""
    for table, column in _numbered_tables().items():
        for sql in SET_NUMBER[tx.dialect] if numbers[table] else ():
            tx.run(sql, table=table, column=column, number=numbers[table])


def _numbered_tables() -> dict[str, str]:
    """Tables whose rows are numbered, with the column."""
    keys = {table.name: list(table.primary_key) for table in TABLES}
    return {
        name: found[0].name
        for name, found in keys.items()
        if len(found) == 1
        and found[0].type.python_type is int
        and found[0].autoincrement is not False
    }


def _empty(tx: Transaction) -> None:
    for sql in UNHURRIED[tx.dialect]:
        tx.run(sql)
    for table in reversed(TABLES):
        tx.run(f"DELETE FROM {table.name}")


def _copy_settings(source: Reader, target: Transaction) -> None:
    """Settings but for those that belong to the nodes."""
    own = ", ".join(f"'{name}'" for name in (*KEPT, MOVED))
    target.run(f"DELETE FROM settings WHERE name NOT IN ({own})")
    sql = f"SELECT name, value FROM settings WHERE name NOT IN ({own})"
    for name, value in source.connection.execute(sql).fetchall():
        add = "INSERT INTO settings (name, value) VALUES (:name, :value)"
        target.run(add, name=name, value=value)


def take_statistics(tx: Transaction) -> None:
    """Let the planner know what has arrived. PostgreSQL would find out by itself, later: until
    then it sorted 20,000 leaves for a page of 20 (its manual, "Populating a Database")."""
    for sql in TAKE_STATISTICS[tx.dialect]:
        for table in (*(table.name for table in TABLES), "search"):
            tx.run(sql.format(table=table))


def set_moved(tx: Transaction) -> None:
    """From now on nothing is written here."""
    sql = "INSERT INTO settings (name, value) VALUES (:name, 'yes')"
    tx.run(sql, name=MOVED)


def forget_move(tx: Transaction) -> None:
    """Let this database be written to."""
    tx.run("DELETE FROM settings WHERE name = :name", name=MOVED)
