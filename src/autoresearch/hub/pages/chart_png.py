"""A board's progress as a PNG of 1200 x 630 pixels, for shared links (Open Graph) and downloads.

Drawn by matplotlib, off the event loop.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from io import BytesIO
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from autoresearch.hub.pages import chart, chart_axes
from autoresearch.hub.pages.rendering import flatten_text
from autoresearch.models import Result
from autoresearch.resultdetails import DEFAULT_METRIC

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INCHES, DPI = (12.0, 6.3), 100
BEST, CRASH, INK, SOFT = "#0a7f5a", "#c0392b", "#1b2430", "#5b6776"
# marker, colour and size of each kind that has a value
STYLES: dict[chart.Kind, tuple[str, str, int]] = {
    "discard": ("o", "#9aa4b1", 16),
    "keep": ("s", "#2563c9", 20),
    "record": ("o", BEST, 46),
    "slight": ("o", BEST, 30),
    "claim": ("o", "#2563c9", 26),
    "disputed": ("D", CRASH, 30),
    "reproduced": ("D", "#8a3fb8", 40),
}
IDEAS_MAX = 3
HOLLOW = frozenset({"slight", "claim", "disputed"})  # what does not count, or may be luck
_turn = threading.Lock()  # matplotlib draws one picture at a time


def draw_png(
    points: Sequence[Result],
    platform: str,
    track: str,
    noise: float | None,
    hub: str,
    metric: str = DEFAULT_METRIC,
) -> bytes:
    """The picture of a board's results, given oldest first."""
    with _turn:
        out = BytesIO()
        draw_figure(points, platform, track, noise, hub, metric).savefig(out, format="png")
        return out.getvalue()


def draw_figure(
    points: Sequence[Result],
    platform: str,
    track: str,
    noise: float | None,
    hub: str,
    metric: str = DEFAULT_METRIC,
) -> Figure:
    """The same as a figure of matplotlib; it names its hub and its last day."""
    # a second to import: only where a picture is asked for
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=INCHES, dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.08, 0.11, 0.89, 0.66))
    axes.set_ylim(*chart_axes.find_y_range(points))
    _draw_best(axes, points, noise)
    _draw_marks(axes, points, noise)
    _style_axes(axes, chart.title_values(metric))
    title = f"{_escape_math(platform)}  {_escape_math(track)}".strip()
    _write_line(figure, 0.925, title or "no results yet", 22, INK, weight="bold")
    _write_line(figure, 0.87, _escape_math(chart.summarize(points, noise, metric), 160), 15, SOFT)
    _write_line(figure, 0.815, _name_ideas(points, noise), 13, SOFT)
    signed = " · ".join([_escape_math(hub), *(point.created_at[:10] for point in points[-1:])])
    figure.text(0.97, 0.022, signed, fontsize=11, color=SOFT, ha="right")
    return figure


def _write_line(
    figure: Any, y: float, text: str, size: float, colour: str, weight: str = "normal"
) -> None:
    """One line from the left edge, in letters as large as fit."""
    line = figure.text(0.03, y, text, fontsize=size, color=colour, weight=weight)
    _shrink(line, line.get_window_extent().width, figure.bbox.width * 0.94)


def _shrink(text: Any, length: float, most: float) -> None:
    """Let letters be smaller where a text is longer than `most` pixels."""
    if length > most:
        text.set_fontsize(text.get_fontsize() * most / length)


def _name_ideas(points: Sequence[Result], noise: float | None) -> str:
    """The steps that gained most, in their authors' words."""
    kinds = chart.find_kinds(points, noise)
    steps = [p for p, kind in zip(points, kinds, strict=True) if p.leads and kind in chart.STEPS]
    gains = [
        ((before.val_bpb or 0.0) - (after.val_bpb or 0.0), after.description)
        for before, after in pairwise(steps)
    ]
    best = sorted(gains, reverse=True)[:IDEAS_MAX]
    return " · ".join(f"−{gain:.4f} {_escape_math(words)}" for gain, words in best)


def _draw_best(axes: Any, points: Sequence[Result], noise: float | None) -> None:
    """The running best as a step line, and the noise around the best as a band."""
    kinds = chart.find_kinds(points, noise)
    records = [
        (n, p.val_bpb)
        for n, (p, kind) in enumerate(zip(points, kinds, strict=True), 1)
        if p.leads and kind in chart.STEPS and p.val_bpb is not None
    ]
    if not records:
        return
    best = records[-1][1]
    if noise:
        axes.axhspan(best - noise, best + noise, color=BEST, alpha=0.12, lw=0)
    numbers, values = zip(*records, (len(points), best), strict=True)
    axes.step(numbers, values, where="post", color=BEST, lw=2.4)


def _draw_marks(axes: Any, points: Sequence[Result], noise: float | None) -> None:
    by_kind: dict[chart.Kind, list[tuple[int, float]]] = {}
    low = axes.get_ylim()[0]
    kinds = chart.find_kinds(points, noise)
    for number, (point, kind) in enumerate(zip(points, kinds, strict=True), 1):
        value = low if point.val_bpb is None else point.val_bpb
        if value >= low:
            by_kind.setdefault(kind, []).append((number, value))
    for kind, (marker, colour, size) in STYLES.items():
        if kind in by_kind:
            style: dict[str, Any] = {"marker": marker, "s": size, "c": colour}
            if kind in HOLLOW:
                style = {"marker": marker, "s": size, "facecolors": "none", "edgecolors": colour}
                style["linewidths"] = 1.6
            else:
                style["lw"] = 0
            axes.scatter(*zip(*by_kind[kind], strict=True), zorder=3, **style)
    if crashes := by_kind.get("crash"):
        style = {"marker": "x", "s": 26, "c": CRASH}
        axes.scatter(*zip(*crashes, strict=True), clip_on=False, zorder=4, **style)


def _style_axes(axes: Any, y_title: str) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=12, min_n_ticks=1))
    axes.set_xlabel("experiment", color=SOFT, fontsize=12, loc="left")
    beside = axes.set_ylabel(y_title, color=SOFT, fontsize=12)
    _shrink(beside, beside.get_window_extent().height, axes.bbox.height)
    axes.tick_params(colors=SOFT)
    axes.grid(axis="y", color="#dde3ea")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _escape_math(text: str, most: int = 64) -> str:
    """A stranger's name as matplotlib may print it: `$` begins mathematics there."""
    return flatten_text(text, most).replace("$", "\\$")
