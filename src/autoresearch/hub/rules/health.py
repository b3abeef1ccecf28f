"""What fills up: the database, its log, the disk; and how old the last backup is."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from autoresearch.clock import parse_timestamp
from autoresearch.hub.rules import audit
from autoresearch.hub.store.database import Database


@dataclass(frozen=True)
class Fill:
    """Bytes, and the Unix time of the last backup: 0 where there was none."""

    database_bytes: int
    log_bytes: int
    free_bytes: int
    backup_s: float


def measure_fill(db: Database) -> Fill:
    saved_at = audit.last_at(db.reader, "backup")
    return Fill(
        *db.measure_bytes(),
        shutil.disk_usage(db.folder).free,
        parse_timestamp(saved_at).timestamp() if saved_at else 0.0,
    )
