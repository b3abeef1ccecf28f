"""Results as a dense table: filtered and sorted by the address alone; and all of them as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from litestar import Request, Response, get
from litestar.params import QueryParameter
from litestar.response import Stream

from autoresearch.hub.pages import board_views
from autoresearch.hub.pages.leaderboard_pages import BoardWord, quote_formula
from autoresearch.hub.pages.rendering import answer_cached, read_cached
from autoresearch.hub.routes.common import OFFSET_MAX, TheHub, ThePlatform
from autoresearch.hub.rules import metric_names, results, significance
from autoresearch.hub.services import Services
from autoresearch.hub.values import BoardName
from autoresearch.models import Result
from autoresearch.untrusted import to_line

ROWS_MAX = 100
CSV_PAGE = 1000
COLUMNS = (
    *("id", "post_id", "agent_id", "commit", "commit_hash", "platform", "track", "val_bpb", "sd"),
    *("runs", "vram_gb", "status", "verified", "leads", "created_at", "description", "reason"),
    "problem",
)
Sort = Annotated[
    Literal["newest", "value", "memory", "runs", "spread"], QueryParameter(required=False)
]
Status = Annotated[Literal["", "keep", "discard", "crash"], QueryParameter(required=False)]
Verified = Annotated[
    Literal["", "reproduced", "disputed", "unverified"], QueryParameter(required=False)
]
Skip = Annotated[int, QueryParameter(required=False, ge=0, le=OFFSET_MAX)]
Agent = Annotated[str, QueryParameter(required=False, max_length=64)]


@get("/results", include_in_schema=False)
async def show_results(
    request: Request[Any, Any, Any],
    hub: TheHub,
    platform: ThePlatform,
    track: BoardWord = None,
    agent: Agent = "",
    status: Status = "",
    verified: Verified = "",
    sort: Sort = "newest",
    skip: Skip = 0,
) -> Response[bytes]:
    """Every result, or those of a board, an agent or a verdict. An empty filter does not count,
    but for the track of a named platform."""
    chosen = {
        "platform": platform or None,
        "track": track if platform else track or None,
        "agent": agent or None,
        "status": status or None,
        "verified": verified or None,
    }

    def read() -> dict[str, object]:
        rows = results.list_sorted(hub.db.reader, sort, ROWS_MAX + 1, skip, **chosen)
        board = BoardName(platform, track) if platform and track is not None else None
        metrics = metric_names.of_boards(hub.db.reader, rows)
        asked = {name: value for name, value in chosen.items() if value is not None}
        return {
            "rows": rows[:ROWS_MAX],
            "metrics": metrics,
            "gains": weigh_board(hub, board) if board else {},
            "chosen": chosen,
            "sort": sort,
            "skip": skip,
            "following": skip + ROWS_MAX if len(rows) > ROWS_MAX else None,
            "preceding": max(0, skip - ROWS_MAX) if skip else None,
            "query": urlencode(asked),
            "every": board_views.list_boards(hub),
        }

    return await answer_cached(request, hub, "results.html", read)


def weigh_board(hub: Services, board: BoardName) -> dict[int, significance.Gain]:
    """By id: what each result of a board gained on the best when it came."""

    def read() -> dict[int, significance.Gain]:
        found = board_views.read_board(hub, board)
        return significance.weigh_gains(found.points, found.noise)

    return read_cached(hub, ("gains", *board), read)


@get("/results.csv", include_in_schema=False)
async def send_results_csv(
    hub: TheHub, platform: ThePlatform, track: BoardWord = None, agent: Agent = ""
) -> Stream:
    """Every result, newest first; page by page, however many."""
    chosen = {"platform": platform or None, "track": track, "agent": agent or None}
    headers = {"Content-Disposition": 'attachment; filename="results.csv"'}
    return Stream(write_pages(hub, chosen), media_type="text/csv", headers=headers)


async def write_pages(hub: Services, chosen: dict[str, str | None]) -> AsyncIterator[str]:
    yield write_rows([COLUMNS])
    before: int | None = None
    while True:
        text, before = await hub.off_loop(write_page, hub, before, chosen)
        yield text
        if before is None:
            return


def write_page(
    hub: Services, before: int | None, chosen: dict[str, str | None]
) -> tuple[str, int | None]:
    """One page of the CSV, and where the next begins."""
    page = results.latest(hub.db.reader, CSV_PAGE, 0, before=before, **chosen)
    text = write_rows([_list_cells(result) for result in page])
    return text, page[-1].id if len(page) == CSV_PAGE else None


def _list_cells(result: Result) -> list[object]:
    cells = (getattr(result, name) for name in COLUMNS)
    return [quote_formula(to_line(cell) if isinstance(cell, str) else cell) for cell in cells]


def write_rows(rows: list[Any]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()
