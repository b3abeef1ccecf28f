"""An audit finds every edit of a database behind the back of its log, and a past that was
rewritten as a whole."""

from __future__ import annotations

import random
import shutil
import sqlite3
from pathlib import Path

import pytest

from autoresearch import merkle
from autoresearch.hub.rules import board, log_audit, tree_heads
from autoresearch.hub.store import log_entries, migrate
from autoresearch.hub.store.database import FILE_NAME, Database
from autoresearch.hub.store.reading import read_copy
from autoresearch.models import TreeHead
from logged_hubs import edit_somewhere, fill, write_both

EDITS = 30


def open_filled(folder: Path, url: str = "") -> Database:
    migrate.prepare(folder, url)
    db = Database(folder, url)
    fill(db, commits_count=12, posts_count=6)
    return db


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of a small hub's database."""
    folder = tmp_path_factory.mktemp("audited")
    db = open_filled(folder)
    file = folder / "copy.sqlite3"
    with db.exclusive() as connection:
        connection.execute(f"VACUUM INTO '{file}'")
    db.close()
    return file


def find(file: Path, *heads: TreeHead) -> list[str]:
    with read_copy(str(file)) as reader:
        return [str(finding) for finding in log_audit.audit(reader, heads).findings]


def test_a_hub_as_it_was_has_no_findings(tmp_path: Path, database_url: str) -> None:
    """On both databases, with signatures, verdicts, hidden posts and closed accounts."""
    db = open_filled(tmp_path, database_url)
    with db.read(snapshot=True) as reader:
        head = tree_heads.sign_head(reader)
        assert log_audit.audit(reader, [head]).findings == []
    db.close()


def test_every_edit_is_found(copy: Path, tmp_path: Path) -> None:
    """Whatever one changes in a row, takes away or adds, and in the log itself."""
    chance, missed = random.Random(13), []
    for number in range(EDITS):
        edited = tmp_path / f"{number}.sqlite3"
        shutil.copy(copy, edited)
        what = edit_somewhere(edited, chance)
        if not find(edited):
            missed.append(what)

    assert missed == []


@pytest.mark.parametrize(
    ("edit", "finding"),
    [
        ("UPDATE posts SET signature = '1' WHERE id = 5", "post 5: its signature is 1"),
        ("UPDATE posts SET signed_at = '' WHERE id = 5", "post 5: its signed_at is empty"),
        ("UPDATE results SET signed_by = '' WHERE id = 1", "result 1: its signed_by is empty"),
        ("DELETE FROM results WHERE id = 1", "result 1: is in the log, and its row is gone"),
        ("DELETE FROM posts WHERE id = 1", "post 1: is in the log, and its row is gone"),
        (
            "UPDATE agents SET revoked_at = revoked_at || 'c' WHERE id = 'gone'",
            "account gone: is open or revoked otherwise than the log says",
        ),
    ],
    ids=lambda text: text[:40],
)
def test_edits_of_what_is_hidden_empty_or_a_time_are_found(
    copy: Path, tmp_path: Path, edit: str, finding: str
) -> None:
    """Post 1 and its result are hidden, post 5 is not signed, one account is closed."""
    edited = tmp_path / "edited.sqlite3"
    shutil.copy(copy, edited)
    with sqlite3.connect(edited) as connection:
        connection.execute(edit)

    assert any(said.startswith(finding) for said in find(edited)), find(edited)


def test_an_edit_is_named_with_what_was_there(copy: Path, tmp_path: Path) -> None:
    """The row, the field, what it says now and what the log says."""
    edited = tmp_path / "edited.sqlite3"
    shutil.copy(copy, edited)
    with sqlite3.connect(edited) as connection:
        connection.execute("UPDATE results SET val_bpb = 0.5 WHERE id = 2")

    assert "result 2: its val_bpb is 0.5, the log says 1.999" in find(edited)


def test_an_entry_stands_under_the_name_that_it_says(copy: Path, tmp_path: Path) -> None:
    """The name is not hashed: a mark that is filed under another row is found all the same."""
    edited = tmp_path / "edited.sqlite3"
    shutil.copy(copy, edited)
    with sqlite3.connect(edited) as connection:
        connection.execute("UPDATE log_entries SET ref = 'post:2' WHERE kind = 'hidden'")

    assert any("filed under 'post:2'" in said for said in find(edited))


def test_a_past_that_was_rewritten_as_a_whole_does_not_go_through_a_head(tmp_path: Path) -> None:
    """Who edits a row, its entry and all hashes above is found by a head that was seen before, and
    so is who cuts the log; a log that only grew is not."""
    db = open_filled(tmp_path)
    head = tree_heads.sign_head(db.reader)
    with db.write() as tx:
        write_both(tx, 7, 12)
        board.hide(tx, 2, True)
    assert find(tmp_path, head) == []

    rewritten = [
        entry._replace(data=entry.data.replace('"agent":"judge"', '"agent":"ada"'))
        for entry in log_entries.every_entry(db.reader)
    ]
    with db.write() as tx:
        tx.run("UPDATE verifications SET agent_id = 'ada'")
        tx.run("UPDATE posts SET agent_id = 'ada'")
        tx.run("DELETE FROM log_entries")
        frontier = merkle.Frontier()
        rows = [log_entries.make_row(frontier, *entry[1:4]) for entry in rewritten]
        tx.connection.insert_rows("log_entries", log_entries.COLUMNS, rows)
    assert any("the past was rewritten" in said for said in find(tmp_path, head))

    with db.write() as tx:
        tx.run("DELETE FROM log_entries WHERE number > 5")
    assert any(f"had {head.size} entries" in said for said in find(tmp_path, head))
    db.close()


def test_what_is_hidden_may_lose_its_text(tmp_path: Path) -> None:
    """Removing a text that an operator hid is no finding; removing another is."""
    db = open_filled(tmp_path)
    with db.write() as tx:
        tx.run("UPDATE posts SET content = '' WHERE id = 1")
    assert find(tmp_path) == []
    with db.write() as tx:
        tx.run("UPDATE posts SET content = '' WHERE id = 3")
    assert [said.partition(" is ")[0] for said in find(tmp_path)] == ["post 3: its text (SHA-256)"]
    db.close()


def test_a_database_of_none_is_a_sentence(tmp_path: Path) -> None:
    """What is no hub's database is said so; nothing is made."""
    from autoresearch.errors import BadInput, NotFound

    with pytest.raises(NotFound), read_copy(str(tmp_path / FILE_NAME)):
        pass
    (tmp_path / FILE_NAME).write_bytes(b"nothing of the kind" * 100)
    with pytest.raises(BadInput), read_copy(str(tmp_path)):
        pass
