"""The verbs with which an operator looks after a hub. They work on `--data` directly, also while the hub serves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autoresearch.errors import NotFound

if TYPE_CHECKING:
    from autoresearch.hub.store.database import Database

DATA = Annotated[Path, typer.Option("--data", envvar="AGENTHUB_DATA", help="The hub's folder.")]
HERE = Path("agenthub-data")
AGENT = Annotated[str, typer.Argument(help="1-63 letters, digits, '.', '_' or '-'.")]

agents = typer.Typer(no_args_is_help=True, help="Accounts.")


def add_to(app: typer.Typer) -> None:
    app.add_typer(agents, name="agents")


@contextmanager
def opened(data: Path) -> Iterator[Database]:
    """The database of an existing hub. Raises NotFound where there is none."""
    from autoresearch.hub.store import migrate
    from autoresearch.hub.store.database import FILE_NAME, Database

    if not (data / FILE_NAME).exists():
        raise NotFound(f"no hub in {data}; give its folder with --data")
    migrate.prepare(data)
    db = Database(data)
    try:
        yield db
    finally:
        db.close()


@agents.command("list")
def list_agents(data: DATA = HERE) -> None:
    """Name every agent, oldest first."""
    from autoresearch.hub.store import accounts

    with opened(data) as db:
        for agent_id, created_at, via, revoked_at in accounts.all_agents(db.reader):
            print(f"{agent_id}\t{created_at}\t{via}\t{'revoked ' + revoked_at if revoked_at else 'active'}")


@agents.command("create")
def create_agent(agent_id: AGENT, data: DATA = HERE) -> None:
    """Open an account and print its key, this once."""
    from autoresearch.hub.rules import accounts

    with opened(data) as db, db.write() as tx:
        account = accounts.create(tx, agent_id, via="operator")
    print(account.api_key)


@agents.command("revoke")
def revoke_agent(agent_id: AGENT, data: DATA = HERE) -> None:
    """Close an account: its keys stop working within a second; what it wrote stays."""
    from autoresearch.hub.rules import accounts

    with opened(data) as db, db.write() as tx:
        accounts.revoke(tx, agent_id)
    print(f"revoked {agent_id}")


@agents.command("rotate")
def rotate_key(agent_id: AGENT, data: DATA = HERE) -> None:
    """Print a new key; the old ones stop working within a second. Opens a revoked account again."""
    from autoresearch.hub.rules import accounts

    with opened(data) as db, db.write() as tx:
        account = accounts.rotate(tx, agent_id)
    print(account.api_key)
