"""Training curves over each other as a small chart. Pure.

Units: SVG user units in a box of WIDTH x HEIGHT. x is the share of the budget, y the training loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autoresearch.hub.pages.chart_axes import ChartTick, find_round_values
from autoresearch.resultdetails import Curve

WIDTH, HEIGHT = 520, 250
LEFT, RIGHT, TOP, BOTTOM = 52, 26, 12, 42
START = 0.1  # of the budget: a run's first steps


@dataclass(frozen=True)
class CurveLine:
    """One curve: what it is called, and its path."""

    name: str
    path: str


@dataclass(frozen=True)
class CurveChart:
    lines: tuple[CurveLine, ...]
    x_ticks: tuple[ChartTick, ...]
    y_ticks: tuple[ChartTick, ...]


def draw_curves(curves: Sequence[tuple[str, Curve]], start: float = START) -> CurveChart | None:
    """The named curves in one chart; None where none has two points. What is higher before
    `start` lies above it."""
    drawn = [(name, curve) for name, curve in curves if len(curve) > 1]
    if not drawn:
        return None
    low, high = _find_range([curve for _, curve in drawn], start)

    def x_of(at: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * at, 1)

    def y_of(loss: float) -> float:
        share = (high - min(loss, high)) / (high - low)
        return round(TOP + (HEIGHT - TOP - BOTTOM) * share, 1)

    return CurveChart(
        tuple(
            CurveLine(name, "M" + "L".join(f"{x_of(at)} {y_of(loss)}" for at, loss in curve))
            for name, curve in drawn
        ),
        tuple(ChartTick(x_of(share / 4), f"{share * 25} %") for share in range(5)),
        tuple(ChartTick(y_of(loss), f"{loss:.4g}") for loss in find_round_values(low, high, 5)),
    )


def _find_range(curves: Sequence[Curve], start: float) -> tuple[float, float]:
    """What the y axis shows: all that comes after a run's first steps."""
    late = [loss for curve in curves for at, loss in curve if at >= start]
    shown = late or [loss for curve in curves for _, loss in curve]
    low, high = min(shown), max(shown)
    pad = (high - low) * 0.06 or max(abs(low) * 0.01, 1e-6)
    return low - pad, high + pad
