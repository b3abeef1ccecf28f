"""Draws a summary with matplotlib: progress.png and progress.svg. Marks and labels are drawn by
`plot_marks` and `plot_labels`. matplotlib is imported only when a picture is asked for.
"""

from __future__ import annotations

import io
import textwrap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from autoresearch.researcher.judging.amounts import show_change
from autoresearch.researcher.report.plot_labels import draw_labels
from autoresearch.researcher.report.plot_marks import (
    INK,
    crashed_strip,
    draw_main,
    draw_strips,
    format_value,
    shown_span,
    stopped_strip,
)
from autoresearch.researcher.report.rows import TableSummary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_IN, HEIGHT_IN = 12.0, 6.75  # 1200 x 675 at 100 dots per inch
LEFT, RIGHT = 0.075, 0.985  # of the axes, in shares of the width


def draw(summary: TableSummary) -> Figure:
    """The figure of one summary."""
    from matplotlib.figure import Figure

    with style({"font.family": "sans-serif", "font.size": 11}):
        figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN), dpi=100, facecolor="white")
        strips = [strip for strip in (stopped_strip(summary), crashed_strip(summary)) if strip.rows]
        heights = [11, *([1.1 * len(strips)] if strips else [])]
        rows = figure.subplots(
            len(heights),
            1,
            sharex=True,
            squeeze=False,
            gridspec_kw={"height_ratios": heights, "hspace": 0.05},
        )
        main = rows[0][0]
        span = shown_span(summary)
        draw_main(main, summary, span)
        if strips:
            draw_strips(rows[1][0], strips)
        frame(figure, [row[0] for row in rows], summary)
        draw_labels(figure, main, summary, span)
    return figure


@contextmanager
def style(settings: dict[str, Any]) -> Iterator[None]:
    """matplotlib's settings while the block lasts; a description may hold letters no font has."""
    import matplotlib

    with warnings.catch_warnings(), matplotlib.rc_context(settings):
        warnings.filterwarnings("ignore", message="Glyph")
        yield


def png(figure: Figure) -> bytes:
    return save(figure, "png", dpi=200)


def svg(figure: Figure) -> str:
    """The figure as SVG text; each point is a link to its experiment's line in the report's
    table."""
    return save(figure, "svg", metadata={"Date": None, "Creator": None}).decode("utf-8")


def save(figure: Figure, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    with style({"svg.hashsalt": "autoresearch", "svg.fonttype": "path"}):
        figure.savefig(buffer, format=kind, **options)
    return buffer.getvalue()


def frame(figure: Figure, axes: list[Axes], summary: TableSummary) -> None:
    from matplotlib.ticker import MaxNLocator

    for each in axes:
        each.spines[["top", "right"]].set_visible(False)
        for spine in each.spines.values():
            spine.set_color("#999999")
    if len(axes) > 1:
        axes[0].spines["bottom"].set_visible(False)
        axes[0].tick_params(axis="x", length=0)
    count = len(summary.experiments)
    axes[-1].set_xlim(0.4, max(count, 1) + 0.6)
    axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True, nbins=12, min_n_ticks=1))
    axes[-1].set_xlabel(
        "experiment (number in the ledger, in the order they were run)", fontsize=12
    )
    write_line(figure, 0.955, title(summary), 15, fontweight="bold", color=INK)
    write_line(figure, 0.92, subtitle(summary), 11.5, color="#444444")
    figure.subplots_adjust(left=LEFT, right=RIGHT, top=0.865, bottom=0.085)
    handles = axes[0].get_legend_handles_labels()[0]
    if handles:
        axes[0].legend(
            loc="lower left",
            bbox_to_anchor=(-0.01, 1.0),
            ncols=len(handles),
            frameon=False,
            fontsize=10,
            columnspacing=1.3,
            handletextpad=0.4,
            borderaxespad=0.1,
        )


def write_line(figure: Figure, y: float, text: str, size: float, **style: Any) -> None:
    """A line above the axes, in letters as large as fit."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    line = figure.text(LEFT, y, text, fontsize=size, parse_math=False, **style)
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    share = line.get_window_extent(renderer).width / figure.bbox.width / (RIGHT - LEFT)
    line.set_fontsize(size / max(1.0, share))


def title(summary: TableSummary) -> str:
    where = " on ".join(part for part in (summary.track, summary.platform) if part)
    count = len(summary.experiments)
    return textwrap.shorten(
        f"{count} experiment{'s' * (count != 1)}{f': {where}' if where else ''}",
        110,
        placeholder="…",
    )


def subtitle(summary: TableSummary) -> str:
    """Baseline, best, gain and noise in one line."""
    if summary.baseline is None or summary.best is None or summary.gain is None:
        return "nothing measured yet"
    change = summary.sign * summary.gain
    share = summary.gain_percent
    percent = "" if share is None else f", {summary.sign * share:+.1f} %"
    noise = f"noise {summary.noise:.2g} ({summary.noise_source})" if summary.noise else ""
    noise = noise or "noise not measured"
    moved = f"best {format_value(summary.best.value)} ({show_change(change)}{percent})"
    if not summary.gain:
        moved = "nothing better yet"
    return f"baseline {format_value(summary.baseline.value)}  →  {moved}     {noise}"
