"""How much a verdict weighs, whose is asked for, and when a result counts as verified. Pure:
values in, values out, no clock and no look-up.

The hub cannot tell who lies: it sees words only. It rests on three things (docs/trust.md):

- What a network's verdict weighs follows from what it has shown: pushed runs, age, and its claims
  and verdicts that others settled (credibility; Sarmenta, 2002). The weight is the logarithm of
  the odds that it is right, smoothed and bounded, so nobody's word is ever certain.
- Who may judge a result is drawn by a key that only the hub has, as BOINC's server chooses its
  replicas: liars cannot choose to judge each other. One network is drawn once, whatever accounts
  it has.
- Doubt asks for more: verdicts are asked for one after another until their sum passes a bound
  (Wald's sequential test). Known names need two, strangers many (adaptive replication).
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from math import log
from typing import Literal

Outcome = Literal["reproduced", "disputed", ""]

STRANGER_WRONG = 0.3  # how often a stranger's word is taken to be wrong
STRANGER_WEIGHT = 4.0  # that many imagined verdicts stand for it
FAULT = 10.0  # one word that turned out wrong counts as many
WRONG_MIN = 0.02  # nobody is believed to err less often
RUNS_SHOWN, DAYS_SHOWN = 10, 2.0  # pushed results and age of a network that is a full member
WEIGHT_MAX = log((1 - WRONG_MIN) / WRONG_MIN)  # 3.9
VOUCHED = 16.0  # weight of an account that the operator opened, until it was wrong: it decides
REPLAY, STATISTICAL = 1.0, 0.75  # of the weight, by how the result was checked
CONFIRMED = 4.6  # sum of weights from which a result is reproduced: 99 to 1
DISPUTED = 8.0  # the other way: no two of anybody's word accuse a third
DOUBTED = 2.0  # the other way: such a claim leads no board, not even one without verified results
CHALLENGE_WEIGHT = 2.0  # who weighs that much makes the hub ask again, also unasked
CHALLENGES_MAX = 3
PLACES = 2  # asked at a time
CHECKED_MIN = 0.05  # share of claims that are checked where an author is known to be wrong


@dataclass(frozen=True)
class NetworkStanding:
    """What a network has shown: its claims and verdicts that others settled, its pushed results,
    the age of its oldest account. `is_vouched` where the operator opened the account."""

    right: int = 0
    wrong: int = 0
    runs: int = 0
    days: float = 0.0
    is_vouched: bool = False


def estimate_wrong(shown: NetworkStanding) -> float:
    """How often the network's word is taken to be wrong; never is anybody taken to be always
    right."""
    faults = FAULT * shown.wrong
    wrong = (faults + STRANGER_WRONG * STRANGER_WEIGHT) / (shown.right + faults + STRANGER_WEIGHT)
    return max(WRONG_MIN, wrong)


def weigh(shown: NetworkStanding) -> float:
    """What a verdict of this network weighs: the logarithm of its odds to be right, at least 0."""
    wrong = estimate_wrong(shown)
    known = max(0.0, log((1 - wrong) / wrong))
    if is_always_heard(shown):
        return max(VOUCHED, known)
    return known * min(1.0, shown.runs / RUNS_SHOWN) * min(1.0, shown.days / DAYS_SHOWN)


def is_always_heard(standing: NetworkStanding) -> bool:
    """Whether verdicts count that nobody asked for: of accounts that the operator opened."""
    return standing.is_vouched and not standing.wrong


def find_bounds(author: NetworkStanding, challenges: int = 0) -> tuple[float, float]:
    """Sums at which the author's result is disputed and reproduced. What the author has shown
    speaks against a dispute; each challenge asks for more on both sides."""
    more = CHALLENGE_WEIGHT * min(challenges, CHALLENGES_MAX)
    return -(DISPUTED + min(weigh(author), WEIGHT_MAX) + more), CONFIRMED + more


def settle(total: float, author: NetworkStanding) -> Outcome:
    """What the verdicts of others come to; `total` is what confirms, less what disputes."""
    disputed, reproduced = find_bounds(author)
    return "reproduced" if total >= reproduced else "disputed" if total <= disputed else ""


def draw_judges(key: bytes, result_id: int, weights: Mapping[str, float]) -> list[str]:
    """Networks in the order in which they are asked about a result, likelier the more they weigh.

    Each draws an exponential time whose rate is its weight (Efraimidis and Spirakis, 2006), from a
    keyed hash: the same whoever asks, known to nobody but the hub.
    """
    times = {name: -log(_uniform(key, result_id, name)) / w for name, w in weights.items() if w > 0}
    return sorted(times, key=lambda name: (times[name], name))


def is_checked(key: bytes, result_id: int, author: NetworkStanding) -> bool:
    """Whether anybody is asked about a result: of those whose author was often wrong, few are."""
    odds = log((1 - STRANGER_WRONG) / STRANGER_WRONG)
    wrong = estimate_wrong(author)
    share = max(CHECKED_MIN, log((1 - wrong) / wrong) / odds)
    return _uniform(key, result_id, "") <= share


def count_places(total: float, author: NetworkStanding, challenges: int, days_open: float) -> int:
    """How many more networks are asked: until a bound is passed, two at a time; one more for each
    day in which the claim stayed open, for some never answer."""
    disputed, reproduced = find_bounds(author, challenges)
    if not disputed < total < reproduced:
        return 0
    return PLACES + int(days_open)


def _uniform(key: bytes, result_id: int, name: str) -> float:
    """A number over 0 and up to 1 that looks random to all but the hub."""
    digest = hmac.digest(key, f"{result_id}/{name}".encode(), "sha256")
    return (int.from_bytes(digest[:8], "big") + 1) / 2**64
