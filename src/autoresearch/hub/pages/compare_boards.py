"""Two boards side by side: how far each came, by whom, and how fast.

Values of two boards cannot be compared; what share of the first value is left can.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.params import QueryParameter

from autoresearch.devices import is_same_device
from autoresearch.hub.pages import board_views, curve_chart
from autoresearch.hub.pages.board_views import BoardSummary
from autoresearch.hub.pages.rendering import answer_cached
from autoresearch.hub.routes.common import TheHub
from autoresearch.hub.rules import significance
from autoresearch.hub.rules.counters import BoardCounts
from autoresearch.hub.services import Services
from autoresearch.models import Result
from autoresearch.resultdetails import POINTS_MAX, Curve

CHOICES_MAX = 100
BoardWords = Annotated[str, QueryParameter(required=False, max_length=200)]


@dataclass(frozen=True)
class BoardColumn:
    """One board. `name` is how its address says it; `share` of its first value is left."""

    name: str
    summary: BoardSummary
    noise: float | None
    steps: int
    agents: int
    share: float | None
    curve: Curve


def name_board(board: BoardCounts) -> str:
    """A board in one word of an address: a platform holds no bar."""
    return f"{board.platform}|{board.track}"


def find_board(every: Iterable[BoardCounts], name: str) -> BoardCounts | None:
    """The board that an address means, however its device is spelled."""
    platform, _, track = name.rpartition("|")
    same = (b for b in every if b.track == track and is_same_device(b.platform, platform))
    return next(same, None)


def describe_board(hub: Services, board: BoardCounts) -> BoardColumn:
    read = board_views.read_board(hub, board.name)
    leaders = [point for point in read.points if point.leads]
    curve = draw_progress(read.points)
    return BoardColumn(
        name_board(board),
        board_views.summarize_board(hub, board),
        read.noise,
        sum(significance.find_steps(leaders, read.noise)),
        len({point.agent_id for point in read.points}),
        curve[-1][1] if curve else None,
        curve,
    )


def draw_progress(points: list[Result]) -> Curve:
    """The running best in percent of the first, over the share of the board's experiments."""
    led = [(n, p.val_bpb) for n, p in enumerate(points, 1) if p.leads and p.val_bpb]
    if not led:
        return ()
    first = led[0][1]
    corners: list[tuple[float, float]] = []
    for at, value in led[-POINTS_MAX:]:
        if corners:
            corners.append((at / len(points), corners[-1][1]))
        corners.append((at / len(points), 100 * value / first))
    return (*corners, (1.0, corners[-1][1]))


@get("/compare/boards", include_in_schema=False)
async def show_boards_compared(
    request: Request[Any, Any, Any], hub: TheHub, a: BoardWords = "", b: BoardWords = ""
) -> Response[bytes]:
    """Two boards, each named `platform|track`."""

    def read() -> dict[str, object]:
        every = board_views.list_boards(hub, CHOICES_MAX)
        known = board_views.count_hub(hub).boards.values()
        found = [find_board(known, name) for name in (a, b)]
        columns = [describe_board(hub, board) for board in found if board]
        return {
            "choices": [name_board(board) for board in every],
            "asked": (a, b),
            "columns": columns,
            "drawn": curve_chart.draw_curves([(c.name, c.curve) for c in columns], start=0.0),
            "curve": curve_chart,
        }

    return await answer_cached(request, hub, "compare_boards.html", read)
