"""SQL of work handed out: which result a volunteer runs again, and until when. What is useful is
decided in `rules.work_choice`.

A lease is open until somebody ends it, and holds until it expires; one that expired is ended by
whoever takes its result next.
"""

from __future__ import annotations

from autoresearch.hub.store.database import Reader, Transaction
from autoresearch.hub.values import HandedWork, StoredLease, VolunteerCount

# none holds longer than it may from now on: one that does was made by a clock that was wrong
_HOLDS = """
    ended_at IS NULL AND expires_at > :now
    AND (julianday(expires_at) - julianday(:now)) * 86400 < :length_s + 1
"""
_COLUMNS = "id, agent_id, result_id, created_at, expires_at, ended_at, outcome"


def add_lease(tx: Transaction, agent_id: str, result_id: int, expires_at: str) -> StoredLease:
    sql = f"""
        INSERT INTO work_leases (agent_id, result_id, created_at, expires_at)
        VALUES (:agent_id, :result_id, :now, :expires_at) RETURNING {_COLUMNS}
    """
    (added,) = tx.all(
        StoredLease, sql, agent_id=agent_id, result_id=result_id, now=tx.now, expires_at=expires_at
    )
    return added


def find_lease(reader: Reader, lease_id: int) -> StoredLease | None:
    """A lease, whether or not it holds."""
    sql = f"SELECT {_COLUMNS} FROM work_leases WHERE id = :id"
    return reader.one(StoredLease, sql, id=lease_id)


def free_result(tx: Transaction, result_id: int, length_s: int) -> bool:
    """End a lease on the result that no longer holds; False where one holds."""
    sql = f"""
        UPDATE work_leases SET ended_at = :now, outcome = 'expired'
        WHERE result_id = :id AND ended_at IS NULL AND NOT ({_HOLDS})
    """
    tx.run(sql, id=result_id, now=tx.now, length_s=length_s)
    open_sql = "SELECT 1 FROM work_leases WHERE result_id = :id AND ended_at IS NULL"
    return tx.value(open_sql, id=result_id) is None


def extend_lease(
    tx: Transaction, lease_id: int, agent_id: str, expires_at: str
) -> StoredLease | None:
    """Let an agent's lease hold until then; None where it is not theirs, or over."""
    sql = f"""
        UPDATE work_leases SET expires_at = :expires_at
        WHERE id = :id AND agent_id = :agent_id AND ended_at IS NULL AND expires_at > :now
        RETURNING {_COLUMNS}
    """
    found = tx.all(
        StoredLease, sql, id=lease_id, agent_id=agent_id, expires_at=expires_at, now=tx.now
    )
    return found[0] if found else None


def return_lease(tx: Transaction, lease_id: int) -> None:
    """Give a lease back; nothing where it is ended."""
    sql = """
        UPDATE work_leases SET ended_at = :now, outcome = 'returned'
        WHERE id = :id AND ended_at IS NULL
    """
    tx.run(sql, id=lease_id, now=tx.now)


def finish_lease(tx: Transaction, agent_id: str, result_id: int) -> None:
    """The agent judged the result: its lease on it is done, or expired where that came too late."""
    sql = """
        UPDATE work_leases SET ended_at = :now,
            outcome = CASE WHEN expires_at > :now THEN 'done' ELSE 'expired' END
        WHERE agent_id = :agent_id AND result_id = :result_id AND ended_at IS NULL
    """
    tx.run(sql, agent_id=agent_id, result_id=result_id, now=tx.now)


def end_expired(tx: Transaction, length_s: int) -> int:
    """End every lease that no longer holds; how many."""
    sql = f"""
        UPDATE work_leases SET ended_at = :now, outcome = 'expired'
        WHERE ended_at IS NULL AND NOT ({_HOLDS})
    """
    return tx.run(sql, now=tx.now, length_s=length_s)


def count_held(reader: Reader, agent_id: str, now: str, length_s: int) -> int:
    """How many leases of an agent hold."""
    sql = f"SELECT count(*) FROM work_leases WHERE agent_id = :agent_id AND {_HOLDS}"
    return int(reader.value(sql, agent_id=agent_id, now=now, length_s=length_s))


def count_leases(reader: Reader, agent_id: str) -> int:
    """How many leases an agent has had."""
    sql = "SELECT count(*) FROM work_leases WHERE agent_id = :agent_id"
    return int(reader.value(sql, agent_id=agent_id))


def returned_since(reader: Reader, agent_id: str, moment: str) -> list[int]:
    """Results that an agent gave back, or let expire, since a moment."""
    sql = """
        SELECT DISTINCT result_id FROM work_leases
        WHERE agent_id = :agent_id AND ended_at >= :moment AND outcome <> 'done'
    """
    return reader.column(sql, agent_id=agent_id, moment=moment)


def list_held(reader: Reader, now: str, length_s: int, most: int) -> list[HandedWork]:
    """Leases that hold, with what they are about, oldest first."""
    sql = f"""
        SELECT work_leases.agent_id, result_id, work_leases.created_at, expires_at,
            platform, track, results.agent_id AS author_id, named AS "commit", description
        FROM work_leases JOIN results ON results.id = result_id
        WHERE {_HOLDS} AND hidden = 0 ORDER BY work_leases.id LIMIT :most
    """
    return reader.all(HandedWork, sql, now=now, length_s=length_s, most=most)


def count_by_volunteer(reader: Reader, moment: str) -> list[VolunteerCount]:
    """By agent: how its leases ended since a moment."""
    sql = """
        SELECT agent_id,
            sum(CASE WHEN outcome = 'done' THEN 1 ELSE 0 END) AS done_count,
            sum(CASE WHEN outcome = 'returned' THEN 1 ELSE 0 END) AS returned_count,
            sum(CASE WHEN outcome = 'expired' THEN 1 ELSE 0 END) AS expired_count
        FROM work_leases WHERE ended_at >= :moment GROUP BY agent_id
    """
    return reader.all(VolunteerCount, sql, moment=moment)
