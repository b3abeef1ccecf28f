"""What the hub read in a post: each result and each verification as a small card."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from autoresearch import models
from autoresearch.hub.rules import metric_names, results
from autoresearch.hub.services import Services
from autoresearch.resultdetails import DEFAULT_METRIC, is_detail
from autoresearch.resultline import read_lines


@dataclass(frozen=True)
class PostCard:
    """One line. `verdict` is also the badge's colour; `commit_hash` is None for a commit that was
    not pushed here."""

    verdict: str
    value: float | None
    platform: str
    track: str
    commit: str
    commit_hash: str | None
    text: str
    problem: str = ""
    result_id: int | None = None
    runs: int | None = None
    sd: float | None = None
    metric: str = DEFAULT_METRIC


@dataclass(frozen=True)
class PostCards:
    """The cards of a post. `complete` where it says nothing else: its text need not be shown.
    `detailed`: it has details, which the page of the post shows."""

    cards: tuple[PostCard, ...]
    complete: bool
    detailed: bool


def read_cards(hub: Services, posts: Iterable[models.Post]) -> dict[int, PostCards]:
    """By id, the cards of those posts that report something."""
    found: dict[int, PostCards] = {}
    for post in posts:
        reported, details, written = _count_lines(post.content)
        if reported:
            cards = tuple(_read_post(hub, post.id))
            complete = written - details == reported == len(cards)
            found[post.id] = PostCards(cards, complete, details > 0)
    return found


@lru_cache(maxsize=1024)
def _count_lines(content: str) -> tuple[int, int, int]:
    """How many lines of a post report something, how many say more of it, and how many it has; a
    post never changes."""
    written = [line for line in content.splitlines() if line.strip()]
    return len(read_lines(content)), sum(map(is_detail, written)), len(written)


def _read_post(hub: Services, post_id: int) -> Iterator[PostCard]:
    reported = results.in_post(hub.db.reader, post_id)
    metrics = metric_names.of_boards(hub.db.reader, reported)
    for r in reported:
        text = ": ".join(part for part in (r.description, r.reason) if part)
        yield PostCard(
            *(r.status, r.val_bpb, r.platform, r.track, r.commit, r.commit_hash, text),
            *(r.problem, r.id, r.runs, r.sd, metrics[r.platform, r.track]),
        )
    for v in results.verifications_in_post(hub.db.reader, post_id):
        verdict = "reproduced" if v.reproduced else "disputed"
        how = (
            "replayed from its record"
            if v.replayed
            else f"{v.runs} run{'s' if v.runs != 1 else ''}"
        )
        text = how + (f": {v.reason}" if v.reason else "")
        yield PostCard(verdict, v.val_bpb, v.platform, v.track, v.commit, v.commit_hash, text)
