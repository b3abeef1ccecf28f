"""One result: its value and verdict, what it is worth, its runs, its diff and its thread."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get
from litestar.params import FromPath

from autoresearch.hub.pages import board_views, curve_chart
from autoresearch.hub.pages.board_pages import read_thread
from autoresearch.hub.pages.commit_page import find_diff
from autoresearch.hub.pages.rendering import answer_cached
from autoresearch.hub.routes.board import known_id
from autoresearch.hub.routes.common import TheHub
from autoresearch.hub.rules import leaderboards, metric_names, results, significance
from autoresearch.hub.services import Services
from autoresearch.hub.values import BoardName

OTHERS_MAX = 20


def read_result(hub: Services, result_id: int) -> dict[str, object]:
    """Everything the page shows; `others` are results of the same commit. Raises NotFound for a
    result that does not exist or is hidden."""
    reader = hub.db.reader
    result = results.one(reader, result_id)
    digits, board = result.commit_hash, BoardName(result.platform, result.track)
    before, noise = leaderboards.leader_before(reader, result), board_views.read_noise(hub, board)
    details = results.read_its_details(reader, result)
    curves = [("this result", details.curve)]
    if before:
        curves.append(("the best then", results.read_its_details(reader, before).curve))
    same = results.of_commit(reader, digits, OTHERS_MAX) if digits else []
    others = [other for other in same if other.id != result.id]
    return {
        "result": result,
        "details": details,
        "metric": metric_names.of_result(reader, result, details),
        "before": before,
        "gain": significance.weigh_gain(before, result, noise),
        "noise": noise,
        "curves": curve_chart.draw_curves(curves) if details.curve else None,
        "verifications": leaderboards.verifications_of(reader, result, OTHERS_MAX),
        "others": others,
        "metrics": metric_names.of_boards(reader, others),
        "diff": find_diff(hub, digits),
        "thread": read_thread(hub, result.post_id),
    }


@get("/results/{result_id:int}", include_in_schema=False)
async def show_result(
    request: Request[Any, Any, Any], hub: TheHub, result_id: FromPath[int]
) -> Response[bytes]:
    """One result."""
    number = known_id(result_id, "result")
    return await answer_cached(
        request,
        hub,
        "result.html",
        lambda: {"view": read_result(hub, number), "curve": curve_chart},
    )
