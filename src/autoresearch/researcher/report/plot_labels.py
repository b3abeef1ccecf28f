"""Texts beside the kept improvements of the progress picture. `labels` finds free places for
them."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from autoresearch.labels import Box, Label, place
from autoresearch.researcher.report.plot_marks import INK, Span
from autoresearch.researcher.report.rows import Experiment, TableSummary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_LABELS = 24  # more than this cannot be read at 1200 pixels
LABEL_CHARACTERS = 46


def rows_to_label(summary: TableSummary) -> list[Experiment]:
    """The improvements that get a label: the last one first, then by their gain."""
    found = summary.improvements()
    last = found[-1:]
    others = sorted(found[:-1], key=lambda pair: -pair[1])
    return [row for row, _ in [*last, *others][:MAX_LABELS]]


def draw_labels(figure: Figure, axes: Axes, summary: TableSummary, span: Span) -> None:
    """The description beside each kept improvement, with a thin line to its point."""
    rows = rows_to_label(summary)
    if not rows:
        return
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    size = 9.5 if len(rows) <= 10 else 8.5
    texts = [
        axes.text(
            0,
            0,
            short(row.description or row.commit),
            fontsize=size,
            color=INK,
            parse_math=False,
            zorder=8,
        )
        for row in rows
    ]
    to_pixels = axes.transData.transform
    wanted = []
    for row, label in zip(rows, texts, strict=True):
        extent = label.get_window_extent(renderer)
        x, y = to_pixels((row.number, row.value or 0.0))
        wanted.append(Label(float(x), float(y), float(extent.width) + 4, float(extent.height) + 2))
    area = axes.get_window_extent(renderer)
    bounds = Box(area.x0 + 4, area.y0 + 4, area.x1 - 2, area.y1 - 4)
    boxes = place(wanted, obstacles(axes, summary, span), bounds, down=summary.direction == "min")
    back = axes.transData.inverted().transform
    for label, want, box in zip(texts, wanted, boxes, strict=True):
        if box is None:
            label.remove()
            continue
        left, bottom = back((box.left + 2, box.bottom + 1))
        label.set_position((float(left), float(bottom)))
        label.set_verticalalignment("bottom")
        start = back(box.nearest(want.x, want.y))
        end = back((want.x, want.y))
        axes.plot(
            [start[0], end[0]], [start[1], end[1]], color="#9A9A9A", linewidth=0.7, zorder=2.5
        )


def obstacles(axes: Axes, summary: TableSummary, span: Span) -> list[Box]:
    """What a label must not cover, in pixels: every point, and the step line in short pieces."""
    to_pixels = axes.transData.transform
    reach = 5.0 if len(summary.experiments) <= 200 else 2.5
    found = []
    for row in summary.experiments:
        if row.value is not None and row not in span.beyond:
            x, y = to_pixels((row.number, row.value or 0.0))
            found.append(Box(x - reach, y - reach, x + reach, y + reach))
    line = [
        (row.number, best)
        for row, best in zip(summary.experiments, summary.running_best(), strict=True)
    ]
    steps = [(x, best) for x, best in line if best is not None]
    for (x1, y1), (x2, y2) in zip(
        steps, [*steps[1:], (len(line) + 0.6, steps[-1][1])] if steps else [], strict=True
    ):
        (left, bottom), (right, top) = to_pixels((x1, min(y1, y2))), to_pixels((x2, max(y1, y2)))
        level = float(to_pixels((x1, y1))[1])
        found.append(Box(left, level - 2, right, level + 2))
        if y1 != y2:
            found.append(Box(right - 2, bottom, right + 2, top))
    if summary.baseline is not None and summary.baseline.value is not None:
        (left, level), right = (
            to_pixels((0, summary.baseline.value)),
            to_pixels((len(line) + 1, 0))[0],
        )
        found.append(Box(left, level - 1, right, level + 1))
    return found


def short(text: str) -> str:
    return textwrap.shorten(text, LABEL_CHARACTERS, placeholder="…") or text[:LABEL_CHARACTERS]
