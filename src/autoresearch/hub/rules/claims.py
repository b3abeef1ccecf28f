"""Claims: who is trying what right now, so that two do not try the same.

A claim is a lease on an idea in words. It is refused where an active claim, anybody's, or a
recent result says nearly the same (a key that holds the agent's name never collides); the one who
holds a claim renews it by claiming it again or by a heartbeat.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz import fuzz, process

from autoresearch.clock import precise_timestamp, shift_time
from autoresearch.errors import BadInput, Conflict, Forbidden, NotFound, RateLimited
from autoresearch.hub.rules import limits
from autoresearch.hub.rules.accounts import Caller
from autoresearch.hub.settings import Settings
from autoresearch.hub.store import claims, events, results
from autoresearch.hub.store.statements import Reader, Transaction
from autoresearch.hub.values import HeldClaim, ToldIdea
from autoresearch.models import Claim, NewClaim

TTL_MIN_S, TTL_MAX_S = 60, 86_400
TEXT_MAX = 500
ACTIVE_MAX = 2000  # claims compared with, and listed at most
RESULTS_MAX = 1000  # of the newest results, compared with
OPEN_MAX, OPEN_WAIT_S = 16, 60  # claims that one agent may hold at once; when to ask again
# Similarity in percent: of all words; of the shorter text's words within the longer's.
SAME_WORDS, SAME_SET = 88.0, 96.0
LONGER_MAX = 2  # times as many words: a longer text may name every idea there is, and says no more

Scorer = Callable[..., float]
_TOKEN = re.compile(r"[0-9]+(?:[.^e][0-9-]+)*|[^\W\d_]+")
_FILLERS = {
    *("a", "an", "and", "as", "at", "by", "for", "from", "in", "into", "is", "it", "of", "on"),
    *("or", "our", "the", "then", "this", "to", "try", "trying", "use", "using", "we", "will"),
    *("with",),
}


@dataclass(frozen=True, slots=True)
class Idea:
    """A text as it is compared: its words without fillers, in order of the alphabet, how many,
    each once, and the numbers among them.
    """

    words: str
    count: int
    tokens: frozenset[str]
    numbers: frozenset[str]


@lru_cache(maxsize=4096)
def idea(text: str) -> Idea:
    tokens = [token for token in _TOKEN.findall(text.casefold()) if token not in _FILLERS]
    numbers = frozenset(t for t in tokens if t[0].isdigit())
    return Idea(" ".join(sorted(tokens)), len(tokens), frozenset(tokens), numbers)


def find_alike(wanted: Idea, others: Sequence[Idea]) -> int | None:
    """The place of the first that is nearly the same; None where none is.

    Nearly the same have the same numbers, and words that hardly differ, or words that stand
    within the other's where that is not much longer. There may be thousands: what can be is
    compared in one call.
    """
    same = [n for n, other in enumerate(others) if _has_same_numbers(wanted, other)]
    within = [n for n in same if _may_contain(wanted, others[n])]
    found = [
        *_find_near(wanted, others, same, fuzz.ratio, SAME_WORDS),
        *_find_near(wanted, others, within, fuzz.token_set_ratio, SAME_SET),
    ]
    return min(found, default=None)


def _find_near(
    wanted: Idea, others: Sequence[Idea], places: list[int], scorer: Scorer, least: float
) -> Iterator[int]:
    words = [others[place].words for place in places]
    for _, _, n in process.extract_iter(wanted.words, words, scorer=scorer, score_cutoff=least):
        yield places[n]
        return


def _has_same_numbers(one: Idea, other: Idea) -> bool:
    """A rate of 0.02 and one of 0.04 are two experiments."""
    return one.numbers == other.numbers or not (one.numbers and other.numbers)


def _may_contain(one: Idea, other: Idea) -> bool:
    fewer, more = sorted((one.count, other.count))
    is_longer = more > LONGER_MAX * fewer
    return fewer >= 3 and not is_longer and not one.tokens.isdisjoint(other.tokens)


@dataclass(frozen=True, slots=True)
class Looked:
    """What a claim was compared with before its transaction began: everything up to these ids."""

    last_claim: int
    last_result: int


def look(reader: Reader, caller: Caller, text: str) -> Looked:
    """Compare with what is there, outside any transaction: the slow part. Raises Conflict."""
    return _compare(reader, precise_timestamp(), caller, check_text(text), Looked(0, 0))


def make(
    tx: Transaction, settings: Settings, caller: Caller, new: NewClaim, looked: Looked
) -> Claim:
    """Claim an idea.

    What came since `looked` is compared within the transaction, so of two equal claims one is
    refused.
    """
    agent_id = caller.writer()
    text = check_text(new.text)
    if not TTL_MIN_S <= new.ttl_s <= TTL_MAX_S:
        raise BadInput(f"ttl_s is {TTL_MIN_S} to {TTL_MAX_S} seconds")
    _compare(tx, tx.now, caller, text, looked)
    limits.spend(tx, f"agent:{agent_id}", "claim", settings.max_posts_per_hour)
    expires_at = shift_time(tx.now, new.ttl_s)
    own = claims.active_claims(tx, tx.now, ACTIVE_MAX, agent_id=agent_id)
    if (
        again := next((one for one in own if _is_renewal(one, caller, idea(text))), None)
    ) is not None:
        return claims.extend(tx, again.id, expires_at, new.ttl_s)
    if len(own) >= OPEN_MAX:
        raise RateLimited(f"you hold {len(own)} claims; release one first", OPEN_WAIT_S)
    claim = claims.add_claim(tx, agent_id, text, expires_at, new.ttl_s)
    events.append(tx, "claim", {"id": claim.id, "agent_id": agent_id})
    return claim


def check_text(text: str) -> str:
    stripped = " ".join(text.split())
    if not 3 <= len(stripped) <= TEXT_MAX or "\0" in stripped:
        raise BadInput(f"a claim says in 3 to {TEXT_MAX} characters what is tried")
    return stripped


def _compare(reader: Reader, at: str, caller: Caller, text: str, since: Looked) -> Looked:
    """Compare with what came since; up to what that was. Raises Conflict."""
    wanted = idea(text)
    active = claims.active_ideas(reader, at, ACTIVE_MAX, since.last_claim)
    rivals = [told for told in active if not _is_renewal(told, caller, wanted)]
    place = find_alike(wanted, [idea(told.text) for told in rivals])
    if place is not None:
        raise _tell_claim(reader, rivals[place])
    done = results.latest_ideas(reader, RESULTS_MAX, since.last_result)
    place = find_alike(wanted, [idea(told.text) for told in done])
    if place is not None:
        raise _tell_result(reader, done[place])
    return Looked(
        max((told.id for told in active), default=since.last_claim),
        max((told.id for told in done), default=since.last_result),
    )


def _tell_claim(reader: Reader, told: ToldIdea) -> Conflict:
    held = claims.claim(reader, told.id)
    until = f" until {held.expires_at}" if held else ""
    return Conflict(
        f"claim {told.id} by {told.agent_id}{until} is nearly the same:"
        f" {told.text[:200]!r}; try something else"
    )


def _tell_result(reader: Reader, told: ToldIdea) -> Conflict:
    found = results.result(reader, told.id)
    status = f" ({found.status})" if found else ""
    return Conflict(
        f"result {told.id} by {told.agent_id}{status} was nearly the same:"
        f" {told.text[:200]!r}; read it first"
    )


def _is_renewal(told: ToldIdea | Claim, caller: Caller, wanted: Idea) -> bool:
    return told.agent_id == caller.agent_id and idea(told.text).words == wanted.words


def active(reader: Reader, most: int) -> list[Claim]:
    """Claims that hold now, newest first."""
    return claims.active_claims(reader, precise_timestamp(), most)


def heartbeat(tx: Transaction, caller: Caller, claim_id: int) -> Claim:
    """The claim holds for its whole time again, from now. Raises Conflict for one that is over."""
    held = _find_own(tx, caller, claim_id)
    if held.released_at is not None:
        raise Conflict(f"claim {claim_id} was released; claim the idea again")
    if held.expires_at <= tx.now:
        raise Conflict(f"claim {claim_id} expired at {held.expires_at}; claim the idea again")
    return claims.extend(tx, claim_id, shift_time(tx.now, held.ttl_s), held.ttl_s)


def release(tx: Transaction, caller: Caller, claim_id: int) -> None:
    """Give a claim up; giving it up twice is no error."""
    held = _find_own(tx, caller, claim_id)
    if held.released_at is None:
        claims.release(tx, claim_id)
        events.append(tx, "claim.released", {"id": claim_id, "agent_id": held.agent_id})


def _find_own(reader: Reader, caller: Caller, claim_id: int) -> HeldClaim:
    held = claims.claim(reader, claim_id)
    if held is None:
        raise NotFound(f"no claim {claim_id}; GET /api/claims lists those that hold")
    if held.agent_id != caller.agent_id and not caller.is_admin:
        raise Forbidden(f"claim {claim_id} is {held.agent_id}'s")
    return held
