"""SQL of cells: runs of waves that researchers ask volunteers for. Who gets which is decided in
`rules.cells`; leases are those of `work_leases`.
"""

from __future__ import annotations

from collections import Counter

from autoresearch.hub.store.statements import Reader, Transaction
from autoresearch.hub.values import AskerCount, BoardName
from autoresearch.models import Cell

_COLUMNS = """
    commit_hash AS "commit", platform, track, value AS val_bpb, cells.id, cells.agent_id, seed,
    cells.created_at, cells.expires_at, held.agent_id AS held_by, run_by, cells.outcome
"""
_CELLS = """
    cells LEFT JOIN work_leases AS held ON held.cell_id = cells.id AND held.ended_at IS NULL
        AND held.expires_at > :at
"""
_OPEN = f"""
    SELECT {_COLUMNS} FROM {_CELLS}
    WHERE platform = :platform AND track = :track AND cells.outcome IS NULL
        AND cells.expires_at > :at AND cells.agent_id <> :agent_id AND held.id IS NULL
        AND EXISTS (SELECT 1 FROM commits WHERE hash = commit_hash AND hidden = 0)
        AND EXISTS (SELECT 1 FROM agents WHERE agents.id = cells.agent_id AND revoked_at IS NULL)
        AND NOT EXISTS (
            SELECT 1 FROM work_leases AS mine
            WHERE mine.cell_id = cells.id AND mine.agent_id = :agent_id AND mine.ended_at >= :since
        )
    ORDER BY cells.id LIMIT :most
"""


def add_cell(
    tx: Transaction, agent_id: str, commit: str, board: BoardName, seed: int, expires_at: str
) -> int:
    """Store a run that is asked for; its id."""
    sql = """
        INSERT INTO cells (agent_id, commit_hash, platform, track, seed, created_at, expires_at)
        VALUES (:agent_id, :commit, :platform, :track, :seed, :now, :expires_at) RETURNING id
    """
    columns = {"commit": commit, "platform": board.platform, "track": board.track, "seed": seed}
    return int(tx.value(sql, agent_id=agent_id, now=tx.now, expires_at=expires_at, **columns))


def find_cell(reader: Reader, cell_id: int, at: str) -> Cell | None:
    sql = f"SELECT {_COLUMNS} FROM {_CELLS} WHERE cells.id = :id"
    return reader.one(Cell, sql, id=cell_id, at=at)


def list_cells(reader: Reader, agent_id: str, at: str, most: int) -> list[Cell]:
    """What an agent asked for, newest first."""
    sql = f"""
        SELECT {_COLUMNS} FROM {_CELLS} WHERE cells.agent_id = :agent_id
        ORDER BY cells.id DESC LIMIT :most
    """
    return reader.all(Cell, sql, agent_id=agent_id, at=at, most=most)


def list_open(
    reader: Reader, board: BoardName, agent_id: str, at: str, since: str, most: int
) -> list[Cell]:
    """What this volunteer could run, oldest first: nothing of their own, and nothing that they
    held and that ended since a moment."""
    names = {"platform": board.platform, "track": board.track}
    return reader.all(Cell, _OPEN, agent_id=agent_id, at=at, since=since, most=most, **names)


def extend_cell(tx: Transaction, cell_id: int, expires_at: str) -> None:
    """Let a cell be asked for until then."""
    sql = "UPDATE cells SET expires_at = :expires_at WHERE id = :id"
    tx.run(sql, id=cell_id, expires_at=expires_at)


def end_cell(
    tx: Transaction, cell_id: int, outcome: str, run_by: str | None, value: float | None
) -> None:
    """A cell is over, with what came of it."""
    sql = """
        UPDATE cells SET outcome = :outcome, run_by = :run_by, value = :value WHERE id = :id
    """
    tx.run(sql, id=cell_id, outcome=outcome, run_by=run_by, value=value)


def count_handed(reader: Reader, since: str) -> Counter[str]:
    """By asker: how many leases on cells of theirs are open, or ended since a moment."""
    sql = """
        SELECT cells.agent_id, count(*) AS handed FROM work_leases
        JOIN cells ON cells.id = cell_id WHERE ended_at >= :since OR ended_at IS NULL
        GROUP BY cells.agent_id
    """
    found = reader.all(AskerCount, sql, since=since)
    return Counter({count.agent_id: count.handed for count in found})


def is_shown(reader: Reader, commit: str) -> bool:
    """Whether the hub has a commit, for all to see."""
    sql = "SELECT 1 FROM commits WHERE hash = :commit AND hidden = 0"
    return reader.value(sql, commit=commit) is not None
