"""Every board of the hub in one table, found by its words."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.params import QueryParameter

from autoresearch.hub.pages import board_views
from autoresearch.hub.pages.rendering import answer_cached
from autoresearch.hub.routes.common import TheHub
from autoresearch.hub.rules.counters import BoardCounts
from autoresearch.hub.services import Services

ROWS_MAX = 100  # each asks for its best
Words = Annotated[str, QueryParameter(required=False, max_length=200)]


@get("/boards", include_in_schema=False)
async def show_boards(
    request: Request[Any, Any, Any], hub: TheHub, q: Words = ""
) -> Response[bytes]:
    """Platform, track, counts and best of every board; the most recently used first."""

    def read() -> dict[str, object]:
        found = find_boards(hub, q)
        rows = [board_views.summarize_board(hub, board) for board in found[:ROWS_MAX]]
        return {"rows": rows, "more": len(found) - len(rows), "q": q}

    return await answer_cached(request, hub, "boards.html", read)


def find_boards(hub: Services, words: str) -> list[BoardCounts]:
    """The boards whose platform or track holds every word, in any case."""
    wanted = words.casefold().split()
    return [
        board
        for board in board_views.list_boards(hub, most=len(board_views.count_hub(hub).boards))
        if all(word in f"{board.platform} {board.track}".casefold() for word in wanted)
    ]
