"""SQL of work handed out: which result or cell a volunteer runs, and until when. What is useful is
decided in `rules.work_choice`.

A lease is open until somebody ends it, and holds until it expires; one that expired is ended by
whoever takes its result or cell next.
"""

from __future__ import annotations

from typing import Literal

from autoresearch.hub.store.statements import Reader, Transaction
from autoresearch.hub.values import HandedWork, StoredLease, VolunteerCount

# none holds longer than it may from now on: one that does was made by a clock that was wrong
HOLDS = """
    ended_at IS NULL AND expires_at > :now
    AND (julianday(expires_at) - julianday(:now)) * 86400 < :length_s + 1
"""
_COLUMNS = "id, agent_id, result_id, cell_id, created_at, expires_at, ended_at, outcome"
About = Literal["result_id", "cell_id"]  # which of the two columns names what is handed out


def add_lease(
    tx: Transaction, agent_id: str, about: About, number: int, expires_at: str
) -> StoredLease:
    sql = f"""
        INSERT INTO work_leases (agent_id, {about}, created_at, expires_at)
        VALUES (:agent_id, :number, :now, :expires_at) RETURNING {_COLUMNS}
    """
    (added,) = tx.all(
        StoredLease, sql, agent_id=agent_id, number=number, now=tx.now, expires_at=expires_at
    )
    return added


def find_lease(reader: Reader, lease_id: int) -> StoredLease | None:
    """A lease, whether or not it holds."""
    sql = f"SELECT {_COLUMNS} FROM work_leases WHERE id = :id"
    return reader.one(StoredLease, sql, id=lease_id)


def end_lapsed(tx: Transaction, about: About, number: int, length_s: int) -> bool:
    """End a lease on the result or cell that no longer holds; False where one holds."""
    sql = f"""
        UPDATE work_leases SET ended_at = :now, outcome = 'expired'
        WHERE {about} = :id AND ended_at IS NULL AND NOT ({HOLDS})
    """
    tx.run(sql, id=number, now=tx.now, length_s=length_s)
    open_sql = f"SELECT 1 FROM work_leases WHERE {about} = :id AND ended_at IS NULL"
    return tx.value(open_sql, id=number) is None


def end_on_cell(tx: Transaction, cell_id: int, outcome: str) -> None:
    """End the lease on a cell, if there is one."""
    sql = """
        UPDATE work_leases SET ended_at = :now, outcome = :outcome
        WHERE cell_id = :id AND ended_at IS NULL
    """
    tx.run(sql, id=cell_id, now=tx.now, outcome=outcome)


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
        WHERE ended_at IS NULL AND NOT ({HOLDS})
    """
    return tx.run(sql, now=tx.now, length_s=length_s)


def count_held(reader: Reader, agent_id: str, now: str, length_s: int) -> int:
    """How many leases of an agent hold."""
    sql = f"SELECT count(*) FROM work_leases WHERE agent_id = :agent_id AND {HOLDS}"
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
            AND result_id IS NOT NULL
    """
    return reader.column(sql, agent_id=agent_id, moment=moment)


def list_held(reader: Reader, now: str, length_s: int, most: int) -> list[HandedWork]:
    """Leases that hold, with what they are about, oldest first."""
    sql = f"""
        SELECT held.agent_id, result_id, held.created_at, held.expires_at,
            coalesce(results.platform, cells.platform) AS platform,
            coalesce(results.track, cells.track) AS track,
            coalesce(results.agent_id, cells.agent_id) AS author_id,
            coalesce(named, cells.commit_hash) AS "commit",
            coalesce(description, '') AS description
        FROM (SELECT * FROM work_leases WHERE {HOLDS} ORDER BY id LIMIT :most) AS held
        LEFT JOIN results ON results.id = result_id
        LEFT JOIN cells ON cells.id = cell_id
        LEFT JOIN commits ON hash = cells.commit_hash
        WHERE coalesce(results.hidden, commits.hidden) = 0 ORDER BY held.id
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
