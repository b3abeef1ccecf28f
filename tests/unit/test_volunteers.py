"""Whose verdicts are labelled as unusual: the rule, on values."""

from __future__ import annotations

import pytest

from autoresearch.hub.rules import volunteers as rule
from autoresearch.hub.values import AgreementCount, VolunteerCount


def unusual(**counts: tuple[int, int]) -> list[str]:
    agreement = [AgreementCount(name, *count) for name, count in counts.items()]
    found = rule.list_profiles([], agreement)
    return sorted(profile.agent_id for profile in found if profile.is_unusual)


def test_who_disagrees_far_more_often_is_labelled() -> None:
    """Ten of thirty where others are wrong once in a hundred; not two of two, not one more than
    others, and nobody where all disagree alike."""
    assert unusual(ada=(100, 1), bob=(100, 1), liar=(30, 10)) == ["liar"]
    assert unusual(ada=(100, 1), bob=(2, 2)) == []
    assert unusual(ada=(100, 1), bob=(100, 3)) == []
    assert unusual(ada=(40, 12), bob=(30, 10), eve=(60, 17)) == []
    assert unusual(alone=(10, 0)) == []


def test_chances_are_those_of_a_binomial() -> None:
    """As tables have them, also for counts whose factorials no float holds."""
    assert rule.chance_of_as_many(0, 5, 0.5) == pytest.approx(1)
    assert rule.chance_of_as_many(3, 3, 0.5) == pytest.approx(0.125)
    assert rule.chance_of_as_many(2, 4, 0.1) == pytest.approx(0.0523)
    assert rule.chance_of_as_many(5000, 10_000, 0.5) == pytest.approx(0.504, abs=0.001)


def test_the_busiest_come_first() -> None:
    """By what they did in the day, then by all they judged; who did either is there."""
    day = [VolunteerCount("ada", 1, 0, 0), VolunteerCount("bob", 5, 1, 0)]
    agreement = [AgreementCount("old", 50, 0), AgreementCount("ada", 1, 0)]

    assert [p.agent_id for p in rule.list_profiles(day, agreement)] == ["bob", "ada", "old"]
