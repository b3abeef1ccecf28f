"""An index for the verifications of one commit, as its page asks for them."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_index("ix_verifications_commit_hash", "verifications", ["commit_hash"])
