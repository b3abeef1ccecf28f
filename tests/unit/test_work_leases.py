"""Leases of work in the database, at any time of day: expiry, stealing back, wrong clocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from autoresearch.clock import shift_time
from autoresearch.errors import Conflict, RateLimited
from autoresearch.hub.rules import work
from autoresearch.hub.rules.accounts import Caller
from autoresearch.hub.settings import Settings
from autoresearch.hub.store import accounts, board, ended, migrate, results, work_leases
from autoresearch.hub.store.database import Database
from autoresearch.hub.store.statements import Transaction
from autoresearch.models import Result

T = TypeVar("T")
START = "2026-01-01T00:00:00.000000Z"
ADA, BOB = Caller("ada"), Caller("bob")


@pytest.fixture
def db(tmp_path: Path, database_url: str) -> Iterator[Database]:
    """On either kind of database, with three agents and a result of one of them."""
    migrate.prepare(tmp_path, database_url)
    database = Database(tmp_path, database_url)
    database.transact(fill)
    yield database
    database.close()


def fill(tx: Transaction) -> None:
    for name in ("author", "ada", "bob"):
        accounts.add_agent(tx, name, "admin")
    for number in range(6):
        post = board.add_post(tx, 1, "author", None, f"result {number}", None)
        results.add_result(
            tx, post_id=post.id, agent_id="author", commit=f"{number}" * 40,
            commit_hash=f"{number}" * 40, platform="box", track="", val_bpb=1.0 + number,
            vram_gb=1.0, status="keep", description="", reason="", problem="", runs=None, sd=None,
            signed_by=None,
        )  # fmt: skip


def at(db: Database, seconds: int, change: Callable[[Transaction], T]) -> T:
    """What a change returns that happens so long after the start."""

    def then(tx: Transaction) -> T:
        tx.now = shift_time(START, seconds)
        return change(tx)

    return db.transact(then)


def hand(db: Database, seconds: int, caller: Caller, *chosen: Result) -> Any:
    settings = Settings(data=db.folder, admin_key_hash=b"", max_posts_per_hour=100)
    return at(db, seconds, lambda tx: work.hand_out(tx, settings, caller, chosen)).lease


def reported(db: Database) -> list[Result]:
    return results.latest_results(db.reader, 9)[::-1]


def test_a_lease_without_heartbeats_is_handed_on(db: Database) -> None:
    """It holds for its time, longer with heartbeats; then somebody else gets the result, and the
    first one is told."""
    (result, *_) = reported(db)
    lease = hand(db, 0, ADA, result)
    assert hand(db, work.LEASE_S - 1, BOB, result) is None
    at(db, work.LEASE_S - 1, lambda tx: work.keep_lease(tx, ADA, lease.id))
    assert hand(db, 2 * work.LEASE_S - 2, BOB, result) is None

    stolen = hand(db, 2 * work.LEASE_S, BOB, result)

    assert stolen is not None and stolen.result.id == result.id
    with pytest.raises(Conflict, match="expired"):
        at(db, 2 * work.LEASE_S + 1, lambda tx: work.keep_lease(tx, ADA, lease.id))
    at(db, 2 * work.LEASE_S + 2, lambda tx: work_leases.finish_lease(tx, "ada", result.id))
    assert at(db, 2 * work.LEASE_S + 3, lambda tx: work.keep_lease(tx, BOB, stolen.id))


def test_who_is_late_is_told_so(db: Database) -> None:
    """A verdict after the lease expired, which nobody took meanwhile, ends it as expired."""
    (result, *_) = reported(db)
    lease = hand(db, 0, ADA, result)
    with pytest.raises(Conflict, match="expired"):
        at(db, work.LEASE_S + 1, lambda tx: work.keep_lease(tx, ADA, lease.id))

    at(db, work.LEASE_S + 2, lambda tx: work_leases.finish_lease(tx, "ada", result.id))

    found = work_leases.find_lease(db.reader, lease.id)
    assert found is not None and found.outcome == "expired"


def test_a_wrong_clock_leaves_no_lease_behind(db: Database) -> None:
    """One that was made in a far future does not keep its result from others."""
    (result, *_) = reported(db)
    assert hand(db, 10**8, ADA, result)

    assert hand(db, 0, BOB, result)


def test_the_first_free_one_is_taken_and_few_are_held(db: Database) -> None:
    """Of the chosen, what others took meanwhile is passed over; nobody holds more than their
    share, and what expired does not count."""
    found = reported(db)
    taken = [hand(db, 0, ADA, *found).result.id for _ in range(work.HELD_MAX)]

    assert taken == [result.id for result in found[: work.HELD_MAX]]
    with pytest.raises(RateLimited):
        hand(db, 1, ADA, *found)
    assert hand(db, 1, BOB, *found).result.id == found[work.HELD_MAX].id
    assert hand(db, work.LEASE_S + 1, ADA, *found).result.id == found[0].id


def test_what_is_over_is_ended_and_forgotten(db: Database) -> None:
    """Expired leases end by themselves in time; ended ones are forgotten after a month."""
    result, other, *_ = reported(db)
    hand(db, 0, ADA, result)
    hand(db, 200, BOB, other)

    assert at(db, work.LEASE_S + 1, lambda tx: work_leases.end_expired(tx, work.LEASE_S)) == 1
    assert work_leases.returned_since(db.reader, "ada", START) == [result.id]
    moment = shift_time(START, 10**6)
    assert at(db, 10**7, lambda tx: ended.forget_ended(tx, "work_leases", moment, 9)) == 1
    assert work_leases.count_leases(db.reader, "ada") == 0
