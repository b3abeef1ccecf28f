"""Leaderboards as a page, CSV and JSON; the progress of one board as a page, SVG and PNG."""

from __future__ import annotations

import csv
import io
import time
from base64 import b64encode
from collections.abc import Iterable, Sequence
from hashlib import sha256
from operator import attrgetter
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, get
from litestar.params import QueryParameter

from autoresearch.errors import NotFound
from autoresearch.hub.pages import assets, board_views, chart, chart_png
from autoresearch.hub.pages.chart_axes import Axis
from autoresearch.hub.pages.rendering import (
    ANYWHERE,
    answer_cached,
    answer_kept,
    flatten_text,
    render,
)
from autoresearch.hub.routes.common import TheHub, ThePlatform
from autoresearch.hub.rules import leaderboards, metric_names, significance
from autoresearch.hub.rules.counters import BoardCounts
from autoresearch.hub.services import Services
from autoresearch.hub.values import BoardName

RECORDS_MAX, FEW = 200, 10  # records of one board alone, and where there are many boards
STANDINGS_MAX = 12  # boards of the page; the index of boards has all
PNG_S = 5.0  # a picture takes most of a second to draw: it may be this old
BoardWord = Annotated[str | None, QueryParameter(required=False, max_length=200)]
XAxis = Annotated[Literal["number", "time"], QueryParameter(required=False)]
BOARD_COLUMNS = ("platform", "track")
FIRST_COLUMNS = (
    *("val_bpb", "vram_gb", "agent_id", "commit", "commit_hash"),
    *("created_at", "verified"),
)
LAST_COLUMNS = ("description", "runs", "sd")

read_first, read_last = attrgetter(*FIRST_COLUMNS), attrgetter(*LAST_COLUMNS)


@get("/leaderboard", include_in_schema=False)
async def show_leaderboard(
    request: Request[Any, Any, Any],
    hub: TheHub,
    platform: ThePlatform,
    track: BoardWord = None,
) -> Response[bytes]:
    """The records of each platform and track."""

    def read() -> dict[str, object]:
        chosen = board_views.choose_boards(hub, platform or None, track or None)
        return {
            "boards": board_views.list_standings(hub, chosen[:STANDINGS_MAX], RECORDS_MAX, FEW),
            "left_out": len(chosen[STANDINGS_MAX:]),
            "every": board_views.list_boards(hub),
            "platform": platform or "",
            "track": track or "",
            "query": request.url.query,
        }

    return await answer_cached(request, hub, "leaderboard.html", read)


@get("/leaderboard.json", include_in_schema=False)
async def send_leaderboard_json(
    request: Request[Any, Any, Any],
    hub: TheHub,
    platform: ThePlatform,
    track: BoardWord = None,
) -> Response[bytes]:
    """The same as JSON."""
    chosen = (platform or None, track or None)

    def make() -> bytes:
        names = leaderboards.choose_led(hub.db.reader, *chosen, board_views.BOARDS_MAX)
        parts = board_views.write_boards(hub, "json", names, _write_json)
        return b"[" + b",".join(filter(None, parts)) + b"]"

    key = ("leaderboard.json", *chosen)
    return await answer_kept(request, hub, key, make, "application/json")


@get("/leaderboard.csv", include_in_schema=False)
async def send_leaderboard_csv(
    request: Request[Any, Any, Any],
    hub: TheHub,
    platform: ThePlatform,
    track: BoardWord = None,
) -> Response[bytes]:
    """Every record of every board, one a line, and the claims beside them with why they wait."""
    chosen = (platform or None, track or None)

    def make() -> bytes:
        names = [board.name for board in board_views.choose_boards(hub, *chosen)]
        head = _write_lines([(*BOARD_COLUMNS, *FIRST_COLUMNS, "waits", *LAST_COLUMNS)])
        return head + b"".join(board_views.write_boards(hub, "csv", names, _write_csv))

    key = ("leaderboard.csv", *chosen)
    headers = {"Content-Disposition": 'attachment; filename="leaderboard.csv"'}
    return await answer_kept(request, hub, key, make, "text/csv; charset=utf-8", more=headers)


def _write_json(hub: Services, name: BoardName) -> bytes:
    """One board; nothing where it has no leader."""
    return msgspec.json.encode(leaderboards.leaderboard(hub.db.reader, *name, 1))[1:-1]


def _write_csv(hub: Services, name: BoardName) -> bytes:
    leaders, waiting = leaderboards.read_results(hub.db.reader, name)
    return _write_lines(
        [quote_formula(cell) for cell in (*name, *read_first(result), waits, *read_last(result))]
        for result, waits in (*((leader, "") for leader in leaders), *waiting)
    )


def _write_lines(lines: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(lines)
    return text.getvalue().encode()


def quote_formula(cell: object) -> object:
    """A text that a spreadsheet would run as a formula is quoted (CWE-1236)."""
    is_formula = isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{cell}" if is_formula else cell


@get("/progress", include_in_schema=False)
async def show_progress(
    request: Request[Any, Any, Any],
    hub: TheHub,
    platform: ThePlatform,
    track: BoardWord = None,
    x: XAxis = "number",
    start: Annotated[int, QueryParameter(name="from", required=False, ge=1)] = 1,
    end: Annotated[int | None, QueryParameter(name="to", required=False, ge=1)] = None,
) -> Response[bytes]:
    """Every experiment of a board as a mark, the running best as a line."""

    def read() -> dict[str, object]:
        every = board_views.list_boards(hub)
        chosen = choose_board(every, platform, track)
        return {
            "every": every,
            "board": chosen,
            **(draw_board(hub, chosen, x, start, end) if chosen else {}),
            "noise": chosen and board_views.read_board(hub, chosen.name).noise,
            "x": x,
            "zoom": x,
            "zoomed": start > 1 or end is not None,
        }

    return await answer_cached(request, hub, "progress.html", read)


@get("/charts/progress.svg", include_in_schema=False)
async def send_progress_svg(
    request: Request[Any, Any, Any],
    hub: TheHub,
    platform: ThePlatform,
    track: BoardWord = None,
    x: XAxis = "number",
) -> Response[bytes]:
    """The chart as a file that stands alone."""
    style = assets.load_assets()["chart.css"].data.decode()
    style_hash = b64encode(sha256(style.encode()).digest()).decode()
    # a document of its own: it runs nothing, and has its style within itself
    policy = f"default-src 'none'; style-src 'sha256-{style_hash}'; frame-ancestors 'none'"

    def make() -> bytes:
        board = choose_board(board_views.list_boards(hub), platform, track)
        if board is None:
            raise NotFound("no results on this platform and track; /leaderboard lists the boards")
        drawn = draw_board(hub, board, x)
        return render(
            "chart.svg",
            chart=drawn["charts"][0],
            **{name: drawn[name] for name in ("summary", "metric", "y_title")},
            board=board,
            style=style,
        )

    key = ("progress.svg", platform, track, x)
    return await answer_kept(request, hub, key, make, "image/svg+xml", policy, ANYWHERE)


@get("/charts/progress.png", include_in_schema=False)
async def send_progress_png(
    hub: TheHub, platform: ThePlatform, track: BoardWord = None
) -> Response[bytes]:
    """The picture that a shared link shows; without results, one that says so."""

    def make() -> bytes:
        chosen = choose_board(board_views.list_boards(hub), platform, track)
        name = (chosen.platform, chosen.track) if chosen else ("", "")
        points = leaderboards.board_points(hub.db.reader, *name) if chosen else []
        noise = significance.estimate_noise(points)
        metric = metric_names.of_board(hub.db.reader, *name)
        return chart_png.draw_png(points, *name, noise, hub.settings.site.title, metric)

    key = ("png", platform, track, hub.feed.hidden_seq)  # what was hidden is in no picture
    data = await hub.page_cache.get(key, int(time.monotonic() / PNG_S), make)
    headers = {"Cache-Control": "public, max-age=60", **ANYWHERE}
    return Response(data, media_type="image/png", headers=headers)


def choose_board(
    every: list[BoardCounts], platform: str | None, track: str | None
) -> BoardCounts | None:
    """The board of that name; where no platform is named, the one with most results."""
    fitting = [
        board
        for board in every
        if platform in (None, "", board.platform) and track in (None, board.track)
    ]
    if platform is None:
        return max(fitting, key=lambda board: board.results, default=None)
    return next(iter(fitting), None)


def draw_board(
    hub: Services, board: BoardCounts, x: Axis, first: int = 1, last: int | None = None
) -> dict[str, Any]:
    """What `charts.html` shows: the chart from number `first` to `last`, the newest of it for
    telephones, and the board in one sentence."""

    def make() -> dict[str, Any]:
        read = board_views.read_board(hub, board.name)
        metric = metric_names.of_board(hub.db.reader, *board.name)
        return {
            "charts": chart.draw_both(read.points, x, read.noise, first, last),
            "summary": flatten_text(chart.summarize(read.points, read.noise, metric), 200),
            "metric": metric,
            "y_title": chart.title_values(metric),
        }

    if first > 1 or last is not None:  # as many charts as readers choose
        return make()
    return board_views.cache_of_board(hub, ("chart", x), board.name, make)
