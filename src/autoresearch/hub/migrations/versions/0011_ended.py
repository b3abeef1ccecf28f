"""When a claim is over, however it ended; claims and invites are found by that, to be forgotten."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.execute("UPDATE claims SET expires_at = released_at WHERE released_at < expires_at")
    op.drop_index("ix_claims_open", "claims")
    for table in ("claims", "invites"):
        op.create_index(f"ix_{table}_expires_at", table, ["expires_at"])
