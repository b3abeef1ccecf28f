"""How much a caller may do in an hour.

Spent inside the transaction of the thing itself, so that the count is exact.

An hour starts with its first use and ends 3600 s later; then the allowance is whole again. What
costs a token: a push (whether or not the bundle was any good: checking it is the work), a post, a
claim, a piece of work, a cell, a registration. Requests that are refused for their form (400,
401, 404, 413) cost nothing.
"""

from __future__ import annotations

import time

from autoresearch.errors import RateLimited
from autoresearch.hub.store import limits
from autoresearch.hub.store.statements import Reader, Transaction

HOUR_S = 3600


def spend(tx: Transaction, subject: str, action: str, allowed: int) -> None:
    """Take one token of `subject` (`agent:<id>` or `net:<network>`) for `action`.

    Raises RateLimited, taking none, where `allowed` are used in this hour.
    """
    now_s = int(time.time())
    if not limits.take(tx, subject, action, allowed, now_s, HOUR_S):
        raise _over(tx, subject, action, allowed, now_s)


def check(reader: Reader, subject: str, action: str, allowed: int) -> None:
    """Raise RateLimited where `spend` would: to refuse early, before the work.

    Takes nothing, promises nothing.
    """
    now_s = int(time.time())
    hour = limits.read_used(reader, subject, action)
    if hour.used >= allowed and hour.started_s <= now_s < hour.started_s + HOUR_S:
        raise _over(reader, subject, action, allowed, now_s)


def _over(reader: Reader, subject: str, action: str, allowed: int, now_s: int) -> RateLimited:
    wait_s = max(1, limits.read_used(reader, subject, action).started_s + HOUR_S - now_s)
    return RateLimited(
        f"{allowed} {_PLURAL.get(action, action)} an hour are used up; try again in {wait_s} s",
        wait_s,
    )


def current_hour_s() -> int:
    """The Unix time since which an hour that began has not ended."""
    return int(time.time()) - HOUR_S


def reset(tx: Transaction, subject: str) -> str:
    """An operator makes the allowances of an agent (`ada`) or a network (`net:192.0.2.7`) whole
    again; what was done, in a sentence.
    """
    full = subject if ":" in subject else f"agent:{subject}"
    count = limits.forget(tx, full)
    return f"{count} allowances of {full} are whole again"


_PLURAL = {
    "push": "pushes",
    "post": "posts",
    "claim": "claims",
    "work": "pieces of work",
    "cell": "cells",
    "register": "registrations from this network",
    "attempt": "wrong keys from this network",
}
