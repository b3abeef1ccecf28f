"""How many runs stand behind a result, and how far they lie apart, where its post says so."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("results", sa.Column("runs", sa.Integer))
    op.add_column("results", sa.Column("sd", sa.Float))
