"""What a hub forgets by itself: events that are old or too many, the words by which old posts are
found, and what is over: claims, allowances, invites, leases of work. Everything else stays.

A hub that has much to forget does it in small changes, so that no writer waits long.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from autoresearch.clock import precise_timestamp, shift_time
from autoresearch.hub.rules.limits import current_hour_s
from autoresearch.hub.rules.work import LEASE_S
from autoresearch.hub.settings import Settings
from autoresearch.hub.store import events, limits, search, work_leases
from autoresearch.hub.store.database import Database
from autoresearch.hub.store.ended import ENDED_AT, forget_ended
from autoresearch.hub.store.statements import Reader, Transaction

OVER_DAYS = 30  # that what is over stays to be looked at
ROWS, POSTS = 2000, 200  # forgotten in one change
OffLoop = Callable[..., Awaitable[Any]]


async def forget_old(db: Database, settings: Settings, off_loop: OffLoop) -> None:
    """Forget it all; what has to be searched for is found before, in a thread."""
    last = await off_loop(lambda: _find_last_event(db.reader, settings))
    await _repeat(db, lambda tx: events.forget_to(tx, last, ROWS))
    if settings.keep_search_days:
        await _forget_words(db, _days_ago(settings.keep_search_days), off_loop)
    await db.change(lambda tx: limits.forget_before(tx, current_hour_s()))
    await db.change(lambda tx: work_leases.end_expired(tx, LEASE_S))
    over = _days_ago(OVER_DAYS)
    for table in ENDED_AT:
        await _repeat(db, partial(forget_ended, table=table, moment=over, most=ROWS))


async def _repeat(db: Database, forget: Callable[[Transaction], int]) -> None:
    """One small change after the other, until nothing is left to forget."""
    while await db.change(forget):
        pass


def _find_last_event(reader: Reader, settings: Settings) -> int:
    """The newest event that no setting keeps; 0 where all stay."""
    last = 0
    if settings.keep_events:
        last = events.last_seq(reader) - settings.keep_events
    if settings.keep_events_days:
        last = max(last, events.last_before(reader, _days_ago(settings.keep_events_days)))
    return last


async def _forget_words(db: Database, moment: str, off_loop: OffLoop) -> None:
    """Posts from before a moment are no longer found by their words; they stay on the board."""
    while posts := await off_loop(lambda: search.find_old_posts(db.reader, moment, POSTS)):
        await db.change(partial(search.forget_posts, posts=posts))
    if await off_loop(lambda: search.is_loose(db.reader)):
        await db.change(search.begin_merge)
        await _repeat(db, search.merge_on)


def _days_ago(days: int) -> str:
    return shift_time(precise_timestamp(), -days * 86_400)
