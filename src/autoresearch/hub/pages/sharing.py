"""What other sites show of a board, its chart in a frame and a badge; what crawlers are told."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as xml

from litestar import Request, Response, get
from litestar.response import Redirect

from autoresearch.hub.pages import assets, board_views
from autoresearch.hub.pages.leaderboard_pages import BoardWord, XAxis, choose_board, draw_board
from autoresearch.hub.pages.rendering import (
    ANYWHERE,
    POLICY,
    answer,
    answer_cached,
    flatten_text,
    name_score,
    render,
)
from autoresearch.hub.routes.common import TheHub, ThePlatform
from autoresearch.hub.routes.public import address_of
from autoresearch.hub.rules import leaderboards, metric_names, results
from autoresearch.hub.services import Services

FRAMED = POLICY.replace("frame-ancestors 'none'", "frame-ancestors *")
LETTER_PX, PAD_PX = 6.4, 14  # of a badge
RESULTS_MAX, BOARDS_MAX = 500, 500
PAGES = ("/", "/boards", "/progress", "/leaderboard", "/results", "/ideas", "/graph", "/agents")
SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"


@get("/embed", include_in_schema=False)
async def show_embedded(
    request: Request[Any, Any, Any],
    hub: TheHub,
    platform: ThePlatform,
    track: BoardWord = None,
    x: XAxis = "number",
) -> Response[bytes]:
    """A board's chart for a frame in another site's page."""

    def read() -> dict[str, object]:
        board = choose_board(board_views.list_boards(hub), platform, track)
        best = board and leaderboards.leader(hub.db.reader, board.platform, board.track)
        return {"board": board, "best": best, **(draw_board(hub, board, x) if board else {})}

    found = await answer_cached(request, hub, "embed.html", read, policy=FRAMED)
    found.headers.update(ANYWHERE)
    return found


@get("/charts/badge.svg", include_in_schema=False)
async def send_badge(
    request: Request[Any, Any, Any],
    hub: TheHub,
    platform: ThePlatform,
    track: BoardWord = None,
) -> Response[bytes]:
    """The best of a board as a badge."""
    data = await hub.off_loop(draw_badge, hub, platform, track)
    policy = "default-src 'none'; frame-ancestors 'none'"
    return answer(request, data, "image/svg+xml", policy=policy, more=ANYWHERE)


def draw_badge(hub: Services, platform: str | None, track: str | None) -> bytes:
    board = choose_board(board_views.list_boards(hub), platform, track)
    best = board and leaderboards.leader(hub.db.reader, board.platform, board.track)
    name = flatten_text(" ".join((board.platform, board.track)) if board else "val_bpb", 130)
    said = "no result yet"
    if board and best:
        metric = metric_names.of_board(hub.db.reader, *board.name)
        said = f"{name_score(best.val_bpb, metric)} {best.verified}"
    widths = [round(len(text) * LETTER_PX + PAD_PX) for text in (name.strip(), said)]
    colour = "#0a6b4d" if best and best.verified == "reproduced" else "#56616f"
    return render("badge.svg", name=name.strip(), said=said, widths=widths, colour=colour)


@get("/favicon.ico", include_in_schema=False)
async def send_favicon() -> Redirect:
    """Where browsers look for it unasked."""
    return Redirect(assets.find_url("favicon.svg"))


@get("/sitemap.xml", include_in_schema=False)
async def send_sitemap(request: Request[Any, Any, Any], hub: TheHub) -> Response[bytes]:
    """The addresses that a search engine may want: pages, boards, the newest results."""
    paths = await hub.off_loop(list_paths, hub)
    root = xml.Element("urlset", xmlns=SITEMAP)
    for path in paths:
        place = xml.SubElement(xml.SubElement(root, "url"), "loc")
        place.text = address_of(request, hub) + path
    data: bytes = xml.tostring(root, encoding="utf-8", xml_declaration=True)
    return answer(request, data, "application/xml")


def list_paths(hub: Services) -> list[str]:
    newest = results.latest(hub.db.reader, RESULTS_MAX)
    boards = board_views.list_boards(hub, BOARDS_MAX)
    return [
        *PAGES,
        *(f"/progress?{board_views.name_query(board)}" for board in boards),
        *(f"/results/{result.id}" for result in newest),
    ]
