"""Brings a database's tables to what this version needs, at start, one process at a time.

A new database is made from the schema as it is today; one of an earlier version takes the steps
in `hub/migrations`. SQLAlchemy and Alembic are imported only when there is something to do: they
take longer to load than the hub takes to start.
"""

from __future__ import annotations

import secrets
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from autoresearch.clock import precise_timestamp
from autoresearch.errors import Conflict
from autoresearch.hub.store.database import FILE_NAME, Database

if TYPE_CHECKING:
    from sqlalchemy import Connection

HEAD = "0007"  # the newest step in hub/migrations/versions
SCRIPTS = Path(__file__).parent.parent / "migrations"
CHANNELS = {
    "results": "every result, one line each",
    "discussion": "ideas, questions, findings",
}
# words only, under the numbers of `documents`; the text stays where it was written
FULL_TEXT_INDEX = """
    CREATE VIRTUAL TABLE search
    USING fts5(kind, body, content='', tokenize='unicode61 remove_diacritics 2')
"""


def version(connection: sqlite3.Connection) -> str:
    """The step a database is at; empty for a new one."""
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError:
        return ""
    return str(row[0]) if row else ""


def prepare(folder: Path) -> None:
    """Make `folder` if need be and bring its database up to date.

    Several processes may call it at once.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    db = Database(folder)
    try:
        with db.exclusive() as connection:
            found = version(connection)
            if found > HEAD:
                raise Conflict(
                    f"the hub in {folder} was written by a newer version of this program ({found},"
                    f" this one knows {HEAD}); update it"
                )
            if found != HEAD:
                _bring_up_to_date(folder / FILE_NAME, is_new=not found)
    finally:
        db.close()
    (folder / FILE_NAME).chmod(0o600)


def _bring_up_to_date(path: Path, is_new: bool) -> None:
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import URL, create_engine, event
    from sqlalchemy.pool import NullPool

    engine = create_engine(URL.create("sqlite", database=str(path)), poolclass=NullPool)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # the driver would commit between steps: we want all or nothing
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    @event.listens_for(engine, "connect")
    def _connect(raw: sqlite3.Connection, _: object) -> None:
        raw.isolation_level = None
        raw.execute("PRAGMA synchronous=FULL")

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


def _create(connection: Connection) -> None:
    from autoresearch.hub.store.schema import channels, metadata, settings

    metadata.create_all(connection)
    connection.exec_driver_sql(FULL_TEXT_INDEX)
    connection.execute(settings.insert().values(name="draw_key", value=secrets.token_hex(32)))
    for name, description in CHANNELS.items():
        connection.execute(
            channels.insert().values(
                name=name, description=description, created_at=precise_timestamp()
            )
        )
