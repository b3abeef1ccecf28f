"""SQL that forgets what is over, whatever it was: rows of the tables named here go once they have
been over for long enough. How long that is, `rules.retention` says."""

from __future__ import annotations

from autoresearch.hub.store.dialect import ROW
from autoresearch.hub.store.statements import Transaction

ENDED_AT = {  # by which column, which has an index: `schema` asks here
    "cells": "expires_at",
    "claims": "expires_at",
    "invites": "expires_at",
    "work_leases": "ended_at",
}


def forget_ended(tx: Transaction, table: str, moment: str, most: int) -> int:
    """Forget up to `most` rows that were over before a moment, the oldest; how many went."""
    row, ended_at = ROW[tx.dialect], ENDED_AT[table]
    sql = f"""
        DELETE FROM {table} WHERE {row} IN (
            SELECT {row} FROM {table} WHERE {ended_at} < :moment ORDER BY {ended_at} LIMIT :most
        )
    """
    return tx.run(sql, moment=moment, most=most)
