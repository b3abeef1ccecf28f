"""The log of a hub: every write enters it in its own transaction, and its tree is that of its
entries."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from autoresearch import merkle
from autoresearch.hub.rules import accounts, board, verdicts
from autoresearch.hub.rules.accounts import Caller
from autoresearch.hub.settings import Settings
from autoresearch.hub.store import log_entries, log_rows, migrate
from autoresearch.hub.store.database import Database
from autoresearch.hub.store.statements import Transaction
from autoresearch.models import NewPost
from autoresearch.resultline import read_lines

RESULT = "commit:abcdef12 platform:cpu val_bpb:{} vram_gb:0.1 | one idea"
VERIFY = "verify commit:abcdef12 platform:cpu val_bpb:0.9 n:2 | reproduced"
SETTINGS = Settings(Path(), b"")


@pytest.fixture
def db(tmp_path: Path, database_url: str) -> Iterator[Database]:
    """On either kind of database."""
    migrate.prepare(tmp_path, database_url)
    database = Database(tmp_path, database_url)
    yield database
    database.close()


def write(tx: Transaction, agent_id: str, content: str) -> int:
    post = NewPost(content)
    written = board.write(tx, SETTINGS, Caller(agent_id), "results", post, read_lines(content))
    return written.id


def test_every_write_is_in_the_log_once(db: Database) -> None:
    """Accounts, channels, posts, results, verdicts and what operators hide: each row is what its
    entry says, and the stored hashes are those of the tree of all entries."""

    def story(tx: Transaction) -> None:
        for name in ("ada", "bea"):
            accounts.create(tx, name, "open")
        board.create_channel(tx, "ideas", "what to try")
        post_id = write(tx, "ada", f"two of them\n{RESULT.format(0.9)}\n{RESULT.format('---')}")
        write(tx, "bea", VERIFY)
        board.hide(tx, post_id, True)
        board.hide(tx, post_id, False)
        accounts.revoke(tx, "bea")
        accounts.reopen(tx, "bea")

    db.transact(story)
    stored = list(log_entries.every_entry(db.reader))
    kinds = [entry.kind for entry in stored]

    assert kinds == [
        *("channel", "channel", "account", "account", "channel", "post", "result", "result"),
        *("post", "verdict", "hidden", "restored", "revoked", "reopened"),
    ]
    for kind in log_rows.SOURCES:
        rows = {row.ref: row.data for row in log_rows.every_row(db.reader, kind)}
        assert rows == {entry.ref: entry.data for entry in stored if entry.kind == kind}
    _check_tree(db, stored)


def _check_tree(db: Database, stored: Sequence[log_entries.StoredEntry]) -> None:
    """The numbers have no gap, and the hashes are those of a tree of these entries."""
    frontier = merkle.Frontier()
    for number, entry in enumerate(stored):
        row = log_entries.make_row(frontier, entry.kind, entry.ref, entry.data)
        assert row == (number, *entry[1:4], bytes(entry.hashes))
        assert log_entries.read_frontier(db.reader, number + 1).root() == frontier.root()


def test_what_is_undone_is_not_in_the_log(db: Database) -> None:
    """A change that raises takes its entries back; the next one has their numbers."""

    def fail(tx: Transaction) -> None:
        accounts.create(tx, "ada", "open")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        db.transact(fail)
    db.transact(lambda tx: accounts.create(tx, "bea", "open"))

    entries = list(log_entries.every_entry(db.reader))
    assert [(entry.number, entry.ref) for entry in entries] == [(0, "1"), (1, "2"), (2, "bea")]


def test_a_group_has_one_log(db: Database) -> None:
    """Changes that share a transaction go on where the one before them ended; one that fails after
    it wrote leaves no trace, in the numbers or in the tree."""
    gate = threading.Event()

    def create(tx: Transaction, name: str) -> None:
        accounts.create(tx, name, "open")
        if name.startswith("bad"):
            raise ZeroDivisionError

    async def write_together() -> list[object]:
        holding = asyncio.ensure_future(db.change(lambda _: gate.wait(10)))
        names = ("a", "b", "bad1", "c", "bad2", "bad3", "d", "e")
        writing = [db.change(partial(create, name=name)) for name in names]
        asyncio.get_running_loop().call_later(0.2, gate.set)
        return await asyncio.gather(holding, *writing, return_exceptions=True)

    failed = [type(each) for each in asyncio.run(write_together())].count(ZeroDivisionError)
    stored = list(log_entries.every_entry(db.reader))

    assert failed == 3 and [entry.ref for entry in stored[2:]] == ["a", "b", "c", "d", "e"]
    _check_tree(db, stored)


def test_what_verdicts_come_to_is_in_the_log(db: Database) -> None:
    """A result that is settled, or unsettled again, is an entry each; settling it twice is one."""
    db.transact(lambda tx: accounts.create(tx, "ada", "open"))
    db.transact(lambda tx: accounts.create(tx, "judge", "operator"))
    db.transact(lambda tx: write(tx, "ada", RESULT.format(0.9)))

    def judge(tx: Transaction) -> None:
        tx.run("UPDATE results SET commit_hash = :hash", hash="abcdef12" + "0" * 32)
        (result,) = _results(tx)
        verdict = write(tx, "judge", VERIFY)
        tx.run("UPDATE verifications SET result_id = :id, weight = 16 WHERE post_id = :post",
               id=result.id, post=verdict)  # fmt: skip
        verdicts.settle_result(tx, result)
        verdicts.settle_result(tx, _results(tx)[0])

    db.transact(judge)
    found = [entry.data for entry in log_entries.about(db.reader, "settled", "1")]
    assert len(found) == 1 and '"verified":"reproduced"' in found[0]


def _results(tx: Transaction) -> list:  # type: ignore[type-arg]
    from autoresearch.hub.store import results

    return list(results.every_result(tx))
