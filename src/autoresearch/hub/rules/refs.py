"""Names that plain `git push` gives to commits.

A name belongs to whoever pushed it first; commits need none, and lose nothing with one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import BinaryIO, NamedTuple

from autoresearch.errors import Conflict, NotFound
from autoresearch.git.pktline import ZERO, Command, PushRequest
from autoresearch.hub.rules import push
from autoresearch.hub.rules.accounts import Caller
from autoresearch.hub.settings import Settings
from autoresearch.hub.store import commits, objects
from autoresearch.hub.store.database import Database
from autoresearch.hub.store.statements import Reader, Transaction
from autoresearch.hub.values import Ref

ROOT = "refs/heads/root"
LEAF = "refs/heads/leaf"  # below it, the newest leaves have names of the hub's own
LEAVES_SHOWN = 100  # to those who ask for all branches, as a clone does
LEAF_DIGITS = 12
_HEX = frozenset("0123456789abcdef")


class Outcome(NamedTuple):
    """What became of a ref; `refusal` is empty where it was moved."""

    name: str
    refusal: str


class AllRefused(Conflict):
    """No ref may be moved as asked, so nothing was taken in."""

    def __init__(self, outcomes: list[Outcome]) -> None:
        super().__init__("; ".join(outcome.refusal for outcome in outcomes))
        self.outcomes = outcomes


def list_refs(reader: Reader) -> dict[str, str]:
    """The refs that plain git sees, by name: the root (or the hub's first commit), the newest
    leaves, and every name that agents gave to what is in view. To git a name that is not listed
    does not exist.

    Of names that no client can store together (an older hub took them) one is left out.
    """
    shown = {f"{LEAF}/{leaf[:LEAF_DIGITS]}": leaf for leaf in commits.leaves(reader, LEAVES_SHOWN)}
    # HEAD: a name that stays, so that `git pull` works in any clone
    if root := commits.root(reader) or commits.first(reader):
        shown[ROOT] = root
    folders: set[str] = set()
    for name, commit_hash in objects.visible_refs(reader):  # `exp` before `exp/lr`
        above = _folders(name)
        if not is_reserved(name) and not folders.intersection(above) and name not in shown:
            shown[name] = commit_hash
            folders.add(name)
    return shown


def list_asked(reader: Reader, prefixes: Sequence[str]) -> dict[str, str]:
    """As `list_refs`, and those older leaves that somebody asks for: by a name that begins as
    theirs, or for all there is. A commit's whole name holds when it is no leaf any more.
    """
    shown = list_refs(reader)
    for prefix in prefixes or [f"{LEAF}/"]:
        digits = prefix.removeprefix(f"{LEAF}/")
        if digits == prefix or len(digits) > LEAF_DIGITS or set(digits) - _HEX:
            continue
        whole = len(digits) == LEAF_DIGITS
        for leaf in commits.shown_beginning_with(reader, digits, only_leaves=not whole):
            shown.setdefault(f"{LEAF}/{leaf[:LEAF_DIGITS]}", leaf)
    return shown


def name_head(names: Mapping[str, str]) -> str:
    """The name that HEAD stands for, also where there is no commit yet."""
    return ROOT if ROOT in names else next(iter(names), ROOT)


def list_for_push(reader: Reader, agent_id: str) -> list[Ref]:
    """What git compares a push with: names in view, and all of the agent's own."""
    mine = objects.refs_of(reader, agent_id)
    own = {ref.name for ref in mine}
    others = [
        Ref(name, commit_hash, "")
        for name, commit_hash in objects.visible_refs(reader)
        if name not in own
    ]
    return mine + others


def every_ref(reader: Reader) -> list[Ref]:
    """Every name an agent gave, in order of the alphabet."""
    return objects.every_ref(reader)


def drop(tx: Transaction, name: str) -> Ref:
    """An operator takes a name away, as `refs/heads/x` or `x`; the commit stays. Raises
    NotFound."""
    for full in (name, f"refs/heads/{name}"):
        if found := objects.ref(tx, full):
            objects.drop_ref(tx, full)
            return found
    raise NotFound(f"no name {name[:80]!r}; `agenthub refs list` shows those there are")


def is_reserved(name: str) -> bool:
    """Whether a name is the hub's own, or could not be stored beside one."""
    folded = name.lower()
    return folded in (ROOT, LEAF) or folded.startswith((f"{ROOT}/", f"{LEAF}/"))


async def receive(
    db: Database,
    settings: Settings,
    caller: Caller,
    request: PushRequest,
    file: BinaryIO,
    run_in_lane: push.RunInLane,
) -> list[Outcome]:
    """Take in the pack that stands at the position of `file` and move refs, all in one
    transaction.

    Raises what `push.receive` raises; then nothing was taken in. A ref that may not be moved is
    an outcome, unless all are, or the push is to be taken whole (`atomic`).
    """
    push.check_allowance(db.reader, settings, caller)
    commands, is_atomic = request.commands, "atomic" in request.capabilities
    heads = [c.new for c in commands if c.new != ZERO and not _wrong_name(c.name, caller)]
    offer = push.OfferedPack(file, file.tell(), heads, skip_tags=True)
    return await push.receive(
        db,
        settings,
        caller,
        lambda: offer,
        run_in_lane,
        lambda tx, _: _move_all(tx, caller, commands, is_atomic),
    )


def _move_all(
    tx: Transaction, caller: Caller, commands: Sequence[Command], is_atomic: bool
) -> list[Outcome]:
    refusals: dict[str, str] = {}
    for command in sorted(commands, key=lambda c: c.new != ZERO):  # what is deleted makes room
        refusals[command.name] = _move(tx, caller, command)
    if is_atomic and any(refusals.values()):
        whole = "not taken, for the push is atomic and another ref was refused"
        refusals = {name: refusal or whole for name, refusal in refusals.items()}
    outcomes = [Outcome(command.name, refusals[command.name]) for command in commands]
    if all(outcome.refusal for outcome in outcomes):
        raise AllRefused(outcomes)
    return outcomes


def _move(tx: Transaction, caller: Caller, command: Command) -> str:
    """Do as the command says, or tell why not."""
    if wrong := _wrong_name(command.name, caller):
        return wrong
    known = objects.ref(tx, command.name)
    if known is not None and known.agent_id != caller.agent_id:
        return f"this name is {known.agent_id}'s; push to refs/heads/{caller.agent_id}/NAME"
    if command.old != (known.hash if known is not None else ZERO):
        return "the name was moved meanwhile; fetch, then push again"
    if command.new == ZERO:
        objects.drop_ref(tx, command.name)
        return ""
    if known is None and (other := _find_rival(tx, command.name)):
        return f"no client can store it beside {other.removeprefix('refs/heads/')!r}; rename it"
    objects.set_ref(tx, command.name, command.new, caller.agent_id)
    return ""


def _wrong_name(name: str, caller: Caller) -> str:
    """Why nobody may push to this name; empty where one may."""
    better = f"push to refs/heads/{caller.agent_id}/NAME"
    if not name.startswith("refs/heads/"):
        return f"{better}: tags, and names outside refs/heads, are not kept"
    if is_reserved(name):
        return f"{better}: this name is the hub's own"
    if unicodedata.normalize("NFC", name) != name:
        return f"{better}: the name's letters are not composed (NFC)"
    return ""


def _find_rival(reader: Reader, name: str) -> str | None:
    """A name that a client cannot have besides: the folder of one is the file of the other, or
    they differ by case only."""
    return objects.find_rival(reader, name, _folders(name))


def _folders(name: str) -> list[str]:
    """`refs/heads/a/b` has the folder `refs/heads/a`."""
    parts = name.split("/")
    return ["/".join(parts[:length]) for length in range(3, len(parts))]
