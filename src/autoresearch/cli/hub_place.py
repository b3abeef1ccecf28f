"""Where a hub is, for the programs that look after one: the options that say it, and its database
behind them. What is done there is the verbs' business (`operator`).
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from autoresearch.cli.options import PATH, combine
from autoresearch.errors import NotFound

if TYPE_CHECKING:
    from autoresearch.hub.store.database import Database
    from autoresearch.hub.store.statements import Transaction

DATA: dict[str, Any] = {
    "type": PATH,
    "envvar": "AGENTHUB_DATA",
    "default": "agenthub-data",
    "help": "The hub's folder.",
}
DATABASE: dict[str, Any] = {
    "metavar": "URL",
    "envvar": "AGENTHUB_DATABASE",
    "default": "",
    "help": "postgresql://USER@HOST/NAME; SQLite in the folder unless given.",
}
URL = "autoresearch.database"


class HubPlace(NamedTuple):
    """Where a hub is: its folder, and the address of its database unless that is in the folder."""

    data: Path
    url: str = ""


def _keep_url(context: click.Context, _: click.Parameter, url: str) -> None:
    context.meta[URL] = url


def _place(context: click.Context, _: click.Parameter, data: Path) -> HubPlace:
    return HubPlace(data, context.meta.get(URL, ""))


data_options = combine(click.option("--data", **DATA), click.option("--database", **DATABASE))
place_option = combine(
    click.option("--data", "place", callback=_place, **DATA),
    # read first: --data takes it in
    click.option("--database", is_eager=True, expose_value=False, callback=_keep_url, **DATABASE),
)


@contextmanager
def open_database(place: HubPlace) -> Iterator[Database]:
    """The database of an existing hub. Raises NotFound where there is none."""
    from autoresearch.hub.store import migrate
    from autoresearch.hub.store.database import FILE_NAME, Database

    if not place.url and not (place.data / FILE_NAME).exists():
        raise NotFound(f"no hub in {place.data}; give its folder with --data")
    migrate.prepare(*place)
    db = Database(*place)
    try:
        yield db
    finally:
        db.close()


@contextmanager
def act(place: HubPlace, verb: str, target: str = "", undo: bool = False) -> Iterator[Transaction]:
    """A transaction of an existing hub, with a line in the trail of what operators did."""
    from autoresearch.hub.rules import audit

    with open_database(place) as db, db.write() as tx:
        yield tx
        audit.note(tx, who(), f"undo {verb}" if undo else verb, target)


def who() -> str:
    """The user of the system who gives the command."""
    try:
        return f"{getpass.getuser()} (command line)"
    except (KeyError, OSError):  # a user id without a name, as in containers
        return f"user {os.getuid()} (command line)"
