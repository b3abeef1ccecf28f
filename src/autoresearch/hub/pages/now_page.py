"""What happens now: who works on what, who was here last, and how many results an hour come."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from litestar import Request, Response, get

from autoresearch.clock import precise_timestamp
from autoresearch.hub.pages import board_views
from autoresearch.hub.pages.agent_pages import list_profiles
from autoresearch.hub.pages.rendering import answer_cached
from autoresearch.hub.routes.common import TheHub
from autoresearch.hub.rules import claims, counters, metric_names, results
from autoresearch.hub.services import Services

CLAIMS_MAX, AGENTS_MAX, RESULTS_MAX = 100, 30, 20
BAR_PX = 60  # height of the tallest hour


@dataclass(frozen=True)
class HourBar:
    """The results of one hour, and how tall its bar is."""

    hour: str
    count: int
    height: int


def read_now(hub: Services) -> dict[str, object]:
    """Everything the page shows; `hours` are 24, the running one last."""
    reader = hub.db.reader
    seen = [profile for profile in list_profiles(hub) if profile.counts.last_at]
    seen.sort(key=lambda profile: profile.counts.last_at, reverse=True)
    newest = results.latest(reader, RESULTS_MAX)
    return {
        "claims": claims.active(reader, CLAIMS_MAX),
        "agents": seen[:AGENTS_MAX],
        "results": newest,
        "metrics": metric_names.of_boards(reader, newest),
        "hours": draw_hours(counters.list_hours(board_views.count_hub(hub))),
        "at": precise_timestamp(),
    }


def draw_hours(counted: list[tuple[str, int]]) -> list[HourBar]:
    most = max((count for _, count in counted), default=0) or 1
    return [HourBar(hour, count, -(-BAR_PX * count // most)) for hour, count in counted]


@get("/now", include_in_schema=False)
async def show_now(request: Request[Any, Any, Any], hub: TheHub) -> Response[bytes]:
    """Who works on what."""

    def read() -> dict[str, object]:
        return {"now": read_now(hub), "tall": BAR_PX}

    minute = int(time.time() // 60)  # claims end without an event
    return await answer_cached(request, hub, "now.html", read, moment=minute)
