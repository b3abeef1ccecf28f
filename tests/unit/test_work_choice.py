"""Which result a volunteer runs again: the rule, on values."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from autoresearch.hub.rules import work_choice as rule
from autoresearch.hub.rules.verification import NetworkStanding
from autoresearch.hub.rules.work_choice import Candidate, Volunteer
from autoresearch.models import Result

KNOWN = NetworkStanding(right=500, runs=100, days=100.0)
NETWORKS = [f"net{number}" for number in range(6)]
FEW = st.frozensets(st.sampled_from(NETWORKS), max_size=3)


def result(number: int, value: float = 1.0, verified: str = "unverified") -> Result:
    return Result(
        "a" * 40, "box", "", value, 1.0, "keep", "an idea", "", "", number, number, "author",
        "a" * 40, "2026-01-01", verified=verified,  # type: ignore[arg-type]
    )  # fmt: skip


def candidate(
    number: int, value: float = 1.0, network: str = "net0", verified: str = "unverified"
) -> Candidate:
    return Candidate(result(number, value, verified), network, NetworkStanding())


@st.composite
def boards(draw: st.DrawFn) -> list[Candidate]:
    """Up to twelve results of any authors, with any verdicts."""
    return [
        Candidate(
            result(
                number,
                draw(st.floats(0.5, 2.0)),
                draw(st.sampled_from(["unverified", "reproduced", "disputed"])),
            ),
            draw(st.sampled_from(NETWORKS)),
            draw(st.sampled_from([NetworkStanding(), KNOWN])),
            draw(FEW),
            draw(FEW),
        )
        for number in range(1, draw(st.integers(1, 12)) + 1)
    ]


@given(
    boards(),
    st.sampled_from(NETWORKS),
    st.frozensets(st.integers(1, 12)),
    st.frozensets(st.integers(1, 12)),
    st.integers(0, 9),
)
def test_never_ones_own_nor_twice_nor_what_has_enough(
    board: list[Candidate], network: str, returned: frozenset[int], asked: frozenset[int], had: int
) -> None:
    """Whatever is asked for: no result of the volunteer's network, none that it judged or gave
    back, and none with enough verdicts that was not asked for; each of the others once."""
    volunteer = Volunteer(network, KNOWN, had, returned)
    chosen = rule.choose_work(volunteer, board, asked, {})

    assert len({c.result.id for c in chosen}) == len(chosen)
    for one in chosen:
        judges = one.confirming | one.disputing
        assert network != one.network and network not in judges
        assert one.result.id not in returned
        assert one.result.id in asked or (
            one.result.verified == "unverified" and len(judges) <= rule.OFTEN_ENOUGH
        )
    left_out = {c.result.id for c in board} - {c.result.id for c in chosen}
    for one in board:
        if one.result.id in left_out:
            assert not rule.may_take(volunteer, one) or not (
                one.result.id in asked or rule.needs_more(volunteer, one)
            )


@given(boards(), st.integers(0, 30))
def test_the_order_depends_on_nothing_but_the_values(board: list[Candidate], had: int) -> None:
    """The same candidates, read in another order, are chosen alike."""
    volunteer = Volunteer("elsewhere", leases=had)
    forward = rule.choose_work(volunteer, board, (), {})

    assert rule.choose_work(volunteer, board[::-1], (), {}) == forward


def test_those_who_are_known_need_fewer() -> None:
    """Three networks run a stranger's result for strangers, one is enough between known ones;
    where two disagree there is one more."""
    stranger = NetworkStanding()

    assert rule.count_wanted(stranger, stranger) == 3
    assert rule.count_wanted(KNOWN, stranger) == rule.count_wanted(stranger, KNOWN) == 2
    assert rule.count_wanted(KNOWN, KNOWN) == 1
    known = Volunteer("elsewhere", KNOWN)
    agreed = replace(candidate(1), author=KNOWN, confirming=frozenset({"a"}))
    split = replace(agreed, author=NetworkStanding(), disputing=frozenset({"b"}))
    assert not rule.needs_more(known, agreed) and rule.needs_more(known, split)
    more = replace(split, confirming=frozenset({"a", "c"}))
    assert not rule.needs_more(known, more)


def test_what_the_hub_asks_comes_before_first_places() -> None:
    """Only such verdicts weigh; then the best claims, one for each author."""
    board = [
        candidate(1, 1.0, "net1"),
        candidate(2, 1.1, "net1"),
        candidate(3, 1.2, "net2"),
        candidate(4, 1.9, "net3"),
    ]
    chosen = rule.choose_work(Volunteer("elsewhere"), board, {2}, {})

    assert [one.result.id for one in chosen] == [2, 1, 3, 4]


def test_who_reports_much_waits_for_the_others() -> None:
    """A hundred claims of one author, all better, hold up no other's first one; and an author
    whose results were run much today lets others go first behind the first places."""
    many = [candidate(number, 0.5 + number / 1000, "net1") for number in range(1, 101)]
    others = [candidate(200 + n, 1.5 + n / 10, f"net{n}") for n in range(2, 6)]
    chosen = rule.choose_work(Volunteer("elsewhere"), many + others, (), {"net4": 9})
    order = [one.result.id for one in chosen]

    assert order[:3] == [1, 202, 203]  # first places
    assert order[3] == 205  # by turns: the hundred have had none of theirs yet
    assert order.index(204) == 4 + 9


@settings(max_examples=30)
@given(st.integers(1, 12), st.integers(1, 3), st.integers(0, 3))
def test_nothing_waits_for_ever(waiting: int, fresh: int, had: int) -> None:
    """However many better ones come between two questions, whatever waits is handed out within
    four questions for each that is older."""
    board = {number: candidate(number, 2.0 + number, "net1") for number in range(1, waiting + 1)}
    handed: list[int] = []
    for turn in range(rule.OLDEST_EVERY * waiting):
        for number in range(fresh):
            better = candidate(1000 + turn * fresh + number, 1.0, f"net{2 + number % 4}")
            board[better.result.id] = better
        chosen = rule.choose_work(Volunteer("elsewhere", leases=had + turn), board.values(), (), {})
        handed.append(chosen[0].result.id)
        del board[chosen[0].result.id]

    assert set(range(1, waiting + 1)) <= set(handed)
    assert max(Counter(handed).values()) == 1
