"""The progress of one board as a chart: every experiment a mark, the running best a step line,
labels that do not collide. Pure.

Units: SVG user units in a box of WIDTH x HEIGHT. x is the experiment's number or its time, y is
val_bpb, lower is better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import pairwise
from math import ceil, floor, log10
from typing import Literal

from autoresearch.hub.values import BoardPoint

WIDTH, HEIGHT = 960, 460
LEFT, RIGHT, TOP, BOTTOM = 76, 18, 20, 58
MARKS_MAX = 700  # drawn at most; every record is, and of the rest an even sample
LABEL_WIDTH, LABEL_HEIGHT, LABELS_MAX = 168, 13, 14
Axis = Literal["number", "time"]
Kind = Literal["keep", "discard", "crash", "record", "reproduced"]


@dataclass(frozen=True)
class ChartMark:
    x: float
    y: float
    kind: Kind
    point: BoardPoint
    number: int


@dataclass(frozen=True)
class ChartLabel:
    x: float
    y: float
    text: str
    anchor: str
    mark: ChartMark


@dataclass(frozen=True)
class Tick:
    at: float
    text: str


@dataclass(frozen=True)
class Chart:
    marks: tuple[ChartMark, ...]
    steps: str  # an SVG path
    band: tuple[float, float] | None  # y and height of the noise band around the best
    labels: tuple[ChartLabel, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    x_title: str
    outside: int  # results worse than what is shown
    hidden: int  # results left out of an even sample
    total: int


def draw_chart(
    points: Sequence[BoardPoint], axis: Axis = "number", noise: float | None = None
) -> Chart:
    """The chart of a board's results, given oldest first.

    `noise` is one standard deviation of repeated runs, where it is known.
    """
    numbered = list(enumerate(points, 1))
    known = [p.val_bpb for p in points if p.val_bpb is not None]
    low, high = _y_range(known, [p.val_bpb for p in points if p.leads and p.val_bpb is not None])
    first, last = _x_range(points, axis)

    def x_of(number: int, point: BoardPoint) -> float:
        at = number if axis == "number" else _to_seconds(point.created_at)
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (at - first) / (last - first), 1)

    def y_of(value: float) -> float:
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low), 1)

    inside = [(n, p) for n, p in numbered if p.val_bpb is None or p.val_bpb <= high]
    shown = _sample_marks(inside)
    floor_y = HEIGHT - BOTTOM
    marks = tuple(
        ChartMark(
            x_of(n, p), floor_y if p.val_bpb is None else y_of(p.val_bpb), _choose_kind(p), p, n
        )
        for n, p in shown
    )
    records = [
        (x_of(n, p), y_of(p.val_bpb), n, p)
        for n, p in numbered
        if p.leads and p.val_bpb is not None
    ]
    best = records[-1] if records else None
    band = None
    if best and noise and best[3].val_bpb is not None:
        top, bottom = (
            y_of(min(best[3].val_bpb + noise, high)),
            y_of(max(best[3].val_bpb - noise, low)),
        )
        band = (top, round(bottom - top, 1))
    return Chart(
        marks=marks,
        steps=_draw_steps(
            [(x, y) for x, y, _, _ in records], x_of(len(points), points[-1]) if points else LEFT
        ),
        band=band,
        labels=_place_labels(records, marks),
        x_ticks=_place_x_ticks(first, last, axis),
        y_ticks=tuple(
            Tick(y_of(v), f"{v:.{_count_digits(low, high)}f}") for v in _round_values(low, high, 6)
        ),
        x_title="experiment" if axis == "number" else "time (UTC)",
        outside=len(numbered) - len(inside),
        hidden=len(inside) - len(shown),
        total=len(points),
    )


def _choose_kind(point: BoardPoint) -> Kind:
    if point.val_bpb is None:
        return "crash"
    if point.reproduced:
        return "reproduced"
    return "record" if point.leads else "keep" if point.status == "keep" else "discard"


def _y_range(values: Sequence[float], records: Sequence[float]) -> tuple[float, float]:
    """What the y axis shows: everything up to a little above the worst tenth, and every record."""
    if not values:
        return 0.0, 1.0
    ordered = sorted(values)
    low = ordered[0]
    high = max(ordered[min(len(ordered) - 1, floor(len(ordered) * 0.9))], *records, low)
    pad = (high - low) * 0.08 or max(abs(low) * 0.01, 1e-6)
    return low - pad, high + pad


def _x_range(points: Sequence[BoardPoint], axis: Axis) -> tuple[float, float]:
    if not points:
        return 0.0, 1.0
    if axis == "number":
        return 0.5, len(points) + 0.5
    first, last = _to_seconds(points[0].created_at), _to_seconds(points[-1].created_at)
    pad = max((last - first) * 0.02, 1.0)
    return first - pad, last + pad


def _to_seconds(moment: str) -> float:
    return datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp()


def _sample_marks(numbered: Sequence[tuple[int, BoardPoint]]) -> list[tuple[int, BoardPoint]]:
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


def _place_labels(
    records: Sequence[tuple[float, float, int, BoardPoint]], marks: Sequence[ChartMark]
) -> tuple[ChartLabel, ...]:
    """Descriptions of records beside their marks, the greatest gains first.

    A label that would touch another is left out.
    """
    by_number = {mark.number: mark for mark in marks}
    gains = [1e9, *(b[1] - a[1] for a, b in pairwise(records))]  # the first is where it began
    placed: list[tuple[float, float, float, float]] = []
    found: list[ChartLabel] = []
    for index in sorted(range(len(records)), key=lambda i: -gains[i])[: LABELS_MAX * 2]:
        x, y, number, point = records[index]
        for anchor, left, above in (
            ("start", x + 7, y - 6),
            ("end", x - 7 - LABEL_WIDTH, y + 14),
            ("start", x + 7, y + 14),
        ):
            box = (left, above - LABEL_HEIGHT, left + LABEL_WIDTH, above + 3)
            if _fits(box, placed) and len(found) < LABELS_MAX and number in by_number:
                placed.append(box)
                at = x + 7 if anchor == "start" else x - 7
                found.append(ChartLabel(at, above, point.description, anchor, by_number[number]))
                break
    return tuple(found)


def _fits(
    box: tuple[float, float, float, float], placed: Sequence[tuple[float, float, float, float]]
) -> bool:
    left, top, right, bottom = box
    if left < LEFT or right > WIDTH or top < 2 or bottom > HEIGHT - BOTTOM:
        return False
    return all(right < x0 or left > x1 or bottom < y0 or top > y1 for x0, y0, x1, y1 in placed)


def _round_values(low: float, high: float, about: int) -> list[float]:
    """Round numbers between two, about so many."""
    step = 10 ** floor(log10((high - low) / about))
    step *= next(f for f in (1, 2, 5, 10) if (high - low) / (step * f) <= about)
    return [i * step for i in range(ceil(low / step), floor(high / step) + 1)]


def _count_digits(low: float, high: float) -> int:
    return max(0, min(6, ceil(-log10((high - low) / 6)) + 1))


def _place_x_ticks(first: float, last: float, axis: Axis) -> tuple[Tick, ...]:
    def x_of(at: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (at - first) / (last - first), 1)

    if axis == "number":
        return tuple(
            Tick(x_of(v), f"{v:.0f}")
            for v in _round_values(first, last, 8)
            if v == round(v) and v >= 1
        )
    form = "%H:%M" if last - first < 36 * 3600 else "%b %d"
    step = (last - first) / 7
    return tuple(
        Tick(x_of(first + i * step), _format_clock(first + i * step, form)) for i in range(1, 7)
    )


def _format_clock(seconds: float, form: str) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime(form)


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
