"""The first version: where the steps start.

New databases are made from `store/schema.py` and stamped with the newest step.
"""

from __future__ import annotations

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Nothing to do: every database has these tables."""
