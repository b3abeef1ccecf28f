"""The report of a night: a table, a picture and one HTML page of the experiments in a directory.

rows.py       an experiment, and the summary of them all
tsv.py        any ledger: grids.py its tables, columns.py which column is what, figures.py its
              numbers, verdicts.py its words
bare_rows.py  columns where no header names them
settle.py     what a ledger leaves open: direction, zeros, missing verdicts
read.py       both ledgers brought together and summed up
plots.py      progress.png and progress.svg; plot_labels.py the words beside points
page.py       report.html, one file, from the template of that name
morning.py    what a night has taught; importance.py, forest.py its picture, morning_lines.py
table.py      the table in the terminal
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from autoresearch.errors import BadInput, BadWorkspace
from autoresearch.files import replace_file
from autoresearch.researcher.ledger import Ledger
from autoresearch.researcher.report.morning import Morning, read_morning
from autoresearch.researcher.report.read import summarise
from autoresearch.researcher.report.rows import TableSummary
from autoresearch.researcher.report.table import render_table

__all__ = ["ReportFiles", "read_night", "render_table", "summarise", "write_summary"]


@dataclass(frozen=True, slots=True)
class ReportFiles:
    """What `write_summary` left behind."""

    png: Path
    svg: Path
    html: Path


def write_summary(summary: TableSummary, out: Path | str | None = None) -> ReportFiles:
    """Draw a ledger into `out` (its own folder by default): progress.png, progress.svg,
    report.html. Raises BadInput where `out` cannot be written to."""
    from autoresearch.researcher.report import page, plots

    morning = read_night(summary)
    folder = (Path(out) if out is not None else summary.directory).absolute()
    figure = plots.draw(summary)
    picture = plots.svg(figure)
    files = ReportFiles(folder / "progress.png", folder / "progress.svg", folder / "report.html")
    try:
        replace_file(files.png, plots.png(figure))
        replace_file(files.svg, picture.encode("utf-8"))
        replace_file(files.html, page.render(summary, picture, morning).encode("utf-8"))
    except OSError as error:
        raise BadInput(
            f"the report cannot be written to {folder}: {error.strerror}; "
            "name another folder with --out"
        ) from error
    return files


def read_night(summary: TableSummary) -> Morning | None:
    """What the night has taught; None where the ledger is not ours."""
    try:
        records = Ledger(summary.directory).records()
    except BadWorkspace:  # another tool's experiments.jsonl
        return None
    return read_morning(summary.directory, records, summary.direction)
