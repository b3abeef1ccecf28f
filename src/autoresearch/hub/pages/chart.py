"""The progress of one board as a chart: every experiment a mark, the running best a step line,
labels that do not collide. Pure.

Units: SVG user units in a box of WIDTH x HEIGHT. x is the experiment's number or its time, y is
val_bpb, lower is better.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import pairwise
from math import ceil, floor, log10
from typing import Literal

from autoresearch.hub.rules import significance
from autoresearch.models import Result

WIDTH, HEIGHT = 960, 460
LEFT, RIGHT, TOP, BOTTOM = 76, 18, 20, 58
MARKS_MAX = 700  # drawn at most; every record is, and of the rest an even sample
LABEL_WIDTH, LABEL_HEIGHT, LABELS_MAX = 168, 13, 14
# between ticks of time: seconds, minutes, hours, days, weeks
TIME_STEPS_S = (
    [1, 5, 15, 30]
    + [60 * m for m in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720)]
    + [86_400 * d for d in (1, 2, 7, 14, 28, 91, 182, 364)]
)
TIMES_MAX = 12
Axis = Literal["number", "time"]
# slight: led the board by less than its noise
Kind = Literal["keep", "discard", "crash", "record", "slight", "reproduced", "claim", "disputed"]
STEPS = ("record", "reproduced")
Box = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True)
class ChartMark:
    x: float
    y: float
    kind: Kind
    point: Result
    number: int


@dataclass(frozen=True)
class ChartLabel:
    x: float
    y: float
    text: str
    anchor: str


@dataclass(frozen=True)
class ChartTick:
    at: float
    text: str


@dataclass(frozen=True)
class Chart:
    marks: tuple[ChartMark, ...]
    steps: str  # an SVG path
    band: tuple[float, float] | None  # y and height of the noise band around the best
    labels: tuple[ChartLabel, ...]
    x_ticks: tuple[ChartTick, ...]
    y_ticks: tuple[ChartTick, ...]
    x_title: str
    above: int  # results worse than what is shown
    below: int  # claims far below what is shown
    hidden: int  # results left out of an even sample
    total: int


@dataclass(frozen=True)
class ChartScale:
    """What the axes show: x from `first` to `last`, val_bpb from `low` to `high`."""

    axis: Axis
    first: float
    last: float
    low: float
    high: float

    def x_at(self, at: float) -> float:
        width = WIDTH - LEFT - RIGHT
        return round(LEFT + width * (at - self.first) / (self.last - self.first), 1)

    def x_of(self, number: int, point: Result) -> float:
        return self.x_at(number if self.axis == "number" else _to_seconds(point.created_at))

    def y_of(self, value: float | None) -> float:
        """A crash has no value: it lies on the axis."""
        if value is None:
            return HEIGHT - BOTTOM
        return round(
            TOP + (HEIGHT - TOP - BOTTOM) * (self.high - value) / (self.high - self.low), 1
        )

    def mark(self, number: int, point: Result, kind: Kind) -> ChartMark:
        return ChartMark(self.x_of(number, point), self.y_of(point.val_bpb), kind, point, number)


def draw_chart(
    points: Sequence[Result], axis: Axis = "number", noise: float | None = None
) -> Chart:
    """The chart of a board's results, given oldest first.

    `noise` is one standard deviation of repeated runs, where it is known.
    """
    scale = ChartScale(axis, *_find_x_range(points, axis), *find_y_range(points))
    numbered = list(enumerate(points, 1))
    kinds = find_kinds(points, noise)
    above = [n for n, p in numbered if p.val_bpb is not None and p.val_bpb > scale.high]
    below = [n for n, p in numbered if p.val_bpb is not None and p.val_bpb < scale.low]
    outside = {*above, *below}
    inside = [(n, p) for n, p in numbered if n not in outside]
    shown = _sample_marks(inside)
    marks = tuple(scale.mark(n, p, kinds[n - 1]) for n, p in shown)
    records = [
        scale.mark(n, p, kinds[n - 1]) for n, p in numbered if p.leads and kinds[n - 1] in STEPS
    ]
    end = scale.x_of(len(points), points[-1]) if points else LEFT
    return Chart(
        marks=marks,
        steps=_draw_steps([(mark.x, mark.y) for mark in records], end),
        band=_place_band(scale, records[-1].point.val_bpb if records else None, noise),
        labels=_place_labels(records, {number for number, _ in shown}),
        x_ticks=_place_x_ticks(scale),
        y_ticks=_place_y_ticks(scale),
        x_title="experiment" if axis == "number" else "time (UTC)",
        above=len(above),
        below=len(below),
        hidden=len(inside) - len(shown),
        total=len(points),
    )


def find_kinds(points: Sequence[Result], noise: float | None) -> list[Kind]:
    """What each result is, given oldest first."""
    kinds: list[Kind] = []
    best = float("inf")
    leaders = [point for point in points if point.leads]
    steps = iter(significance.find_steps(leaders, noise))
    for point in points:
        is_slight = point.leads and not next(steps)
        kinds.append("slight" if is_slight else _find_kind(point, best))
        if point.leads and point.val_bpb is not None:
            best = point.val_bpb
    return kinds


def _find_kind(point: Result, best: float) -> Kind:
    """`best` is the record before it. A claim would be a record, but does not count."""
    if point.val_bpb is None:
        return "crash"
    if point.verified != "unverified":
        return "reproduced" if point.verified == "reproduced" else "disputed"
    if point.leads:
        return "record"
    if point.status != "keep":
        return "discard"
    return "claim" if point.val_bpb < best else "keep"


def find_y_range(points: Sequence[Result]) -> tuple[float, float]:
    """What the y axis shows: every record, up to a little above the worst tenth, and as far below
    the best: a claim of nearly zero does not press everything else flat."""
    ordered = sorted(p.val_bpb for p in points if p.val_bpb is not None)
    if not ordered:
        return 0.0, 1.0
    records = [p.val_bpb for p in points if p.leads and p.val_bpb is not None]
    high = max(ordered[min(len(ordered) - 1, floor(len(ordered) * 0.9))], *records, ordered[0])
    best = min(records, default=ordered[0])
    low = max(ordered[0], best - max(high - best, 0.1 * abs(best)))
    pad = (high - low) * 0.08 or max(abs(low) * 0.01, 1e-6)
    return low - pad, high + pad


def _place_band(
    scale: ChartScale, best: float | None, noise: float | None
) -> tuple[float, float] | None:
    if best is None or not noise:
        return None
    top, bottom = (
        scale.y_of(min(best + noise, scale.high)),
        scale.y_of(max(best - noise, scale.low)),
    )
    return top, round(bottom - top, 1)


def _find_x_range(points: Sequence[Result], axis: Axis) -> tuple[float, float]:
    if not points:
        return 0.0, 1.0
    if axis == "number":
        return 0.5, len(points) + 0.5
    first, last = _to_seconds(points[0].created_at), _to_seconds(points[-1].created_at)
    pad = max((last - first) * 0.02, 1.0)
    return first - pad, last + pad


def _to_seconds(moment: str) -> float:
    return datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp()


def _sample_marks(numbered: Sequence[tuple[int, Result]]) -> list[tuple[int, Result]]:
    """All of a few; of many every record and the newest, and of the rest every so-manieth."""
    if len(numbered) <= MARKS_MAX:
        return list(numbered)
    rest = [pair for pair in numbered if not pair[1].leads]
    stride = ceil(len(rest) / MARKS_MAX)
    return sorted(
        [*(pair for pair in numbered if pair[1].leads), *rest[::-1][::stride]],
        key=lambda pair: pair[0],
    )


def _draw_steps(corners: Sequence[tuple[float, float]], end: float) -> str:
    if not corners:
        return ""
    path = [f"M{corners[0][0]} {corners[0][1]}"]
    path += [f"H{x}V{y}" for x, y in corners[1:]]
    return "".join(path) + f"H{max(end, corners[-1][0])}"


def _place_labels(records: Sequence[ChartMark], shown: set[int]) -> tuple[ChartLabel, ...]:
    """Descriptions of records beside their marks, the greatest gains first.

    A label that would touch another is left out.
    """
    gains = [1e9, *(after.y - before.y for before, after in pairwise(records))]  # first: a baseline
    order = sorted(range(len(records)), key=lambda i: -gains[i])[: LABELS_MAX * 2]
    placed: list[Box] = []
    found: list[ChartLabel] = []
    for mark in (records[i] for i in order if records[i].number in shown):
        for label, box in _label_places(mark):
            if len(found) < LABELS_MAX and _fits(box, placed):
                placed.append(box)
                found.append(label)
                break
    return tuple(found)


def _label_places(mark: ChartMark) -> Iterator[tuple[ChartLabel, Box]]:
    """Right above, left below, right below; each with the box that it fills."""
    for anchor, above in (("start", mark.y - 6), ("end", mark.y + 14), ("start", mark.y + 14)):
        at = mark.x + 7 if anchor == "start" else mark.x - 7
        left = at if anchor == "start" else at - LABEL_WIDTH
        box = (left, above - LABEL_HEIGHT, left + LABEL_WIDTH, above + 3)
        yield ChartLabel(at, above, mark.point.description, anchor), box


def _fits(box: Box, placed: Sequence[Box]) -> bool:
    left, top, right, bottom = box
    if left < LEFT or right > WIDTH or top < 2 or bottom > HEIGHT - BOTTOM:
        return False
    return all(right < x0 or left > x1 or bottom < y0 or top > y1 for x0, y0, x1, y1 in placed)


def find_round_values(low: float, high: float, about: int) -> list[float]:
    """Round numbers between two, about so many."""
    step = 10 ** floor(log10((high - low) / about))
    step *= next(f for f in (1, 2, 5, 10) if (high - low) / (step * f) <= about)
    return [i * step for i in range(ceil(low / step), floor(high / step) + 1)]


def _place_y_ticks(scale: ChartScale) -> tuple[ChartTick, ...]:
    digits = max(0, min(6, ceil(-log10((scale.high - scale.low) / 6)) + 1))
    values = find_round_values(scale.low, scale.high, 6)
    return tuple(ChartTick(scale.y_of(value), f"{value:.{digits}f}") for value in values)


def _place_x_ticks(scale: ChartScale) -> tuple[ChartTick, ...]:
    first, last = scale.first, scale.last
    if scale.axis == "number":
        numbers = [n for n in find_round_values(first, last, 8) if n == round(n) and n >= 1]
        return tuple(ChartTick(scale.x_at(n), f"{n:.0f}") for n in numbers)
    step = next((s for s in TIME_STEPS_S if (last - first) / s <= 8), TIME_STEPS_S[-1])
    hours = "%H:%M" if step >= 60 else "%H:%M:%S"
    form = "%b %d" if step >= 86_400 else hours if last - first < 36 * 3600 else "%b %d %H:%M"
    times = [i * step for i in range(ceil(first / step), floor(last / step) + 1)][:TIMES_MAX]
    return tuple(
        ChartTick(scale.x_at(t), datetime.fromtimestamp(t, timezone.utc).strftime(form))
        for t in times
    )


def draw_sparkline(values: Sequence[float], width: int = 120, height: int = 28) -> str:
    """An SVG path of a falling (or rising) series, newest at the right."""
    if len(values) < 2:
        return ""
    low, high = min(values), max(values)
    step = (width - 4) / (len(values) - 1)
    corners = [
        (round(2 + i * step, 1), round(2 + (height - 4) * (high - v) / ((high - low) or 1), 1))
        for i, v in enumerate(values)
    ]
    return _draw_steps(corners, width - 2)
