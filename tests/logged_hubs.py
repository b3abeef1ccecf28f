"""Hubs with a log, and edits of their databases behind the log's back; for tests and benches."""

from __future__ import annotations

import hashlib
import random
import sqlite3
from pathlib import Path
from typing import Any

from autoresearch import entries, signing
from autoresearch.hub.rules import accounts, board, signatures
from autoresearch.hub.rules.accounts import Caller
from autoresearch.hub.settings import Settings
from autoresearch.hub.store import commits, log_entries, log_rows
from autoresearch.hub.store.database import Database
from autoresearch.hub.store.statements import Transaction
from autoresearch.hub.values import NewCommit, PostSignature
from autoresearch.models import NewPost
from autoresearch.resultline import read_lines

SETTINGS = Settings(Path(), b"", max_posts_per_hour=10_000_000)
AT = "2026-01-31T12:00:00.000000Z"
SEED = bytes(range(32))
COLUMNS = {  # of each table those whose edit an audit finds
    "agents": "created_at via revoked_at",
    "public_keys": "agent_id public_key created_at",
    "channels": "name description created_at",
    "posts": "channel_id agent_id parent_id content created_at hidden signed_by signed_at "
    "signature",
    "results": """post_id agent_id named commit_hash platform track val_bpb vram_gb status
        description reason problem created_at leads verified hidden runs sd signed_by""",
    "verifications": """post_id agent_id named commit_hash platform track val_bpb runs reproduced
        reason created_at hidden replayed result_id weight challenges""",
    "commits": """hash parents agent_id message created_at tree parent_seq root_seq generation
        is_leaf hidden""",
    "log_entries": "kind ref data hashes",
}


def hash_of(number: int) -> str:
    return hashlib.sha1(str(number).encode()).hexdigest()


def fill(db: Database, commits_count: int, posts_count: int) -> None:
    """Commits in a line with side branches, and posts with results and verdicts, some signed."""
    with db.write() as tx:
        accounts.create(tx, "ada", "open")
        accounts.create(tx, "judge", "operator")
        accounts.create(tx, "gone", "open")
        accounts.revoke(tx, "gone")
        signatures.register_key(tx, Caller("ada"), signing.find_public_key(SEED))
        add_commits(tx, commits_count)
        for number in range(posts_count):
            write_both(tx, number, commits_count)
        board.hide(tx, 1, True)


def add_commits(tx: Transaction, count: int) -> None:
    for number in range(count):
        parent = number - 1 if number % 9 else max(0, number - 3)
        names = [hash_of(parent)] if number else []
        places = [place for name in names if (place := commits.place(tx, name))]
        new = NewCommit(
            hash_of(number), " ".join(names), "ada", f"idea {number}", tx.now, b"t" * 20
        )
        commits.add_commit(tx, new, places)
    log_entries.append(
        tx, *(log_rows.describe(tx, "commit", hash_of(number)) for number in range(count))
    )


def write_both(tx: Transaction, number: int, commits_count: int) -> None:
    """A result of ada's, every other one signed, and the judge's verdict on it."""
    named = hash_of(number % commits_count)[:10]
    value = 2.0 - number / 1000
    text = f"commit:{named} platform:cpu val_bpb:{value:.6f} vram_gb:0.5 | idea {number}"
    post_id = write(tx, "ada", text, is_signed=bool(number % 2))
    said = f"verify commit:{named} platform:cpu val_bpb:{value:.6f} n:2 | reproduced"
    write(tx, "judge", said, parent_id=post_id)


def write(
    tx: Transaction, agent_id: str, text: str, parent_id: int | None = None, is_signed: bool = False
) -> int:
    signed = None
    if is_signed:
        form = signing.post_form(agent_id, "results", parent_id, entries.hash_text(text), AT)
        key = signing.find_public_key(SEED)
        signed = PostSignature(key, AT, signing.sign(SEED, form))
    post = NewPost(text, parent_id)
    lines = read_lines(text)
    return board.write(tx, SETTINGS, Caller(agent_id), "results", post, lines, signed).id


def edit_somewhere(file: Path, chance: random.Random) -> str:
    """Change one row of a database, take one away or put one in; what was done."""
    connection = sqlite3.connect(file, isolation_level=None)
    try:
        while True:
            try:
                return _edit(connection, chance)
            except sqlite3.IntegrityError:  # no two keys alike: another edit
                continue
    finally:
        connection.close()


def _edit(connection: sqlite3.Connection, chance: random.Random) -> str:
    table = chance.choice(sorted(COLUMNS))
    rowids = [row[0] for row in connection.execute(f"SELECT rowid FROM {table} ORDER BY rowid")]
    rowid = chance.choice(rowids)
    if chance.random() < 0.1:
        connection.execute(f"DELETE FROM {table} WHERE rowid = ?", (rowid,))
        return f"{table} {rowid}: deleted"
    column = chance.choice(COLUMNS[table].split())
    (old,) = connection.execute(
        f"SELECT {column} FROM {table} WHERE rowid = ?", (rowid,)
    ).fetchone()
    new = _change(old, column, chance)
    connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (new, rowid))
    return f"{table} {rowid}: {column} {old!r} became {new!r}"


def _change(old: Any, column: str, chance: random.Random) -> Any:
    if isinstance(old, bytes):
        place = chance.randrange(len(old))
        return old[:place] + bytes([old[place] ^ 1]) + old[place + 1 :]
    if isinstance(old, float):
        return old * 1.0001 + 1e-9
    if isinstance(old, int):
        return old + 1
    if old is None:
        return 1 if column.endswith("_id") or column in ("runs", "parent_seq") else "1"
    place = chance.randrange(len(old) + 1)
    return old[:place] + chance.choice("abc019") + old[place:]
