"""Work handed out: which volunteer runs which result again, and until when."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
OPEN = sa.text("ended_at IS NULL")


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "work_leases",
        sa.Column("id", number, nullable=False),
        _text("agent_id"),
        sa.Column("result_id", number, nullable=False),
        *(_text(name) for name in ("created_at", "expires_at")),
        *(_text(name, nullable=True) for name in ("ended_at", "outcome")),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name="fk_work_leases_agent_id_agents"),
        sa.ForeignKeyConstraint(
            ["result_id"], ["results.id"], name="fk_work_leases_result_id_results"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_work_leases"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_work_leases_open",
        "work_leases",
        ["result_id"],
        unique=True,
        sqlite_where=OPEN,
        postgresql_where=OPEN,
    )
    op.create_index("ix_work_leases_agent_id_id", "work_leases", ["agent_id", "id"])
    op.create_index("ix_work_leases_ended_at", "work_leases", ["ended_at"])


def _text(name: str, nullable: bool = False) -> sa.Column[Any]:
    kind = sa.Text(collation="C").with_variant(sa.Text(), "sqlite")
    return sa.Column(name, kind, nullable=nullable)
