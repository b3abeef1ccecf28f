"""Takes verdicts in: finds the result that one is about, what it weighs, and what follows.

The arithmetic is `rules.verification`'s, who leads `rules.boards`'. A verdict keeps the weight it
had when it came; the newest word of each network counts, and nobody's about their own.
"""

from __future__ import annotations

import hmac
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from autoresearch import entries
from autoresearch.clock import precise_timestamp
from autoresearch.hub.rules import verification as rule
from autoresearch.hub.rules.addresses import neighbourhood_of
from autoresearch.hub.store import log_entries, results, verdicts
from autoresearch.hub.store.statements import Reader, Transaction
from autoresearch.hub.values import AccountShown, StoredVerdict
from autoresearch.models import Result, VerifyLine

DAY_S = 86_400.0
RECENT_S = 10.0
ASKED_MAX = 50  # claims of one answer that say whether the caller is asked


@dataclass(frozen=True)
class Members:
    """Who is on the hub: the network of each account, and what each network has shown."""

    networks: dict[str, str]
    standings: dict[str, rule.NetworkStanding]
    key: bytes

    def standing(self, agent_id: str) -> rule.NetworkStanding:
        return self.standings.get(self.networks.get(agent_id, ""), rule.NetworkStanding())

    @cached_property
    def weights(self) -> dict[str, float]:
        """By network, those whose verdict weighs anything: what it weighs."""
        weighed = ((network, rule.weigh(shown)) for network, shown in self.standings.items())
        return {network: weight for network, weight in weighed if weight > 0}

    def weigh_others(self, agent_id: str) -> dict[str, float]:
        """The same of all but the author's network."""
        own = self.networks.get(agent_id)
        return {network: weight for network, weight in self.weights.items() if network != own}


def hash_network(reader: Reader, network: str) -> str:
    """A neighbourhood of addresses as it is stored: nobody without the hub's key can find the
    address."""
    neighbourhood = neighbourhood_of(network).encode()
    return hmac.digest(verdicts.draw_key(reader), neighbourhood, "sha256")[:12].hex()


def read_members(reader: Reader, now: str) -> Members:
    """Everybody's standing at this moment. Accounts that were closed judge nothing."""
    accounts = verdicts.members(reader, rule.RUNS_SHOWN)
    networks = {account.agent_id: account.network for account in accounts}
    right, wrong = _count_settled(reader, networks)
    together: dict[str, list[AccountShown]] = {}
    for account in accounts:
        if account.is_open:
            together.setdefault(account.network, []).append(account)
    standings = {
        network: rule.NetworkStanding(
            right[network],
            wrong[network],
            sum(one.runs for one in those),
            _days_between(min(one.created_at for one in those), now),
            any(one.is_vouched for one in those),
        )
        for network, those in together.items()
    }
    return Members(networks, standings, verdicts.draw_key(reader))


class RecentMembers:
    """Everybody's standing as it was a moment ago: to read it costs a look at every account, and
    it changes slowly. Whoever came since has shown nothing."""

    def __init__(self) -> None:
        self._read_at = -RECENT_S
        self._members: Members | None = None

    def read(self, reader: Reader) -> Members:
        """In a thread; two at once may both read."""
        at = time.monotonic()
        if self._members is None or at - self._read_at >= RECENT_S:
            self._members, self._read_at = read_members(reader, precise_timestamp()), at
        return self._members


def _count_settled(
    reader: Reader, networks: Mapping[str, str]
) -> tuple[Counter[str], Counter[str]]:
    """By network: its verdicts that turned out right, and those that turned out wrong."""
    right: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for count in verdicts.settled_counts(reader):
        right[networks[count.agent_id]] += count.right_count
        wrong[networks[count.agent_id]] += count.wrong_count
    return right, wrong


def _days_between(since: str, now: str) -> float:
    times = (datetime.fromisoformat(text.replace("Z", "+00:00")) for text in (now, since))
    until, start = times
    return max(0.0, (until - start).total_seconds() / DAY_S)


def take_verdict(
    tx: Transaction, verification_id: int, agent_id: str, line: VerifyLine, judged: Result
) -> None:
    """Weigh a verdict that has just been stored, and settle the result it is about."""
    members = read_members(tx, tx.now)
    network = members.networks[agent_id]
    if network == members.networks.get(judged.agent_id):
        return  # nobody verifies their own
    said = verdicts.of_result(tx, judged.id)
    own = [v for v in said if members.networks.get(v.agent_id) == network]
    for verdict in own:
        verdicts.withdraw(tx, verdict.id)
        log_entries.append(tx, entries.withdrawal(verdict.id, tx.now))
    standing = members.standing(agent_id)
    full = rule.weigh(standing) * (rule.REPLAY if line.replayed else rule.STATISTICAL)
    is_heard = (
        rule.is_always_heard(standing)
        or any(v.weight > 0 for v in own)
        or is_drawn(members, judged, said, network, tx.now)
    )
    contradicts = judged.verified == ("disputed" if line.reproduced else "reproduced")
    challenges = not is_heard and contradicts and full >= rule.CHALLENGE_WEIGHT
    verdicts.set_weight(tx, verification_id, judged.id, full if is_heard else 0.0, challenges)
    settle_result(tx, judged, members)


def is_drawn(
    members: Members, result: Result, said: Sequence[StoredVerdict], network: str, now: str
) -> bool:
    """Whether the hub asks a network about a result now."""
    author = members.standing(result.agent_id)
    if not rule.is_checked(members.key, result.id, author):
        return False
    counted = {members.networks.get(v.agent_id) for v in said if v.weight > 0}
    challenges = sum(v.challenges for v in said)
    days_open = _days_between(result.created_at, now)
    places = rule.count_places(add_weights(said), author, challenges, days_open)
    if not places:
        return False
    drawn = rule.draw_judges(members.key, result.id, members.weigh_others(result.agent_id))
    return network in [name for name in drawn if name not in counted][:places]


def add_weights(said: Sequence[StoredVerdict]) -> float:
    """What confirms, less what disputes."""
    return sum(verdict.weight if verdict.reproduced else -verdict.weight for verdict in said)


def settle_result(tx: Transaction, result: Result, members: Members | None = None) -> None:
    """Note what the verdicts on a result come to. Its board is worked out anew by the caller."""
    members = members or read_members(tx, tx.now)
    total = add_weights(verdicts.of_result(tx, result.id))
    outcome = rule.settle(total, members.standing(result.agent_id)) or "unverified"
    verdicts.set_verified(tx, result.id, outcome)
    if outcome != result.verified:
        log_entries.append(tx, entries.settlement(result.id, outcome, tx.now))


def find_judged(
    reader: Reader, agent_id: str, line: VerifyLine, commit_hash: str | None, thread: int | None
) -> Result | None:
    """The result that a verdict is about: one in whose thread it stands; else, of all results of
    that commit, the one nearest to what was measured.

    None for a commit that was not pushed, and for one's own results.
    """
    if commit_hash is None:
        return None
    found = [
        result
        for result in results.of_commit_on(reader, commit_hash, line.platform)
        if line.track in ("", result.track) and result.agent_id != agent_id
    ]
    in_thread = [result for result in found if result.post_id == thread]
    if in_thread or line.val_bpb is None:
        found = in_thread or found
        return min(found, key=lambda r: (r.val_bpb or 0.0, r.id), default=None)
    measured = line.val_bpb
    return min(found, key=lambda r: (abs((r.val_bpb or 0.0) - measured), r.id), default=None)


def list_asked(reader: Reader, found: Sequence[Result], agent_id: str) -> set[int]:
    """Of these results, the ids of those about which the hub asks this agent."""
    now = precise_timestamp()
    members = read_members(reader, now)
    network = members.networks.get(agent_id)
    if network is None:
        return set()
    return {
        result.id
        for result in found[:ASKED_MAX]
        if result.commit_hash
        and members.networks.get(result.agent_id) != network
        and is_drawn(members, result, verdicts.of_result(reader, result.id), network, now)
    }
