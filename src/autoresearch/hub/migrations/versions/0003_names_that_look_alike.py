"""Indexes for ids and names that look alike, for the names of one agent, and for what is hidden."""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_index("ix_agents_alike", "agents", [text("lower(rtrim(id, '._-'))")])
    op.create_index("ix_refs_alike", "refs", [text("lower(name)")])
    op.create_index("ix_refs_agent_id", "refs", ["agent_id"])
    op.create_index("ix_commits_hidden", "commits", ["hash"], sqlite_where=text("hidden = 1"))
