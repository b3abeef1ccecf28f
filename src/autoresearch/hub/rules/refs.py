"""Names that plain `git push` gives to commits.

A name belongs to whoever pushed it first; commits need none, and lose nothing with one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO, NamedTuple

from autoresearch.errors import Conflict
from autoresearch.git.pktline import ZERO, Command
from autoresearch.hub.rules import push
from autoresearch.hub.rules.accounts import Caller
from autoresearch.hub.settings import Settings
from autoresearch.hub.store import objects
from autoresearch.hub.store.database import Database, Reader, Transaction
from autoresearch.hub.values import Ref

RESERVED = ("refs/heads/root", "refs/heads/leaf/")


class Outcome(NamedTuple):
    """What became of a ref; `refusal` is empty where it was moved."""

    name: str
    refusal: str


class AllRefused(Conflict):
    """No ref may be moved as asked, so nothing was taken in."""

    def __init__(self, outcomes: list[Outcome]) -> None:
        super().__init__("; ".join(outcome.refusal for outcome in outcomes))
        self.outcomes = outcomes


def newest(reader: Reader, most: int) -> list[Ref]:
    """The refs that were moved last."""
    return objects.newest_refs(reader, most)


async def receive(
    db: Database,
    settings: Settings,
    caller: Caller,
    commands: Sequence[Command],
    file: BinaryIO,
    run_in_lane: push.RunInLane,
) -> list[Outcome]:
    """Take in the pack that stands at the position of `file` and move refs, all in one
    transaction.

    Raises what `push.receive` raises; then nothing was taken in. A ref that may not be moved is
    an outcome, unless all are.
    """
    push.check_allowance(db.reader, settings, caller)
    heads = [command.new for command in commands if command.new != ZERO]
    offer = push.OfferedPack(file, file.tell(), heads)
    return await push.receive(
        db,
        settings,
        caller,
        lambda: offer,
        run_in_lane,
        lambda tx, _: _move_all(tx, caller, commands),
    )


def _move_all(tx: Transaction, caller: Caller, commands: Sequence[Command]) -> list[Outcome]:
    outcomes = [Outcome(command.name, _move(tx, caller, command)) for command in commands]
    if all(outcome.refusal for outcome in outcomes):
        raise AllRefused(outcomes)
    return outcomes


def _move(tx: Transaction, caller: Caller, command: Command) -> str:
    """Do as the command says, or tell why not."""
    if not command.name.startswith("refs/heads/") or command.name.startswith(RESERVED):
        return f"push to refs/heads/{caller.agent_id}/NAME: tags and this name are not for pushing"
    known = objects.ref(tx, command.name)
    if known is not None and known.agent_id != caller.agent_id:
        return f"this name is {known.agent_id}'s; push to refs/heads/{caller.agent_id}/NAME"
    if command.old != (known.hash if known is not None else ZERO):
        return "the name was moved meanwhile; fetch, then push again"
    if command.new == ZERO:
        objects.drop_ref(tx, command.name)
    else:
        objects.set_ref(tx, command.name, command.new, caller.agent_id)
    return ""
