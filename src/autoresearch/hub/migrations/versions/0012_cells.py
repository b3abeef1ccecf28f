"""Runs of waves that researchers ask volunteers for; a lease is on a result or on one of them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
OPEN, UNDONE = sa.text("ended_at IS NULL"), sa.text("outcome IS NULL")
NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "cells",
        sa.Column("id", NUMBER, nullable=False),
        *(_text(name) for name in ("agent_id", "commit_hash", "platform", "track")),
        sa.Column("seed", sa.Integer, nullable=False),
        *(_text(name) for name in ("created_at", "expires_at")),
        _text("run_by", nullable=True),
        sa.Column("value", sa.Float),
        _text("outcome", nullable=True),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name="fk_cells_agent_id_agents"),
        sa.PrimaryKeyConstraint("id", name="pk_cells"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_cells_agent_id_id", "cells", ["agent_id", "id"])
    op.create_index("ix_cells_expires_at", "cells", ["expires_at"])
    op.create_index(
        "ix_cells_open",
        "cells",
        ["platform", "track", "id"],
        sqlite_where=UNDONE,
        postgresql_where=UNDONE,
    )
    # SQLite makes the table anew: it cannot take a NOT NULL back
    with op.batch_alter_table(
        "work_leases",
        table_kwargs={"sqlite_autoincrement": True},
        reflect_kwargs={"resolve_fks": False},  # other tables have indexes that it warns of
    ) as leases:
        leases.alter_column("result_id", existing_type=NUMBER, nullable=True)
        leases.add_column(sa.Column("cell_id", NUMBER))
    op.create_index(
        "ix_work_leases_open_cell",
        "work_leases",
        ["cell_id"],
        unique=True,
        sqlite_where=OPEN,
        postgresql_where=OPEN,
    )


def _text(name: str, nullable: bool = False) -> sa.Column[Any]:
    kind = sa.Text(collation="C").with_variant(sa.Text(), "sqlite")
    return sa.Column(name, kind, nullable=nullable)
