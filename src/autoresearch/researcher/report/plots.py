"""Draws a summary with matplotlib: progress.png and progress.svg. matplotlib is imported only when a picture is asked for.

How the axis is chosen, so that the picture tells the truth: it shows every kept experiment and the baseline with its noise,
and never less than twelve times the noise, so that noise cannot look like progress. Results far on the worse side would
press everything else into a line: they are drawn as arrows at the edge, and the picture says how far they go. What crashed or was
stopped early has no number: such experiments stand beside the axis, in a row for each kind.
"""

from __future__ import annotations

import io
import textwrap
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autoresearch.researcher.report.labels import Box, Label, place
from autoresearch.researcher.report.rows import UNITS, Experiment, Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours: they stay apart for every kind of colour blindness; shapes differ as well.
KEEP, DISCARD, CRASH, BASELINE, INK = "#009E73", "#8C8C8C", "#D55E00", "#0072B2", "#222222"
WIDTH_IN, HEIGHT_IN = 12.0, 6.75  # 1200 x 675 at 100 dots per inch
MAX_LABELS = 24  # more than this cannot be read at 1200 pixels
LABEL_CHARACTERS = 46


@dataclass(frozen=True, slots=True)
class Span:
    """The shown part of the metric's axis, and how many results lie beyond its worse end."""

    low: float
    high: float
    beyond: tuple[Experiment, ...]


def draw(summary: Summary) -> Figure:
    """The figure of one summary."""
    import matplotlib
    from matplotlib.figure import Figure

    with (
        warnings.catch_warnings(),
        matplotlib.rc_context({"font.family": "sans-serif", "font.size": 11}),
    ):
        warnings.filterwarnings(
            "ignore", message="Glyph"
        )  # a description may hold letters no font here has
        figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN), dpi=100, facecolor="white")
        strips = [strip for strip in (stopped_early(summary), crashed(summary)) if strip.rows]
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


def png(figure: Figure) -> bytes:
    return save(figure, "png", dpi=200)


def svg(figure: Figure) -> str:
    """The figure as SVG text; each point is a link to its experiment's line in the report's table."""
    return save(figure, "svg", metadata={"Date": None, "Creator": None}).decode("utf-8")


def save(figure: Figure, kind: str, **options: Any) -> bytes:
    import matplotlib

    buffer = io.BytesIO()
    with (
        warnings.catch_warnings(),
        matplotlib.rc_context({"svg.hashsalt": "autoresearch", "svg.fonttype": "path"}),
    ):
        warnings.filterwarnings(
            "ignore", message="Glyph"
        )  # a description may hold letters no font here has
        figure.savefig(buffer, format=kind, **options)
    return buffer.getvalue()


def shown_span(summary: Summary) -> Span:
    """Which values the axis shows: see the top of this file."""
    scored = [row for row in summary.experiments if row.value is not None]
    values = [row.value for row in scored if row.value is not None]
    if not values:
        return Span(0.0, 1.0, ())
    # "cost": the metric turned so that lower is better, whatever its direction
    costs = sorted(-summary.sign * value for value in values)
    kept = [
        -summary.sign * row.value
        for row in scored
        if row.status == "keep" and row.value is not None
    ] or costs
    base = (
        -summary.sign * summary.baseline.value
        if summary.baseline and summary.baseline.value is not None
        else kept[0]
    )
    noise = summary.noise or 0.0
    best, worst = min(costs), max(*kept, base)
    size = max(worst - best, 12 * noise, 0.01 * abs(best) if not noise else 0.0, 1e-9)
    further = costs[int(0.92 * (len(costs) - 1))] - worst if len(costs) > 20 else costs[-1] - worst
    high = worst + max(min(further, 0.9 * size), 2.5 * noise) + 0.07 * size
    room = min(0.3, 0.08 + 0.025 * len(summary.improvements()))  # for labels, beyond the best
    low = min(best - 2.5 * noise, high - size) - room * size
    beyond = tuple(
        row for row in scored if row.value is not None and -summary.sign * row.value > high
    )
    ends = sorted((-summary.sign * float(low), -summary.sign * float(high)))
    if min(values) >= 0:
        ends[0] = max(ends[0], 0.0)  # no metric that is never negative is drawn below 0
    return Span(ends[0], ends[1], beyond)


def draw_main(axes: Axes, summary: Summary, span: Span) -> None:
    axes.set_ylim(span.low, span.high)
    draw_running_best(axes, summary)
    draw_points(axes, summary, span)
    unit = UNITS.get(summary.metric)
    better = "lower is better" if summary.direction == "min" else "higher is better"
    axes.set_ylabel(
        f"{summary.metric}{f', {unit}' if unit else ''} ({better})", fontsize=12, parse_math=False
    )
    axes.grid(axis="y", color="#E4E4E4", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.ticklabel_format(axis="y", useOffset=False, style="plain")


def draw_running_best(axes: Axes, summary: Summary) -> None:
    points = [
        (row.number, best)
        for row, best in zip(summary.experiments, summary.running_best(), strict=True)
        if best is not None
    ]
    if not points:
        return
    xs, ys = [float(x) for x, _ in points], [y for _, y in points]
    xs, ys = [*xs, xs[-1] + 0.6], [*ys, ys[-1]]
    label = "running best"
    if summary.noise:
        low, high = [y - 2 * summary.noise for y in ys], [y + 2 * summary.noise for y in ys]
        axes.fill_between(xs, low, high, step="post", color=KEEP, alpha=0.13, linewidth=0, zorder=1)
        label = "running best, band ± 2 sd of the noise"
    axes.step(xs, ys, where="post", color=KEEP, linewidth=2, zorder=3, label=label)
    if summary.baseline is not None and summary.baseline.value is not None:
        axes.axhline(
            summary.baseline.value, color=BASELINE, linewidth=1.2, linestyle=(0, (5, 4)), zorder=2
        )


def draw_points(axes: Axes, summary: Summary, span: Span) -> None:
    crowd = len(summary.experiments)
    size = 42 if crowd <= 60 else 26 if crowd <= 200 else 14
    shown = [row for row in summary.experiments if row.value is not None and row not in span.beyond]
    discarded = [
        row for row in summary.experiments if row.value is not None and row.status == "discard"
    ]
    for row in shown:
        if len(row.values) > 1:  # what its repeats gave
            axes.vlines(
                row.number,
                min(row.values),
                max(row.values),
                color="#777777",
                linewidth=1.2,
                zorder=2,
            )
    scatter(
        axes,
        [row for row in shown if row.status == "discard"],
        f"discarded ({len(discarded)})",
        s=size,
        marker="o",
        facecolors="white",
        edgecolors=DISCARD,
        linewidths=1.1,
        zorder=4,
    )
    kept = [row for row in shown if row.status == "keep" and row is not summary.baseline]
    label = f"kept ({len(kept)})"
    scatter(
        axes,
        kept,
        label,
        s=size * 1.7,
        marker="o",
        facecolors=KEEP,
        edgecolors="white",
        linewidths=0.8,
        zorder=6,
    )
    if summary.baseline is not None and summary.baseline in shown:
        label = f"baseline {format_value(summary.baseline.value)}"
        scatter(
            axes,
            [summary.baseline],
            label,
            s=size * 1.8,
            marker="D",
            facecolors=BASELINE,
            edgecolors="white",
            zorder=6,
        )
    if span.beyond:
        draw_beyond(axes, summary, span, size)


def scatter(axes: Axes, rows: list[Experiment], label: str, **style: Any) -> None:
    if rows:
        points = axes.scatter(
            [row.number for row in rows],
            [row.value or 0.0 for row in rows],
            label=label,
            clip_on=False,
            **style,
        )
        points.set_urls([f"#experiment-{row.number}" for row in rows])


def draw_beyond(axes: Axes, summary: Summary, span: Span, size: float) -> None:
    """Arrows at the worse edge for results that lie further out, and a sentence about them."""
    top = summary.direction == "min"
    edge = (
        span.high - 0.012 * (span.high - span.low)
        if top
        else span.low + 0.012 * (span.high - span.low)
    )
    worst = max((row.value or 0.0 for row in span.beyond), key=lambda value: -summary.sign * value)
    label = f"{len(span.beyond)} off the axis, to {format_value(worst)}"
    points = axes.scatter(
        [row.number for row in span.beyond],
        [edge] * len(span.beyond),
        label=label,
        s=size,
        marker="^" if top else "v",
        facecolors="white",
        edgecolors=DISCARD,
        linewidths=1.1,
        zorder=4,
    )
    points.set_urls([f"#experiment-{row.number}" for row in span.beyond])


@dataclass(frozen=True, slots=True)
class Strip:
    """Experiments of one kind that have no value."""

    rows: tuple[Experiment, ...]
    word: str
    marker: str
    color: str


def crashed(summary: Summary) -> Strip:
    return Strip(
        tuple(r for r in summary.experiments if r.status == "crash"), "crashed", "x", CRASH
    )


def stopped_early(summary: Summary) -> Strip:
    rows = (r for r in summary.experiments if r.status == "discard" and r.value is None)
    return Strip(tuple(rows), "stopped", "|", "#555555")


def draw_strips(axes: Axes, strips: list[Strip]) -> None:
    for height, strip in enumerate(reversed(strips)):
        points = axes.scatter(
            [row.number for row in strip.rows],
            [height] * len(strip.rows),
            s=44,
            marker=strip.marker,
            color=strip.color,
            linewidths=1.8,
            zorder=4,
        )
        points.set_urls([f"#experiment-{row.number}" for row in strip.rows])
    axes.set_ylim(-0.8, len(strips) - 0.2)
    axes.set_yticks(
        range(len(strips)),
        [f"{strip.word} ({len(strip.rows)})" for strip in reversed(strips)],
        fontsize=9,
    )
    for label, strip in zip(axes.get_yticklabels(), reversed(strips), strict=True):
        label.set_color(strip.color)
    axes.tick_params(axis="y", length=0)


def frame(figure: Figure, axes: list[Axes], summary: Summary) -> None:
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
    figure.text(
        0.075, 0.955, title(summary), fontsize=15, fontweight="bold", color=INK, parse_math=False
    )
    figure.text(0.075, 0.92, subtitle(summary), fontsize=11.5, color="#444444", parse_math=False)
    figure.subplots_adjust(left=0.075, right=0.985, top=0.865, bottom=0.085)
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


def title(summary: Summary) -> str:
    where = " on ".join(part for part in (summary.track, summary.platform) if part)
    count = len(summary.experiments)
    return textwrap.shorten(
        f"{count} experiment{'s' * (count != 1)}{f': {where}' if where else ''}",
        110,
        placeholder="…",
    )


def subtitle(summary: Summary) -> str:
    """Baseline, best, gain and noise in one line."""
    if summary.baseline is None or summary.best is None or summary.gain is None:
        return "nothing measured yet"
    change = summary.sign * summary.gain
    percent = (
        f", {summary.sign * summary.gain_percent:+.1f} %"
        if summary.gain_percent is not None
        else ""
    )
    noise = (
        f"noise {summary.noise:.2g} ({summary.noise_source})"
        if summary.noise
        else "noise not measured"
    )
    moved = f"best {format_value(summary.best.value)} ({change:+.6f}{percent})"
    if not summary.gain:
        moved = "nothing better yet"
    return f"baseline {format_value(summary.baseline.value)}  →  {moved}     {noise}"


def format_value(value: float | None) -> str:
    """Six decimals as in the ledger, fewer for numbers that have more digits before the point."""
    if value is None:
        return "-"
    return f"{value:.6f}" if abs(value) < 1000 else f"{value:,.1f}"


def labelled(summary: Summary) -> list[Experiment]:
    """The improvements that get a label: the last one first, then by their gain."""
    found = summary.improvements()
    last = found[-1:]
    others = sorted(found[:-1], key=lambda pair: -pair[1])
    return [row for row, _ in [*last, *others][:MAX_LABELS]]


def draw_labels(figure: Figure, axes: Axes, summary: Summary, span: Span) -> None:
    """The description beside each kept improvement, with a thin line to its point."""
    rows = labelled(summary)
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


def obstacles(axes: Axes, summary: Summary, span: Span) -> list[Box]:
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
