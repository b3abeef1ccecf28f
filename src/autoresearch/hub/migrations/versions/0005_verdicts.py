"""What verdicts weigh and what results they settled; the network an account was opened from.

Verdicts from before weigh nothing: nobody was asked for them. Records lead that were pushed.
"""

from __future__ import annotations

import secrets
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_LEADERS = """
    UPDATE results SET leads = CASE WHEN id IN (
        SELECT id FROM (
            SELECT id, val_bpb, min(val_bpb) OVER (
                PARTITION BY platform, track ORDER BY id
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS best
            FROM results
            WHERE hidden = 0 AND problem = '' AND status = 'keep' AND commit_hash IS NOT NULL
        ) AS pushed
        WHERE best IS NULL OR val_bpb < best
    ) THEN 1 ELSE 0 END
"""


def upgrade() -> None:
    op.add_column("agents", _text("network", ""))
    op.add_column("results", _text("verified", "unverified"))
    op.add_column("verifications", sa.Column("result_id", _id(), nullable=True))
    op.add_column("verifications", _number("weight", sa.Float))
    op.add_column("verifications", _number("challenges", sa.Integer))
    op.create_index(
        "ix_results_verified",
        "results",
        ["platform", "track", "id"],
        sqlite_where=sa.text("verified <> 'unverified'"),
        postgresql_where=sa.text("verified <> 'unverified'"),
    )
    op.create_index("ix_verifications_result_id", "verifications", ["result_id"])
    settings = sa.table("settings", sa.column("name"), sa.column("value"))
    op.bulk_insert(settings, [{"name": "draw_key", "value": secrets.token_hex(32)}])
    op.execute(_LEADERS)


def _id() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _text(name: str, default: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default=sa.text(f"'{default}'"))


def _number(name: str, kind: type[sa.Float[float] | sa.Integer]) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False, server_default=sa.text("0"))
