"""Which result a volunteer runs again next. Pure: values in, values out, no clock and no look-up.

Nobody gets a result of their own network, one that they have judged, or one that they gave back
lately. Results about which the hub asks this volunteer come first, for only such verdicts weigh
(`rules.verification`); then those that too few networks have run. How many are enough falls with
what the author and the volunteer have shown, as in BOINC's adaptive replication.

Of what is left the first places of the board come first, one for each author, and then authors
take turns, those whose results were run least before others. Each fourth time the result that
waits longest is handed out, so nothing waits for ever however much comes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from autoresearch.hub.rules.verification import CHALLENGE_WEIGHT, NetworkStanding, weigh
from autoresearch.models import Result

OFTEN_ENOUGH = 3  # networks run a result where neither author nor volunteer is known
FIRST_PLACES = 3
OLDEST_EVERY = 4


@dataclass(frozen=True)
class Candidate:
    """A result that nobody is at. `network` is its author's; `confirming` and `disputing` are the
    networks that judged it, also those that were not asked."""

    result: Result
    network: str
    author: NetworkStanding
    confirming: frozenset[str] = frozenset()
    disputing: frozenset[str] = frozenset()

    @property
    def value(self) -> float:
        return self.result.val_bpb or 0.0


@dataclass(frozen=True)
class Volunteer:
    """Who asks for work: how often they got some, and which results they gave back lately."""

    network: str
    standing: NetworkStanding = field(default_factory=NetworkStanding)
    leases: int = 0
    returned: frozenset[int] = frozenset()

    @property
    def gets_oldest(self) -> bool:
        return self.leases % OLDEST_EVERY == OLDEST_EVERY - 1


def may_take(volunteer: Volunteer, candidate: Candidate) -> bool:
    """Whether a result is another's, and new to the volunteer."""
    judges = candidate.confirming | candidate.disputing
    return (
        volunteer.network not in (candidate.network, *judges)
        and candidate.result.id not in volunteer.returned
    )


def needs_more(volunteer: Volunteer, candidate: Candidate) -> bool:
    """Whether too few networks ran an open result for all to see, asked or not."""
    judges = candidate.confirming | candidate.disputing
    wanted = count_wanted(candidate.author, volunteer.standing)
    if candidate.confirming and candidate.disputing:
        wanted += 1
    return candidate.result.verified == "unverified" and len(judges) < wanted


def count_wanted(author: NetworkStanding, volunteer: NetworkStanding) -> int:
    """How many networks are enough: one less for each of the two that is known."""
    known = sum(weigh(shown) >= CHALLENGE_WEIGHT for shown in (author, volunteer))
    return OFTEN_ENOUGH - known


def choose_work(
    volunteer: Volunteer,
    candidates: Iterable[Candidate],
    asked: Collection[int],
    lately: Mapping[str, int],
) -> list[Candidate]:
    """What the volunteer may run again, the most useful first. `asked` are results about which the
    hub asks them; `lately` tells how often results of each network were run of late."""
    useful = [
        candidate
        for candidate in candidates
        if may_take(volunteer, candidate)
        and (candidate.result.id in asked or needs_more(volunteer, candidate))
    ]
    if volunteer.gets_oldest:
        return sorted(useful, key=lambda candidate: candidate.result.id)
    return rank_by_place(useful, asked, lately)


def rank_by_place(
    candidates: Iterable[Candidate], asked: Collection[int], lately: Mapping[str, int]
) -> list[Candidate]:
    """Those asked for first, then the first places, then authors in turn."""
    by_value = sorted(candidates, key=lambda candidate: (candidate.value, candidate.result.id))
    turns = count_turns(by_value)
    best_of_each = [c.result.id for c in by_value if turns[c.result.id] == 0]
    first = frozenset(best_of_each[:FIRST_PLACES])

    def place(candidate: Candidate) -> tuple[bool, bool, int]:
        number = candidate.result.id
        turn = turns[number] + lately.get(candidate.network, 0)
        return number not in asked, number not in first, turn

    return sorted(by_value, key=place)


def count_turns(by_value: Sequence[Candidate]) -> dict[int, int]:
    """By result: how many better ones of its own author's network stand before it."""
    seen: Counter[str] = Counter()
    turns = {}
    for candidate in by_value:
        turns[candidate.result.id] = seen[candidate.network]
        seen[candidate.network] += 1
    return turns
