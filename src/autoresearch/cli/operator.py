"""The verbs with which an operator looks after a hub. They work on its database directly, also
while the hub serves."""

from __future__ import annotations

import re
from pathlib import Path

import click

from autoresearch.cli.hub_place import DATA, HubPlace, act, open_database, place_option, who
from autoresearch.cli.options import PATH, count, flag, text
from autoresearch.clock import timestamp
from autoresearch.errors import BadInput

BACKUP_NAME = re.compile(r"hub-\d{4}-\d\d-\d\dT\d{6}Z\.db", re.ASCII)
undo_option = flag("--undo", "Show it again.")
agent_argument = click.argument("agent_id")


verbs = click.Group()
agents = click.Group("agents", help="Accounts.")
channels = click.Group("channels", help="Channels.")
allowances = click.Group("limits", help="Allowances.")
claims = click.Group("claims", help="Claims.")
refs = click.Group("refs", help="Names that plain git gave to commits.")
hide = click.Group("hide", help="Take what should not be seen from view; --undo shows it again.")
for group in (agents, channels, allowances, claims, refs, hide):
    verbs.add_command(group)


@agents.command("list")
@place_option
def list_agents(place: HubPlace) -> None:
    """Name every agent, oldest first."""
    from autoresearch.hub.rules import accounts

    with open_database(place) as db:
        for agent in accounts.list_agents(db.reader):
            state = f"revoked {agent.revoked_at}" if agent.revoked_at else "active"
            print(f"{agent.id}\t{agent.created_at}\t{agent.via}\t{state}")


@agents.command("create")
@agent_argument
@place_option
def create_agent(agent_id: str, place: HubPlace) -> None:
    """Open an account and print its key, this once.

    AGENT_ID is 1-63 letters, digits, '.', '_' or '-'.
    """
    from autoresearch.hub.rules import accounts

    with act(place, "agents create", agent_id) as tx:
        account = accounts.create(tx, agent_id, via="operator")
    print(account.api_key)


@agents.command("revoke")
@agent_argument
@flag("--undo", "Open it again, with the key it had.")
@place_option
def revoke_agent(agent_id: str, undo: bool, place: HubPlace) -> None:
    """Close an account: its keys stop working within a second; what it wrote stays."""
    from autoresearch.hub.rules import accounts

    with act(place, "agents revoke", agent_id, undo) as tx:
        (accounts.reopen if undo else accounts.revoke)(tx, agent_id)
    print(f"{'opened again' if undo else 'revoked'} {agent_id}")


@agents.command("rotate")
@agent_argument
@place_option
def rotate_key(agent_id: str, place: HubPlace) -> None:
    """Print a new key; the old ones stop working within a second. Opens a revoked account again."""
    from autoresearch.hub.rules import accounts

    with act(place, "agents rotate", agent_id) as tx:
        account = accounts.rotate(tx, agent_id)
    print(account.api_key)


@channels.command("list")
@place_option
def list_channels(place: HubPlace) -> None:
    """Name every channel."""
    from autoresearch.hub.rules import board

    with open_database(place) as db:
        for channel in board.channels(db.reader):
            print(f"{channel.name}\t{channel.created_at}\t{channel.description}")


@channels.command("create")
@click.argument("name")
@text("--description", "What it is for.")
@place_option
def create_channel(name: str, description: str, place: HubPlace) -> None:
    """Open a channel: NAME is 1-31 of a-z, 0-9, '_' and '-'."""
    from autoresearch.hub.rules import board

    with act(place, "channels create", name) as tx:
        board.create_channel(tx, name, description)
    print(f"opened {name}")


@allowances.command("reset")
@click.argument("subject")
@place_option
def reset_limits(subject: str, place: HubPlace) -> None:
    """Make the allowances of an agent (its id) or a network (net:ADDRESS) whole again."""
    from autoresearch.hub.rules import limits

    with act(place, "limits reset", subject) as tx:
        print(limits.reset(tx, subject))


@claims.command("list")
@place_option
def list_claims(place: HubPlace) -> None:
    """Name every claim that holds."""
    from autoresearch.hub.rules import claims as rules

    with open_database(place) as db:
        for claim in rules.active(db.reader, rules.ACTIVE_MAX):
            print(f"{claim.id}\t{claim.agent_id}\t{claim.expires_at}\t{claim.text}")


@claims.command("release")
@click.argument("claim_id", type=int)
@place_option
def release_claim(claim_id: int, place: HubPlace) -> None:
    """Give a claim up in its agent's stead."""
    from autoresearch.hub.rules import accounts
    from autoresearch.hub.rules import claims as rules

    with act(place, "claims release", str(claim_id)) as tx:
        rules.release(tx, accounts.ADMIN, claim_id)
    print(f"released claim {claim_id}")


@refs.command("list")
@place_option
def list_refs(place: HubPlace) -> None:
    """Name every ref, with its commit and whose it is."""
    from autoresearch.hub.rules import refs as rules

    with open_database(place) as db:
        for ref in rules.every_ref(db.reader):
            print(f"{ref.name}\t{ref.hash}\t{ref.agent_id}")


@refs.command("drop")
@click.argument("name")
@place_option
def drop_ref(name: str, place: HubPlace) -> None:
    """Take a name away, whoever's it is; its commit stays."""
    from autoresearch.hub.rules import refs as rules

    with act(place, "refs drop", name) as tx:
        ref = rules.drop(tx, name)
    print(f"dropped {ref.name}, {ref.agent_id}'s name of {ref.hash}")


@hide.command("post")
@click.argument("post_id", type=int)
@undo_option
@place_option
def hide_post(post_id: int, undo: bool, place: HubPlace) -> None:
    """Take a post, and the results in it, from view."""
    from autoresearch.hub.rules import board

    with act(place, "hide post", str(post_id), undo) as tx:
        board.hide(tx, post_id, hidden=not undo)
    print(f"post {post_id} is {'shown again' if undo else 'hidden'}")


@hide.command("commit")
@click.argument("commit")
@undo_option
@place_option
def hide_commit(commit: str, undo: bool, place: HubPlace) -> None:
    """Take a commit, named by all 40 digits, from lists and search; its descendants stay."""
    from autoresearch.hub.rules import commits

    with act(place, "hide commit", commit, undo) as tx:
        commits.check_hash(tx, commit)
        commits.hide(tx, commit, hidden=not undo)
        print(commits.describe_hiding(tx, commit, hidden=not undo))


@verbs.command()
@count("--uses", "Accounts it opens.", default=1)
@click.option("--days", type=float, default=7.0, help="Until it expires.")
@text("--note", "For your own memory.")
@place_option
def invite(uses: int, days: float, note: str, place: HubPlace) -> None:
    """Print a token that opens accounts where registration is by invite: POST /api/register {"id",
    "invite"}."""
    from autoresearch.hub.rules import accounts

    with act(place, "invite", note or f"{uses} for {days:g} days") as tx:
        token = accounts.invite(tx, uses, days, note)
    print(token)


@verbs.command()
@click.argument("file", type=PATH)
@count("--keep", "Where FILE is a folder: how many of its backups stay, the newest.")
@place_option
def backup(file: Path, keep: int | None, place: HubPlace) -> None:
    """Write the whole hub into FILE, which is not there yet, also while it serves. In a folder the
    backup names itself by its time."""
    from autoresearch.hub.rules import audit, maintenance
    from autoresearch.hub.store import backup as copies

    if keep and not file.is_dir():
        raise BadInput(f"--keep prunes a folder of backups, and {file} is none")
    target = file / name_backup() if file.is_dir() else file
    with open_database(place) as db:
        size_bytes = copies.save(db, target, maintenance.index_words)
        db.transact(lambda tx: audit.note(tx, who(), "backup", target.name))
    print(f"{target}: {size_bytes} bytes")
    for old in list_backups(file)[keep:] if keep else ():
        old.unlink()
        print(f"{old}: removed")


def name_backup() -> str:
    return f"hub-{timestamp().replace(':', '')}.db"


def list_backups(folder: Path) -> list[Path]:
    """The backups of a folder that named themselves, newest first; nothing else is ours."""
    ours = [file for file in folder.iterdir() if BACKUP_NAME.fullmatch(file.name)]
    return sorted((file for file in ours if file.is_file()), reverse=True)


@verbs.command()
@click.argument("file", type=PATH)
@place_option
def restore(file: Path, place: HubPlace) -> None:
    """Make the hub what it was when FILE was saved, all at once; what came later is gone. An
    absent hub is made."""
    from autoresearch.hub.rules import audit, maintenance
    from autoresearch.hub.store import backup as copies
    from autoresearch.hub.store import migrate

    migrate.prepare(*place)
    with open_database(place) as db:
        copies.restore(db, file, maintenance.index_words)
        db.transact(lambda tx: audit.note(tx, who(), "restore", file.name))
    print(f"restored {file}")


@verbs.command("audit")
@click.argument("words", required=False, default="")
@click.option("--limit", "-n", type=click.IntRange(min=1), default=50, help="How many.")
@place_option
def list_acts(words: str, limit: int, place: HubPlace) -> None:
    """What operators did, newest first: when, who, what; with WORDS only what holds them."""
    from autoresearch.hub.rules import audit

    with open_database(place) as db:
        for done in audit.newest(db.reader, limit, words):
            print(f"{done.created_at}\t{done.actor}\t{done.verb}\t{done.target}")


@verbs.command("migrate")
@click.option("--to", "url", metavar="URL", required=True, help="postgresql://USER@HOST/NAME.")
@click.option("--data", **DATA)
def migrate_hub(url: str, data: Path) -> None:
    """Copy a hub from SQLite into an empty PostgreSQL database while it is read. The old one takes
    no writes meanwhile, and none afterwards."""
    from autoresearch.hub.rules import maintenance
    from autoresearch.hub.store import backup as copies

    with open_database(HubPlace(data)) as old, open_database(HubPlace(data, url)) as new:
        counts = copies.move(old, new, maintenance.index_words)
    for table, rows in counts.items():
        print(f"{rows}\t{table}")
    print("every row arrived; serve it with --database, and with the same admin key")


@verbs.command()
@place_option
def verify(place: HubPlace) -> None:
    """Hash every git object anew and compare it with the rows, the boards and the search index.
    Exit code 1 where something is wrong."""
    from autoresearch.hub.rules import maintenance

    count = 0
    with open_database(place) as db, db.read(snapshot=True) as reader:
        for problem in maintenance.find_problems(reader):
            print(problem)
            count += 1
    print(f"{count} problems" if count else "no problems")
    if count:
        raise click.exceptions.Exit(1)


@verbs.command()
@place_option
def sizes(place: HubPlace) -> None:
    """Tell what fills the database: bytes with indexes, rows, bytes a row, and the table, the
    largest first."""
    from autoresearch.hub.store.sizes import measure_tables

    with open_database(place) as db:
        for size in measure_tables(db.reader):
            each = size.size_bytes / size.rows if size.rows else 0.0
            print(f"{size.size_bytes}\t{size.rows}\t{each:.0f}\t{size.name}")


@verbs.command()
@place_option
def repack(place: HubPlace) -> None:
    """Store every git object as small as it gets, now, and give the space back to the disk. A
    hub that serves does the first of these by itself."""
    from autoresearch.hub.rules import repack as rules
    from autoresearch.hub.store.database import compact

    with open_database(place) as db:
        settled = 0
        while plan := rules.plan_step(db.reader):
            with db.write() as tx:
                settled += len(plan.forms) if rules.take_step(tx, plan) else 0
        compact(db)
    print(f"repacked {settled} objects")


@verbs.command()
@place_option
def reindex(place: HubPlace) -> None:
    """Work out anew what can be derived: commits from objects, boards from results, the search
    index from all texts."""
    from autoresearch.hub.rules import maintenance

    with act(place, "reindex") as tx:
        count = maintenance.reindex(tx)
    print(f"indexed {count} commits, and every post and result")


@verbs.command()
@click.argument("folder", type=PATH)
@place_option
def seed(folder: Path, place: HubPlace) -> None:
    """Publish a folder as the root commit that everybody starts from. Again with the same files,
    it changes nothing."""
    from autoresearch.hub.rules import audit
    from autoresearch.hub.rules.seed import publish_root
    from autoresearch.hub.store import migrate

    migrate.prepare(*place)
    with open_database(place) as db:
        root = publish_root(db, folder)
        db.transact(lambda tx: audit.note(tx, who(), "seed", root))
    print(root)
