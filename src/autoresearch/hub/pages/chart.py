"""The progress of one board as a chart: every experiment a mark, the running best a step line,
labels that do not collide. Pure; axes and labels are made by `chart_axes` and `chart_labels`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from operator import itemgetter
from typing import Literal

from autoresearch.hub.pages import chart_axes
from autoresearch.hub.pages.chart_axes import (
    PHONE,
    WIDE,
    Axis,
    ChartFrame,
    ChartScale,
    ChartTick,
    XTick,
)
from autoresearch.hub.pages.chart_labels import ChartLabel, place_labels
from autoresearch.hub.rules import significance
from autoresearch.models import Result
from autoresearch.resultdetails import DEFAULT_METRIC

PHONE_MARKS = 60  # what fits a telephone and can be touched there
MARKS_MAX = 700  # drawn at most; every record is, and of the rest an even sample
# slight: led the board by less than its noise
Kind = Literal["keep", "discard", "crash", "record", "slight", "reproduced", "claim", "disputed"]
STEPS = ("record", "reproduced")


@dataclass(frozen=True)
class ChartMark:
    """`is_above`: its value is higher than the chart, on whose upper edge it lies."""

    x: float
    y: float
    kind: Kind
    point: Result
    number: int
    is_above: bool = False

    @property
    def is_step(self) -> bool:
        return self.kind in STEPS


@dataclass(frozen=True)
class Chart:
    frame: ChartFrame
    marks: tuple[ChartMark, ...]
    steps: str  # an SVG path
    band: tuple[float, float] | None  # y and height of the noise band around the best
    labels: tuple[ChartLabel, ...]
    x_ticks: tuple[XTick, ...]
    y_ticks: tuple[ChartTick, ...]
    x_title: str
    first: int  # number of the first experiment
    above: int  # results worse than what is shown
    below: int  # claims far below what is shown
    hidden: int  # results left out of an even sample
    total: int


def draw_both(
    points: Sequence[Result],
    axis: Axis = "number",
    noise: float | None = None,
    first: int = 1,
    last: int | None = None,
) -> tuple[Chart, Chart]:
    """The chart for wide windows, and the newest of it for telephones."""
    newest = max(first, len(points[:last]) - PHONE_MARKS + 1)
    return (
        draw_chart(points, axis, noise, first, last, WIDE),
        draw_chart(points, axis, noise, newest, last, PHONE),
    )


def draw_chart(
    points: Sequence[Result],
    axis: Axis = "number",
    noise: float | None = None,
    first: int = 1,
    last: int | None = None,
    frame: ChartFrame = WIDE,
) -> Chart:
    """The chart of a board's results, given oldest first, from number `first` to `last`.

    `noise` is one standard deviation of repeated runs, where it is known.
    """
    kinds = find_kinds(points, noise)
    standing = _find_standing(points[: first - 1], kinds)
    kinds, points = kinds[first - 1 : last], points[first - 1 : last]
    x_range = chart_axes.find_x_range(points, first, axis)
    scale = ChartScale(frame, axis, *x_range, *chart_axes.find_y_range([*standing, *points]))
    numbered = list(zip(range(first, first + len(points)), points, kinds, strict=True))
    records = [_place_mark(scale, *one) for one in numbered if one[1].leads and one[2] in STEPS]
    below = {n for n, p, _ in numbered if p.val_bpb is not None and p.val_bpb < scale.low}
    above = {n for n, p, _ in numbered if p.val_bpb is not None and p.val_bpb > scale.high}
    above -= {mark.number for mark in records}
    outside = above | below
    inside = [one for one in numbered if one[0] not in outside]
    shown = [_place_mark(scale, *one) for one in _sample_marks(inside)]
    end = scale.x_of(first + len(points) - 1, points[-1]) if points else frame.left
    corners = [(float(frame.left), scale.y_of(point.val_bpb)) for point in standing]
    corners += [(mark.x, mark.y) for mark in records]
    best = [*standing, *(mark.point for mark in records)][-1:]
    return Chart(
        frame=frame,
        marks=tuple(shown),
        steps=_draw_steps(corners, end),
        band=_place_band(scale, best[0].val_bpb if best else None, noise),
        labels=place_labels(
            _choose_labels(records)[: frame.labels_max],
            [(mark.x, mark.y, mark.is_step) for mark in shown],
            corners,
            max([end, *(x for x, _ in corners)]),
            frame,
        ),
        x_ticks=chart_axes.place_x_ticks(scale),
        y_ticks=chart_axes.place_y_ticks(scale),
        x_title="experiment" if axis == "number" else "time (UTC)",
        first=first,
        above=len(above),
        below=len(below),
        hidden=len(inside) - len(shown),
        total=len(points),
    )


def _find_standing(points: Sequence[Result], kinds: Sequence[Kind]) -> list[Result]:
    """The record that stands when the chart begins, where there is one."""
    steps = [p for p, kind in zip(points, kinds, strict=False) if p.leads and kind in STEPS]
    return steps[-1:]


def _place_mark(scale: ChartScale, number: int, point: Result, kind: Kind) -> ChartMark:
    is_above = point.val_bpb is not None and point.val_bpb > scale.high
    at = scale.x_of(number, point), scale.y_of(point.val_bpb)
    return ChartMark(*at, kind, point, number, is_above)


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


def _sample_marks(
    numbered: Sequence[tuple[int, Result, Kind]],
) -> list[tuple[int, Result, Kind]]:
    """All of a few; of many every record and the newest, and of the rest every so-manieth."""
    if len(numbered) <= MARKS_MAX:
        return list(numbered)
    rest = [one for one in numbered if not one[1].leads]
    stride = ceil(len(rest) / MARKS_MAX)
    records = [one for one in numbered if one[1].leads]
    return sorted([*records, *rest[::-1][::stride]], key=itemgetter(0))


def _choose_labels(records: Sequence[ChartMark]) -> list[tuple[tuple[float, float], str]]:
    """Where labels are wanted and what they say: the first record, then the greatest gains."""
    gains = [1e9, *(after.y - before.y for before, after in pairwise(records))]
    order = sorted(range(len(records)), key=lambda i: -gains[i])
    return [((records[i].x, records[i].y), _describe_mark(records[i])) for i in order]


def _describe_mark(mark: ChartMark) -> str:
    words = mark.point.description
    return f"↑ {mark.point.val_bpb:.6g} {words}" if mark.is_above else words


def _draw_steps(corners: Sequence[tuple[float, float]], end: float) -> str:
    if not corners:
        return ""
    path = [f"M{corners[0][0]} {corners[0][1]}"]
    path += [f"H{x}V{y}" for x, y in corners[1:]]
    return "".join(path) + f"H{max(end, corners[-1][0])}"


def summarize(points: Sequence[Result], noise: float | None, metric: str = DEFAULT_METRIC) -> str:
    """A board in one sentence: how many results, the best, whose it is, what it gained."""
    said = f"{len(points)} experiment{'s' if len(points) != 1 else ''}"
    led = [p for p in points if p.leads and p.val_bpb is not None]
    if not led:
        return said
    first, best = led[0], led[-1]
    said += f", best {metric} {best.val_bpb:.6f} by {best.agent_id} ({best.verified})"
    if len(led) == 1 or not first.val_bpb or best.val_bpb is None:
        return said
    sigma = significance.gain_in_sigma(first, best, noise)
    beside = "" if sigma is None else f" ({sigma:.1f} σ)"
    return f"{said}, {1 - best.val_bpb / first.val_bpb:.2%}{beside} below the first"


def title_values(metric: str) -> str:
    """What stands beside the y axis of a board."""
    return f"{metric}, lower is better"


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
