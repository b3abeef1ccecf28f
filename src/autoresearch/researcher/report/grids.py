"""Tables as files hold them: tabs, commas, semicolons, blanks, markdown, lines of JSON. A file may
hold several. What their columns mean is left to columns.py.
"""

from __future__ import annotations

import codecs
import csv
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from autoresearch.errors import BadInput
from autoresearch.researcher.report.columns import ROLES, is_header, plain_name
from autoresearch.researcher.report.figures import is_number

CELLS_MAX = 200  # of one line that are looked at
RULE = re.compile(r"[\s|:+=-]+")
FENCE = ("```", "~~~", "//", "<!--")


@dataclass
class Grid:
    """One table: its header (none where the file has none), and its rows with their lines."""

    header: list[str] = field(default_factory=list)
    rows: list[tuple[int, list[str]]] = field(default_factory=list)
    metric: str = ""  # as the file itself tells it
    direction: str = ""
    column: str = "metric"  # where its values stand then


def decode(data: bytes) -> str:
    """Text of a file in UTF-8 or UTF-16, with or without a byte order mark, with any line ends.

    Windows PowerShell's `>` writes UTF-16, and its `>>` adds UTF-16 to a file in UTF-8: the zero
    bytes are dropped there.
    """
    head = data[:64]  # the rest may be in another encoding
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = data.decode("utf-16", errors="replace")
    elif len(head) > 3 and head[1::2].count(0) > 0.6 * len(head[1::2]):
        text = data.decode("utf-16-le", errors="replace")
    elif len(head) > 3 and head[0::2].count(0) > 0.6 * len(head[0::2]):
        text = data.decode("utf-16-be", errors="replace")
    else:
        text = data.decode("utf-8-sig", errors="replace")
    return text.replace("\x00", "").replace("\ufeff", "").replace("\r\n", "\n").replace("\r", "\n")


def find_separator(lines: Sequence[str]) -> str:
    """What stands between the cells; "" for blanks. The first lines decide."""
    first = [line for line in lines[:50] if line.strip() and not RULE.fullmatch(line)]
    tables = [line for line in first if line.strip().startswith("|")]
    if tables and not any("\t" in line for line in first):
        return "|"
    plain = [line for line in first if not is_comment(line)]
    for mark in ("\t", ";", ",", "|"):
        counts = [line.count(mark) for line in plain]
        least = 2 if plain and " " in plain[0].strip() else 1  # two columns, or prose
        if counts and counts[0] >= least and 2 * sum(n >= least for n in counts) > len(counts):
            return mark
    return "\t" if any("\t" in line for line in first) else ""


def is_comment(line: str) -> bool:
    return line.lstrip().startswith(("# ", "//")) and not is_header(split_line(line, "\t"))


def split_line(line: str, mark: str) -> list[str]:
    """The cells of a line. Quotes hold a cell together where they are whole."""
    if mark == "|":
        inner = line.strip().removeprefix("|").removesuffix("|")
        return [c.strip().replace("\\|", "|") for c in re.split(r"(?<!\\)\|", inner)][:CELLS_MAX]
    if '"' in line:
        try:
            cells = next(csv.reader([line], delimiter=mark, strict=True), [])
            return [" ".join(cell.split()) for cell in cells[:CELLS_MAX]]
        except csv.Error:
            pass
    return [cell.strip() for cell in line.split(mark, CELLS_MAX)]


def read_grids(text: str, mark: str) -> Iterator[Grid]:
    """The tables of a text whose cells have a mark between them."""
    grid = Grid()
    for number, line in join_quoted(text.split("\n"), mark):
        if not line.strip() or line.lstrip().startswith(FENCE) or RULE.fullmatch(line):
            continue
        if mark == "|" and "|" not in line:
            if grid.rows:
                yield grid
                grid = Grid()
            continue
        cells = split_line(line, mark)
        if (
            line.lstrip().startswith("#")
            and len(cells) != len(grid.header)
            and not is_header(cells)
        ):
            continue  # a comment
        if is_header(cells) or (not grid.header and not grid.rows and is_title(cells, mark)):
            if cells != grid.header:
                yield grid
                grid = Grid(header=cells)
            continue
        grid.rows.append((number, fit_cells(cells, grid.header, mark)))
    yield grid


def read_blanks(text: str) -> Iterator[Grid]:
    """The one table of a text whose cells have blanks between them: two or more, or one each."""
    grid = Grid()
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or RULE.fullmatch(line) or line.startswith(FENCE):
            continue
        cells = blank_cells(line, len(grid.header))
        if not grid.rows and (is_header(cells) or is_header(line.split())):
            grid.header = cells if is_header(cells) else line.split()
        elif cells != grid.header and not line.lstrip().startswith("# "):
            grid.rows.append((number, cells))
    yield grid


def blank_cells(line: str, width: int) -> list[str]:
    wide = re.split(r" {2,}", line.strip())
    if len(wide) > 1 and len(wide) in (width, width or len(wide)):
        return wide
    return line.split(None, width - 1) if width else line.split(None, CELLS_MAX)


def is_title(cells: Sequence[str], mark: str) -> bool:
    """A first line of names alone."""
    return len(cells) > 1 and (mark == "|" or not any(map(is_number, cells)))


def join_quoted(lines: list[str], mark: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers; a quoted cell of a table with commas may hold line ends."""
    at = 0
    while at < len(lines):
        line, number = lines[at], at + 1
        at += 1
        if mark in (",", ";") and line.count('"') % 2:
            for further in range(at, min(at + 20, len(lines))):
                if lines[further].count('"') % 2:
                    line = " ".join([line, *lines[at : further + 1]])
                    at = further + 1
                    break
        yield number, line


def fit_cells(cells: list[str], header: Sequence[str], mark: str) -> list[str]:
    """A row as wide as its header: what is too much belongs to the description, or to the last
    cell."""
    width = len(header)
    if not width or len(cells) <= width:
        return cells
    while cells and len(cells) > width and not cells[-1]:
        cells = cells[:-1]
    joint = " " if mark == "\t" else mark + " "
    names = [plain_name(name) for name in header]
    at = next((i for i, name in enumerate(names) if name in ROLES["description"]), width - 1)
    end = at + 1 + len(cells) - width
    return [*cells[:at], joint.join(cells[at:end]), *cells[end:]]


def read_json(text: str) -> list[Grid] | None:
    """Tables of JSON lines or of one list; None where it is neither. A record that names a metric
    and has no value of it begins another table (pi-autoresearch's `config`)."""
    records, bad = json_records(text)
    if not records:
        return None
    grids = [Grid()]
    for number, record in records:
        if isinstance(record.get("metricName"), str) and "metric" not in record:
            way = {"lower": "min", "higher": "max"}.get(str(record.get("bestDirection")), "")
            grids.append(Grid(metric=record["metricName"], direction=way))
            continue
        flat = flatten_record(record)
        header = grids[-1].header
        header += [name for name in flat if name not in header][: CELLS_MAX - len(header)]
        row = [flat.get(name, "") for name in header]
        grids[-1].rows.append((number, row))
    grids[-1].rows += [(number, []) for number in bad]
    return grids


def take_metric(grid: Grid, wanted: str) -> Grid:
    """Of a table with a metric's name and its value in each row, the rows of the one metric."""
    names = [cell.strip().lower() for cell in grid.header]
    if not {"metric", "value"} <= set(names):
        return grid
    at = names.index("metric")
    kinds = list(dict.fromkeys(row[at] for _, row in grid.rows if len(row) > at))
    if any(map(is_number, kinds)):
        return grid
    chosen = [kind for kind in kinds if len(kinds) == 1 or kind.lower() == wanted.lower()]
    if not chosen:
        raise BadInput(f"it has rows of {' and '.join(kinds[:20])}: name one with --metric")
    rows = [(number, row) for number, row in grid.rows if row[at : at + 1] == chosen[:1]]
    return replace(grid, rows=rows, metric=chosen[0], column="value")


def json_records(text: str) -> tuple[list[tuple[int, dict[str, Any]]], list[int]]:
    """The objects with their lines, and the lines that are none."""
    if text.lstrip()[:1] not in ("{", "["):
        return [], []
    try:
        whole = json.loads(text)
        lists = (
            [v for v in whole.values() if isinstance(v, list)] if isinstance(whole, dict) else []
        )
        each = whole if isinstance(whole, list) else lists[0] if len(lists) == 1 else [whole]
        return [(n, e) for n, e in enumerate(each, 1) if isinstance(e, dict)], []
    except (ValueError, RecursionError):
        found, bad = [], []
    for number, line in enumerate(text.split("\n"), 1):
        try:
            value = json.loads(line) if line.strip() else None
        except (ValueError, RecursionError):
            value = line
        if isinstance(value, dict):
            found.append((number, value))
        elif value is not None:
            bad.append(number)
    return found, bad


def flatten_record(record: dict[str, Any]) -> dict[str, str]:
    """The record's simple values as texts; those of an object in it under `outer.inner`."""
    flat: dict[str, str] = {}
    for name, value in record.items():
        inner = value if isinstance(value, dict) else {}
        pairs = [(f"{name}.{key}", each) for key, each in inner.items()] or [(name, value)]
        for key, each in pairs:
            if isinstance(each, bool | int | float | str):
                flat[str(key)] = str(each).lower() if isinstance(each, bool) else str(each)
    return flat
