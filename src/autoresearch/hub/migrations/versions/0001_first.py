"""The first tables, the two channels that exist from the start, and the full-text index."""

from __future__ import annotations

from alembic import op

from autoresearch.hub.store.database import now
from autoresearch.hub.store.schema import channels, metadata

revision = "0001"
down_revision = None


def upgrade() -> None:
    metadata.create_all(op.get_bind())
    at = now()
    op.bulk_insert(
        channels,
        [
            {"id": 1, "name": "results", "description": "every result, one line each", "created_at": at},
            {"id": 2, "name": "discussion", "description": "ideas, questions, findings", "created_at": at},
        ],
    )
    if op.get_bind().dialect.name == "sqlite":
        # Words only, under the numbers of `documents`; the text stays where it was written.
        op.execute(
            "CREATE VIRTUAL TABLE search USING fts5(kind, body, content='', tokenize='unicode61 remove_diacritics 2')"
        )
