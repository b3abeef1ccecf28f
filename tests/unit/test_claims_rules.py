"""When two ideas are the same."""

from __future__ import annotations

import itertools

import pytest

from autoresearch.hub.rules.claims import find_alike, idea

WORDS = ["".join(letters) for letters in itertools.product("abcdefgh", repeat=4)]
BASE = "Increase depth from 8 to 12 layers"


def alike(one: str, other: str) -> bool:
    return find_alike(idea(one), [idea(other)]) == 0


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
    assert alike(BASE, other)


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
    assert not alike(BASE, other)


def test_numbers_with_points_count_whole() -> None:
    """0.02 and 0.04 differ, although most of the text does not."""
    assert not alike("set matrix learning rate to 0.02", "set matrix learning rate to 0.04")
    assert alike("set matrix learning rate to 0.02", "Set the matrix learning rate to 0.02.")


def test_the_first_of_many_is_named() -> None:
    """Of thousands of other ideas it is found, wherever it stands; none is named where none is."""
    others = [idea(f"try {word} in place of {word[::-1]} at {n}") for n, word in enumerate(WORDS)]
    wanted = idea(BASE)

    assert find_alike(wanted, others) is None and find_alike(wanted, []) is None
    longer = idea("increase depth from 8 to 12 layers, keep everything else as it was before")
    assert find_alike(wanted, [*others, longer, idea(BASE), *others]) == len(others)
