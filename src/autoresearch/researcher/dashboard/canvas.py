"""A small chart in a terminal: points and lines in a grid of Braille dots (2 x 4 a character), or
of `*` where there is no Unicode.

Knows nothing of experiments. Values that are not finite are left out; what lies outside the limits
is drawn at the edge.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from rich.text import Text

# Unicode, "Braille Patterns": the bit of each dot, by row and column
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
BLANK = 0x2800
LABEL = 9  # characters for the numbers at the left


@dataclass(frozen=True)
class AxisRange:
    """What the corners of a chart mean; `low` is at the bottom."""

    left: float
    right: float
    low: float
    high: float

    @staticmethod
    def around(
        points: Iterable[tuple[float, float]], left: float | None = None, right: float | None = None
    ) -> AxisRange:
        """Just around the points, with a little room above and below; (0..1, 0..1) around none."""
        finite = [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]
        xs, ys = [x for x, _ in finite] or [0.0, 1.0], [y for _, y in finite] or [0.0, 1.0]
        room = (max(ys) - min(ys)) * 0.05 or abs(max(ys)) * 0.01 or 1.0
        return AxisRange(
            min(xs) if left is None else left,
            max(xs) if right is None else right,
            min(ys) - room,
            max(ys) + room,
        )


@dataclass
class Canvas:
    """`columns` x `rows` characters. What is drawn later has its colour on top."""

    columns: int
    rows: int
    limits: AxisRange
    braille: bool = True
    bits: dict[tuple[int, int], int] = field(default_factory=dict)
    styles: dict[tuple[int, int], str] = field(default_factory=dict)
    # whole characters, instead of dots
    signs: dict[tuple[int, int], str] = field(default_factory=dict)

    def place(self, x: float, y: float) -> tuple[int, int]:
        """The dot for a point, counted from the upper left corner."""
        li = self.limits
        across = (x - li.left) / (li.right - li.left) if li.right > li.left else 0.5
        down = (li.high - y) / (li.high - li.low) if li.high > li.low else 0.5
        wide, tall = 2 * self.columns - 1, 4 * self.rows - 1
        return round(min(max(across, 0.0), 1.0) * wide), round(min(max(down, 0.0), 1.0) * tall)

    def dot(self, column: int, row: int, style: str) -> None:
        cell = (row // 4, column // 2)
        self.bits[cell] = self.bits.get(cell, 0) | DOTS[row % 4][column % 2]
        self.styles[cell] = style

    def sign(self, x: float, y: float, sign: str, style: str) -> None:
        """A whole character at a point: one dot alone is easily overlooked."""
        column, row = self.place(x, y)
        cell = (row // 4, column // 2)
        self.signs[cell], self.styles[cell] = sign, style

    def line(self, points: Sequence[tuple[float, float]], style: str) -> None:
        """Points joined by straight lines."""
        placed = [self.place(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]
        for (x0, y0), (x1, y1) in pairwise(placed):
            steps = max(abs(x1 - x0), abs(y1 - y0), 1)
            for i in range(steps + 1):
                self.dot(
                    round(x0 + (x1 - x0) * i / steps), round(y0 + (y1 - y0) * i / steps), style
                )
        if len(placed) == 1:
            self.dot(*placed[0], style)

    def text(self) -> Text:
        """The rows with the limits' numbers at the left."""
        whole = Text(no_wrap=True, overflow="crop")
        for row in range(self.rows):
            number = (
                self.limits.high if row == 0 else self.limits.low if row == self.rows - 1 else None
            )
            whole.append(f"{number:>{LABEL - 1}.4g} " if number is not None else " " * LABEL, "dim")
            for column in range(self.columns):
                whole.append(self.character(row, column), self.styles.get((row, column), ""))
            whole.append("\n" if row < self.rows - 1 else "")
        return whole

    def character(self, row: int, column: int) -> str:
        bits = self.bits.get((row, column), 0)
        dots = (chr(BLANK + bits) if self.braille else "*") if bits else " "
        return self.signs.get((row, column), dots)


def stair_points(points: Sequence[tuple[float, float]], right: float) -> list[tuple[float, float]]:
    """A staircase through the points that goes on to the right edge."""
    stairs: list[tuple[float, float]] = []
    for x, y in points:
        if stairs:
            stairs.append((x, stairs[-1][1]))
        stairs.append((x, y))
    return [*stairs, (right, stairs[-1][1])] if stairs else []
