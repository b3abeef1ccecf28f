"""Brings the two ledgers of a directory together and sums them up: results.tsv for everyone,
experiments.jsonl for us.

results.tsv decides which experiments there are, because any agent and any tool writes it;
experiments.jsonl adds what the five columns cannot hold. Reads files only: the judge decided what
was worth keeping.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from autoresearch.devices import is_same_device
from autoresearch.errors import BadWorkspace, NotFound
from autoresearch.own_programs import call_program
from autoresearch.researcher.config import read_toml
from autoresearch.researcher.report.rows import Experiment, TableSummary, renumber
from autoresearch.researcher.report.settle import find_direction, find_idea, settle_rows
from autoresearch.researcher.report.tsv import Sheet, clean, read_tsv
from autoresearch.researcher.report.verdicts import status_word

OURS = "results.tsv"
OTHERS = ("autoresearch.jsonl", ".auto/log.jsonl", "results.csv", "results.jsonl", "results.md")
MAX_LEDGER_BYTES = 64 * 2**20  # about half a million experiments; anything larger is not a ledger


def summarise(directory: Path | str, metric: str = "", direction: str = "") -> TableSummary:
    """Read `directory` (or a ledger itself) and sum it up. `metric` and `direction` are what the
    user says where the ledger does not tell.

    Raises NotFound where there is no ledger, BadWorkspace where it or autoresearch.toml is
    unusable, BadInput where the metric or its direction must be said.
    """
    folder, table, jsonl = ledger_files(Path(directory))
    settings = metric_settings(folder) if is_ours(table) else {}
    records, jsonl_notes = read_records(jsonl) if is_ours(table) else ([], [])
    named = str(settings.get("metric") or first(reversed(records), "metric"))
    sheet = read_tsv(read_bytes(table), metric, named, table.name) if table.exists() else Sheet()
    name = clean(metric or named or sheet.metric)
    rows = merge(sheet.rows, records)
    way = direction or str(settings.get("direction") or sheet.direction)
    way, way_notes = (way, []) if way else find_direction(name, rows, sheet.has_verdicts)
    row_notes: list[str] = []
    if not (named and sheet.has_verdicts):  # ours tells every zero that is none
        rows, row_notes = settle_rows(rows, name, way, sheet.has_verdicts)
    chosen, other_notes = latest_group(rows)
    return add_up(
        TableSummary(
            directory=folder,
            metric=name,
            direction="max" if way == "max" else "min",
            track=chosen[-1].track if chosen else "",
            platform=chosen[-1].platform if chosen else "",
            experiments=tuple(chosen),
            notes=tuple(sheet.notes + jsonl_notes + way_notes + row_notes + other_notes),
        )
    )


def is_ours(table: Path) -> bool:
    """Whether experiments.jsonl and autoresearch.toml beside it are about the same experiments."""
    return table.name == OURS


def add_up(summary: TableSummary) -> TableSummary:
    """The summary with its baseline, best and noise filled in from its experiments."""
    rows = summary.experiments
    scored = [row for row in rows if row.value is not None]
    marked = [row for row in scored if row.is_baseline]
    kept = [row for row in scored if row.status == "keep"]
    baseline = next(iter(marked or kept or scored), None)
    best = None
    for row in kept or ([baseline] if baseline else []):
        best = row if best is None or summary.better(best.value, row.value) != best.value else best
    noise, source = estimate_row_noise(rows)
    return replace(summary, baseline=baseline, best=best, noise=noise, noise_source=source)


def estimate_row_noise(rows: Sequence[Experiment]) -> tuple[float | None, str]:
    """Standard deviation between runs of the same code, and where it comes from; (None, "") when
    nothing ran twice. Pooled over every code that ran more than once, as the judge does."""
    groups: dict[str, list[float]] = {}
    for row in rows:
        if row.value is not None:
            key = row.commit if is_hash(row.commit) else f"row {row.number}"
            if not row.values:
                key += " " + find_idea(row.description)
            groups.setdefault(key, []).extend(row.values or (row.value,))
    repeated = [values for values in groups.values() if len(values) > 1]
    if not repeated:
        return None, ""
    runs = sum(map(len, repeated))
    squares = sum((len(values) - 1) * statistics.variance(values) for values in repeated)
    where = (
        "the same code" if len(repeated) == 1 else f"{len(repeated)} codes that ran more than once"
    )
    sigma = math.sqrt(squares / (runs - len(repeated)))
    return sigma, f"standard deviation of {runs} runs of {where}"


def ledger_files(given: Path) -> tuple[Path, Path, Path]:
    """The folder, its table and its experiments.jsonl, at least one of which exists."""
    folder = given.parent if given.is_file() else given
    jsonl = folder / "experiments.jsonl"
    if given.is_file() and given.name != jsonl.name:
        return folder, given, jsonl
    found = [folder / name for name in (OURS, *OTHERS) if (folder / name).is_file()]
    if not found and not jsonl.exists():
        raise NotFound(
            f"no results.tsv in {folder}; start an experiment there with "
            f"`{call_program('autoresearch', 'run', folder)}`, or name its folder"
        )
    is_only = found and not jsonl.exists()
    return folder, found[0] if is_only else folder / OURS, jsonl


def read_bytes(path: Path) -> bytes:
    if path.stat().st_size > MAX_LEDGER_BYTES:
        raise BadWorkspace(
            f"{path} is larger than {MAX_LEDGER_BYTES // 2**20} MiB: no ledger of experiments is"
        )
    return path.read_bytes()


def read_records(path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """The records of experiments.jsonl, and a note for lines that are none (a power failure cuts
    the last one)."""
    if not path.exists():
        return [], []
    records, bad = [], 0
    for line in read_bytes(path).decode("utf-8-sig", errors="replace").split("\n"):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if isinstance(record, dict) and status_word(str(record.get("status", ""))):
            records.append(record)
        else:
            bad += 1
    return records, [f"{bad} line(s) of experiments.jsonl are not readable: ignored"] if bad else []


def merge(rows: list[Experiment], records: list[dict[str, Any]]) -> list[Experiment]:
    """Each row with what its record adds; records without a row follow at the end. Numbered from
    1. A look of distill at the test part is no experiment."""
    unused = list(records)
    merged = []
    for row in rows:
        match = next((record for record in unused if same_experiment(row, record)), None)
        if match is not None:
            unused.remove(match)
        if match is None or not is_look(match):
            merged.append(add_details(row, match) if match else row)
    return renumber(merged + [from_record(record) for record in unused if not is_look(record)])


def is_look(record: dict[str, Any]) -> bool:
    """Whether the line is distill's look at the test part (looks)."""
    proposal = record.get("proposal")
    return isinstance(proposal, dict) and "test_look" in proposal


def same_experiment(row: Experiment, record: dict[str, Any]) -> bool:
    commit = str(record.get("commit", ""))
    return (
        bool(commit)
        and commit.startswith(row.commit)
        and status_word(str(record["status"])) == row.status
    )


def add_details(row: Experiment, record: dict[str, Any]) -> Experiment:
    """The row with its record's details. The record's value has more digits, and where it has none
    (stopped early) the row's number is none either."""
    full = from_record(record)
    value = full.value if row.value is not None else None
    return replace(
        full,
        commit=row.commit,
        value=value,
        memory_gb=row.memory_gb if row.memory_gb is not None else full.memory_gb,
        description=row.description or full.description,
    )


def from_record(record: dict[str, Any]) -> Experiment:
    status = status_word(str(record["status"])) or "crash"
    values = record.get("values")
    repeats = [finite(value) for value in values] if isinstance(values, list) else []
    return Experiment(
        number=0,
        commit=clean(str(record.get("commit", "")))[:7],
        status=status,
        value=None if status == "crash" else finite(record.get("value")),
        description=text(record, "description"),
        memory_gb=None if status == "crash" else finite(record.get("memory_gb")),
        values=tuple(value for value in repeats if value is not None),
        reason=text(record, "reason"),
        track=text(record, "track"),
        platform=text(record, "platform"),
        agent=text(record, "agent"),
        is_baseline=record.get("is_baseline") is True,
        contended=record.get("contended") is True,
        total_seconds=finite(record.get("total_seconds")),
        finished_at=text(record, "finished_at"),
        log=text(record, "log"),
    )


def text(record: dict[str, Any], name: str) -> str:
    value = record.get(name)
    return clean(value) if isinstance(value, str) else ""


def finite(value: object) -> float | None:
    """A finite number, or None for anything else (JSON written by Python may hold NaN)."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None  # type: ignore[arg-type]


def is_hash(commit: str) -> bool:
    return len(commit) >= 4 and all(character in "0123456789abcdef" for character in commit.lower())


def first(records: Iterable[dict[str, Any]], name: str) -> str:
    return next((str(record[name]) for record in records if record.get(name)), "")


def latest_group(rows: list[Experiment]) -> tuple[list[Experiment], list[str]]:
    """The experiments of the last one's track and platform: those of others are never compared.

    A row that names none (another tool's) belongs to whatever is shown.
    """
    if not rows:
        return [], []
    track = next((row.track for row in reversed(rows) if row.track), "")
    platform = next((row.platform for row in reversed(rows) if row.platform), "")
    chosen = [
        row
        for row in rows
        if row.track in ("", track) and (not row.platform or is_same_device(row.platform, platform))
    ]
    left_out = len(rows) - len(chosen)
    note = (
        f"{left_out} experiment(s) of other tracks or platforms are not shown: "
        "their numbers cannot be compared"
    )
    return chosen, [note] if left_out else []


def metric_settings(folder: Path) -> dict[str, Any]:
    """The [experiment] table of autoresearch.toml, or nothing where the ledger stands alone."""
    path = folder / "autoresearch.toml"
    if not path.is_file():
        return {}
    table = read_toml(path).get("experiment", {})
    return table if isinstance(table, dict) else {}
