"""Columns of a table without a header: by what stands in their cells alone."""

from __future__ import annotations

from collections.abc import Sequence

from autoresearch.errors import BadInput
from autoresearch.researcher.report.columns import (
    Columns,
    find_status,
    is_counter,
    is_numeric,
    plain_name,
)
from autoresearch.researcher.report.figures import HASH


def guess_columns(cells: Sequence[Sequence[str]], wanted: str) -> Columns | None:
    """Without a header: numbers before the verdict, the metric and perhaps the memory."""
    width = max((len(row) for row in cells), default=0)
    table = [[cell_of(row, at) for row in cells] for at in range(width)]
    numeric = [at for at in range(width) if is_numeric(table[at])]
    status = find_status([""] * width, table, numeric)
    if status is None or status == 0:
        return None
    commit = next((at for at in range(status) if any(map(HASH.fullmatch, table[at]))), None)
    free = [at for at in numeric if at < status and at != commit and not is_counter(table[at])]
    names = [f"column {at + 1}" for at in range(width)]
    if plain_name(wanted) in map(plain_name, names):
        free = [[plain_name(n) for n in names].index(plain_name(wanted))]
    if not free:
        return None
    if len(free) > 2:
        among = ", ".join(names[at] for at in free)
        raise BadInput(
            f'which column is the metric: {among}? name it with --metric "{names[free[0]]}"'
        )
    memory = free[1] if len(free) > 1 else None
    commit = 0 if commit is None and free[0] > 0 else commit
    after = status + 1 if status + 1 < width else None
    return Columns(free[0], wanted or "val_bpb", commit, status, memory, after)


def cell_of(row: Sequence[str], at: int | None) -> str:
    return row[at] if at is not None and at < len(row) else ""
