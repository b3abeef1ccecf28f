"""When two ideas are the same."""

from __future__ import annotations

import pytest

from autoresearch.hub.rules.claims import alike, idea

BASE = "Increase depth from 8 to 12 layers"


@pytest.mark.parametrize(
    "other",
    [
        "increase depth from 8 to 12 layers",
        "Increase the depth from 8 to 12 layers!",
        "to 12 layers, from 8: increase depth",
        "Trying: increase depth from 8 to 12 layers",
        "increase depths from 8 to 12 layer",
        "increase depth from 8 to 12 layers, keep everything else as it was before",
    ],
)
def test_the_same_idea_in_other_words(other: str) -> None:
    """Case, order, fillers and additions hide nothing."""
    assert alike(idea(BASE), idea(other))


@pytest.mark.parametrize(
    "other",
    [
        "Increase depth from 8 to 10 layers",
        "decrease the learning rate of the head",
        "swap GELU for squared ReLU",
        "depth",
    ],
)
def test_different_ideas(other: str) -> None:
    """Another number, or other words, is another experiment."""
    assert not alike(idea(BASE), idea(other))


def test_numbers_with_points_count_whole() -> None:
    """0.02 and 0.04 differ, although most of the text does not."""
    assert not alike(
        idea("set matrix learning rate to 0.02"), idea("set matrix learning rate to 0.04")
    )
    assert alike(
        idea("set matrix learning rate to 0.02"), idea("Set the matrix learning rate to 0.02.")
    )
