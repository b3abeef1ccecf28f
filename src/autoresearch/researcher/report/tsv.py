"""Reads any results.tsv: ours, an agent's handwriting, or another tool's. Draws nothing, judges
nothing.

The lines of people's tools differ: another order or number of columns, spaces for tabs, no header,
hashes that are none, a crash written as 0.000000, UTF-16 from a Windows shell, a last line cut by
a power failure. What cannot be read is skipped and named in a note, never guessed.
"""

from __future__ import annotations

import codecs
import math
import re
from dataclasses import dataclass, field
from itertools import islice

from autoresearch.models import Status
from autoresearch.researcher.report.rows import Experiment
from autoresearch.untrusted import to_line

STATUS_WORDS: dict[str, Status] = {
    **dict.fromkeys(("keep", "kept", "baseline", "accept", "accepted", "improved"), "keep"),
    **dict.fromkeys(
        ("discard", "discarded", "reject", "rejected", "revert", "reverted", "drop", "dropped"),
        "discard",
    ),
    **dict.fromkeys(
        ("crash", "crashed", "fail", "failed", "error", "timeout", "oom", "nan", "diverged"),
        "crash",
    ),
}
COLUMN_NAMES = {
    "commit": ("commit", "hash", "sha", "commit_hash"),
    "memory_gb": ("memory_gb", "vram_gb", "mem_gb", "memory", "peak_vram_gb", "vram"),
    "status": ("status", "result", "verdict", "outcome"),
    "description": ("description", "desc", "idea", "notes", "note", "message", "change", "summary"),
}
# Columns that other tools add, which are not the metric.
OTHER_COLUMNS = frozenset(
    [
        "id",
        "number",
        "run",
        "experiment",
        "iteration",
        "iter",
        "step",
        "seed",
        "when",
        "time",
        "date",
        "timestamp",
        "agent",
        "author",
        "branch",
        "parent",
        "track",
        "platform",
        "gpu",
        "device",
        "model",
        "seconds",
        "duration",
        "delta",
        "change",
        "noise",
        "training_seconds",
        "total_seconds",
        "num_steps",
        "mfu_percent",
        "num_params_m",
    ]
)
OUR_COLUMNS = ("commit", "value", "memory_gb", "status", "description")
NUMBER = re.compile(r"[-+]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][-+]?\d+)?")
NO_NUMBERS = frozenset(["---", "--", "-", "nan", "inf", "none", "n/a", "na"])
NOTES_MAX = 20  # lines that could not be read and are named; the others are counted
MAX_TEXT = 2000  # characters of one description that a report keeps: a ledger may hold anything


@dataclass
class Sheet:
    """What was read from one results.tsv."""

    metric: str = "val_bpb"
    rows: list[Experiment] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_tsv(data: bytes, metric: str = "") -> Sheet:
    """Every experiment of a results.tsv, in the file's order; unreadable lines become notes.

    `metric` is what the experiment's own configuration measures: under another name than
    `val_bpb`, zero and less are values, whatever the header says."""
    text = decode(data)
    sheet, columns, unreadable = Sheet(), None, 0
    lines = text.split("\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        header = header_columns(line) if columns is None and not sheet.rows else None
        if header is not None:
            columns, sheet.metric = header, metric_name(line, header)
            continue
        row = parse_line(line, columns, len(sheet.rows) + 1)
        if row is None:
            unreadable += 1
            if unreadable <= NOTES_MAX:
                sheet.notes.append(unreadable_note(number, is_last=number == len(lines)))
            continue
        sheet.rows.append(without_impossible_value(row, metric or sheet.metric))
    if unreadable > NOTES_MAX:
        further = unreadable - NOTES_MAX
        sheet.notes.append(f"{further} further lines of results.tsv are not readable: not counted")
    return sheet


def unreadable_note(number: int, is_last: bool) -> str:
    """A whole line ends with a newline, so a last piece that is not empty was cut off."""
    fault = "was cut off" if is_last else "is not readable"
    return f"line {number} of results.tsv {fault}: not counted"


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


def cells_of(line: str) -> list[str]:
    if "\t" in line:
        return [cell.strip() for cell in line.split("\t")]
    return re.split(r" {2,}", line.strip()) if re.search(r"\S {2,}\S", line) else line.split()


def is_our_header(names: list[str]) -> bool:
    """Whether these are the columns that we write, with any metric in the second place."""
    return len(names) == 5 and [names[0], *names[2:]] == [OUR_COLUMNS[0], *OUR_COLUMNS[2:]]


def header_columns(line: str) -> dict[str, int] | None:
    """Where each known column stands, if this line is a header; else None."""
    names = [
        cell.lower().lstrip("#").strip()
        for cell in (line.split("\t") if "\t" in line else line.split())
    ]
    if is_our_header(names):  # whatever the metric is called: `status` and `seconds`, too
        return dict(zip(OUR_COLUMNS, (0, 1, 2, 3, 4), strict=True))
    found = {
        column: names.index(alias)
        for column, aliases in COLUMN_NAMES.items()
        for alias in reversed(aliases)
        if alias in names
    }
    has_numbers = any(NUMBER.fullmatch(name) for name in names)
    return found if "status" in found and len(found) >= 2 and not has_numbers else None


def metric_name(line: str, columns: dict[str, int]) -> str:
    """val_bpb, or the first column that is none of those other things."""
    names = [
        cell.strip().lstrip("#").strip()
        for cell in (line.split("\t") if "\t" in line else line.split())
    ]
    if "value" in columns:
        return names[columns["value"]]
    if "val_bpb" in names:
        columns["value"] = names.index("val_bpb")
        return "val_bpb"
    for index, name in enumerate(names):
        is_free = index not in columns.values() and name.lower() not in OTHER_COLUMNS
        if is_free and re.fullmatch(r"[A-Za-z][\w.-]{0,40}", name):
            columns["value"] = index
            return name
    return "val_bpb"


def parse_line(line: str, columns: dict[str, int] | None, number: int) -> Experiment | None:
    """One experiment: by the header's columns where they fit, else around the word that is a
    status; None if neither."""
    cells = cells_of(line)
    if columns is not None and "\t" in line:
        row = by_columns(cells, columns, number)
        if row is not None:
            return row
    return around_status(line, number)


def by_columns(cells: list[str], columns: dict[str, int], number: int) -> Experiment | None:
    def cell(name: str) -> str:
        index = columns.get(name, -1)
        return cells[index] if 0 <= index < len(cells) else ""

    status = status_word(cell("status"))
    if status is None:
        return None
    description = cell("description")
    last = max(columns.values())
    if columns.get("description") == last and len(cells) > last + 1:
        description = " ".join(cells[last:])  # a tab inside the description
    return experiment(number, cell("commit"), cell("value"), cell("memory_gb"), status, description)


def around_status(line: str, number: int) -> Experiment | None:
    """Commit, value and memory stand before the status, the description after it, whatever
    separates them."""
    words = list(islice(re.finditer(r"\S+", line), 6))
    for position, word in enumerate(words):
        status = status_word(word.group())
        before = [w.group() for w in words[:position]]
        values = [text for text in before[1:] if is_value(text)]
        if status is None or len(before) < 2 or not values:
            continue
        memory = values[1] if len(values) > 1 else ""
        return experiment(number, before[0], values[0], memory, status, line[word.end() :])
    return None


def experiment(
    number: int, commit: str, value: str, memory: str, status: Status, description: str
) -> Experiment:
    return Experiment(
        number=number,
        commit=clean(commit)[:40],
        status=status,
        value=None if status == "crash" else number_in(value),
        memory_gb=None if status == "crash" else number_in(memory),
        description=clean(description),
    )


def without_impossible_value(row: Experiment, metric: str) -> Experiment:
    """No text has 0.000000 bits per byte: a kept run that says so printed nothing, a discarded one
    may have been stopped early."""
    if metric != "val_bpb" or row.value is None or row.value > 0:
        return row
    status: Status = "discard" if row.status == "discard" else "crash"
    return experiment(row.number, row.commit, "", "", status, row.description)


def status_word(text: str) -> Status | None:
    return STATUS_WORDS.get(text.strip().strip("*`[]().:,✓✗✅❌").lower())


def is_value(text: str) -> bool:
    return NUMBER.match(text) is not None or text.lower() in NO_NUMBERS


def number_in(text: str) -> float | None:
    """A finite number at the start of the text, or None. A unit may follow, and a comma may be the
    point."""
    match = NUMBER.match(text.strip())
    if match is None:
        return None
    value = float(match.group().replace(",", "."))
    return value if math.isfinite(value) else None


def clean(text: str) -> str:
    """One harmless line, for terminals and pages."""
    return to_line(text, MAX_TEXT)
