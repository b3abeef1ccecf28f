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
from autoresearch.devices import is_same_device
from autoresearch.researcher.reported import ReportedResult
from autoresearch.untrusted import first_line

HASH = re.compile(r"[0-9a-f]{40}", re.ASCII)
RANKS = {"reproduced": 0, "unverified": 1}  # a disputed result is never built on
LISTED = 200
EXPLORE = 0.2  # of new branches begin at a leaf instead of the best


@dataclass(frozen=True)
class Scope:
    """Where results may be compared with ours."""

    platform: str
    track: str
    direction: str = "min"

    def better(self, value: float, than: float) -> bool:
        return value < than if self.direction == "min" else value > than

    def order(self, result: ReportedResult) -> float:
        return result.value if self.direction == "min" else -result.value


def results_on(hub: Hub, scope: Scope) -> list[ReportedResult]:
    """Kept results with a pushed commit on our platform and track: the board's records and the
    claims that the hub asks us to run again; where lower is not better, the newest results."""
    if scope.direction == "max":
        results = hub.results(
            platform=scope.platform, track=scope.track, status="keep", limit=LISTED
        )
        found = [
            ReportedResult(r.commit_hash or "", r.val_bpb, r.agent_id, r.post_id, r.description)
            for r in results
            if r.val_bpb is not None and not r.problem
        ]
        return [result for result in found if is_sound(result)]
    boards = hub.leaderboard(platform=scope.platform, track=scope.track)
    records = [
        r
        for b in boards
        if b.track == scope.track and is_same_device(b.platform, scope.platform)
        for r in (*b.records, *(r for r in b.waiting if r.asked))
    ]
    found = [
        ReportedResult(
            r.commit_hash or "", r.val_bpb, r.agent_id, r.post_id, r.description, r.verified
        )
        for r in records
    ]
    return [result for result in found if is_sound(result)]


def is_sound(result: ReportedResult) -> bool:
    return (
        HASH.fullmatch(result.commit) is not None
        and math.isfinite(result.value)
        and bool(first_line(result.agent))
    )


def order_starts(results: Sequence[ReportedResult], scope: Scope) -> list[ReportedResult]:
    """Where to begin, most wanted first: reproduced before unverified, then the better value;
    disputed ones not at all."""
    plausible = [result for result in results if result.verified in RANKS]
    return sorted(plausible, key=lambda result: (RANKS[result.verified], scope.order(result)))


def worth_trying(
    results: Sequence[ReportedResult], scope: Scope, best: float, me: str, known: Collection[str]
) -> list[ReportedResult]:
    """Others' commits that claim to be better than our best and were not offered before, the best
    first."""
    theirs = [c for c in results if c.agent != me and c.verified in RANKS and c.commit not in known]
    return sorted((c for c in theirs if scope.better(c.value, best)), key=scope.order)


def is_exploring(seed: int, me: str) -> bool:
    """Whether a new branch begins at a leaf: the same answer for the same researcher and seed."""
    return random.Random(f"{seed}/{me}").random() < EXPLORE


def leaves_on(hub: Hub, scope: Scope, seed: int) -> list[ReportedResult]:
    """Commits nobody has built on whose kept results are on our platform and track, in an order
    drawn from the seed."""
    leaves = {commit.hash for commit in hub.leaves(limit=LISTED)}
    results = hub.results(platform=scope.platform, track=scope.track, status="keep", limit=LISTED)
    found = {
        r.commit_hash: ReportedResult(
            r.commit_hash, r.val_bpb, r.agent_id, r.post_id, r.description
        )
        for r in reversed(results)
        if r.commit_hash in leaves and r.commit_hash and r.val_bpb is not None and not r.problem
    }
    sound = sorted(
        (result for result in found.values() if is_sound(result)), key=lambda each: each.commit
    )
    random.Random(seed).shuffle(sound)
    return sound
