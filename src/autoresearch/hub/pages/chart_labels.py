"""The words beside a chart's steps, where they cover nothing. Pure; `autoresearch.labels` finds
the places."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from autoresearch.hub.pages.chart_axes import ChartFrame
from autoresearch.labels import Box, Label, place
from autoresearch.untrusted import to_line

LINES_MAX, LINE_HEIGHT, LETTER = 2, 13, 6.6  # units of a line and of a wide letter, with its halo
CAPITAL = 2.2  # by how much a capital is wider
REACH, STEP_REACH = 6, 9  # of a mark, and of one that is a step
Point = tuple[float, float]


@dataclass(frozen=True)
class ChartLabel:
    """Lines of text in a box whose upper left corner is (x, y); `leader` is the line to its mark:
    x1, y1, x2, y2."""

    x: float
    y: float
    height: float
    lines: tuple[str, ...]
    leader: tuple[float, float, float, float]


def place_labels(
    wanted: Sequence[tuple[Point, str]],
    marks: Sequence[tuple[float, float, bool]],
    corners: Sequence[Point],
    end: float,
    frame: ChartFrame,
) -> tuple[ChartLabel, ...]:
    """A label for each wanted mark that has room for its text, in the order of their importance.

    A mark is x, y and whether it is a step; `corners` are those of the line of steps, which ends
    at x = `end`.
    """
    texts = [wrap_text(text, frame.line_characters) for _, text in wanted]
    sizes = [(max(map(measure_line, lines)) + 4, len(lines) * LINE_HEIGHT) for lines in texts]
    labels = [Label(*at, *size) for (at, _), size in zip(wanted, sizes, strict=True)]
    bounds = Box(frame.left + 2, frame.top - 14, frame.end, frame.floor - 2)
    covered = [box_mark(*mark) for mark in marks]
    boxes = place(labels, [*covered, *_box_line(corners, end)], bounds, down=False)
    return tuple(
        ChartLabel(
            round(box.left + 2, 1),
            round(box.bottom, 1),
            label.height,
            lines,
            _round_line(*box.nearest(label.x, label.y), label.x, label.y),
        )
        for label, box, lines in zip(labels, boxes, texts, strict=True)
        if box is not None
    )


def measure_line(line: str) -> float:
    """How wide a line may become; constants are told in capitals."""
    return len(line) * LETTER + sum(map(str.isupper, line)) * CAPITAL


def box_mark(x: float, y: float, is_step: bool) -> Box:
    reach = STEP_REACH if is_step else REACH
    return Box(x - reach, y - reach, x + reach, y + reach)


def _round_line(x1: float, y1: float, x2: float, y2: float) -> tuple[float, float, float, float]:
    return round(x1, 1), round(y1, 1), x2, y2


def wrap_text(text: str, characters: int) -> tuple[str, ...]:
    """A stranger's text as at most LINES_MAX lines; what is longer ends with a mark."""
    flat = to_line(text, characters * LINES_MAX * 2)
    lines = textwrap.wrap(
        flat, characters, max_lines=LINES_MAX, placeholder=" …", break_on_hyphens=False
    )
    return tuple(lines) or ("(no description)",)


def _box_line(corners: Sequence[Point], end: float) -> list[Box]:
    """The line of steps in pieces that no label may cover."""
    found = []
    for at, (x, y) in enumerate(corners):
        right, next_y = corners[at + 1] if at + 1 < len(corners) else (end, y)
        found.append(Box(x, y - 2, right, y + 2))
        found.append(Box(right - 2, min(y, next_y), right + 2, max(y, next_y)))
    return found
