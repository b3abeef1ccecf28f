"""Cells: runs of waves that a researcher asks volunteers of the same platform and track for.

Nobody checks what a volunteer says of a cell, so it is told to the one who asked and stands on no
board. A cell is asked for until it is withdrawn, or its researcher has been silent for as long as
a cell lasts. Leaves to others: leases (`rules.work`).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping

from autoresearch.clock import precise_timestamp, shift_time
from autoresearch.errors import BadInput, Conflict, Forbidden, NotFound, RateLimited
from autoresearch.hub.rules import limits
from autoresearch.hub.rules.accounts import Caller
from autoresearch.hub.settings import Settings
from autoresearch.hub.store import cells, work_leases
from autoresearch.hub.store.statements import Reader, Transaction
from autoresearch.hub.values import BoardName, StoredLease
from autoresearch.models import Cell, NewCell, ReportedNumber

CELL_S = 900  # asked for so long; asking again prolongs it
OPEN_MAX, OPEN_WAIT_S = 16, 60  # cells that one agent asks for at once; when to ask again
LISTED_MAX = 100
CANDIDATES_MAX = 200
RETURNED_S, LATELY_S = 3600, 3600
SEED_MAX = 2**31
HASH = re.compile(r"[0-9a-f]{40}", re.ASCII)


def ask_for_cell(
    tx: Transaction, settings: Settings, caller: Caller, board: BoardName, new: NewCell
) -> Cell:
    """Ask for a run. Asked for again, it lasts its whole time again; one that is over says what
    came of it, and one that was withdrawn begins anew."""
    agent_id = caller.writer()
    if not HASH.fullmatch(new.commit) or not 0 <= new.seed < SEED_MAX:
        raise BadInput("a cell names its commit by 40 hex digits, and a seed from 0 to 2^31 - 1")
    if not cells.is_shown(tx, new.commit):
        raise NotFound(f"no commit {new.commit[:12]} here; push it first")
    own = cells.list_cells(tx, agent_id, tx.now, LISTED_MAX)
    until = shift_time(tx.now, CELL_S)
    same = next((cell for cell in own if _is_same(cell, board, new)), None)
    if same is None:
        if sum(cell.outcome is None and cell.expires_at > tx.now for cell in own) >= OPEN_MAX:
            raise RateLimited(f"you ask for {OPEN_MAX} cells; withdraw one first", OPEN_WAIT_S)
        limits.spend(tx, f"agent:{agent_id}", "cell", settings.max_posts_per_hour)
        number = cells.add_cell(tx, agent_id, new.commit, board, new.seed, until)
    else:
        number = same.id
        if same.outcome is None:
            cells.extend_cell(tx, number, until)
    return _find(tx, number, tx.now)


def _is_same(cell: Cell, board: BoardName, new: NewCell) -> bool:
    asked = (new.commit, new.seed, board.platform, board.track)
    is_withdrawn = cell.outcome == "withdrawn"
    return not is_withdrawn and asked == (cell.commit, cell.seed, cell.platform, cell.track)


def list_own(reader: Reader, caller: Caller) -> list[Cell]:
    """What the caller asked for, newest first."""
    return cells.list_cells(reader, caller.writer(), precise_timestamp(), LISTED_MAX)


def withdraw_cell(tx: Transaction, caller: Caller, cell_id: int) -> None:
    """Ask for a run no more; withdrawing what is over is no error."""
    found = _find(tx, cell_id, tx.now)
    if found.agent_id != caller.agent_id and not caller.is_admin:
        raise Forbidden(f"cell {cell_id} is {found.agent_id}'s")
    if found.outcome is None:
        cells.end_cell(tx, cell_id, "withdrawn", None, None)
        work_leases.end_on_cell(tx, cell_id, "withdrawn")


def _find(reader: Reader, cell_id: int, at: str) -> Cell:
    found = cells.find_cell(reader, cell_id, at)
    if found is None:
        raise NotFound(f"no cell {cell_id}; GET /api/cells lists yours")
    return found


# ---------------------------------------------------------------- for volunteers


def find_cells(reader: Reader, board: BoardName, agent_id: str, now: str) -> list[Cell]:
    """What a volunteer could run, askers in turn. Of the same network they may be: a second
    machine of one's own helps, and no board believes it for that."""
    returned, lately = shift_time(now, -RETURNED_S), shift_time(now, -LATELY_S)
    found = cells.list_open(reader, board, agent_id, now, returned, CANDIDATES_MAX)
    return order_cells(found, cells.count_handed(reader, lately)) if found else []


def order_cells(found: Iterable[Cell], handed: Mapping[str, int]) -> list[Cell]:
    """Those of whom fewest were handed out of late come first; of one asker the oldest."""
    turns = Counter(handed)
    placed = []
    for cell in sorted(found, key=lambda cell: cell.id):
        placed.append((turns[cell.agent_id], cell.id, cell))
        turns[cell.agent_id] += 1
    return [cell for *_, cell in sorted(placed, key=lambda place: place[:2])]


def report_cell(tx: Transaction, lease: StoredLease, report: ReportedNumber) -> Cell:
    """What a run came to ends the cell and the lease. BadInput where the report is of another
    commit, Conflict where either is over."""
    if lease.cell_id is None:
        raise BadInput(f"lease {lease.id} is on a result: reply in its thread")
    if lease.ended_at is not None or lease.expires_at <= tx.now:
        raise Conflict(f"lease {lease.id} is over ({lease.outcome or 'expired'})")
    commit, value = _find(tx, lease.cell_id, tx.now).commit, report.val_bpb
    if report.commit != commit:
        raise BadInput(f"lease {lease.id} is on a run of {commit}")
    if value is not None and not math.isfinite(value):
        raise BadInput("a value is a finite number")
    cells.end_cell(tx, lease.cell_id, "failed" if value is None else "done", lease.agent_id, value)
    work_leases.end_on_cell(tx, lease.cell_id, "done")
    return _find(tx, lease.cell_id, tx.now)
