"""A push, from the allowance to the last row.

All of it is taken in, or nothing; nothing is visible before.

Bundles and packs of plain git go the same way. What may come in is decided by `rules.incoming`,
who may move a ref by `rules.refs`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeVar

from autoresearch.errors import BadBundle, BadInput, Conflict, TooLarge
from autoresearch.git import bundle
from autoresearch.hub.rules import limits
from autoresearch.hub.rules.accounts import Caller, check_open
from autoresearch.hub.rules.incoming import Incoming, name_some
from autoresearch.hub.settings import Settings
from autoresearch.hub.store import commits
from autoresearch.hub.store.database import Database
from autoresearch.hub.store.statements import Reader, Transaction

T = TypeVar("T")
RunInLane = Callable[..., Awaitable[Any]]  # runs a function where few pushes are checked at a time


@dataclass(frozen=True)
class OfferedPack:
    """A pack at `start` of a file, the commits it is to lead to, and those it builds on."""

    file: BinaryIO
    start: int
    heads: list[str]
    prerequisites: Sequence[str] = ()
    skip_tags: bool = False  # leave annotated tags out, rather than refuse the pack


async def receive_bundle(
    db: Database,
    settings: Settings,
    caller: Caller,
    read_body: Callable[[], Awaitable[BinaryIO]],
    run_in_lane: RunInLane,
) -> list[str]:
    """Take in the bundle that a request brings; the hashes of its heads, whether or not they were
    new.

    Raises RateLimited before the body is read; then as `receive`.
    """
    check_allowance(db.reader, settings, caller)
    with await read_body() as file:
        return await receive(
            db, settings, caller, lambda: _read_bundle(file), run_in_lane, lambda tx, heads: heads
        )


async def receive(
    db: Database,
    settings: Settings,
    caller: Caller,
    read_offer: Callable[[], OfferedPack],
    run_in_lane: RunInLane,
    finish: Callable[[Transaction, list[str]], T],
) -> T:
    """Check a pack; then spend the token, store what is new and `finish`, all in one transaction.

    Raises BadBundle, TooLarge or RateLimited, and Conflict where the hub takes descendants of its
    root only; then nothing was taken in. A push that is refused for its content costs a token all
    the same: checking it was the work.
    """

    def change(tx: Transaction) -> T:
        check_open(tx, caller.writer())
        _spend(tx, settings, caller)
        incoming.store(tx, caller.agent_id, settings.roots_only)
        return finish(tx, incoming.heads)

    try:
        with await run_in_lane(_check, db, read_offer) as incoming:
            return await db.change(change)
    except (BadBundle, TooLarge, Conflict):
        await db.change(lambda tx: _spend(tx, settings, caller))
        raise


def check_allowance(reader: Reader, settings: Settings, caller: Caller) -> None:
    """Raise what can be known before any work: no agent's key, or no pushes left."""
    limits.check(reader, f"agent:{caller.writer()}", "push", settings.max_pushes_per_hour)


def _spend(tx: Transaction, settings: Settings, caller: Caller) -> None:
    limits.spend(tx, f"agent:{caller.writer()}", "push", settings.max_pushes_per_hour)


def _read_bundle(file: BinaryIO) -> OfferedPack:
    try:
        header = bundle.read_header(file)
    except BadBundle as error:  # what is no bundle at all costs no token
        raise BadInput(str(error)) from error
    return OfferedPack(file, header.pack_start, header.heads, header.prerequisites)


def _check(db: Database, read_offer: Callable[[], OfferedPack]) -> Incoming:
    """What a push brings, checked to the last byte.

    Takes time and memory: not for the event loop.
    """
    offer = read_offer()
    _check_prerequisites(db.reader, offer.prerequisites)
    incoming = Incoming(db.reader, offer.file, offer.start, skip_tags=offer.skip_tags)
    try:
        # without heads no pack follows, for refs are only dropped; known ones bring nothing
        if incoming.is_needed(offer.heads):
            incoming.check(offer.heads)
    except BaseException:
        incoming.close()
        raise
    return incoming


def _check_prerequisites(reader: Reader, prerequisites: Sequence[str]) -> None:
    missing = [oid for oid in prerequisites if commits.place(reader, oid) is None]
    if missing:
        raise BadBundle(
            f"this bundle builds on commits the hub does not have: {name_some(missing)};"
            " push those as well (`git bundle create FILE HEAD` bundles the whole history)"
        )
