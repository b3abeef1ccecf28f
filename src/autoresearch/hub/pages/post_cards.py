"""What the hub read out of a post: each result and verification as a small card, so that a line that counts looks like what it counts as."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from autoresearch.hub import wire
from autoresearch.hub.rules import lines
from autoresearch.hub.store import results
from autoresearch.hub.store.database import Reader


@dataclass(frozen=True)
class Card:
    """One line. `verdict` is also the badge's colour; `commit_hash` is None for a commit that is not here."""

    verdict: str
    value: float | None
    platform: str
    track: str
    commit: str
    commit_hash: str | None
    text: str
    problem: str = ""


@dataclass(frozen=True)
class Read:
    """A post's cards; `alone` where there is nothing else in it, so that the cards say it all."""

    cards: tuple[Card, ...]
    alone: bool


def read(reader: Reader, posts: Iterable[wire.Post]) -> dict[int, Read]:
    """By id, those of the posts that report something."""
    found: dict[int, Read] = {}
    for post in posts:
        if told := lines.read(post.content):
            written = sum(1 for line in post.content.splitlines() if line.strip())
            cards = tuple(_cards(reader, post.id))
            found[post.id] = Read(cards, alone=written == len(told) == len(cards))
    return found


def _cards(reader: Reader, post_id: int) -> Iterable[Card]:
    for row in results.in_post(reader, post_id):
        r = wire.Result(*row)
        text = r.description or r.reason
        if r.description and r.reason:
            text = f"{r.description}: {r.reason}"
        yield Card(
            r.status, r.val_bpb, r.platform, r.track, r.commit, r.commit_hash, text, r.problem
        )
    for (
        named,
        commit_hash,
        platform,
        track,
        value,
        runs,
        reproduced,
        reason,
    ) in results.verdicts_in_post(reader, post_id):
        verdict = "reproduced" if reproduced else "disputed"
        text = f"{runs} run{'s' if runs != 1 else ''}" + (f": {reason}" if reason else "")
        yield Card(verdict, value, platform, track, named, commit_hash, text)
