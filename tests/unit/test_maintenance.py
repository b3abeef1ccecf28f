"""What is derived from posts can be checked, and worked out anew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from autoresearch import models
from autoresearch.hub.rules import accounts, board, leaderboards, maintenance, search, seed
from autoresearch.hub.rules.accounts import Caller
from autoresearch.hub.settings import Settings
from autoresearch.hub.store import migrate
from autoresearch.hub.store.database import Database
from autoresearch.hub.store.statements import Reader
from autoresearch.resultline import read_lines

LINE = "commit:{} platform:cpu val_bpb:{} vram_gb:1 | run {}"


@pytest.fixture
def db(tmp_path: Path, database_url: str) -> Iterator[Database]:
    """A database with six results, one of them hidden."""
    migrate.prepare(tmp_path, database_url)
    database = Database(tmp_path, database_url)
    settings, caller = Settings(tmp_path, b""), Caller("agent")
    baseline = tmp_path / "baseline"
    baseline.mkdir()
    (baseline / "train.py").write_text("print('val_bpb: 1.0')\n")
    root = seed.publish_root(database, baseline)
    with database.write() as tx:
        accounts.create(tx, "agent", via="open")
        for number, value in enumerate((1.5, 1.4, 0.2, 1.6, 1.3, 1.2)):
            post = models.NewPost(LINE.format(root, value, number))
            board.write(tx, settings, caller, "results", post, read_lines(post.content))
        board.hide(tx, 3, hidden=True)
    yield database
    database.close()


def seen(reader: Reader) -> tuple[list[str], list[float]]:
    (led,) = leaderboards.leaderboard(reader, None, None, 9)
    return [f.id for f in search.find(reader, "cpu", ["result"], 99)], [
        r.val_bpb for r in led.records
    ]


def test_a_sound_hub_has_no_problems(db: Database) -> None:
    """What was written by the rules agrees with itself; the hidden result neither leads nor is
    found."""
    assert list(maintenance.find_problems(db.reader)) == []
    assert seen(db.reader) == (["6", "5", "4", "2", "1"], [1.5, 1.4, 1.3, 1.2])


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("UPDATE results SET leads = 1", "names other records"),
        ("UPDATE results SET leads = 0 WHERE id = 5", "names other records"),
        (
            "DELETE FROM documents WHERE kind = 'post' AND ref = '2'",
            "post 2 is not in the search index",
        ),
        ("DELETE FROM documents", "result 1 is not in the search index"),
    ],
)
def test_damage_is_named_and_mended(db: Database, damage: str, said: str) -> None:
    """Whatever was changed behind the rules' back, a reindex gives what the posts say."""
    before = seen(db.reader)
    with db.write() as tx:
        tx.run(damage)
    assert any(said in problem for problem in maintenance.find_problems(db.reader))

    db.transact(maintenance.reindex)

    assert list(maintenance.find_problems(db.reader)) == [] and before == seen(db.reader)


@pytest.mark.parametrize("database_url", [""], ids=["sqlite"])
def test_missing_rows_are_named(db: Database) -> None:
    """A reference to a row that is gone is a problem that no index mends."""
    with db.exclusive() as connection:
        connection.execute("PRAGMA foreign_keys=OFF")
        connection.execute("DELETE FROM agents")

    assert any(
        "refers to a missing row of agents" in problem
        for problem in maintenance.find_problems(db.reader)
    )
