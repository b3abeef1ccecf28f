"""The table of experiments: with colours in a terminal, in plain columns for a file or a pipe."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from autoresearch.researcher.judging.amounts import show_amount, show_change
from autoresearch.researcher.report.rows import Experiment, TableSummary

STYLES = {"keep": "bold green", "discard": "dim", "crash": "red"}
PLAIN_WIDTH = 200  # columns of a table that goes to a file
NARROW = 110  # columns of a terminal below which memory and runs are left out
HEADINGS = ("#", "commit", "{metric}", "gain", "sigma", "runs", "GB", "verdict", "description")
NUMERIC, LESS_IMPORTANT, VERDICT = {0, 2, 3, 4, 5, 6}, {5, 6}, 7


def render_table(
    summary: TableSummary, console: Console | None = None, last: int | None = None
) -> None:
    """Print the experiments (only the `last` ones where that is given) and what they add up to."""
    console = console or Console()
    if not console.is_terminal:
        console = Console(file=console.file, width=max(console.width, PLAIN_WIDTH), no_color=True)
    rows = summary.experiments if last is None else summary.experiments[-last:]
    if len(rows) < len(summary.experiments):
        console.print(
            f"the last {len(rows)} of {len(summary.experiments)} experiments", highlight=False
        )
    if rows:
        console.print(table_of(summary, rows, narrow=console.width < NARROW))
    for line in closing_lines(summary):
        console.print(Text(line), soft_wrap=True)


def table_of(summary: TableSummary, rows: tuple[Experiment, ...], narrow: bool = False) -> Table:
    """One line per experiment. Descriptions come from agents: they are text, never markup."""
    table = Table(
        box=SIMPLE_HEAD, header_style="bold", padding=(0, 1), pad_edge=False, show_edge=False
    )
    shown = [at for at in range(len(HEADINGS)) if not (narrow and at in LESS_IMPORTANT)]
    for at in shown:
        add_column(table, at, summary.metric)
    gains = summary.gains()
    for row in rows:
        texts = cells(summary, row, gains[row.number])
        table.add_row(
            *(Text(texts[at], style=STYLES[row.status] if at == VERDICT else "") for at in shown)
        )
    return table


def cells(summary: TableSummary, row: Experiment, gain: float | None) -> list[str]:
    """The texts of one line, under HEADINGS; the gain is over the best of then."""
    verdict = "baseline" if row is summary.baseline else row.status
    marks = " *" * (row is summary.best and row is not summary.baseline) + " (busy)" * row.contended
    return [
        str(row.number),
        row.commit[:10],
        "-" if row.value is None else show_amount(row.value),
        "" if gain is None else show_change(gain),
        "" if gain is None or not summary.noise else f"{gain / summary.noise:+.1f}",
        str(len(row.values)) if row.values else "",
        "" if row.memory_gb is None else f"{row.memory_gb:.1f}",
        verdict + marks,
        row.description + (f" [{row.reason}]" if row.status == "crash" and row.reason else ""),
    ]


def add_column(table: Table, at: int, metric: str) -> None:
    last = at == len(HEADINGS) - 1
    table.add_column(
        Text(HEADINGS[at].format(metric=metric)),
        justify="right" if at in NUMERIC else "left",
        no_wrap=not last,
        overflow="fold" if last else "ellipsis",
    )


def closing_lines(summary: TableSummary) -> list[str]:
    """What the table adds up to, a line each."""
    kept = summary.count("keep") - (summary.baseline is not None)
    counts = f"{kept} kept, {summary.count('discard')} discarded, {summary.count('crash')} crashed"
    tried = len(summary.experiments) - (summary.baseline is not None)
    lines = [f"{tried} experiment{'s' * (tried != 1)}: {counts}"]
    if summary.baseline is not None and summary.best is not None:
        first, last = show_amount(summary.baseline.value), show_amount(summary.best.value)
        values = f"baseline {first}, best {last}"
        lines.append(values + gain_words(summary))
        lines.append(noise_words(summary))
    if summary.experiments:
        lines.append(
            "gain: over the best of then (positive is better); sigma: the gain / the noise"
        )
    if summary.best is not None and summary.best is not summary.baseline:
        lines.append("*: the best")
    if any(row.contended for row in summary.experiments):
        lines.append(
            "(busy): the machine was slower than for the baseline, so that number means little"
        )
    return [*lines, *(f"note: {note}" for note in summary.notes)]


def gain_words(summary: TableSummary) -> str:
    """` (experiment 3, 0.021 better, 1.4 %, 5 times the noise)`, as far as it is known."""
    if summary.gain is None or summary.best is None or summary.gain == 0:
        return ": nothing better yet"
    parts = [f"experiment {summary.best.number}", f"{show_amount(summary.gain)} better"]
    if summary.gain_percent is not None:
        parts.append(f"{summary.gain_percent:.1f} %")
    if summary.noise:
        parts.append(f"{summary.gain / summary.noise:.1f} times the noise")
    return f" ({', '.join(parts)})"


def noise_words(summary: TableSummary) -> str:
    if summary.noise is None:
        advice = (
            "run the baseline again with another AUTORESEARCH_SEED to know which gains are real"
        )
        return f"noise not measured: {advice}"
    return f"noise {show_amount(summary.noise)} ({summary.noise_source})"
