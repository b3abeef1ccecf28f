"""Which verifications repeated the very run, from its record."""

from __future__ import annotations

import sqlalchemy
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column(
        "verifications",
        sqlalchemy.Column("replayed", sqlalchemy.Integer, nullable=False, server_default="0"),
    )
