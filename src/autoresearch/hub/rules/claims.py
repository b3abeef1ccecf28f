"""Claims: who is trying what right now, so that two do not try the same.

A claim is a lease on an idea in words. It is refused where an active claim, anybody's, or a recent result says nearly the same (trap E1: a key
that holds the agent's name never collides); the one who holds a claim renews it by claiming it again or by a heartbeat.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

from rapidfuzz import fuzz

from autoresearch import models
from autoresearch.clock import parse_timestamp, precise_timestamp
from autoresearch.errors import BadInput, Conflict, Forbidden, NotFound
from autoresearch.hub.rules import limits
from autoresearch.hub.rules.accounts import Caller
from autoresearch.hub.settings import Settings
from autoresearch.hub.store import claims, events, results
from autoresearch.hub.store.database import Reader, Row, Transaction

TTL_MIN_S, TTL_MAX_S = 60, 86_400
TEXT_MAX = 500
ACTIVE_MAX = 2000  # claims compared with, and listed at most
RESULTS_MAX = 1000  # of the newest results, compared with
SAME_WORDS, SAME_SET = (
    88.0,
    96.0,
)  # similarity in percent: of all words; of the shorter text's words within the longer's

_TOKEN = re.compile(r"[0-9]+(?:[.^e][0-9-]+)*|[^\W\d_]+")
_FILLERS = frozenset(
    [
        "a",
        "an",
        "and",
        "as",
        "at",
        "by",
        "for",
        "from",
        "in",
        "into",
        "is",
        "it",
        "of",
        "on",
        "or",
        "our",
        "the",
        "then",
        "this",
        "to",
        "try",
        "trying",
        "use",
        "using",
        "we",
        "will",
        "with",
    ]
)


@dataclass(frozen=True, slots=True)
class Idea:
    """A text as it is compared: its words without fillers, in order of the alphabet, and the numbers among them."""

    words: str
    count: int
    numbers: frozenset[str]


def idea(text: str) -> Idea:
    tokens = [token for token in _TOKEN.findall(text.casefold()) if token not in _FILLERS]
    return Idea(
        " ".join(sorted(tokens)), len(tokens), frozenset(t for t in tokens if t[0].isdigit())
    )


def alike(one: Idea, other: Idea) -> bool:
    """Whether two ideas are nearly the same: the same numbers, and words that hardly differ or stand within the other's."""
    if one.numbers != other.numbers and (one.numbers and other.numbers):
        return False  # a rate of 0.02 and one of 0.04 are two experiments
    if fuzz.token_sort_ratio(one.words, other.words) >= SAME_WORDS:
        return True
    return (
        min(one.count, other.count) >= 3
        and fuzz.token_set_ratio(one.words, other.words) >= SAME_SET
    )


@dataclass(frozen=True, slots=True)
class Looked:
    """What a claim was compared with before its transaction began: everything up to these ids."""

    last_claim: int
    last_result: int


def look(reader: Reader, caller: Caller, text: str) -> Looked:
    """Compare with what is there, outside any transaction: the slow part. Raises Conflict."""
    wanted = idea(checked_text(text))
    active = claims.active(reader, precise_timestamp(), ACTIVE_MAX)
    done = results.recent(reader, RESULTS_MAX)
    _refuse(wanted, caller, text, active, done)
    return Looked(
        max((row[0] for row in active), default=0), max((row[0] for row in done), default=0)
    )


def make(
    tx: Transaction, settings: Settings, caller: Caller, new: models.NewClaim, looked: Looked
) -> models.Claim:
    """Claim an idea. What came since `looked` is compared within the transaction, so of two equal claims one is refused."""
    agent_id = caller.writer()
    text = checked_text(new.text)
    if not TTL_MIN_S <= new.ttl_s <= TTL_MAX_S:
        raise BadInput(f"ttl_s is {TTL_MIN_S} to {TTL_MAX_S} seconds")
    active = claims.active(tx, tx.now, ACTIVE_MAX)
    since = [row for row in active if row[0] > looked.last_claim]
    _refuse(
        idea(text), caller, text, since, results.recent(tx, RESULTS_MAX, behind=looked.last_result)
    )
    limits.spend(tx, f"agent:{agent_id}", "claim", settings.max_posts_per_hour)
    expires_at = _later(tx.now, new.ttl_s)
    for row in active:
        if _is_renewal(row, caller, text):
            claims.extend(tx, row[0], expires_at, new.ttl_s)
            return models.Claim(row[0], agent_id, row[2], row[3], expires_at)
    claim_id = claims.add(tx, agent_id, text, expires_at, new.ttl_s)
    events.append(tx, "claim", {"id": claim_id, "agent_id": agent_id})
    return models.Claim(claim_id, agent_id, text, tx.now, expires_at)


def checked_text(text: str) -> str:
    stripped = " ".join(text.split())
    if not 3 <= len(stripped) <= TEXT_MAX or "\0" in stripped:
        raise BadInput(f"a claim says in 3 to {TEXT_MAX} characters what is tried")
    return stripped


def _refuse(wanted: Idea, caller: Caller, text: str, active: list[Row], done: list[Row]) -> None:
    for row in active:
        if alike(wanted, idea(row[2])) and not _is_renewal(row, caller, text):
            raise Conflict(
                f"claim {row[0]} by {row[1]} until {row[4]} is nearly the same: {row[2][:200]!r}; try something else"
            )
    for result_id, agent_id, description, status in done:
        if description and alike(wanted, idea(description)):
            raise Conflict(
                f"result {result_id} by {agent_id} ({status}) was nearly the same: {description[:200]!r}; read it first"
            )


def _is_renewal(row: Row, caller: Caller, text: str) -> bool:
    return bool(row[1] == caller.agent_id and idea(row[2]).words == idea(text).words)


def active(reader: Reader, most: int) -> list[models.Claim]:
    """Claims that hold now, newest first."""
    return [models.Claim(*row) for row in claims.active(reader, precise_timestamp(), most)]


def heartbeat(tx: Transaction, caller: Caller, claim_id: int) -> models.Claim:
    """The claim holds for its whole time again, from now. Raises Conflict for one that is over."""
    row = _own(tx, caller, claim_id)
    if row[6] is not None:
        raise Conflict(f"claim {claim_id} was released; claim the idea again")
    if row[4] <= tx.now:
        raise Conflict(f"claim {claim_id} expired at {row[4]}; claim the idea again")
    expires_at = _later(tx.now, row[5])
    claims.extend(tx, claim_id, expires_at, row[5])
    return models.Claim(row[0], row[1], row[2], row[3], expires_at)


def release(tx: Transaction, caller: Caller, claim_id: int) -> None:
    """Give a claim up; giving it up twice is no error."""
    row = _own(tx, caller, claim_id)
    if row[6] is None:
        claims.release(tx, claim_id)
        events.append(tx, "claim.released", {"id": claim_id, "agent_id": row[1]})


def _own(reader: Reader, caller: Caller, claim_id: int) -> Row:
    row = claims.claim(reader, claim_id)
    if row is None:
        raise NotFound(f"no claim {claim_id}; GET /api/claims lists those that hold")
    if row[1] != caller.agent_id and not caller.is_admin:
        raise Forbidden(f"claim {claim_id} is {row[1]}'s")
    return row


def _later(at: str, seconds: int) -> str:
    return precise_timestamp(parse_timestamp(at) + timedelta(seconds=seconds))
