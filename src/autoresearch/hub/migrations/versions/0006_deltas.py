"""What an object's body is a delta against, and how far it stands from a whole one.

Objects from before are whole; the repacking in the background makes deltas of them.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.add_column("objects", sa.Column("base_id", number, nullable=True))
    op.add_column("objects", sa.Column("step", sa.Integer, nullable=True))
