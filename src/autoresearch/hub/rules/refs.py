"""Names that plain `git push` gives to commits. A name belongs to whoever pushed it first; commits need none, and lose nothing with one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

from autoresearch.errors import Conflict
from autoresearch.git.pktline import ZERO, Command
from autoresearch.hub.rules import push
from autoresearch.hub.rules.accounts import Caller
from autoresearch.hub.settings import Settings
from autoresearch.hub.store import objects
from autoresearch.hub.store.database import Database, Transaction

Outcome = tuple[str, str]  # (name, "" or why not)
RESERVED = ("refs/heads/root", "refs/heads/leaf/")


class AllRefused(Conflict):
    """No ref may be moved as asked, so nothing was taken in."""

    def __init__(self, outcomes: list[Outcome]) -> None:
        super().__init__("; ".join(why for _, why in outcomes))
        self.outcomes = outcomes


def receive(
    db: Database, settings: Settings, caller: Caller, commands: Sequence[Command], file: BinaryIO
) -> list[Outcome]:
    """Take in the pack that stands at the position of `file` and move refs, all in one transaction. Not for the event loop.

    Raises what `push.receive` raises; then nothing was taken in. A ref that may not be moved is an outcome, unless all are.
    """
    push.allowed(db.reader, settings, caller)
    return push.charged(
        db, settings, caller, lambda: _take_in(db, settings, caller, commands, file)
    )


def _take_in(
    db: Database, settings: Settings, caller: Caller, commands: Sequence[Command], file: BinaryIO
) -> list[Outcome]:
    heads = [command.new for command in commands if command.new != ZERO]
    if not heads:
        return db.transact(lambda tx: _move_all(tx, settings, caller, commands))
    with push.Incoming(db.reader, file, file.tell()) as incoming:
        incoming.check(heads)

        def change(tx: Transaction) -> list[Outcome]:
            incoming.store(tx, caller.agent_id, settings.roots_only)
            return _move_all(tx, settings, caller, commands)

        return db.transact(change)


def _move_all(
    tx: Transaction, settings: Settings, caller: Caller, commands: Sequence[Command]
) -> list[Outcome]:
    outcomes = [(command.name, _move(tx, caller, command)) for command in commands]
    if all(why for _, why in outcomes):
        raise AllRefused(outcomes)
    push.spend(tx, settings, caller)
    return outcomes


def _move(tx: Transaction, caller: Caller, command: Command) -> str:
    """Do as the command says, or tell why not."""
    if not command.name.startswith("refs/heads/") or command.name.startswith(RESERVED):
        return f"push to refs/heads/{caller.agent_id}/NAME: tags and this name are not for pushing"
    known = objects.ref(tx, command.name)
    if known is not None and known[2] != caller.agent_id:
        return f"this name is {known[2]}'s; push to refs/heads/{caller.agent_id}/NAME"
    if command.old != (known[1] if known is not None else ZERO):
        return "the name was moved meanwhile; fetch, then push again"
    if command.new == ZERO:
        objects.drop_ref(tx, command.name)
    else:
        objects.set_ref(tx, command.name, command.new, caller.agent_id)
    return ""
