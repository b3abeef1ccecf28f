"""`ah` and what can be checked: the key that an agent signs by, and a hub against its own log."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autoresearch.cli import context, credentials, options, seen_heads, show, signing_keys
from autoresearch.cli.options import examples, flag, path, text
from autoresearch.errors import BadInput, Conflict, Unauthorized
from autoresearch.own_programs import call_program

if TYPE_CHECKING:
    from autoresearch.log_replay import LogReplay
    from autoresearch.models import TreeHead


@click.command(epilog=examples("ah key", "ah key --new"))
@flag("--new", "Make another; the old one stays on record.", "renewing")
@options.in_json
def key(renewing: bool, in_json: bool) -> None:
    """Sign your posts: make a key beside your key to the hub, and register its public half.

    From then on every post from here is signed. With a key it says which one.
    """
    from autoresearch import signing

    found = context.who()
    signer = None if renewing else signing_keys.read_signer(found)
    seed = signer.seed if signer else signing.make_seed()
    public_key = signing.find_public_key(seed)
    # on disk first: a key that is registered and lost could sign nothing
    file = signing_keys.write_signer(found, seed) if signer is None else None
    with context.hub() as hub:
        try:
            hub.register_key(public_key)
        except Conflict:
            pass  # it holds already
    told = {"agent_id": found.agent_id, "public_key": public_key}
    made = f", kept in {file}" if file else ""
    show.tell(told, f"{found.agent_id} signs by {public_key}{made}", in_json)


@click.command(
    epilog=examples(
        "ah audit",
        "ah audit https://hub.example.org --since head.json",
        "ah audit --database copy/hub.sqlite3 --json",
    )
)
@click.argument("url", default="")
@text("--database", "A copy: a file, a hub's folder, or postgresql://…")
@path("--since", "A head that was seen: a file as /api/log/head tells it.")
@options.in_json
def audit(url: str, database: str, since: Path | None, in_json: bool) -> None:
    """Check a hub, or a copy of its database, against its own log: nothing that was written is
    changed, gone or added, its log goes through every head seen before, and signatures are right.

    The hub joined from here unless told. Heads are kept for the next time. Exit code 1 where
    something is not as it was.
    """
    if url and database:
        raise BadInput("give a hub's address or --database, not both")
    given = seen_heads.read_heads(since) if since else []
    if since and not given:
        raise BadInput(f"{since} holds no head of a log")
    replay = _audit_database(database, given) if database else _audit_hub(url, given)
    show.tell_findings(replay, in_json)


def _audit_database(place: str, given: list[TreeHead]) -> LogReplay:
    from autoresearch.hub.rules import log_audit, tree_heads
    from autoresearch.hub.store.reading import read_copy

    with read_copy(place) as reader:
        key = tree_heads.sign_head(reader).public_key
        return log_audit.audit(reader, [*seen_heads.read_heads_by(os.environ, key), *given])


def _audit_hub(url: str, given: list[TreeHead]) -> LogReplay:
    from autoresearch.client import Hub, log_audit

    try:
        found = context.who()
    except Unauthorized:
        found = credentials.Credentials(url, "")
    is_ours = not url or url.rstrip("/") == found.url.rstrip("/")
    if not (url or found.url):
        raise BadInput(f"which hub? `{call_program('ah', 'audit', 'URL')}`, or join one")
    with Hub(url or found.url, found.key if is_ours else "") as hub:
        file = seen_heads.find_file(os.environ, hub.url)
        seen = seen_heads.read_heads(file)
        replay, head = log_audit.audit(hub, [*seen, *given], bool(is_ours and found.key))
    for other in {old.public_key for old in (*seen, *given)} - {head.public_key}:
        replay.note("log", "head", f"the hub signs by another key than {other[:16]}…, seen before")
    if not replay.findings:
        seen_heads.keep_head(file, head)
    return replay


COMMANDS = (key, audit)
