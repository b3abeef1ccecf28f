"""Brings a database's tables to what this version needs, at start, one process at a time.

A new database is made from the schema as it is today; one of an earlier version takes the steps
in `hub/migrations`. SQLAlchemy and Alembic are imported only when there is something to do: they
take longer to load than the hub takes to start.
"""

from __future__ import annotations

import secrets
import sqlite3
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from autoresearch import entries
from autoresearch.clock import precise_timestamp
from autoresearch.errors import BadInput, Conflict
from autoresearch.hub.store.database import FILE_NAME, Database
from autoresearch.hub.store.dialect import HAS_VERSION, POSTGRESQL, WORDS_INDEX
from autoresearch.hub.store.log_entries import COLUMNS, make_row
from autoresearch.hub.store.statements import Connection
from autoresearch.merkle import Frontier

if TYPE_CHECKING:
    import sqlalchemy

    from autoresearch.hub.store.postgres import PostgresEngine

HEAD = "0012"  # the newest step in hub/migrations/versions
SCRIPTS = Path(__file__).parent.parent / "migrations"
CHANNELS = {
    "results": "every result, one line each",
    "discussion": "ideas, questions, findings",
}


def version(connection: Connection) -> str:
    """The step a database is at; empty for a new one."""
    if not connection.execute(HAS_VERSION[connection.dialect]).fetchone()[0]:
        return ""
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else ""


def prepare(folder: Path, url: str = "") -> None:
    """Make `folder` if need be and bring its database, or that at `url`, up to date.

    Several processes may call it at once, on several machines.
    """
    _make_folder(folder)
    db = Database(folder, url)
    try:
        with db.exclusive() as connection:
            found = version(connection)
            if found > HEAD:
                raise Conflict(
                    f"the hub in {'its database' if url else folder} was written by a newer"
                    f" version of this program ({found}, this one knows {HEAD}); update it"
                )
            if found != HEAD:
                bring_up_to_date(make_engine(db), is_new=not found)
    finally:
        db.close()
    if not url:
        (folder / FILE_NAME).chmod(0o600)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise BadInput(
            f"no folder can be made at {folder}, for a file is in its place; name another folder"
        ) from None


def make_engine(db: Database) -> sqlalchemy.Engine:
    """SQLAlchemy's way to a database, for changes of its tables: all or nothing."""
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    if db.url:
        connect = partial(cast("PostgresEngine", db.engine).connect, is_plain=True)
        return create_engine("postgresql+psycopg://", creator=connect, poolclass=NullPool)
    return sqlite_engine(db.folder / FILE_NAME)


def sqlite_engine(path: Path) -> sqlalchemy.Engine:
    """The same for a file."""
    from sqlalchemy import URL, create_engine, event
    from sqlalchemy.pool import NullPool

    engine = create_engine(URL.create("sqlite", database=str(path)), poolclass=NullPool)

    @event.listens_for(engine, "begin")
    def _begin(connection: sqlalchemy.Connection) -> None:
        # the driver would commit between steps: we want all or nothing
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    @event.listens_for(engine, "connect")
    def _connect(raw: sqlite3.Connection, _: object) -> None:
        raw.isolation_level = None
        raw.execute("PRAGMA synchronous=FULL")

    return engine


def bring_up_to_date(engine: sqlalchemy.Engine, is_new: bool) -> None:
    """Make the tables, or take the steps that lead to those of this version."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        if is_new:
            _create(connection)
            command.stamp(config, "head")
        else:
            command.upgrade(config, "head")
    engine.dispose()


def _create(connection: sqlalchemy.Connection) -> None:
    from autoresearch.hub.store.schema import metadata

    tables = metadata.tables
    channels, log_entries = tables["channels"], tables["log_entries"]
    _check_encoding(connection)
    metadata.create_all(connection)
    for statement in WORDS_INDEX[connection.dialect.name]:
        connection.exec_driver_sql(statement)
    for key in ("draw_key", "log_key"):
        connection.execute(
            tables["settings"].insert().values(name=key, value=secrets.token_hex(32))
        )
    frontier, now = Frontier(), precise_timestamp()
    for name, description in CHANNELS.items():
        adding = channels.insert().values(name=name, description=description, created_at=now)
        number = int(connection.execute(adding.returning(channels.c.id)).scalar_one())
        row = make_row(frontier, *entries.channel(number, name, description, now))
        connection.execute(log_entries.insert().values(dict(zip(COLUMNS, row, strict=True))))


def _check_encoding(connection: sqlalchemy.Connection) -> None:
    if connection.dialect.name != POSTGRESQL:
        return
    found = connection.exec_driver_sql("SHOW server_encoding").scalar()
    if found != "UTF8":
        raise BadInput(
            f"the database keeps its texts in {found}; make one with"
            " CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
        )
