"""Labels find places where they cover nothing."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from autoresearch.labels import Box, Label, cross, hits, leader, place

BOUNDS = Box(0, 0, 1000, 500)
points = st.lists(st.tuples(st.floats(0, 1000), st.floats(0, 500), st.floats(20, 250)), max_size=12)


@settings(max_examples=30, deadline=None)
@given(points)
def test_placed_labels_cover_nothing(where: list[tuple[float, float, float]]) -> None:
    """No label leaves the picture, covers a point or another label, or is crossed by another's
    leader."""
    labels = [Label(x, y, width, 14) for x, y, width in where]
    dots = [Box(x - 4, y - 4, x + 4, y + 4) for x, y, _ in where]
    placed = [
        (label, box)
        for label, box in zip(labels, place(labels, dots, BOUNDS), strict=True)
        if box is not None
    ]

    for at, (label, box) in enumerate(placed):
        assert box.inside(BOUNDS)
        assert not any(box.overlaps(dot) for dot in dots)
        for other_label, other in placed[:at]:
            assert not box.overlaps(other)
            assert not hits(leader(label, box), other) and not hits(leader(other_label, other), box)
            assert not cross(leader(label, box), leader(other_label, other))


def test_a_lone_label_stands_close() -> None:
    """Where there is room, the text is beside its point."""
    (box,) = place([Label(500, 250, 100, 14)], [Box(496, 246, 504, 254)], BOUNDS)

    assert box is not None
    assert abs(box.nearest(500, 250)[0] - 500) + abs(box.nearest(500, 250)[1] - 250) < 25


def test_a_label_without_room_is_left_out() -> None:
    """Better no label than an unreadable one."""
    assert place([Label(500, 250, 100, 14)], [BOUNDS], BOUNDS) == [None]
