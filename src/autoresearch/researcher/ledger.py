"""The ledger of an experiment repository: `experiments.jsonl` (everything, the truth) and
`results.tsv` (the short form).

Both only grow. An entry is on disk (fsync) before `append` returns, and appending an id that is
there already adds nothing, so a loop killed between any two steps simply does its last step again.
A line cut by a crash is set aside and named. Leaves to others: what the numbers mean (judging),
tables and plots (report).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from autoresearch.errors import BadWorkspace
from autoresearch.files import sync_folder
from autoresearch.researcher.judging.amounts import show_amount
from autoresearch.researcher.judging.values import Record

JSONL, TSV, CUT = "experiments.jsonl", "results.tsv", "cut-lines.txt"
LAB_METRIC = "val_bpb"
HEADER = f"commit\t{LAB_METRIC}\tmemory_gb\tstatus\tdescription"

OTHER_COLUMNS = ["commit", "memory_gb", "status", "description"]


def name_columns(metric: str) -> str:
    """The first line of results.tsv, which names the metric."""
    return HEADER.replace(LAB_METRIC, metric)


def row(record: Record, column: str = LAB_METRIC) -> str:
    """The record as a line of results.tsv: short hash, six decimals, GB with one.

    Without a value: 0.000000 below `val_bpb`, which no text can have, and --- below any other
    metric, where 0 may be a good value."""
    is_lab = column == LAB_METRIC
    if record.value is None:
        value = "0.000000" if is_lab else "---"
    else:
        value = f"{record.value:.6f}" if is_lab else show_amount(record.value)
    memory = 0.0 if record.memory_gb is None or record.value is None else record.memory_gb
    text = " ".join(record.description.split()) or "(no description)"
    return f"{record.commit[:7]}\t{value}\t{memory:.1f}\t{record.status}\t{text}"


@dataclass(frozen=True)
class Reading:
    """What experiments.jsonl held when it was read last. `stamp` changes whenever the file does."""

    stamp: tuple[int, int, int] | None = None
    lines: bytes = b""  # those that end in a newline
    records: tuple[Record, ...] = ()


class Ledger:
    """The two files in `folder`. `aside` is where cut lines go. Other processes may write too.

    `metric` names the column of a new results.tsv; one that is there goes on as it began."""

    def __init__(self, folder: Path, aside: Path | None = None, metric: str = LAB_METRIC) -> None:
        self.folder = folder
        self.metric = metric
        self.aside = aside or folder
        self.reading = Reading()

    @property
    def jsonl(self) -> Path:
        return self.folder / JSONL

    @property
    def tsv(self) -> Path:
        return self.folder / TSV

    def records(self) -> list[Record]:
        """Every whole record, oldest first; a cut last line is left out. Each line is parsed once.

        BadWorkspace names a damaged line elsewhere."""
        self.reading = read_further(self.jsonl, self.reading)
        return list(self.reading.records)

    def baseline(self) -> Record | None:
        """The newest baseline: what this machine needs for the unchanged code."""
        return next((record for record in reversed(self.records()) if record.is_baseline), None)

    def append(self, record: Record) -> None:
        """Add the record to both files unless it is there; on disk when this returns."""
        if record.id not in {known.id for known in self.records()}:
            append_line(self.jsonl, msgspec.json.encode(record).decode())
        self.complete_tsv()

    def repair(self) -> list[str]:
        """Mend what a crash left: cut last lines go aside, results.tsv gets rows that it lacks.

        Returns sentences."""
        sentences = []
        for file in (self.jsonl, self.tsv):
            piece = cut_last_line(file)
            if piece:
                append_line(self.aside / CUT, piece)
                sentences.append(
                    f"{file.name} ended in the middle of a line; "
                    f"the piece was set aside in {self.aside / CUT}"
                )
        self.complete_tsv()
        return sentences

    def complete_tsv(self) -> None:
        """Add the rows of records that results.tsv lacks; rows that others wrote stay."""
        if not self.tsv.exists() or self.tsv.stat().st_size == 0:
            append_line(self.tsv, name_columns(self.metric))
        lines = whole_lines(self.tsv)
        column = read_column(lines[0] if lines else "")
        there = Counter(lines)
        for record in self.records():
            line = row(record, column)
            if there[line] > 0:
                there[line] -= 1
            else:
                append_line(self.tsv, line)


def read_further(file: Path, earlier: Reading) -> Reading:
    """Parse the lines that were added since an earlier reading; all where the file was
    rewritten."""
    try:
        status = file.stat()  # before the content: what is added meanwhile is read next time
        stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
        if stamp == earlier.stamp:
            return earlier
        data = file.read_bytes()
    except FileNotFoundError:
        return Reading()
    lines = data[: data.rfind(b"\n") + 1]
    if not lines.startswith(earlier.lines):
        earlier = Reading()
    first = earlier.lines.count(b"\n") + 1
    added = enumerate(lines[len(earlier.lines) :].split(b"\n"), first)
    records = [decode(line, number, file) for number, line in added if line.strip()]
    return Reading(stamp, lines, (*earlier.records, *records))


def decode(line: bytes, number: int, file: Path) -> Record:
    try:
        return msgspec.json.decode(line.decode("utf-8", "replace").encode(), type=Record)
    except msgspec.MsgspecError as error:
        raise BadWorkspace(
            f"{file}, line {number} is no record of an experiment ({error}); "
            "mend or remove that line, then run again"
        ) from error


def whole_lines(file: Path) -> list[str]:
    """The lines of a file that end in a newline."""
    if not file.exists():
        return []
    return file.read_text("utf-8", errors="replace").split("\n")[:-1]


def cut_last_line(file: Path) -> str:
    """Take a last line without its newline off the file and return it; a whole row that only lacks
    its newline gets one."""
    if not file.exists():
        return ""
    data = file.read_bytes()
    keep, _, piece = data.rpartition(b"\n")
    if not piece:
        return ""
    if is_whole(file.name, piece):
        append_line(file, "")
        return ""
    with file.open("r+b") as handle:
        handle.truncate(len(keep) + 1 if keep or data.startswith(b"\n") else 0)
        os.fsync(handle.fileno())
    return piece.decode("utf-8", "replace")


def is_header(line: str) -> bool:
    cells = line.split("\t")
    return len(cells) == 5 and [cells[0], *cells[2:]] == OTHER_COLUMNS


def read_column(header: str) -> str:
    """What the first line of results.tsv calls the metric; the lab's where others wrote it."""
    return header.split("\t")[1] if is_header(header) else LAB_METRIC


def is_whole(name: str, piece: bytes) -> bool:
    """Whether a last line that only lacks its newline is complete: JSON shows it, a table does
    not."""
    if name != JSONL:
        return is_header(piece.decode("utf-8", "replace"))
    try:
        msgspec.json.decode(piece, type=Record)
    except msgspec.MsgspecError:
        return False
    return True


def append_line(file: Path, line: str) -> None:
    """Add one line in a single write and wait until it is on disk."""
    new = not file.exists()
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    data = line.encode("utf-8") + b"\n"
    try:
        written = os.write(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if written != len(data):  # a full disk: the cut piece is set aside at the next start
        raise BadWorkspace(
            f"{file} could not be written to its end; is the disk full? Make room, then run again"
        )
    if new:
        sync_folder(file.parent)


def best(records: Sequence[Record], direction: str = "min") -> Record | None:
    """The kept record with the best value; a crash has no value and can never be it."""
    kept = [r for r in records if r.status == "keep" and r.value is not None]
    sign = 1 if direction == "min" else -1
    return min(kept, key=lambda r: sign * (r.value or 0.0), default=None)
