"""The axis of the progress picture and the marks on it: points, running best, noise band, strips.

How the axis is chosen, so that the picture tells the truth: it shows every kept experiment and the
baseline with its noise, and never less than twelve times the noise, so that noise cannot look like
progress. Results far on the worse side would press everything else into a line: they are arrows at
the edge, and the picture says how far they go. What crashed or was stopped early has no number:
such experiments stand beside the axis, in a row for each kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autoresearch.researcher.judging.amounts import LARGEST, show_amount
from autoresearch.researcher.report.rows import UNITS, Experiment, TableSummary

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours: they differ for every kind of colour blindness; shapes differ as well.
KEEP, DISCARD, CRASH, BASELINE, INK = "#009E73", "#8C8C8C", "#D55E00", "#0072B2", "#222222"
HOLLOW: dict[str, Any] = {
    "marker": "o", "facecolors": "white", "edgecolors": DISCARD, "linewidths": 1.1, "zorder": 4
}  # fmt: skip
FULL: dict[str, Any] = {"marker": "o", "edgecolors": "white", "zorder": 6}


@dataclass(frozen=True, slots=True)
class Span:
    """The shown part of the metric's axis, and how many results lie beyond its worse end."""

    low: float
    high: float
    beyond: tuple[Experiment, ...]


def shown_span(summary: TableSummary) -> Span:
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
    least = 1e-9 * max(map(abs, values)) or 1.0  # for values of any size, and for nothing but 0
    size = max(worst - best, 12 * noise, 0.01 * abs(best) if not noise else 0.0, least)
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


def draw_main(axes: Axes, summary: TableSummary, span: Span) -> None:
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


def draw_running_best(axes: Axes, summary: TableSummary) -> None:
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


def draw_points(axes: Axes, summary: TableSummary, span: Span) -> None:
    crowd = len(summary.experiments)
    size = 42 if crowd <= 60 else 26 if crowd <= 200 else 14
    scored = [row for row in summary.experiments if row.value is not None]
    shown = [row for row in scored if row not in span.beyond]
    for row in shown:
        if len(row.values) > 1:  # what its repeats gave
            reach = min(row.values), max(row.values)
            axes.vlines(row.number, *reach, color="#777777", linewidth=1.2, zorder=2)
    discarded = sum(row.status == "discard" for row in scored)
    kept = [row for row in shown if row.status == "keep" and row is not summary.baseline]
    base = [row for row in shown if row is summary.baseline]
    first = format_value(base[0].value if base else None)
    for rows, label, scale, style in (
        ([r for r in shown if r.status == "discard"], f"discarded ({discarded})", 1, HOLLOW),
        (kept, f"kept ({len(kept)})", 1.7, FULL | {"facecolors": KEEP, "linewidths": 0.8}),
        (base, f"baseline {first}", 1.8, FULL | {"facecolors": BASELINE, "marker": "D"}),
    ):
        heights = [row.value or 0.0 for row in rows]
        scatter(axes, rows, heights, label=label, s=size * scale, clip_on=False, **style)
    if span.beyond:
        draw_beyond(axes, summary, span, size)


def scatter(axes: Axes, rows: Sequence[Experiment], heights: Sequence[float], **style: Any) -> None:
    """Marks that lead to their experiments' lines in the table."""
    if rows:
        points = axes.scatter([row.number for row in rows], heights, **style)
        points.set_urls([f"#experiment-{row.number}" for row in rows])


def draw_beyond(axes: Axes, summary: TableSummary, span: Span, size: float) -> None:
    """Arrows at the worse edge for results that lie further out, and a sentence about them."""
    inset = 0.012 * (span.high - span.low)
    is_top = summary.direction == "min"
    edge = span.high - inset if is_top else span.low + inset
    worst = max((row.value or 0.0 for row in span.beyond), key=lambda value: -summary.sign * value)
    label = f"{len(span.beyond)} off the axis, to {format_value(worst)}"
    style = HOLLOW | {"marker": "^" if is_top else "v"}
    scatter(axes, span.beyond, [edge] * len(span.beyond), label=label, s=size, **style)


@dataclass(frozen=True, slots=True)
class Strip:
    """Experiments of one kind that have no value."""

    rows: tuple[Experiment, ...]
    word: str
    marker: str
    color: str


def crashed_strip(summary: TableSummary) -> Strip:
    return Strip(
        tuple(r for r in summary.experiments if r.status == "crash"), "crashed", "x", CRASH
    )


def stopped_strip(summary: TableSummary) -> Strip:
    rows = (r for r in summary.experiments if r.status == "discard" and r.value is None)
    return Strip(tuple(rows), "stopped", "|", "#555555")


def draw_strips(axes: Axes, strips: list[Strip]) -> None:
    for height, strip in enumerate(reversed(strips)):
        style = {"s": 44, "marker": strip.marker, "color": strip.color, "linewidths": 1.8}
        scatter(axes, strip.rows, [height] * len(strip.rows), zorder=4, **style)
    axes.set_ylim(-0.8, len(strips) - 0.2)
    axes.set_yticks(
        range(len(strips)),
        [f"{strip.word} ({len(strip.rows)})" for strip in reversed(strips)],
        fontsize=9,
    )
    for label, strip in zip(axes.get_yticklabels(), reversed(strips), strict=True):
        label.set_color(strip.color)
    axes.tick_params(axis="y", length=0)


def format_value(value: float | None) -> str:
    """As in the ledger, with fewer decimals where more digits stand before the point."""
    if value is None:
        return "-"
    return f"{value:,.1f}" if 1000 <= abs(value) < LARGEST else show_amount(value)
