"""One result: its value and verdict, what it is worth, its runs, its diff and its thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from litestar import Request, Response, get
from litestar.params import FromPath

from autoresearch.hub.pages import board_views, curve_chart
from autoresearch.hub.pages.board_pages import Thread, read_thread
from autoresearch.hub.pages.commit_page import CommitDiff, find_diff
from autoresearch.hub.pages.rendering import answer_cached
from autoresearch.hub.routes.board import known_id
from autoresearch.hub.routes.common import TheHub
from autoresearch.hub.rules import leaderboards, results, significance
from autoresearch.hub.services import Services
from autoresearch.hub.values import BoardName, Verification
from autoresearch.models import Result
from autoresearch.resultdetails import ResultDetails

OTHERS_MAX = 20


@dataclass(frozen=True)
class ResultWorth:
    """What a result gained on the best when it came; `sigma` is None without a known noise."""

    before: Result | None
    gain: float | None
    sigma: float | None
    noise: float | None

    @property
    def is_within_noise(self) -> bool:
        return self.sigma is not None and abs(self.sigma) < significance.SIGMA_MIN


@dataclass(frozen=True)
class ResultView:
    """Everything the page shows. `others` are results of the same commit."""

    result: Result
    details: ResultDetails
    worth: ResultWorth
    curves: curve_chart.CurveChart | None
    verifications: list[Verification]
    others: list[Result]
    diff: CommitDiff
    thread: Thread


def read_result(hub: Services, result_id: int) -> ResultView:
    """Raises NotFound for a result that does not exist or is hidden."""
    reader = hub.db.reader
    result = results.one(reader, result_id)
    worth = weigh_result(hub, result)
    details = results.read_its_details(reader, result)
    curves = [("this result", details.curve)]
    if worth.before:
        curves.append(("the best then", results.read_its_details(reader, worth.before).curve))
    digits = result.commit_hash
    return ResultView(
        result,
        details,
        worth,
        curve_chart.draw_curves(curves) if details.curve else None,
        leaderboards.verifications_of(reader, result, OTHERS_MAX),
        [r for r in results.of_commit(reader, digits, OTHERS_MAX) if r.id != result.id]
        if digits
        else [],
        find_diff(hub, digits),
        read_thread(hub, result.post_id),
    )


def weigh_result(hub: Services, result: Result) -> ResultWorth:
    board = BoardName(result.platform, result.track)
    noise = board_views.read_noise(hub, board)
    before = leaderboards.leader_before(hub.db.reader, result)
    if before is None or before.val_bpb is None or result.val_bpb is None:
        return ResultWorth(before, None, None, noise)
    sigma = significance.gain_in_sigma(before, result, noise)
    return ResultWorth(before, before.val_bpb - result.val_bpb, sigma, noise)


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
