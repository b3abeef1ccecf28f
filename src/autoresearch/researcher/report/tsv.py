"""Reads any ledger of experiments: ours, an agent's handwriting, or another tool's. Draws nothing.

The files of people's tools differ: another order or number of columns, spaces for tabs, commas,
markdown, JSON, no header, hashes that are none, a crash written as 0.000000, a last line cut by a
power failure. What cannot be read is skipped and named in a note, never guessed; which column is
the metric is asked where it cannot be told.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from autoresearch.errors import BadInput
from autoresearch.models import Status
from autoresearch.researcher.report.bare_rows import cell_of, guess_columns
from autoresearch.researcher.report.columns import (
    Columns,
    choose_columns,
    is_header,
    shown_name,
)
from autoresearch.researcher.report.figures import (
    HASH,
    NO_NUMBERS,
    is_blank,
    read_column,
    read_figure,
)
from autoresearch.researcher.report.grids import (
    Grid,
    decode,
    find_separator,
    read_blanks,
    read_grids,
    read_json,
    take_metric,
)
from autoresearch.researcher.report.rows import Experiment
from autoresearch.researcher.report.verdicts import (
    is_baseline,
    is_failure,
    read_verdict,
    status_word,
)
from autoresearch.untrusted import to_line

NOTES_MAX = 20  # lines that could not be read and are named; the others are counted
MAX_TEXT = 2000  # characters of one description that a report keeps: a ledger may hold anything


@dataclass
class Sheet:
    """What was read from one ledger."""

    metric: str = "val_bpb"
    rows: list[Experiment] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    direction: str = ""  # as the ledger tells it
    has_verdicts: bool = True


def read_tsv(data: bytes, wanted: str = "", hint: str = "", name: str = "results.tsv") -> Sheet:
    """Every experiment of a ledger, in the file's order; unreadable lines become notes.

    `wanted` names the metric's column; `hint` does where there is such a column. BadInput where
    the metric's column cannot be told."""
    text = decode(data)
    grids = read_json(text)
    if grids is not None and len([g for g in grids if g.rows and g.metric]) > 1:
        return read_segments(grids, wanted, name)
    mark = find_separator(text.split("\n"))
    if grids is None:
        grids = list(read_grids(text, mark) if mark else read_blanks(text))
    last_line = 0 if text.endswith("\n") else text.count("\n") + 1
    filled = [grid for grid in grids if grid.rows]
    if not filled and grids and is_header(grids[-1].header):
        return Sheet(metric_of_header(grids[-1].header))
    return join_sheets(list(read_all(filled, wanted, hint, last_line, name)), name)


def metric_of_header(header: Sequence[str]) -> str:
    """Of a ledger without rows: ours has its metric second."""
    return shown_name(header[1]) if len(header) == 5 else "val_bpb"


def read_segments(grids: list[Grid], wanted: str, name: str) -> Sheet:
    """The last of several sessions in one file: their baselines and metrics differ."""
    filled = [grid for grid in grids if grid.rows]
    sheet = join_sheets(read_all(filled[-1:], wanted, "", 0, name), name)
    left_out = sum(len(grid.rows) for grid in filled[:-1])
    sheet.notes.append(f"{left_out} experiment(s) of earlier sessions in {name} are not shown")
    return sheet


def read_all(
    grids: Sequence[Grid], wanted: str, hint: str, last_line: int, name: str
) -> list[Sheet]:
    """A sheet for each table that is one of experiments; the first fault where none is."""
    sheets, faults = [], []
    for grid in grids:
        try:
            sheets.append(read_grid(grid, wanted, hint, last_line, name))
        except BadInput as error:
            faults.append(error)
    if faults and not any(sheet.rows for sheet in sheets):
        raise BadInput(f"{name}: {faults[0]}")
    if faults and sheets:
        sheets[-1].notes.append(f"{len(faults)} other table(s) of {name} are not experiments")
    return sheets


def join_sheets(sheets: list[Sheet], name: str) -> Sheet:
    """Tables of one metric as one ledger. Those with verdicts count where there are any."""
    judged = [sheet for sheet in sheets if sheet.has_verdicts and sheet.rows]
    chosen = judged or [sheet for sheet in sheets if sheet.rows]
    metrics = list(dict.fromkeys(sheet.metric for sheet in chosen))
    if len({metric.lower() for metric in metrics}) > 1:
        names = " or ".join(metrics)
        raise BadInput(f"{name} has tables of several metrics: {names}? name one with --metric")
    whole = Sheet(notes=[note for sheet in sheets for note in sheet.notes])
    for sheet in chosen:
        whole.rows += [replace(r, number=len(whole.rows) + r.number) for r in sheet.rows]
        whole.metric, whole.has_verdicts = sheet.metric, sheet.has_verdicts
        whole.direction = whole.direction or sheet.direction
    renumbered = [replace(row, number=n) for n, row in enumerate(whole.rows, 1)]
    whole.rows = renumbered
    further = len(whole.notes) - NOTES_MAX
    if further > 0:
        tail = f"{further} further lines of {name} are not readable: not counted"
        whole.notes = [*whole.notes[:NOTES_MAX], tail]
    return whole


def read_grid(grid: Grid, wanted: str, hint: str, last_line: int, name: str) -> Sheet:
    grid = take_metric(grid, wanted)
    cells = [row for _, row in grid.rows]
    columns = columns_of(grid, cells, wanted, hint)
    is_named = columns is not None and (not grid.metric or columns.metric != grid.column)
    metric = columns.metric if columns and is_named else grid.metric or "val_bpb"
    sheet = Sheet(metric, direction="" if is_named else grid.direction)
    sheet.direction = sheet.direction or (columns.direction if columns else "")
    sheet.has_verdicts = columns is None or columns.status is not None
    values = read_column([cell_of(row, columns.value) for row in cells]) if columns else []
    for at, (number, row) in enumerate(grid.rows):
        is_cut = number == last_line
        found = None
        if columns is not None and not (is_cut and len(row) < len(grid.header)):
            found = by_columns(row, columns, values[at], is_first=not sheet.rows)
        if found is None and sheet.has_verdicts:
            found = around_status("\t".join(row) if columns is None else " ".join(row))
        if found is None:
            sheet.notes.append(unreadable_note(number, is_cut, name, row, columns))
        else:
            sheet.rows.append(without_impossible_value(found, hint or sheet.metric))
    return sheet


def columns_of(
    grid: Grid, cells: Sequence[Sequence[str]], wanted: str, hint: str
) -> Columns | None:
    """By the header, else by what stands in the cells; None where neither tells."""
    if not grid.header:
        return guess_columns(cells, wanted)
    if grid.metric and wanted.lower() in ("", grid.metric.lower()):
        wanted = grid.column  # its name stands elsewhere
    return choose_columns(grid.header, cells, wanted, hint)


def unreadable_note(
    number: int, is_last: bool, name: str, row: Sequence[str], columns: Columns | None
) -> str:
    """A whole line ends with a newline, so a last piece that is not empty was cut off."""
    word = cell_of(row, columns.status) if columns else ""
    if word and not is_last and read_verdict(word) is None:
        return f"line {number} of {name}: {to_line(word, 40)!r} is no verdict: not counted"
    fault = "was cut off" if is_last else "is not readable"
    return f"line {number} of {name} {fault}: not counted"


def by_columns(
    row: Sequence[str], columns: Columns, value: float | None, is_first: bool
) -> Experiment | None:
    """The row by its header's columns; None where it has no verdict or, without verdicts, no
    cell for the metric."""
    told, written = cell_of(row, columns.status), cell_of(row, columns.value)
    status = read_verdict(told)
    if columns.status is None:
        if (not is_blank(written) and value is None) or len(row) <= columns.value:
            return None
        status = "crash" if value is None else "discard"
    if status is None and not told and is_first and value is not None:
        status = "keep"  # what the others are compared with
    if status is None:
        return None
    if status == "crash" and is_failure(told) and value:
        status = "discard"  # it ran, and was not good enough
    memory = read_column([cell_of(row, columns.memory_gb)])[0]
    if memory is not None and columns.in_mb:
        memory /= 1024
    commit, words = cell_of(row, columns.commit), cell_of(row, columns.description)
    found = experiment(commit.strip("`*"), value, memory, status, words)
    return replace(found, is_baseline=status == "keep" and is_baseline(told))


def around_status(line: str) -> Experiment | None:
    """Commit, value and memory stand before the status, the description after it, whatever
    separates them."""
    words = list(islice(re.finditer(r"\S+", line), 6))
    for position, word in enumerate(words):
        status = status_word(word.group())
        before = [w.group() for w in words[:position]]
        if len(before) > 2 and before[0].isdigit() and HASH.fullmatch(before[1]):
            before = before[1:]  # the row's number
        values = [text for text in before[1:] if is_value(text)]
        if status is None or len(before) < 2 or not values:
            continue
        numbers = [read_column([text])[0] for text in [*values, ""][:2]]
        return experiment(before[0], numbers[0], numbers[1], status, line[word.end() :])
    return None


def experiment(
    commit: str, value: float | None, memory: float | None, status: Status, description: str
) -> Experiment:
    return Experiment(
        number=0,
        commit=clean(commit)[:40],
        status=status,
        value=None if status == "crash" else value,
        memory_gb=None if status == "crash" else memory,
        description=clean(description),
    )


def without_impossible_value(row: Experiment, metric: str) -> Experiment:
    """No text has 0.000000 bits per byte: a kept run that says so printed nothing, a discarded one
    may have been stopped early."""
    if metric != "val_bpb" or row.value is None or row.value > 0:
        return row
    status: Status = "discard" if row.status == "discard" else "crash"
    return experiment(row.commit, None, None, status, row.description)


def is_value(text: str) -> bool:
    return read_figure(text) is not None or text.lower() in NO_NUMBERS


def clean(text: str) -> str:
    """One harmless line, for terminals and pages."""
    return to_line(text, MAX_TEXT)
