"""PostgreSQL as several nodes share it: one writer at a time, connections that come back, and no
answer that is not true."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from autoresearch.errors import BadInput, HubUnavailable, MissingTool
from autoresearch.hub.rules import admin_key
from autoresearch.hub.store import accounts, events, migrate
from autoresearch.hub.store.database import Database
from autoresearch.hub.store.statements import Transaction
from postgres import Cluster, cluster
from tables import compare_tables

WRITES = 60
SCHEMAS = sorted((Path(__file__).parent.parent / "schemas").glob("postgresql_*.sql"))


@pytest.fixture
def nodes(tmp_path: Path, postgres: Cluster) -> Iterator[list[Database]]:
    """Three nodes of one hub, each with a folder of its own."""
    url = postgres.hub_database()
    found = []
    for number in range(3):
        migrate.prepare(tmp_path / f"{number}", url)
        found.append(Database(tmp_path / f"{number}", url))
    yield found
    for node in found:
        node.close()


def test_who_reads_and_writes_in_one_transaction_is_alone(nodes: list[Database]) -> None:
    """Sixty writers on three nodes read a number, wait, and write the next: none is lost."""

    def count(tx: Transaction) -> None:
        name = f"agent-{accounts.count_agents(tx)}"
        time.sleep(0.001)
        accounts.add_agent(tx, name, "open")

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda n: nodes[n % 3].transact(count), range(WRITES)))

    found = [agent.id for agent in accounts.all_agents(nodes[0].reader)]
    assert sorted(found) == sorted(f"agent-{number}" for number in range(WRITES))


def test_no_reader_passes_by_an_event(nodes: list[Database]) -> None:
    """Who has seen an event has seen all before it, whichever node wrote them and how slowly."""
    seen: list[int] = []
    stop = threading.Event()

    def follow() -> None:
        while not stop.is_set() or events.after(nodes[2].reader, seen[-1] if seen else 0, 1):
            seen.extend(e.seq for e in events.after(nodes[2].reader, seen[-1] if seen else 0, 500))

    def write(number: int) -> None:
        def change(tx: Transaction) -> None:
            events.append(tx, "agent", {"id": f"{number}"})
            time.sleep(0.002 * (number % 3))

        nodes[number % 2].transact(change)

    with ThreadPoolExecutor(9) as pool:
        following = pool.submit(follow)
        list(pool.map(write, range(WRITES)))
        stop.set()
        following.result()

    stored = nodes[0].reader.column("SELECT seq FROM events ORDER BY seq")
    assert seen == stored and len(seen) == WRITES


def test_a_commit_wakes_the_other_nodes(nodes: list[Database]) -> None:
    """By a notification, long before anybody would look."""
    woken = threading.Event()
    nodes[1].after_commit.append(woken.set)
    nodes[1].listen()
    assert woken.wait(30)  # once it listens
    woken.clear()
    nodes[0].transact(lambda tx: events.append(tx, "agent", {"id": "x"}))

    assert woken.wait(30)


def test_a_lost_connection_comes_back(nodes: list[Database], postgres: Cluster) -> None:
    """Reads are asked again; a transaction that was under way is undone and says so; the next
    goes through."""
    db = nodes[0]
    db.transact(lambda tx: accounts.add_agent(tx, "kept", "open"))
    name = db.reader.value("SELECT current_database()")
    drop = f"""
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = '{name}' AND pid <> pg_backend_pid()
    """
    postgres.run(drop)
    assert accounts.count_agents(db.reader) == 1
    db.transact(lambda tx: accounts.add_agent(tx, "more", "open"))

    with pytest.raises(HubUnavailable), db.write() as tx:
        accounts.add_agent(tx, "half", "open")
        postgres.run(drop)
        accounts.add_agent(tx, "other", "open")
    with pytest.raises(HubUnavailable), db.read(snapshot=True) as reader:
        accounts.count_agents(reader)
        postgres.run(drop)
        accounts.count_agents(reader)
    db.transact(lambda tx: accounts.add_agent(tx, "last", "open"))
    assert {agent.id for agent in accounts.all_agents(db.reader)} == {"kept", "more", "last"}


def test_a_server_that_is_gone_is_told(tmp_path: Path) -> None:
    """Reads and writes say so at once; what was acknowledged is there when it is back."""
    with cluster() as server:
        url = server.hub_database()
        db = Database(tmp_path, url)
        db.transact(lambda tx: accounts.add_agent(tx, "kept", "open"))
        server.stop()

        with pytest.raises(HubUnavailable):
            accounts.count_agents(db.reader)
        with pytest.raises(HubUnavailable):
            db.transact(lambda tx: accounts.add_agent(tx, "lost", "open"))
        server.start()
        time.sleep(1.1)  # nobody asks again sooner than a second after a refusal
        db.transact(lambda tx: accounts.add_agent(tx, "more", "open"))
        assert {a.id for a in accounts.all_agents(db.reader)} == {"kept", "more"}
        db.close()


def test_nodes_share_the_admin_key_that_the_first_made(tmp_path: Path, postgres: Cluster) -> None:
    """One prints it and keeps it; the others know its hash. A chosen key is stored nowhere."""
    url = postgres.hub_database()
    for name in "ab":
        (tmp_path / name).mkdir()
    chosen = admin_key.find_or_make(tmp_path / "a", "a-chosen-key-of-mine", url)
    first = admin_key.find_or_make(tmp_path / "a", None, url)
    second = admin_key.find_or_make(tmp_path / "b", None, url)
    again = admin_key.find_or_make(tmp_path / "a", None, url)

    assert (first.is_new, second.is_new, again.is_new) == (True, False, False)
    assert first.digest == second.digest == again.digest != chosen.digest
    assert second.text == "" and not (tmp_path / "b" / "admin.key").exists()


def test_an_address_that_is_none_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="postgresql://USER@HOST/NAME"):
        Database(tmp_path, "postgresql://a b c/??")
    with pytest.raises(HubUnavailable):
        migrate.prepare(tmp_path, "postgresql://nobody@127.0.0.1:9/none")


def test_a_missing_driver_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what installs it."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingTool, match=r"pip install .*postgres"):
        Database(tmp_path, "postgresql://ada@/hub")


@pytest.mark.parametrize("file", SCHEMAS, ids=lambda file: file.stem)
def test_tables_of_each_version_are_brought_up_to_date(
    file: Path, tmp_path: Path, postgres: Cluster
) -> None:
    """From the first on PostgreSQL on; texts compare by their bytes in new columns too."""
    url = postgres.empty_database()
    postgres.run(file.read_text("utf-8"), url)
    migrate.prepare(tmp_path, url)
    db = Database(tmp_path, url)
    assert compare_tables(db) == []
    words = """
        SELECT attrelid::regclass || '.' || attname FROM pg_attribute
        JOIN pg_class ON pg_class.oid = attrelid
        JOIN pg_collation ON pg_collation.oid = attcollation
        WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
            AND relname <> 'alembic_version' AND collname <> 'C'
    """
    assert postgres.column(words, url) == []
    db.transact(lambda tx: accounts.add_agent(tx, "new", "open"))
    db.close()


def test_nodes_that_start_at_once_make_the_tables_once(tmp_path: Path, postgres: Cluster) -> None:
    """On an empty database."""
    url = postgres.empty_database()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: migrate.prepare(tmp_path / f"{n}", url), range(4)))
    db = Database(tmp_path / "0", url)

    assert db.reader.value("SELECT count(*) FROM channels") == 2
    db.close()
