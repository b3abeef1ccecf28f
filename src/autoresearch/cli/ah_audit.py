"""`ah` and what can be checked: the key that an agent signs by."""

from __future__ import annotations

import click

from autoresearch.cli import context, options, show, signing_keys
from autoresearch.cli.options import examples
from autoresearch.errors import Conflict


@click.command(epilog=examples("ah key", "ah key --new"))
@click.option("--new", "renewing", is_flag=True, help="Make another; the old one stays on record.")
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


COMMANDS = (key,)
