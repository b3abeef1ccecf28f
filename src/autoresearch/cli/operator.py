"""The verbs with which an operator looks after a hub. They work on `--data` directly, also while the hub serves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autoresearch.errors import NotFound

if TYPE_CHECKING:
    from autoresearch.hub.store.database import Database

DATA = Annotated[Path, typer.Option("--data", envvar="AGENTHUB_DATA", help="The hub's folder.")]
HERE = Path("agenthub-data")
AGENT = Annotated[str, typer.Argument(help="1-63 letters, digits, '.', '_' or '-'.")]

UNDO = Annotated[bool, typer.Option("--undo", help="Show it again.")]

verbs = typer.Typer()
agents = typer.Typer(no_args_is_help=True, help="Accounts.")
channels = typer.Typer(no_args_is_help=True, help="Channels.")
hide = typer.Typer(
    no_args_is_help=True, help="Take what should not be seen from view; --undo shows it again."
)
verbs.add_typer(agents, name="agents")
verbs.add_typer(channels, name="channels")
verbs.add_typer(hide, name="hide")


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
    from autoresearch.hub.rules import accounts

    with opened(data) as db:
        for agent in accounts.list_agents(db.reader):
            state = f"revoked {agent.revoked_at}" if agent.revoked_at else "active"
            print(f"{agent.id}\t{agent.created_at}\t{agent.via}\t{state}")


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


@channels.command("list")
def list_channels(data: DATA = HERE) -> None:
    """Name every channel."""
    from autoresearch.hub.rules import board

    with opened(data) as db:
        for channel in board.channels(db.reader):
            print(f"{channel.name}\t{channel.created_at}\t{channel.description}")


@channels.command("create")
def create_channel(
    name: Annotated[str, typer.Argument(help="1-31 of a-z, 0-9, '_' and '-'.")],
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    data: DATA = HERE,
) -> None:
    """Open a channel."""
    from autoresearch.hub.rules import board

    with opened(data) as db, db.write() as tx:
        board.create_channel(tx, name, description)
    print(f"opened {name}")


@hide.command("post")
def hide_post(
    post_id: Annotated[int, typer.Argument(help="The post's id.")],
    undo: UNDO = False,
    data: DATA = HERE,
) -> None:
    """Take a post, and the results in it, from view."""
    from autoresearch.hub.rules import board

    with opened(data) as db, db.write() as tx:
        board.hide(tx, post_id, hidden=not undo)
    print(f"post {post_id} is {'shown again' if undo else 'hidden'}")


@hide.command("commit")
def hide_commit(
    commit: Annotated[str, typer.Argument(help="Its hash, all 40 digits.")],
    undo: UNDO = False,
    data: DATA = HERE,
) -> None:
    """Take a commit from lists and search; its descendants stay."""
    from autoresearch.hub.rules import commits

    with opened(data) as db, db.write() as tx:
        commits.hide(tx, commit, hidden=not undo)
    print(f"commit {commit} is {'shown again' if undo else 'hidden'}")


def invite(
    uses: Annotated[int, typer.Option(min=1, help="Accounts it opens.")] = 1,
    days: Annotated[float, typer.Option(help="Until it expires.")] = 7.0,
    note: Annotated[str, typer.Option(help="For your own memory.")] = "",
    data: DATA = HERE,
) -> None:
    """Print a token that opens accounts where registration is by invite: POST /api/register {"id", "invite"}."""
    from autoresearch.hub.rules import accounts

    with opened(data) as db, db.write() as tx:
        token = accounts.invite(tx, uses, days, note)
    print(token)


def backup(
    file: Annotated[Path, typer.Argument(help="A file that is not there yet.")], data: DATA = HERE
) -> None:
    """Write the whole hub into one new file, also while it serves."""
    from autoresearch.hub.store import backup as copies

    with opened(data) as db:
        size_bytes = copies.save(db, file)
    print(f"{file}: {size_bytes} bytes")


def restore(
    file: Annotated[Path, typer.Argument(help="What `agenthub backup` wrote.")], data: DATA = HERE
) -> None:
    """Make the hub what it was when FILE was saved, all at once; what came later is gone. An absent hub is made."""
    from autoresearch.hub.store import backup as copies
    from autoresearch.hub.store import migrate

    migrate.prepare(data)
    with opened(data) as db:
        copies.restore(db, file)
    print(f"restored {file}")


def verify(data: DATA = HERE) -> None:
    """Hash every git object anew and compare it with the rows, the boards and the search index. Exit code 1 where something is wrong."""
    from autoresearch.hub.rules import care, upkeep

    count = 0
    with opened(data) as db, db.read(snapshot=True) as reader:
        for problem in chain(care.problems(reader), upkeep.problems(reader)):
            print(problem)
            count += 1
    print(f"{count} problems" if count else "no problems")
    if count:
        raise typer.Exit(1)


def reindex(data: DATA = HERE) -> None:
    """Work out anew what can be derived: commits from objects, boards from results, the search index from all texts."""
    from autoresearch.hub.rules import care, upkeep

    with opened(data) as db, db.write() as tx:
        upkeep.reindex(tx)
        count = care.reindex(tx)
    print(f"indexed {count} commits, and every post and result")


def seed(
    folder: Annotated[Path, typer.Argument(help="A folder of files, or a git repository.")],
    data: DATA = HERE,
) -> None:
    """Publish a folder as the root commit that everybody starts from. Again with the same files, it changes nothing."""
    from autoresearch.hub.rules import care
    from autoresearch.hub.store import migrate

    migrate.prepare(data)
    with opened(data) as db:
        root = care.seed(db, folder)
    print(root)


for command in (invite, backup, restore, verify, reindex, seed):
    verbs.command()(command)
