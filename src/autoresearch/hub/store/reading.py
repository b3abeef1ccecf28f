"""A database to be looked at only: one moment of it, which nobody prepares or writes to."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from autoresearch.errors import BadInput, NotFound
from autoresearch.hub.store import migrate
from autoresearch.hub.store.database import FILE_NAME, Database
from autoresearch.hub.store.sqlite import connect
from autoresearch.hub.store.statements import Connection, Reader


@contextmanager
def read_copy(place: str) -> Iterator[Reader]:
    """`place` is a file, a hub's folder, or an address of PostgreSQL. Raises NotFound, or BadInput
    for what is no hub's database of this version.
    """
    if place.startswith(("postgresql://", "postgres://")):
        db = Database(Path(), place)
        try:
            with db.read(snapshot=True) as reader:
                _check_version(reader.connection, "the database")
                yield reader
        finally:
            db.close()
        return
    file = Path(place) / FILE_NAME if Path(place).is_dir() else Path(place)
    if not file.is_file():
        raise NotFound(f"no database {file}")
    with closing(connect(f"{file.resolve().as_uri()}?mode=ro", is_uri=True)) as connection:
        try:
            connection.execute("BEGIN")
            _check_version(connection, str(file))
        except sqlite3.DatabaseError as error:
            raise BadInput(f"{file} is no database of a hub: {error}") from error
        yield Reader(connection)


def _check_version(connection: Connection, name: str) -> None:
    found = migrate.version(connection)
    if found != migrate.HEAD:
        raise BadInput(
            f"{name} is of version {found or 'none'}, this program of {migrate.HEAD};"
            " start a hub on a copy of it first"
        )
