"""Finds a place for each label of a picture where it covers neither another label nor a point.

Plain geometry in pixels; y may grow upwards or downwards, as long as a box's `top` is its greater
one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import hypot
from operator import itemgetter

CELL = 24
ROWS = 26  # places are tried so many lines above and below a point
SHIFTS = (-1.0, -0.75, -0.5, -0.25, 0.0)  # how much of the text lies left of the point
DISTANCES = (8.0, 30.0, 70.0, 120.0)  # of a text beside its point


@dataclass(frozen=True, slots=True)
class Box:
    left: float
    bottom: float
    right: float
    top: float

    def overlaps(self, other: Box) -> bool:
        return (
            self.left < other.right
            and other.left < self.right
            and self.bottom < other.top
            and other.bottom < self.top
        )

    def inside(self, other: Box) -> bool:
        return (
            other.left <= self.left
            and self.right <= other.right
            and other.bottom <= self.bottom
            and self.top <= other.top
        )

    def nearest(self, x: float, y: float) -> tuple[float, float]:
        """The point of this box that is closest to (x, y)."""
        return min(max(x, self.left), self.right), min(max(y, self.bottom), self.top)


class BoxIndex:
    """Many boxes, found by the squares of CELL pixels that they touch."""

    def __init__(self, boxes: Sequence[Box]) -> None:
        self._cells: dict[tuple[int, int], list[Box]] = {}
        for box in boxes:
            for cell in _list_cells(box):
                self._cells.setdefault(cell, []).append(box)

    def overlaps(self, box: Box) -> bool:
        return any(
            box.overlaps(other) for cell in _list_cells(box) for other in self._cells.get(cell, ())
        )


def _list_cells(box: Box) -> Iterator[tuple[int, int]]:
    for column in range(int(box.left // CELL), int(box.right // CELL) + 1):
        for row in range(int(box.bottom // CELL), int(box.top // CELL) + 1):
            yield column, row


@dataclass(frozen=True, slots=True)
class Label:
    """A text of `width` x `height` pixels that belongs to the point (x, y)."""

    x: float
    y: float
    width: float
    height: float


def place(
    labels: Sequence[Label], obstacles: Sequence[Box], bounds: Box, down: bool = True
) -> list[Box | None]:
    """A box for each label, in the order of their importance; None where none is free.

    `down` tries first below the points, where a chart whose line falls has room; else above. Each
    label takes the nearest free place whose leader (the straight line to its point) crosses no
    earlier label and no earlier leader.
    """
    boxes: list[Box | None] = []
    leaders: list[tuple[float, float, float, float]] = []
    covered = BoxIndex(obstacles)
    for label in labels:
        taken = [box for box in boxes if box is not None]
        box = next(
            (
                c
                for c in candidates(label, down)
                if is_free(c, label, taken, leaders, covered, bounds)
            ),
            None,
        )
        boxes.append(box)
        if box is not None:
            leaders.append(leader(label, box))
    return boxes


def is_free(
    box: Box,
    label: Label,
    taken: Sequence[Box],
    leaders: Sequence[tuple[float, float, float, float]],
    obstacles: BoxIndex,
    bounds: Box,
) -> bool:
    if not box.inside(bounds) or any(box.overlaps(other) for other in taken):
        return False
    if obstacles.overlaps(box):
        return False
    line = leader(label, box)
    if any(hits(line, other) for other in taken) or any(hits(other, box) for other in leaders):
        return False
    return not any(cross(line, other) for other in leaders)


def candidates(label: Label, down: bool) -> Iterator[Box]:
    """Places around the point, the nearest first; on the preferred side before the other one."""
    for shift, away, rise in _list_offsets(label.height, down):
        x = label.x + label.width * shift + away
        y = label.y + rise
        yield Box(x, y, x + label.width, y + label.height)


@lru_cache(maxsize=32)
def _list_offsets(height: float, down: bool) -> tuple[tuple[float, float, float], ...]:
    """How much of the text lies left of its point, how far it is moved aside, and how far up."""
    found = []
    for row, side, shift, away in product(range(ROWS), (-1, 1), SHIFTS, DISTANCES):
        beside = shift in (0, -1)
        rise = side * (row * height * 1.15 + (0 if beside else height)) - height / 2
        gap = hypot(away if beside else 0, row * height * 1.15) + 12 * abs(shift + 0.5)
        wrong_side = 0 if (side < 0) == down or row == 0 else 140
        aside = away if shift == 0 else -away if shift == -1 else 0.0
        found.append((gap + wrong_side, (shift, aside, rise)))
    return tuple(offset for _, offset in sorted(found, key=itemgetter(0)))


def leader(label: Label, box: Box) -> tuple[float, float, float, float]:
    """The straight line from a label's box to its point: x1, y1, x2, y2."""
    return (*box.nearest(label.x, label.y), label.x, label.y)


def hits(line: tuple[float, float, float, float], box: Box) -> bool:
    """Whether a straight line touches a box (Liang and Barsky's clipping)."""
    x1, y1, x2, y2 = line
    enter, leave = 0.0, 1.0
    for delta, low, high, start in (
        (x2 - x1, box.left, box.right, x1),
        (y2 - y1, box.bottom, box.top, y1),
    ):
        if delta == 0:
            if not low <= start <= high:
                return False
            continue
        near, far = sorted(((low - start) / delta, (high - start) / delta))
        enter, leave = max(enter, near), min(leave, far)
    return enter <= leave


def cross(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    """Whether two straight lines cross in a point inside both."""
    return (
        turn(a, b[0], b[1]) * turn(a, b[2], b[3]) < 0
        and turn(b, a[0], a[1]) * turn(b, a[2], a[3]) < 0
    )


def turn(line: tuple[float, float, float, float], x: float, y: float) -> float:
    """Positive where (x, y) lies to the left of the line, negative to the right."""
    x1, y1, x2, y2 = line
    return (x2 - x1) * (y - y1) - (y2 - y1) * (x - x1)
