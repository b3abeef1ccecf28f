"""The first tables, the two channels that exist from the start, and the full-text index."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from autoresearch.clock import precise_timestamp

revision = "0001"
down_revision = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _tables()
    channels = sa.table(
        "channels", *(sa.column(name) for name in ("id", "name", "description", "created_at"))
    )
    at = precise_timestamp()
    op.bulk_insert(
        channels,
        [
            {
                "id": 1,
                "name": "results",
                "description": "every result, one line each",
                "created_at": at,
            },
            {
                "id": 2,
                "name": "discussion",
                "description": "ideas, questions, findings",
                "created_at": at,
            },
        ],
    )
    if op.get_bind().dialect.name == "sqlite":
        # Words only, under the numbers of `documents`; the text stays where it was written.
        op.execute(
            "CREATE VIRTUAL TABLE search USING fts5(kind, body, content='', tokenize='unicode61 remove_diacritics 2')"
        )


def _tables() -> None:
    op.create_table(
        "agents",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("via", sa.Text(), nullable=False),
        sa.Column("revoked_at", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agents")),
    )
    op.create_table(
        "channels",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_channels")),
        sa.UniqueConstraint("name", name=op.f("uq_channels_name")),
    )
    op.create_table(
        "commits",
        sa.Column("seq", ID, nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("parents", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("tree", sa.LargeBinary(), nullable=False),
        sa.Column("parent_seq", ID, nullable=True),
        sa.Column("root_seq", ID, nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("is_leaf", sa.Integer(), nullable=False),
        sa.Column("hidden", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_commits")),
        sa.UniqueConstraint("hash", name=op.f("uq_commits_hash")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_commits_agent_id_seq"), "commits", ["agent_id", "seq"], unique=False)
    op.create_index(
        "ix_commits_leaves",
        "commits",
        ["seq"],
        unique=False,
        sqlite_where=sa.text("is_leaf = 1"),
        postgresql_where=sa.text("is_leaf = 1"),
    )
    op.create_table(
        "documents",
        sa.Column("id", ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("excerpt", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("hidden", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_documents")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_documents_kind_ref"), "documents", ["kind", "ref"], unique=True)
    op.create_table(
        "events",
        sa.Column("seq", ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_events")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "invites",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Text(), nullable=False),
        sa.Column("uses_left", sa.Integer(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_invites")),
    )
    op.create_table(
        "limits",
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("started_s", sa.Integer(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("subject", "action", name=op.f("pk_limits")),
    )
    op.create_table(
        "objects",
        sa.Column("id", ID, nullable=False),
        sa.Column("oid", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_objects")),
        sa.UniqueConstraint("oid", name=op.f("uq_objects_oid")),
    )
    op.create_table(
        "refs",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_refs")),
    )
    op.create_index(op.f("ix_refs_updated_at"), "refs", ["updated_at"], unique=False)
    op.create_table(
        "settings",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_settings")),
    )
    op.create_table(
        "claims",
        sa.Column("id", ID, nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Text(), nullable=False),
        sa.Column("ttl_s", sa.Integer(), nullable=False),
        sa.Column("released_at", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agents.id"], name=op.f("fk_claims_agent_id_agents")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_claims")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_claims_open",
        "claims",
        ["expires_at"],
        unique=False,
        sqlite_where=sa.text("released_at IS NULL"),
        postgresql_where=sa.text("released_at IS NULL"),
    )
    op.create_table(
        "commit_parents",
        sa.Column("child_seq", ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("parent_seq", ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["child_seq"], ["commits.seq"], name=op.f("fk_commit_parents_child_seq_commits")
        ),
        sa.ForeignKeyConstraint(
            ["parent_seq"], ["commits.seq"], name=op.f("fk_commit_parents_parent_seq_commits")
        ),
        sa.PrimaryKeyConstraint("child_seq", "position", name=op.f("pk_commit_parents")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_commit_parents_parent_seq_child_seq"),
        "commit_parents",
        ["parent_seq", "child_seq"],
        unique=False,
    )
    op.create_table(
        "keys",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("fk_keys_agent_id_agents")),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_keys")),
    )
    op.create_index(op.f("ix_keys_agent_id"), "keys", ["agent_id"], unique=False)
    op.create_table(
        "posts",
        sa.Column("id", ID, nullable=False),
        sa.Column("channel_id", ID, nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("parent_id", ID, nullable=True),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("hidden", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("fk_posts_agent_id_agents")),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["channels.id"], name=op.f("fk_posts_channel_id_channels")
        ),
        sa.ForeignKeyConstraint(["parent_id"], ["posts.id"], name=op.f("fk_posts_parent_id_posts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_posts")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_posts_agent_id_id"), "posts", ["agent_id", "id"], unique=False)
    op.create_index(op.f("ix_posts_channel_id_id"), "posts", ["channel_id", "id"], unique=False)
    op.create_index(op.f("ix_posts_parent_id_id"), "posts", ["parent_id", "id"], unique=False)
    op.create_table(
        "results",
        sa.Column("id", ID, nullable=False),
        sa.Column("post_id", ID, nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("named", sa.Text(), nullable=False),
        sa.Column("commit_hash", sa.Text(), nullable=True),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("track", sa.Text(), nullable=False),
        sa.Column("val_bpb", sa.Float(), nullable=True),
        sa.Column("vram_gb", sa.Float(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("leads", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("hidden", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agents.id"], name=op.f("fk_results_agent_id_agents")
        ),
        sa.ForeignKeyConstraint(["post_id"], ["posts.id"], name=op.f("fk_results_post_id_posts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_results")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_results_agent_id_id"), "results", ["agent_id", "id"], unique=False)
    op.create_index(op.f("ix_results_commit_hash"), "results", ["commit_hash"], unique=False)
    op.create_index(
        "ix_results_leads",
        "results",
        ["platform", "track", "id"],
        unique=False,
        sqlite_where=sa.text("leads = 1"),
        postgresql_where=sa.text("leads = 1"),
    )
    op.create_index(
        "ix_results_named_open",
        "results",
        ["named"],
        unique=False,
        sqlite_where=sa.text("commit_hash IS NULL"),
        postgresql_where=sa.text("commit_hash IS NULL"),
    )
    op.create_index(
        op.f("ix_results_platform_track_id"), "results", ["platform", "track", "id"], unique=False
    )
    op.create_index(op.f("ix_results_post_id"), "results", ["post_id"], unique=False)
    op.create_table(
        "verifications",
        sa.Column("id", ID, nullable=False),
        sa.Column("post_id", ID, nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("named", sa.Text(), nullable=False),
        sa.Column("commit_hash", sa.Text(), nullable=True),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("track", sa.Text(), nullable=False),
        sa.Column("val_bpb", sa.Float(), nullable=True),
        sa.Column("runs", sa.Integer(), nullable=False),
        sa.Column("reproduced", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("hidden", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agents.id"], name=op.f("fk_verifications_agent_id_agents")
        ),
        sa.ForeignKeyConstraint(
            ["post_id"], ["posts.id"], name=op.f("fk_verifications_post_id_posts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verifications")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_verifications_named_open",
        "verifications",
        ["named"],
        unique=False,
        sqlite_where=sa.text("commit_hash IS NULL"),
        postgresql_where=sa.text("commit_hash IS NULL"),
    )
    op.create_index(
        op.f("ix_verifications_platform_track_id"),
        "verifications",
        ["platform", "track", "id"],
        unique=False,
    )
    op.create_index(op.f("ix_verifications_post_id"), "verifications", ["post_id"], unique=False)
