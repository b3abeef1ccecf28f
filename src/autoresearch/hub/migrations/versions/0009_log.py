"""The log of what happened, a Merkle tree; public keys of agents, and signatures of posts.

What is there already is entered in the order of its rows, and says that it was entered later.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from itertools import islice
from typing import Any

import sqlalchemy as sa
from alembic import op

from autoresearch import entries, merkle
from autoresearch.clock import precise_timestamp

revision = "0009"
down_revision = "0008"
PAGE = 5000
COLUMNS = ("number", "kind", "ref", "data", "hashes")


def upgrade() -> None:
    _create_tables()
    settings = sa.table("settings", sa.column("name"), sa.column("value"))
    op.bulk_insert(settings, [{"name": "log_key", "value": secrets.token_hex(32)}])
    log = sa.table("log_entries", *map(sa.column, COLUMNS))
    frontier, found, now = merkle.Frontier(), _list_entries(), precise_timestamp()
    while page := [_make_row(frontier, entry, now) for entry in islice(found, PAGE)]:
        op.bulk_insert(log, page)


def _create_tables() -> None:
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "log_entries",
        sa.Column("number", number, nullable=False, autoincrement=False),
        *(sa.Column(name, _text(), nullable=False) for name in ("kind", "ref", "data")),
        sa.Column("hashes", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_log_entries"),
    )
    op.create_index("ix_log_entries_kind_ref", "log_entries", ["kind", "ref"])
    op.create_table(
        "public_keys",
        sa.Column("id", number, nullable=False),
        *(
            sa.Column(name, _text(), nullable=False)
            for name in ("agent_id", "public_key", "created_at")
        ),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name="fk_public_keys_agent_id_agents"),
        sa.PrimaryKeyConstraint("id", name="pk_public_keys"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_public_keys_agent_id_id", "public_keys", ["agent_id", "id"])
    for name in ("signed_by", "signed_at", "signature"):
        op.add_column("posts", sa.Column(name, _text()))
    op.add_column("results", sa.Column("signed_by", _text()))
    where = sa.text("signature IS NOT NULL")
    op.create_index(
        "ix_posts_signature",
        "posts",
        ["signature"],
        unique=True,
        sqlite_where=where,
        postgresql_where=where,
    )


def _text() -> sa.types.TypeEngine[str]:
    return sa.Text(collation="C").with_variant(sa.Text(), "sqlite")


def _make_row(
    frontier: merkle.Frontier, entry: entries.NewEntry, now: str
) -> dict[str, int | str | bytes]:
    late = entries.mark_late(entry, now)
    number, leaf = frontier.size, merkle.hash_leaf(late.data.encode())
    return {"number": number, **late._asdict(), "hashes": b"".join(frontier.append(leaf))}


def _list_entries() -> Iterator[entries.NewEntry]:
    for row in _rows("agents", "id, created_at, via, revoked_at", "created_at, id"):
        yield entries.account(row.id, row.via, row.created_at)
        if row.revoked_at:
            yield entries.account_change("revoked", row.id, row.revoked_at)
    for row in _rows("channels", "id, name, description, created_at", "id"):
        yield entries.channel(row.id, row.name, row.description, row.created_at)
    for row in _rows("commits", "*", "seq"):
        tree, at = bytes(row.tree).hex(), row.created_at
        yield entries.commit(row.hash, row.parents, tree, row.agent_id, row.message, at)
        if row.hidden:
            yield entries.hiding("commit", row.hash, True, precise_timestamp())
    yield from _list_board()
    sql = sa.text("SELECT value FROM settings WHERE name = 'root'")
    if root := op.get_bind().execute(sql).scalar():
        yield entries.root(root, precise_timestamp())


def _list_board() -> Iterator[entries.NewEntry]:
    for row in _rows("posts", "*", "id"):
        yield entries.post(
            row.id, row.channel_id, row.agent_id, row.parent_id, row.content, row.created_at,
            None, None, None,
        )  # fmt: skip
        if row.hidden:
            yield entries.hiding("post", row.id, True, precise_timestamp())
    for row in _rows("results", "*", "id"):
        yield entries.result(
            row.id, row.post_id, row.agent_id, row.named, row.platform, row.track, row.val_bpb,
            row.vram_gb, row.status, row.description, row.reason, row.problem, row.runs, row.sd,
            row.created_at, None,
        )  # fmt: skip
        if row.verified != "unverified":
            yield entries.settlement(row.id, row.verified, precise_timestamp())
    for row in _rows("verifications", "*", "id"):
        yield entries.verdict(
            row.id, row.post_id, row.agent_id, row.named, row.platform, row.track, row.val_bpb,
            row.runs, row.reproduced, row.reason, row.replayed, row.result_id, row.weight,
            row.challenges, row.created_at,
        )  # fmt: skip


def _rows(table: str, columns: str, order: str) -> Iterator[Any]:
    """Rows, page by page, for a table may be larger than memory."""
    skip = 0
    sql = f"SELECT {columns} FROM {table} ORDER BY {order} LIMIT {PAGE} OFFSET :skip"
    while page := op.get_bind().execute(sa.text(sql), {"skip": skip}).fetchall():
        yield from page
        skip += len(page)
