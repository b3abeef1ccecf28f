"""The trail of what operators did."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "acts",
        sa.Column("id", number, nullable=False),
        *(
            sa.Column(name, sa.Text, nullable=False)
            for name in ("created_at", "actor", "verb", "target")
        ),
        sa.PrimaryKeyConstraint("id", name="pk_acts"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_acts_verb_id", "acts", ["verb", "id"])
