"""The axes of a chart: its frame, what its axes show, and round ticks on them. Pure.

Units: SVG user units in a frame of `width` x `height`. x is an experiment's number or its time,
y is val_bpb, lower is better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from math import ceil, floor, log10
from typing import Literal

from autoresearch.models import Result

TIME_WIDTH, NUMBER_WIDTH = 105, 60  # what a tick of the x axis takes with its text
TICKS_MAX = 8  # of the x axis
LETTER = 7.0  # of a tick's text, at the mean
# between ticks of time: seconds, minutes, hours, days, weeks
TIME_STEPS_S = (
    [1, 5, 15, 30]
    + [60 * m for m in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720)]
    + [86_400 * d for d in (1, 2, 7, 14, 28, 91, 182, 364)]
)
TIMES_MAX = 12
FIRST_STEP_MAX = 0.6  # of the height: a first record higher than that lies on the upper edge
Axis = Literal["number", "time"]


@dataclass(frozen=True)
class ChartFrame:
    """The size of a chart, its margins, and how many labels of how long lines it has room for."""

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int
    labels_max: int
    line_characters: int

    @property
    def end(self) -> int:
        return self.width - self.right

    @property
    def floor(self) -> int:
        return self.height - self.bottom


WIDE = ChartFrame(960, 460, 76, 18, 20, 58, 14, 32)
PHONE = ChartFrame(360, 360, 54, 12, 30, 50, 3, 24)


@dataclass(frozen=True)
class ChartTick:
    at: float
    text: str


@dataclass(frozen=True)
class XTick(ChartTick):
    """`text_at` is the middle of its text: near an edge not `at`."""

    text_at: float


@dataclass(frozen=True)
class ChartScale:
    """What the axes show: x from `first` to `last`, val_bpb from `low` to `high`."""

    frame: ChartFrame
    axis: Axis
    first: float
    last: float
    low: float
    high: float

    def x_at(self, at: float) -> float:
        width = self.frame.end - self.frame.left
        return round(self.frame.left + width * (at - self.first) / (self.last - self.first), 1)

    def x_of(self, number: int, point: Result) -> float:
        return self.x_at(number if self.axis == "number" else to_seconds(point.created_at))

    def y_of(self, value: float | None) -> float:
        """A crash has no value: it lies on the axis. What is higher than the chart lies on its
        upper edge."""
        if value is None:
            return self.frame.floor
        share = (self.high - min(value, self.high)) / (self.high - self.low)
        return round(self.frame.top + (self.frame.floor - self.frame.top) * share, 1)


def find_y_range(points: Sequence[Result]) -> tuple[float, float]:
    """What the y axis shows: from a little above the worst tenth down to the best, and as far
    below the best: a claim of nearly zero does not press everything else flat.

    Records are within, unless the first ones would take most of the height.
    """
    ordered = sorted(p.val_bpb for p in points if p.val_bpb is not None)
    if not ordered:
        return 0.0, 1.0
    records = [p.val_bpb for p in points if p.leads and p.val_bpb is not None]
    best = min(records, default=ordered[0])
    most = max(ordered[min(len(ordered) - 1, floor(len(ordered) * 0.9))], ordered[0])
    high = max(most, *records, ordered[0])
    if best < most < high - FIRST_STEP_MAX * (high - best):
        high = most
    low = max(ordered[0], best - max(high - best, 0.1 * abs(best)))
    pad = (high - low) * 0.08 or max(abs(low) * 0.01, 1e-6)
    return low - pad, high + pad


def find_x_range(points: Sequence[Result], first: int, axis: Axis) -> tuple[float, float]:
    """What the x axis shows; `first` is the number of the first point."""
    if not points:
        return 0.0, 1.0
    if axis == "number":
        return first - 0.5, first + len(points) - 0.5
    start, end = to_seconds(points[0].created_at), to_seconds(points[-1].created_at)
    pad = max((end - start) * 0.02, 1.0)
    return start - pad, end + pad


def to_seconds(moment: str) -> float:
    return datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp()


def find_round_values(low: float, high: float, about: int) -> list[float]:
    """Round numbers between two, about so many."""
    step = 10 ** floor(log10((high - low) / about))
    step *= next(f for f in (1, 2, 5, 10) if (high - low) / (step * f) <= about)
    return [i * step for i in range(ceil(low / step), floor(high / step) + 1)]


def place_y_ticks(scale: ChartScale) -> tuple[ChartTick, ...]:
    digits = max(0, min(6, ceil(-log10((scale.high - scale.low) / 6)) + 1))
    values = find_round_values(scale.low, scale.high, 6)
    return tuple(ChartTick(scale.y_of(value), f"{value:.{digits}f}") for value in values)


def place_x_ticks(scale: ChartScale) -> tuple[XTick, ...]:
    first, last = scale.first, scale.last
    width = NUMBER_WIDTH if scale.axis == "number" else TIME_WIDTH
    most = min(TICKS_MAX, (scale.frame.end - scale.frame.left) // width)
    if scale.axis == "number":
        numbers = [n for n in find_round_values(first, last, most) if n == round(n) and n >= 1]
        return tuple(_place_x_tick(scale, n, f"{n:.0f}") for n in numbers)
    step = next((s for s in TIME_STEPS_S if (last - first) / s <= most), TIME_STEPS_S[-1])
    hours = "%H:%M" if step >= 60 else "%H:%M:%S"
    form = "%b %d" if step >= 86_400 else hours if last - first < 36 * 3600 else "%b %d %H:%M"
    times = [i * step for i in range(ceil(first / step), floor(last / step) + 1)][:TIMES_MAX]
    return tuple(
        _place_x_tick(scale, t, datetime.fromtimestamp(t, timezone.utc).strftime(form))
        for t in times
    )


def _place_x_tick(scale: ChartScale, value: float, text: str) -> XTick:
    """With its text moved so far that it ends within the frame."""
    at, half = scale.x_at(value), len(text) * LETTER / 2
    return XTick(at, text, round(min(max(at, half), scale.frame.width - half), 1))
