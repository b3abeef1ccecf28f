"""The door to the database: whole transactions or nothing, in groups, from many threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import pytest

from autoresearch.clock import precise_timestamp, shift_time
from autoresearch.entries import NewEntry
from autoresearch.errors import StorageFull
from autoresearch.hub.store import (
    accounts,
    claims,
    events,
    log_entries,
    migrate,
    results,
    verdicts,
    work_leases,
)
from autoresearch.hub.store.database import Database
from autoresearch.hub.store.statements import Transaction
from tables import compare_tables


@pytest.fixture
def db(tmp_path: Path, database_url: str) -> Iterator[Database]:
    """On either kind of database."""
    migrate.prepare(tmp_path, database_url)
    database = Database(tmp_path, database_url)
    yield database
    database.close()


@pytest.fixture
def in_file(tmp_path: Path) -> Iterator[Database]:
    """On SQLite."""
    migrate.prepare(tmp_path)
    database = Database(tmp_path)
    yield database
    database.close()


def names(db: Database) -> list[str]:
    return [agent.id for agent in accounts.all_agents(db.reader)]


def test_a_transaction_that_raises_leaves_nothing(db: Database) -> None:
    """Half of a change is never there."""
    with pytest.raises(ZeroDivisionError), db.write() as tx:
        accounts.add_agent(tx, "half", "open")
        _ = 1 / 0

    assert names(db) == []


def most_pages(db: Database, more: int) -> None:
    """Let the file grow by so many pages, and then tell what a full disk tells."""
    with db.exclusive() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + more}")


def test_a_full_disk_has_a_sentence_and_loses_nothing(in_file: Database) -> None:
    """SQLite's own SQLITE_FULL, by either way of writing: what was stored stays, what did not fit
    is not there, and with room again everything goes on."""
    db, written = in_file, list[str]()

    def add(name: str) -> None:
        db.transact(lambda tx: accounts.add_agent(tx, name, "open"))
        written.append(name)

    most_pages(db, 2)
    with pytest.raises(StorageFull, match="disk is full") as full:
        for number in range(100_000):
            add(f"agent-{number:06d}")
    with pytest.raises(StorageFull), db.write() as tx:
        for number in range(1000):
            accounts.add_agent(tx, f"other-{number:06d}", "open")

    assert (full.value.status, full.value.exit_code) == (507, 7)
    assert written and sorted(names(db)) == written
    most_pages(db, 1000)
    add("one-more")
    assert "one-more" in names(db)


def test_one_failure_leaves_its_group_alone(db: Database) -> None:
    """Changes share a commit; the one that raises takes back its own part only."""
    gate = threading.Event()

    def slow(tx: Transaction) -> None:  # holds the writer, so that the others gather behind it
        gate.wait(10)

    def add(name: str) -> None:
        def change(tx: Transaction) -> None:
            accounts.add_agent(tx, name, "open")
            if name.startswith("bad"):
                raise ValueError(name)

        db.transact(change)

    with ThreadPoolExecutor(10) as pool:
        first = pool.submit(db.transact, slow)
        others = {name: pool.submit(add, name) for name in ("a", "bad1", "b", "bad2", "c")}
        gate.set()
        first.result()
        failed = {name for name, future in others.items() if future.exception()}

    assert {"bad1", "bad2"} == failed
    assert {"a", "b", "c"} == set(names(db))


def test_threads_see_what_is_committed_and_no_more(db: Database) -> None:
    """A reader on another thread sees nothing of a transaction that is under way."""
    with db.write() as tx, ThreadPoolExecutor(1) as pool:
        accounts.add_agent(tx, "new", "open")
        assert pool.submit(names, db).result() == []

    assert names(db) == ["new"]


def test_texts_by_the_thousand_are_those_of_single_rows(db: Database) -> None:
    """Whatever letters they have, newest first, and none where there is none."""
    texts = ["plain", 'a "quote" and a \\', "zwei\nZeilen ä \u2028", "😀" * 40, "[1, null]", "'"]
    now = precise_timestamp()
    read = partial(claims.active_ideas, db.reader, now, 5000)
    assert read() == []

    def fill(tx: Transaction) -> None:
        accounts.add_agent(tx, "ada", "open")
        for number in range(1500):
            ends = shift_time(now, 600)
            claims.add_claim(tx, "ada", texts[number % len(texts)], ends, 600)

    db.transact(fill)
    singly = claims.active_claims(db.reader, now, 5000)
    assert [(one.id, one.agent_id, one.text) for one in singly] == read()
    assert len(singly) == 1500 and read(after=singly[2].id) == read()[:2]


def test_those_who_wait_on_a_loop_that_ends_stop_nobody(db: Database) -> None:
    """The writer goes on when nobody is left to be told."""
    begun, go_on = threading.Event(), threading.Event()

    def hold(tx: Transaction) -> None:
        begun.set()
        go_on.wait(60)
        accounts.add_agent(tx, "late", "open")

    async def leave() -> None:
        waiting = asyncio.create_task(db.change(hold))
        await asyncio.to_thread(begun.wait, 60)
        waiting.cancel()

    asyncio.run(leave())
    go_on.set()
    db.transact(lambda tx: accounts.add_agent(tx, "next", "open"))
    assert names(db) == ["late", "next"]


def test_the_event_loop_waits_without_standing_still(db: Database) -> None:
    """`change` hands the work to the writer thread; the loop goes on meanwhile."""

    async def story() -> list[str]:
        await asyncio.gather(
            *(db.change(lambda tx, n=n: accounts.add_agent(tx, f"a{n}", "open")) for n in range(50))
        )
        return names(db)

    assert len(asyncio.run(story())) == 50


def test_a_snapshot_is_one_moment(db: Database) -> None:
    """Within a snapshot two statements agree, whatever is written between them."""
    with ThreadPoolExecutor(1) as pool, db.read(snapshot=True) as reader:
        before = events.last_seq(reader)
        pool.submit(db.transact, lambda tx: events.append(tx, "agent", {"id": "x"})).result()
        assert before == events.last_seq(reader)

    assert before + 1 == events.last_seq(db.reader)


def test_what_was_written_survives_a_new_start(tmp_path: Path) -> None:
    """Closing finishes what was submitted; opening finds it."""
    migrate.prepare(tmp_path)
    db = Database(tmp_path)
    db.transact(lambda tx: accounts.add_agent(tx, "kept", "open"))
    db.close()
    migrate.prepare(tmp_path)
    again = Database(tmp_path)

    assert names(again) == ["kept"]
    again.close()


def test_migrations_make_the_tables_of_the_schema(db: Database) -> None:
    """A migrated database and the schema in the source are the same, so that neither is changed
    alone."""
    assert compare_tables(db) == []


# what takes today's tables back to those of the first version
FIRST_VERSION = (
    "DROP INDEX ix_invites_expires_at",
    "DROP INDEX ix_claims_expires_at",
    "CREATE INDEX ix_claims_open ON claims (expires_at) WHERE released_at IS NULL",
    "DROP TABLE work_leases",
    "DROP TABLE cells",
    "DROP TABLE log_entries",
    "DROP TABLE public_keys",
    "DROP INDEX ix_posts_signature",
    "ALTER TABLE posts DROP COLUMN signed_by",
    "ALTER TABLE posts DROP COLUMN signed_at",
    "ALTER TABLE posts DROP COLUMN signature",
    "ALTER TABLE results DROP COLUMN signed_by",
    "DROP INDEX ix_verifications_commit_hash",
    "DROP INDEX ix_agents_alike",
    "DROP INDEX ix_refs_alike",
    "DROP INDEX ix_refs_agent_id",
    "DROP INDEX ix_commits_hidden",
    "DROP INDEX ix_verifications_result_id",
    "DROP INDEX ix_results_verified",
    "ALTER TABLE objects DROP COLUMN base_id",
    "ALTER TABLE objects DROP COLUMN step",
    "ALTER TABLE agents DROP COLUMN network",
    "ALTER TABLE results DROP COLUMN verified",
    "ALTER TABLE results DROP COLUMN runs",
    "ALTER TABLE results DROP COLUMN sd",
    "ALTER TABLE verifications DROP COLUMN result_id",
    "ALTER TABLE verifications DROP COLUMN replayed",
    "ALTER TABLE verifications DROP COLUMN weight",
    "ALTER TABLE verifications DROP COLUMN challenges",
    "DROP TABLE acts",
    "DELETE FROM settings WHERE name IN ('draw_key', 'log_key')",
    "UPDATE alembic_version SET version_num = '0001'",
)
OLD_POST = """
    INSERT INTO posts (id, channel_id, agent_id, content, created_at)
    VALUES (1, 1, 'old', 'four results', '2026-01-01T00:00:00.000000Z')
"""
OLD_RESULT = """
    INSERT INTO results (post_id, agent_id, named, commit_hash, platform, track, val_bpb, status,
        description, reason, problem, created_at, leads)
    VALUES (1, 'old', 'aaaaaaa', ?, 'cpu', '', ?, 'keep', '', '', '', '2026-01-01', 1)
"""
OLD_CLAIM = """
    INSERT INTO claims (agent_id, text, created_at, expires_at, ttl_s, released_at)
    VALUES ('old', 'given up', '2026-01-01T00', '2026-01-01T09', 32400, '2026-01-01T01')
"""


def test_a_database_of_an_earlier_version_is_brought_up_to_date(tmp_path: Path) -> None:
    """What was written by the first version is there, its tables are this version's, of its
    records those lead that were pushed, and a claim was over when it was given up."""
    migrate.prepare(tmp_path)
    db = Database(tmp_path)
    db.transact(lambda tx: accounts.add_agent(tx, "old", "open"))
    with db.exclusive() as connection:
        for statement in FIRST_VERSION:
            connection.execute(statement)
        connection.execute(OLD_POST)
        for commit_hash, value in ((None, 0.1), ("a" * 40, 1.5), ("b" * 40, 1.6), ("c" * 40, 1.4)):
            connection.execute(OLD_RESULT, (commit_hash, value))
        connection.execute(OLD_CLAIM)
    db.close()
    migrate.prepare(tmp_path)
    again = Database(tmp_path)

    assert (names(again), migrate.version(again.reader.connection)) == (["old"], migrate.HEAD)
    assert compare_tables(again) == []
    leaders = results.leaders(again.reader, "cpu", "", 9)
    assert [result.val_bpb for result in leaders] == [1.4, 1.5]
    assert len(verdicts.draw_key(again.reader)) == 32
    assert again.reader.value("SELECT expires_at FROM claims") == "2026-01-01T01"
    log = [entry.fields() for entry in map(as_new, log_entries.every_entry(again.reader))]
    assert [(entry["kind"], "entered" in entry) for entry in log] == [
        *(("account", True), ("channel", True), ("channel", True), ("post", True)),
        *[("result", True)] * 4,
    ]
    again.close()


def test_leases_outlive_the_step_that_makes_their_table_anew(db: Database, tmp_path: Path) -> None:
    """SQLite cannot take a NOT NULL back otherwise: who holds a lease keeps it, and no number is
    given twice."""
    db.transact(lambda tx: accounts.add_agent(tx, "old", "open"))
    with db.exclusive() as connection:
        for statement in (
            "DROP TABLE cells",
            "DROP INDEX ix_work_leases_open_cell",
            "ALTER TABLE work_leases DROP COLUMN cell_id",
            "INSERT INTO work_leases (id, agent_id, created_at, expires_at)"
            " VALUES (41, 'old', '2026-01-01T00', '2026-01-01T01')",
            "UPDATE alembic_version SET version_num = '0011'",
        ):
            connection.execute(statement)
    migrate.prepare(tmp_path, db.url)

    held = work_leases.find_lease(db.reader, 41)
    assert held is not None and (held.agent_id, held.ended_at) == ("old", None)
    if not db.url:  # a sequence of PostgreSQL counts what it gave out itself
        added = db.transact(lambda tx: work_leases.add_lease(tx, "old", "cell_id", 7, "2027"))
        assert added.id == 42
    assert compare_tables(db) == []


def as_new(entry: log_entries.StoredEntry) -> NewEntry:
    return NewEntry(entry.kind, entry.ref, entry.data)


def test_many_may_start_on_a_new_folder(tmp_path: Path) -> None:
    """Workers that start at once make the tables once, and none meets "database is locked": SQLite
    waits for nobody when it turns a new file to WAL, so opening takes turns as well."""
    with ProcessPoolExecutor(6, get_context("spawn")) as pool:
        for number in range(40):
            list(pool.map(migrate.prepare, [tmp_path / f"new{number}"] * 6))
    db = Database(tmp_path / "new0")

    assert db.reader.value("SELECT count(*) FROM channels") == 2
    db.close()
