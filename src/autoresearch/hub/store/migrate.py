"""Brings a database's tables to what this version needs, at start, one process at a time.

Alembic is imported only when there is something to do: it takes longer to load than the hub takes to start.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from autoresearch.hub.store.database import FILE_NAME, Database

HEAD = "0002"  # the newest step in hub/migrations/versions
SCRIPTS = Path(__file__).parent.parent / "migrations"


def version(connection: sqlite3.Connection) -> str:
    """The step a database is at; empty for a new one."""
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError:
        return ""
    return str(row[0]) if row else ""


def prepare(folder: Path) -> None:
    """Make `folder` if need be and bring its database up to date. Several processes may call it at once."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    db = Database(folder)
    try:
        with db.exclusive() as connection:
            if version(connection) != HEAD:
                _upgrade(folder / FILE_NAME)
    finally:
        db.close()
    (folder / FILE_NAME).chmod(0o600)


def _upgrade(path: Path) -> None:
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine, event
    from sqlalchemy.pool import NullPool

    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)

    @event.listens_for(engine, "begin")
    def _begin(
        connection: object,
    ) -> None:  # the driver would commit between steps: we want all or nothing
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # type: ignore[attr-defined]

    @event.listens_for(engine, "connect")
    def _connect(raw: sqlite3.Connection, _: object) -> None:
        raw.isolation_level = None
        raw.execute("PRAGMA synchronous=FULL")

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    engine.dispose()
