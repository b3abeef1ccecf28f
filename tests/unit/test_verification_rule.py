"""The rule that decides what is verified: weights, who is asked, bounds. Pure, so tested on
values."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from autoresearch.hub.rules import verification as rule

FULL = rule.NetworkStanding(runs=100, days=100.0)
KNOWN = replace(FULL, right=500)
COUNTS = st.integers(0, 10_000)
ANYBODY = st.builds(
    rule.NetworkStanding, COUNTS, COUNTS, COUNTS, st.floats(0, 10_000), st.booleans()
)


@given(ANYBODY)
def test_weights_are_bounded_and_faults_cost(standing: rule.NetworkStanding) -> None:
    """Nobody weighs less than nothing or more than one whom the operator opened the account for;
    being wrong never adds weight, being right never takes any."""
    weight = rule.weigh(standing)

    assert 0 <= weight <= (rule.VOUCHED if standing.is_vouched else rule.WEIGHT_MAX)
    assert rule.weigh(replace(standing, wrong=standing.wrong + 1)) <= weight
    assert rule.weigh(replace(standing, right=standing.right + 1)) >= weight


def test_a_fresh_account_decides_nothing() -> None:
    """What has shown nothing weighs nothing; a stranger with runs and age neither confirms nor
    disputes alone, and nor does the best known network."""
    assert rule.weigh(rule.NetworkStanding()) == 0
    for one in (FULL, KNOWN):
        assert rule.settle(rule.weigh(one), FULL) == rule.settle(-rule.weigh(one), FULL) == ""


def test_known_names_need_two_strangers_many() -> None:
    """Two known networks confirm, and it takes three to dispute; of strangers it takes six."""
    known, stranger = rule.weigh(KNOWN), rule.weigh(FULL)

    assert rule.settle(2 * known, FULL) == "reproduced" and rule.settle(-2 * known, FULL) == ""
    assert rule.settle(-3 * known, FULL) == "disputed"
    assert rule.settle(5 * stranger, FULL) == "" and rule.settle(6 * stranger, FULL) == "reproduced"


def test_an_operators_account_decides_until_it_is_wrong() -> None:
    """Its one word confirms or disputes whatever the author has shown; once it was wrong, it is
    one like others."""
    vouched = rule.NetworkStanding(is_vouched=True)

    assert rule.settle(rule.weigh(vouched), KNOWN) == "reproduced"
    assert rule.settle(-rule.weigh(vouched), KNOWN) == "disputed"
    assert rule.weigh(replace(vouched, wrong=1)) == 0


@given(st.binary(min_size=16, max_size=16), st.integers(1, 10**9))
def test_the_draw_is_the_same_for_all_and_depends_on_the_key(key: bytes, result_id: int) -> None:
    """Everybody who weighs anything is drawn once, in one order, whatever order they are given."""
    weights = {f"net{i}": float(i) for i in range(8)}
    drawn = rule.draw_judges(key, result_id, weights)

    assert sorted(drawn) == [f"net{i}" for i in range(1, 8)]
    assert drawn == rule.draw_judges(key, result_id, dict(reversed(weights.items())))


def test_those_who_weigh_more_are_drawn_earlier() -> None:
    """Of two, one who weighs nine times as much is first nine times in ten."""
    weights = {"heavy": 9.0, "light": 1.0}
    first = [rule.draw_judges(b"key", i, weights)[0] for i in range(2000)]

    assert 0.87 < first.count("heavy") / 2000 < 0.93


def test_places_follow_doubt() -> None:
    """Two are asked until a bound is passed, one more each day; a challenge opens a settled
    result again."""
    settled = 2 * rule.weigh(KNOWN)

    assert rule.count_places(0.0, FULL, 0, 0.5) == 2
    assert rule.count_places(0.0, FULL, 0, 3.2) == 5
    assert rule.count_places(settled, FULL, 0, 9.0) == 0 < rule.count_places(settled, FULL, 2, 0.0)


def test_of_those_who_were_wrong_few_are_checked() -> None:
    """Of one disputed author in twenty claims one is checked; of a stranger each is."""
    wrong = replace(FULL, wrong=2)
    checked = [rule.is_checked(b"key", i, wrong) for i in range(2000)]

    assert 0.03 < sum(checked) / 2000 < 0.08
    assert all(rule.is_checked(b"key", i, FULL) for i in range(100))
