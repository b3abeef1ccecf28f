"""Cells in the database, at any time of day: expiry, stealing back, and whose turn it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from autoresearch.clock import shift_time
from autoresearch.errors import Conflict
from autoresearch.hub.rules import cells, work
from autoresearch.hub.rules.accounts import Caller
from autoresearch.hub.settings import Settings
from autoresearch.hub.store import accounts, commits, ended, migrate
from autoresearch.hub.store import cells as rows
from autoresearch.hub.store.database import Database
from autoresearch.hub.store.statements import Transaction
from autoresearch.hub.values import BoardName, NewCommit
from autoresearch.models import Cell, NewCell, ReportedNumber

T = TypeVar("T")
START = "2026-01-01T00:00:00.000000Z"
ASKER, ADA, BOB = Caller("asker"), Caller("ada"), Caller("bob")
BOARD = BoardName("box", "a-track")
COMMIT = "a" * 40


@pytest.fixture
def db(tmp_path: Path, database_url: str) -> Iterator[Database]:
    """On either kind of database, with three agents and a commit."""
    migrate.prepare(tmp_path, database_url)
    database = Database(tmp_path, database_url)
    database.transact(fill)
    yield database
    database.close()


def fill(tx: Transaction) -> None:
    for name in ("asker", "ada", "bob"):
        accounts.add_agent(tx, name, "admin")
    commits.add_commit(tx, NewCommit(COMMIT, "", "asker", "a run", START, b"t" * 20), [])


def at(db: Database, seconds: int, change: Callable[[Transaction], T]) -> T:
    """What a change returns that happens so long after the start."""

    def then(tx: Transaction) -> T:
        tx.now = shift_time(START, seconds)
        return change(tx)

    return db.transact(then)


def settings(db: Database) -> Settings:
    return Settings(data=db.folder, admin_key_hash=b"", max_posts_per_hour=100)


def ask(db: Database, seconds: int, seed: int = 1) -> Cell:
    new = NewCell(COMMIT, "box", seed, "a-track")
    return at(db, seconds, lambda tx: cells.ask_for_cell(tx, settings(db), ASKER, BOARD, new))


def offered(db: Database, seconds: int, agent_id: str) -> list[int]:
    moment = shift_time(START, seconds)
    return [cell.id for cell in cells.find_cells(db.reader, BOARD, agent_id, moment)]


def report_of(cell: Cell) -> ReportedNumber:
    return ReportedNumber(cell.commit, cell.platform, cell.track, 0.5)


def hand(db: Database, seconds: int, caller: Caller, cell: Cell) -> Any:
    return at(db, seconds, lambda tx: work.hand_out(tx, settings(db), caller, [cell])).lease


def test_a_cell_of_a_silent_volunteer_goes_to_another(db: Database) -> None:
    """Without heartbeats the lease expires, somebody else has the cell, and the first one's report
    comes too late."""
    cell = ask(db, 0)
    lease = hand(db, 0, ADA, cell)
    assert offered(db, work.LEASE_S - 1, "bob") == []
    assert hand(db, work.LEASE_S - 1, BOB, cell) is None

    assert offered(db, work.LEASE_S + 1, "bob") == [cell.id]
    stolen = hand(db, work.LEASE_S + 1, BOB, cell)

    report = report_of(cell)
    with pytest.raises(Conflict, match="expired"):
        at(db, work.LEASE_S + 2, lambda tx: work.report_run(tx, ADA, lease.id, report))
    told = at(db, work.LEASE_S + 2, lambda tx: work.report_run(tx, BOB, stolen.id, report))
    assert (told.run_by, told.val_bpb, told.held_by) == ("bob", 0.5, None)


def test_a_late_report_is_refused_though_nobody_took_it(db: Database) -> None:
    """The asker runs what was not delivered in time; a word that comes later changes nothing."""
    cell = ask(db, 0)
    lease = hand(db, 0, ADA, cell)

    with pytest.raises(Conflict, match="expired"):
        at(db, work.LEASE_S, lambda tx: work.report_run(tx, ADA, lease.id, report_of(cell)))
    assert ask(db, work.LEASE_S + 1).val_bpb is None


def test_nobody_runs_for_a_silent_researcher(db: Database) -> None:
    """A cell is offered while it is asked for again and again, and no longer; in the end it is
    forgotten."""
    cell = ask(db, 0)
    assert offered(db, cells.CELL_S - 1, "ada") == [cell.id]
    assert offered(db, cells.CELL_S, "ada") == []

    again = ask(db, cells.CELL_S - 1)

    assert again.id == cell.id and offered(db, cells.CELL_S + 1, "ada") == [cell.id]
    moment = shift_time(START, 10**6)
    assert at(db, 10**7, lambda tx: ended.forget_ended(tx, "cells", moment, 9)) == 1
    assert rows.find_cell(db.reader, cell.id, moment) is None


def test_who_had_a_cell_does_not_get_it_again_soon(db: Database) -> None:
    """Given back it is offered to others, and to the same volunteer after an hour only."""
    cell = ask(db, 0)
    lease = hand(db, 0, ADA, cell)
    at(db, 1, lambda tx: work.return_lease(tx, ADA, lease.id))
    assert (offered(db, 2, "ada"), offered(db, 2, "bob")) == ([], [cell.id])

    for seconds in range(0, 2 * cells.RETURNED_S, cells.CELL_S - 1):
        ask(db, seconds)
    assert offered(db, cells.RETURNED_S + 2, "ada") == [cell.id]


def test_a_cell_that_is_over_is_not_handed_out(db: Database) -> None:
    """It may have been withdrawn between the choice and the lease."""
    cell = ask(db, 0)
    at(db, 1, lambda tx: cells.withdraw_cell(tx, ASKER, cell.id))

    assert hand(db, 2, ADA, cell) is None


def test_a_hub_whose_clock_was_wrong_hands_cells_out(db: Database) -> None:
    """A lease from a far future keeps its cell from nobody when it is taken."""
    cell = ask(db, 0)
    assert hand(db, 10**8, ADA, cell)

    assert hand(db, 0, BOB, cell)


def test_whose_cells_were_run_least_come_first() -> None:
    """Askers take turns, and who had many runs of late waits."""
    made = [
        Cell(COMMIT, "box", "", None, number, name, 1, START, START)
        for number, name in enumerate(("ann", "ann", "ann", "cid", "cid"))
    ]
    first = [cell.id for cell in cells.order_cells(made, {})]
    later = [cell.id for cell in cells.order_cells(made, {"ann": 2})]

    assert first == [0, 3, 1, 4, 2]
    assert later == [3, 4, 0, 1, 2]
