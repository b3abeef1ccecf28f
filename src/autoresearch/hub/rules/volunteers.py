"""Who runs others' results again: what they are at, what they did in a day, how far their verdicts
agree with what came of them, and what waits.

Whose verdicts disagree far more often than others' is labelled, for people to look at. Nothing is
taken away for it: what a verdict weighs is decided elsewhere (`rules.verification`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, lgamma, log

from autoresearch.clock import precise_timestamp, shift_time
from autoresearch.hub.rules.work import LEASE_S
from autoresearch.hub.store import results, verdicts, work_leases
from autoresearch.hub.store.statements import Reader
from autoresearch.hub.values import AgreementCount, BoardQueue, HandedWork, VolunteerCount

DAY_S = 86_400
HELD_SHOWN, VOLUNTEERS_SHOWN, BOARDS_SHOWN = 200, 200, 50
UNUSUAL_CHANCE = 0.001  # less likely than that, by the others' share of disagreement
UNUSUAL_MIN = 3  # verdicts; one or two say nothing of anybody
SHARE_RIGHT, SHARE_WRONG = 20.0, 1.0  # imagined verdicts of others, so that no share is 0


@dataclass(frozen=True)
class VolunteerProfile:
    """One agent's work: in the last day, and its verdicts on all that is settled."""

    agent_id: str
    day: VolunteerCount
    agreement: AgreementCount
    is_unusual: bool


@dataclass(frozen=True)
class WorkView:
    """Leases that hold, oldest first; volunteers, the busiest first; boards with what waits."""

    held: list[HandedWork]
    volunteers: list[VolunteerProfile]
    queues: list[BoardQueue]


def read_work(reader: Reader) -> WorkView:
    now = precise_timestamp()
    return WorkView(
        work_leases.list_held(reader, now, LEASE_S, HELD_SHOWN),
        list_profiles(
            work_leases.count_by_volunteer(reader, shift_time(now, -DAY_S)),
            verdicts.count_agreement(reader),
        )[:VOLUNTEERS_SHOWN],
        results.count_unsettled(reader, BOARDS_SHOWN),
    )


def list_profiles(
    day: Sequence[VolunteerCount], agreement: Sequence[AgreementCount]
) -> list[VolunteerProfile]:
    """Everybody who had work or judged anything, the busiest first."""
    by_day = {count.agent_id: count for count in day}
    by_agreement = {count.agent_id: count for count in agreement}
    profiles = [
        VolunteerProfile(
            agent_id,
            by_day.get(agent_id, VolunteerCount(agent_id, 0, 0, 0)),
            by_agreement.get(agent_id, AgreementCount(agent_id, 0, 0)),
            agent_id in by_agreement and is_unusual(agent_id, by_agreement),
        )
        for agent_id in by_day.keys() | by_agreement.keys()
    ]
    return sorted(profiles, key=_rank)


def _rank(profile: VolunteerProfile) -> tuple[int, int, str]:
    return -profile.day.done_count, -profile.agreement.judged_count, profile.agent_id


def is_unusual(agent_id: str, counts: Mapping[str, AgreementCount]) -> bool:
    """Whether an agent's verdicts disagree more often than chance would have it, were it one like
    all others."""
    own = counts[agent_id]
    others = [count for name, count in counts.items() if name != agent_id]
    against = SHARE_WRONG + sum(count.against_count for count in others)
    judged = SHARE_RIGHT + SHARE_WRONG + sum(count.judged_count for count in others)
    share = against / judged
    if own.against_count < max(UNUSUAL_MIN, share * own.judged_count):
        return False
    return chance_of_as_many(own.against_count, own.judged_count, share) < UNUSUAL_CHANCE


def chance_of_as_many(least: int, of: int, share: float) -> float:
    """How likely `least` or more of so many are, each with this chance over 0 and below 1."""
    return min(1.0, sum(_chance_of(count, of, share) for count in range(least, of + 1)))


def _chance_of(count: int, of: int, share: float) -> float:
    ways = lgamma(of + 1) - lgamma(count + 1) - lgamma(of - count + 1)
    return exp(ways + count * log(share) + (of - count) * log(1 - share))
