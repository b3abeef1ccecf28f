"""SQL that counts what was used of an allowance. What is allowed is decided in `rules.limits`."""

from __future__ import annotations

from autoresearch.hub.store.statements import Reader, Transaction
from autoresearch.hub.values import SpentAllowance, UsedAllowance


def take(
    tx: Transaction, subject: str, action: str, allowed: int, now_s: int, window_s: int
) -> bool:
    """Count one use; False, counting none, where `allowed` are used up in the window that runs."""
    if allowed < 1:
        return False
    # one statement: begins an hour, counts within it, or touches nothing where all is used up;
    # an hour that begins in the future was begun by a clock that was wrong
    sql = """
        INSERT INTO limits (subject, action, started_s, used)
        VALUES (:subject, :action, :now_s, 1)
        ON CONFLICT (subject, action) DO UPDATE SET
            started_s = CASE WHEN limits.started_s <= :stale_s OR limits.started_s > :now_s
                        THEN excluded.started_s ELSE limits.started_s END,
            used = CASE WHEN limits.started_s <= :stale_s OR limits.started_s > :now_s
                   THEN 1 ELSE limits.used + 1 END
        WHERE limits.started_s <= :stale_s OR limits.started_s > :now_s OR limits.used < :allowed
    """
    stale_s = now_s - window_s
    taken = tx.run(
        sql, subject=subject, action=action, now_s=now_s, stale_s=stale_s, allowed=allowed
    )
    return taken == 1


def read_used(reader: Reader, subject: str, action: str) -> UsedAllowance:
    """What is used of the window that began last."""
    sql = "SELECT started_s, used FROM limits WHERE subject = :subject AND action = :action"
    return reader.one(UsedAllowance, sql, subject=subject, action=action) or UsedAllowance(0, 0)


def read_spent(reader: Reader, since_s: int) -> list[SpentAllowance]:
    """What agents used of the hours that began since a moment."""
    sql = """
        SELECT subject, action, used FROM limits
        WHERE started_s >= :since_s AND subject LIKE 'agent:%' ORDER BY subject, action
    """
    return reader.all(SpentAllowance, sql, since_s=since_s)


def forget(tx: Transaction, subject: str) -> int:
    """Make every allowance of a subject whole; how many were in use."""
    return tx.run("DELETE FROM limits WHERE subject = :subject", subject=subject)


def forget_before(tx: Transaction, started_s: int) -> int:
    """Forget the windows that began before a moment: they say nothing any more."""
    return tx.run("DELETE FROM limits WHERE started_s < :started_s", started_s=started_s)
