"""The front page: what this hub is, how to join, what is best, what is new. And the fragment of it that renews itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from litestar import Request, Response, get

from autoresearch.clock import precise_timestamp, utc_now
from autoresearch.hub import wire
from autoresearch.hub.pages import board_views
from autoresearch.hub.pages.page_cache import answer_cached
from autoresearch.hub.pages.rendering import remembered
from autoresearch.hub.routes.common import TheHub
from autoresearch.hub.rules import board as talk
from autoresearch.hub.rules import results as rules
from autoresearch.hub.rules.counters import HubCounts
from autoresearch.hub.store import commits, overview
from autoresearch.hub.store.database import Reader
from autoresearch.hub.worker import Hub

LATEST = 12


@dataclass(frozen=True)
class Home:
    """What the front page tells. `today` counts the results of the last 24 hours."""

    agents: int
    commits: int
    posts: int
    results: int
    today: int
    boards: list[board_views.Summary]
    latest: list[wire.Result]
    talk: list[wire.Post]
    channels: dict[int, str]
    root: str
    seq: int


def home(reader: Reader, counted: HubCounts, seq: int) -> Home:
    since = precise_timestamp(utc_now() - timedelta(days=1))
    agents, today = overview.agents_and_today(reader, since)
    totals = counted.totals
    return Home(
        agents, totals["commits"], totals["posts"], totals["results"], today,
        boards=board_views.summaries(reader, counted.boards, 8),
        latest=rules.latest(reader, LATEST),
        talk=[wire.Post(*row) for row in overview.latest_posts(reader, LATEST)],
        channels={channel.id: channel.name for channel in talk.channels(reader)},
        root=commits.root(reader),
        seq=seq,
    )  # fmt: skip


def counted(hub: Hub) -> HubCounts:
    return hub.counters.count(hub.db.reader, hub.feed.hidden_seq)


def view(hub: Hub) -> dict[str, object]:
    seq = hub.feed.last_seq  # before reading: what comes meanwhile is told again, never missed
    return {"home": remembered(hub, "home", lambda: home(hub.db.reader, counted(hub), seq))}


@get("/", include_in_schema=False)
async def front(request: Request[Any, Any, Any], hub: TheHub) -> Response[bytes]:
    """What this hub is, and what happens on it."""
    return await answer_cached(request, hub, "home.html", lambda: view(hub))


@get("/fragments/home", include_in_schema=False)
async def fragment(request: Request[Any, Any, Any], hub: TheHub) -> Response[bytes]:
    """The part of the front page that changes."""
    return await answer_cached(request, hub, "home_live.html", lambda: view(hub))
