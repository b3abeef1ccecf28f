"""What a hub forgets by itself, in small changes, and what it never does; how large tables are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from autoresearch import models
from autoresearch.cli import agenthub
from autoresearch.clock import precise_timestamp, utc_now
from autoresearch.hub.rules import accounts, board, maintenance, retention, search
from autoresearch.hub.rules.accounts import Caller
from autoresearch.hub.settings import Settings
from autoresearch.hub.store import accounts as account_rows
from autoresearch.hub.store import claims, ended, events, limits, migrate
from autoresearch.hub.store import search as store_search
from autoresearch.hub.store.database import Database
from autoresearch.hub.store.sqlite import FILE_NAME, connect
from autoresearch.hub.store.statements import Transaction
from autoresearch.resultline import read_lines
from conftest import sqlite_only

LONG_AGO = "2020-01-01T00:00:00.000000Z"
FAR_OFF = "9999-01-01T00:00:00.000000Z"
LINE = "commit:abcdef{} platform:cpu val_bpb:1.5 vram_gb:1 | mangrove {}"


@pytest.fixture
def db(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A hub that forgets two or three rows in one change."""
    monkeypatch.setattr(retention, "ROWS", 3)
    monkeypatch.setattr(retention, "POSTS", 2)
    migrate.prepare(tmp_path, database_url)
    database = Database(tmp_path, database_url)
    yield database
    database.close()


def forget(db: Database, **settings: int) -> None:
    async def run(work: Callable[[], Any]) -> Any:
        return work()

    given = Settings(db.folder, b"k", **settings)  # type: ignore[arg-type]
    asyncio.run(retention.forget_old(db, given, run))


def write(tx: Transaction, text: str) -> int:
    post = models.NewPost(text)
    settings = Settings(Path(), b"", max_posts_per_hour=10**6)
    lines = read_lines(text)
    return board.write(tx, settings, Caller("ada"), "results", post, lines).id


def kept(db: Database) -> list[int]:
    return [event.seq for event in events.after(db.reader, 0, 99)]


def test_what_is_over_is_forgotten(db: Database) -> None:
    """Old events by their age, never the newest; allowances of an hour that is over; nothing that
    still counts."""
    with db.write() as tx:
        tx.now = LONG_AGO
        for number in range(8):
            events.append(tx, "post", {"id": number})
        limits.take(tx, "agent:old", "post", 9, 1_000_000, 3600)
        now_s = int(utc_now().timestamp())
        limits.take(tx, "agent:new", "post", 9, now_s, 3600)
        tx.now = precise_timestamp()
        accounts.invite(tx, 1, 7, "")

    forget(db, keep_events_days=30)
    assert kept(db) == [8]
    assert [row.subject for row in limits.read_spent(db.reader, 0)] == ["agent:new"]
    assert len(accounts.open_invites(db.reader)) == 1
    with db.write() as tx:
        events.append(tx, "post", {"id": 9})
    forget(db, keep_events_days=30)
    assert kept(db) == [9]


def test_the_newest_events_stay(db: Database) -> None:
    """By their number, or by number and age: what either setting does not keep goes. Without a
    setting all stay."""
    with db.write() as tx:
        for number in range(20):
            tx.now = LONG_AGO if number < 12 else precise_timestamp()
            events.append(tx, "post", {"id": number})

    forget(db)
    assert len(kept(db)) == 20
    forget(db, keep_events=10, keep_events_days=30)
    assert kept(db) == list(range(13, 21))
    forget(db, keep_events=5)
    assert kept(db) == list(range(16, 21))


def test_old_posts_are_not_found_and_stay_on_the_board(db: Database) -> None:
    """Their words leave the index, and nothing calls that a fault; their results are found. A
    post of today is found, and `reindex` brings all back."""
    with db.write() as tx:
        accounts.create(tx, "ada", via="open")
        tx.now = LONG_AGO
        old = [write(tx, f"mangrove {number} \u96ea\u5c71") for number in range(4)]
        old.append(write(tx, LINE.format(5, 5)))
        tx.now = precise_timestamp()
        new = write(tx, "mangrove of today")

    def find(*kinds: str) -> list[tuple[str, str]]:
        found = search.find(db.reader, "mangrove", list(kinds), 99)
        return [(one.kind, one.id) for one in found]

    before = find()
    indexed = db.reader.value("SELECT count(*) FROM search")
    assert len(before) == indexed == 7
    forget(db, keep_search_days=30)

    assert find() == [("post", str(new)), ("result", "1")]
    assert db.reader.value("SELECT count(*) FROM search") == indexed - len(old)
    assert len(board.posts(db.reader, "results", 99)) == 6
    assert list(maintenance.find_problems(db.reader)) == []
    db.transact(lambda tx: board.hide(tx, old[0], True))
    forget(db, keep_search_days=30)
    assert find("post") == [("post", str(new))]
    db.transact(maintenance.reindex)
    assert set(find()) == set(before) - {("post", str(old[0]))}
    assert list(maintenance.find_problems(db.reader)) == []
    forget(db, keep_search_days=30)
    assert find("post") == [("post", str(new))]


@sqlite_only
def test_the_index_shrinks_with_what_is_forgotten(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In small changes, so that others write in between; what is left is found. An index of which
    little is gone stays as it is."""
    monkeypatch.setattr(retention, "POSTS", 50)
    monkeypatch.setattr(store_search, "MERGE_PAGES", 1)
    with db.write() as tx:
        accounts.create(tx, "ada", via="open")
    for part in range(10):
        with db.write() as tx:
            tx.now = LONG_AGO if part < 8 else precise_timestamp()
            for number in range(30):
                write(tx, " ".join(f"word{part}x{number}x{n}" for n in range(60)))
    before, free = index_bytes(db), db.reader.value("PRAGMA freelist_count")
    forget(db, keep_search_days=30)
    assert index_bytes(db) >= before
    monkeypatch.setattr(store_search, "LOOSE_LEAST", 200)
    changes: list[int] = []
    db.after_commit.append(lambda: changes.append(1))

    forget(db, keep_search_days=30)

    assert index_bytes(db) < before / 3 and db.reader.value("PRAGMA freelist_count") > free
    merging = len(changes)
    forget(db, keep_search_days=30)
    assert merging - (len(changes) - merging) > 3  # as many more than without a merge
    assert (
        search.find(db.reader, "word9x29x59", [], 9)
        and list(maintenance.find_problems(db.reader)) == []
    )
    db.transact(lambda tx: tx.run("INSERT INTO search (search) VALUES ('integrity-check')"))


def index_bytes(db: Database) -> int:
    return int(db.reader.value("SELECT sum(length(block)) FROM search_data"))


def test_claims_are_forgotten_a_month_after_their_end(db: Database) -> None:
    """One that still holds stays, however old; so does the newest. One that was given up is over
    from then on. What was forgotten in small changes leaves its numbers to nobody."""
    with db.write() as tx:
        accounts.create(tx, "ada", via="open")
        tx.now = LONG_AGO
        for number in range(6):
            claims.add_claim(tx, "ada", f"idea {number}", LONG_AGO, 600)
        renewed = claims.add_claim(tx, "ada", "renewed", FAR_OFF, 600)
        claims.release(tx, claims.add_claim(tx, "ada", "given up", FAR_OFF, 600).id)
        tx.now = precise_timestamp()
        held = claims.add_claim(tx, "ada", "held", FAR_OFF, 600)

    forget(db)

    assert db.reader.column("SELECT id FROM claims ORDER BY id") == [renewed.id, held.id]
    with db.write() as tx:
        assert [ended.forget_ended(tx, "claims", "9999-12", 1) for _ in range(3)] == [1, 1, 0]
        assert claims.add_claim(tx, "ada", "next", FAR_OFF, 600).id > held.id


def test_invites_are_forgotten_a_month_after_their_end(db: Database) -> None:
    """All that are over go, though only a few in one change; one that ended yesterday stays."""
    with db.write() as tx:
        tx.now = LONG_AGO
        for number in range(7):
            account_rows.add_invite(tx, bytes([number]), LONG_AGO, 1, f"old {number}")
        yesterday = precise_timestamp(utc_now() - timedelta(days=1))
        account_rows.add_invite(tx, b"late", yesterday, 1, "late")

    forget(db)

    assert db.reader.column("SELECT note FROM invites") == ["late"]


def test_no_table_is_read_whole_for_what_holds_or_ended(tmp_path: Path) -> None:
    """Claims stay for a month, so those that hold are few among them; an index finds both."""
    migrate.prepare(tmp_path)
    connection, ran = connect(tmp_path / FILE_NAME), list[str]()
    connection.set_trace_callback(ran.append)
    tx = Transaction(connection)
    claims.active_claims(tx, tx.now, 9)
    for table in ended.ENDED_AT:
        ended.forget_ended(tx, table, tx.now, 9)
    connection.set_trace_callback(None)
    plans = [list(connection.execute(f"EXPLAIN QUERY PLAN {sql}")) for sql in ran]
    connection.close()

    assert len(plans) == 1 + len(ended.ENDED_AT)
    assert not [step for plan in plans for *_, step in plan if step.startswith("SCAN")]


def test_sizes_tell_what_fills_a_database(db: Database, capsys: Any) -> None:
    """Each table once, the largest first; all together they are the database, as far as it has
    tables."""
    with db.write() as tx:
        accounts.create(tx, "ada", via="open")
        for number in range(50):
            write(tx, f"{number} " + "a long remark on what was seen " * 60)
    place = [f"--data={db.folder}", *([f"--database={db.url}"] * bool(db.url))]

    agenthub.app(["sizes", *place], standalone_mode=False)

    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    told = {name: (int(size), int(rows)) for size, rows, _, name in lines}
    assert next(iter(told)) == "posts" and told["posts"][1] == 50 and told["search"][1] == 50
    assert 50 * 1800 < told["posts"][0] < sum(size for size, _ in told.values())
    assert sum(size for size, _ in told.values()) <= sum(db.measure_bytes())
    assert sorted((size for size, _ in told.values()), reverse=True) == [
        s for s, _ in told.values()
    ]
