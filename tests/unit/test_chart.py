"""The chart of a board: what its axes show, where its words stand."""

from __future__ import annotations

import random
from itertools import combinations, pairwise

from autoresearch.hub.pages import chart_png
from autoresearch.hub.pages.chart import PHONE_MARKS, Chart, draw_both, draw_chart, summarize
from autoresearch.hub.pages.chart_axes import PHONE, WIDE, ChartScale, place_x_ticks
from autoresearch.hub.pages.chart_labels import LETTER, box_mark
from autoresearch.labels import Box
from autoresearch.models import Result
from populate import LONG_DEVICES


def make_points(values: list[float], words: str = "an idea with a name") -> list[Result]:
    """Results of one board, oldest first; each new best leads."""
    best, found = float("inf"), []
    for number, value in enumerate(values, 1):
        leads, best = value < best, min(best, value)
        found.append(
            Result(
                "a" * 7, "gpu", "", value, None, "keep" if leads else "discard",
                f"{words} {number}", "", "", number, number, "ada", "a" * 40,
                "2026-01-01T00:00:00Z", leads, "unverified", None, None,
            )
        )  # fmt: skip
    return found


def box_labels(chart: Chart) -> list[Box]:
    return [
        Box(at.x, at.y, at.x + LETTER * max(map(len, at.lines)), at.y + at.height)
        for at in chart.labels
    ]


def test_words_stand_whole_and_cover_nothing() -> None:
    """Labels are cut nowhere and touch no mark and no other label."""
    rng = random.Random(4)
    points = make_points([1.0 - n * 0.001 + rng.expovariate(100) for n in range(120)])
    chart = draw_chart(points)
    boxes = box_labels(chart)
    marks = [box_mark(m.x, m.y, m.is_step) for m in chart.marks]

    assert len(boxes) >= 3
    assert all("…" not in line for label in chart.labels for line in label.lines)
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    assert not any(box.overlaps(mark) for box in boxes for mark in marks)
    assert all(box.left >= 0 and box.right <= chart.frame.width for box in boxes)


def test_a_long_first_step_leaves_the_height_to_the_others() -> None:
    """A baseline far above everything lies on the upper edge, with its value in words."""
    points = make_points([2.0, *(1.0 - n * 0.001 for n in range(30))])
    chart = draw_chart(points)
    first, *others = chart.marks

    assert first.is_above and first.y == chart.frame.top
    assert any(label.lines[0].startswith("↑ 2 ") for label in chart.labels)
    assert others[-1].y - others[0].y > 0.6 * (chart.frame.floor - chart.frame.top)
    assert chart.above == 0


def test_a_telephone_shows_the_newest_under_the_best_of_before() -> None:
    """Its chart has as many marks as fit, their true numbers, and the record that stands."""
    points = make_points([1.0, 0.9, *(0.95 + n * 0.0001 for n in range(200))])
    _, chart = draw_both(points)

    assert [mark.number for mark in chart.marks] == list(range(203 - PHONE_MARKS, 203))
    assert chart.steps.startswith(f"M{chart.frame.left}.0 ")


def test_times_end_within_the_frame_and_touch_no_other() -> None:
    """Whatever the span and its end: at 6.7 units a letter, as DejaVu draws them."""
    rng = random.Random(5)
    for frame in (WIDE, PHONE):
        for _ in range(2000):
            first, span = rng.uniform(1.6e9, 1.9e9), 10 ** rng.uniform(0, 8)
            scale = ChartScale(frame, "time", first, first + span, 0.0, 1.0)
            sides = [
                (tick.text_at - 3.35 * len(tick.text), tick.text_at + 3.35 * len(tick.text))
                for tick in place_x_ticks(scale)
            ]
            assert all(left >= 0 and right <= frame.width for left, right in sides)
            assert all(one[1] < other[0] for one, other in pairwise(sides)), sides


def test_a_board_in_one_sentence() -> None:
    points = make_points([1.0, 0.9, 0.95])

    assert summarize([], None) == "0 experiments"
    assert summarize(points[:1], None) == (
        "1 experiment, best val_bpb 1.000000 by ada (unverified)"
    )
    assert summarize(points, 0.01).endswith("by ada (unverified), 10.00% (7.1 σ) below the first")


def test_a_shared_picture_holds_the_longest_names() -> None:
    """Every line of the PNG is whole, within the picture, and touches no other."""
    points = make_points([1.0, 0.98, 0.9, 0.95], words="an idea told at length " * 4)
    for device, name in zip(LONG_DEVICES, ("val_bpb", "W" * 40, "ratio of a / b"), strict=True):
        figure = chart_png.draw_figure(
            points, device, "tinystories-e61b04c2aa", 0.001, "h" * 60, name
        )
        (axes,) = figure.axes
        texts = [*figure.texts, axes.xaxis.label, axes.yaxis.label]
        figure.canvas.draw()
        boxes = [text.get_window_extent() for text in texts]
        width, height = figure.bbox.width, figure.bbox.height

        assert axes.get_ylabel() == f"{name}, lower is better"
        assert texts[0].get_text() == f"{device}  tinystories-e61b04c2aa"
        assert all(tick.get_text().isdigit() for tick in axes.get_xticklabels())
        assert all(b.x0 >= 0 and b.x1 <= width and b.y0 >= 0 and b.y1 <= height for b in boxes)
        assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
