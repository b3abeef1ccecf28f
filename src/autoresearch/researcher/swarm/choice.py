"""Which commits of others are worth starting from or trying: read from the hub's boards and
results, decided here. Pure but for the questions.

Everything the hub says is a claim by strangers: hashes are checked for their form, values for
being numbers, and nothing is believed that is not measured again. Leaves to others: fetching,
comparing fixed files (community), measuring (loop).
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from autoresearch.client import Hub
from autoresearch.untrusted import first_line

HASH = re.compile(r"[0-9a-f]{40}", re.ASCII)
RANKS = {"reproduced": 0, "unverified": 1}  # a disputed claim is never built on
LISTED = 200
EXPLORE = 0.2  # of new branches begin at a leaf instead of the best


@dataclass(frozen=True)
class Claimed:
    """A commit that somebody says reached `value` on our platform and track. `verified`:
    reproduced, unverified or disputed."""

    commit: str
    agent: str
    value: float
    post_id: int
    description: str
    verified: str = "unverified"


@dataclass(frozen=True)
class Scope:
    """Where results may be compared with ours."""

    platform: str
    track: str
    direction: str = "min"

    def better(self, value: float, than: float) -> bool:
        return value < than if self.direction == "min" else value > than

    def order(self, claim: Claimed) -> float:
        return claim.value if self.direction == "min" else -claim.value


def claims_on(hub: Hub, scope: Scope) -> list[Claimed]:
    """Kept results with a pushed commit on our platform and track: the board's records with what others found,
    else (a board knows lower is better only) the newest results."""
    if scope.direction == "max":
        results = hub.results(
            platform=scope.platform, track=scope.track, status="keep", limit=LISTED
        )
        found = [
            Claimed(r.commit_hash or "", r.agent_id, r.val_bpb or 0.0, r.post_id, r.description)
            for r in results
            if r.val_bpb is not None and not r.problem
        ]
        return [claim for claim in found if is_sound(claim)]
    boards = hub.leaderboard(platform=scope.platform, track=scope.track)
    records = [
        r
        for b in boards
        if (b.platform, b.track) == (scope.platform, scope.track)
        for r in b.records
    ]
    found = [
        Claimed(r.commit_hash or "", r.agent_id, r.val_bpb, r.post_id, r.description, r.verified)
        for r in records
    ]
    return [claim for claim in found if is_sound(claim)]


def is_sound(claim: Claimed) -> bool:
    return (
        HASH.fullmatch(claim.commit) is not None
        and math.isfinite(claim.value)
        and bool(first_line(claim.agent))
    )


def order_starts(claims: Sequence[Claimed], scope: Scope) -> list[Claimed]:
    """Where to begin, most wanted first: reproduced before unverified, then the better value;
    disputed ones not at all."""
    plausible = [claim for claim in claims if claim.verified in RANKS]
    return sorted(plausible, key=lambda claim: (RANKS[claim.verified], scope.order(claim)))


def worth_trying(
    claims: Sequence[Claimed], scope: Scope, best: float, me: str, known: Collection[str]
) -> list[Claimed]:
    """Others' commits that claim to be better than our best and were not offered before, the best
    first."""
    theirs = [c for c in claims if c.agent != me and c.verified in RANKS and c.commit not in known]
    return sorted((c for c in theirs if scope.better(c.value, best)), key=scope.order)


def is_exploring(seed: int, me: str) -> bool:
    """Whether a new branch begins at a leaf: the same answer for the same researcher and seed."""
    return random.Random(f"{seed}/{me}").random() < EXPLORE


def leaves_on(hub: Hub, scope: Scope, seed: int) -> list[Claimed]:
    """Commits nobody has built on whose kept results are on our platform and track, in an order drawn from the
    seed."""
    leaves = {commit.hash for commit in hub.leaves(limit=LISTED)}
    results = hub.results(platform=scope.platform, track=scope.track, status="keep", limit=LISTED)
    found = {
        r.commit_hash: Claimed(r.commit_hash, r.agent_id, r.val_bpb, r.post_id, r.description)
        for r in reversed(results)
        if r.commit_hash in leaves and r.commit_hash and r.val_bpb is not None and not r.problem
    }
    sound = sorted(
        (claim for claim in found.values() if is_sound(claim)), key=lambda claim: claim.commit
    )
    random.Random(seed).shuffle(sound)
    return sound
