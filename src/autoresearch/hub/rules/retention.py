"""What a hub forgets by itself: events that are old or too many, and allowances, invites and
leases of work that are over. Everything else stays.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from autoresearch.clock import precise_timestamp, utc_now
from autoresearch.hub.rules.limits import current_hour_s
from autoresearch.hub.rules.work import LEASE_S
from autoresearch.hub.settings import Settings
from autoresearch.hub.store import accounts, events, limits, work_leases
from autoresearch.hub.store.database import Database, Transaction

INVITE_DAYS = 30  # that an invite stays to be looked at once it is over
LEASE_DAYS = 30  # the same of work


async def forget_old(
    db: Database, settings: Settings, off_loop: Callable[..., Awaitable[Any]]
) -> None:
    """Forget it all in one change; what has to be searched for is found before, in a thread."""
    oldest = 0
    if settings.keep_events_days:
        before = _days_ago(settings.keep_events_days)
        oldest = await off_loop(lambda: events.last_before(db.reader, before))
    await db.change(lambda tx: _forget(tx, settings.keep_events, oldest))


def _forget(tx: Transaction, keep_events: int, oldest: int) -> None:
    if keep_events:
        events.prune(tx, keep_events)
    if oldest:
        events.forget_to(tx, oldest)
    limits.forget_before(tx, current_hour_s())
    accounts.forget_invites(tx, _days_ago(INVITE_DAYS))
    work_leases.end_expired(tx, LEASE_S)
    work_leases.forget_ended(tx, _days_ago(LEASE_DAYS))


def _days_ago(days: int) -> str:
    return precise_timestamp(utc_now() - timedelta(days=days))
