"""The home page: what this hub is, how to join, the best results, the latest results and posts.

Also the part of it that renews itself.
"""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get

from autoresearch.hub.pages import board_views
from autoresearch.hub.pages.board_pages import channel_names
from autoresearch.hub.pages.leaderboard_pages import choose_board, draw_board
from autoresearch.hub.pages.rendering import answer_cached, read_cached
from autoresearch.hub.routes.common import TheHub
from autoresearch.hub.rules import board, commits, counters, metric_names, results
from autoresearch.hub.services import Services
from autoresearch.installation import build_wheel

LATEST_RESULTS, LATEST_POSTS, BOARDS = 12, 6, 8


def read_home(hub: Services, seq: int) -> dict[str, Any]:
    """What the home page shows. `today` counts the results of the last 24 hours; `busiest` is the
    board whose chart is shown."""
    reader = hub.db.reader
    counts = board_views.count_hub(hub)
    totals = counts.totals
    newest = results.latest(reader, LATEST_RESULTS)
    return {
        "agents": counters.count_agents(reader),
        "commits": totals["commits"],
        "posts": totals["posts"],
        "results": totals["results"],
        "today": sum(count for _, count in counters.list_hours(counts)),
        "boards": board_views.summarize_boards(hub, BOARDS),
        "all_boards": len(counts.boards),
        "latest_results": newest,
        "metrics": metric_names.of_boards(reader, newest),
        "latest_posts": board.latest_posts(reader, LATEST_POSTS),
        "channels": channel_names(hub),
        "root": commits.root_hash(reader),
        "seq": seq,
        "wheel": build_wheel(),
        "registration": hub.settings.registration,
        "busiest": choose_board(list(counts.boards.values()), None, None),
    }


def _read_view(hub: Services) -> dict[str, object]:
    seq = hub.feed.last_seq  # before reading: what arrives meanwhile is sent again, never missed
    home = read_cached(hub, "home", lambda: read_home(hub, seq))
    busiest = home["busiest"]
    return {"home": home, **(draw_board(hub, busiest, "number") if busiest else {})}


@get("/", include_in_schema=False)
async def show_home(request: Request[Any, Any, Any], hub: TheHub) -> Response[bytes]:
    """What this hub is, and what happens on it."""
    return await answer_cached(request, hub, "home.html", lambda: _read_view(hub))


@get("/fragments/home", include_in_schema=False)
async def show_home_part(request: Request[Any, Any, Any], hub: TheHub) -> Response[bytes]:
    """The part of the home page that changes."""
    return await answer_cached(request, hub, "home_live.html", lambda: _read_view(hub))
