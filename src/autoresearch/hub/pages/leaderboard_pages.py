"""Leaderboards and the progress of one board: pages, the drawing as a file, CSV and JSON."""

from __future__ import annotations

import csv
import io
import time
from base64 import b64encode
from hashlib import sha256
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, get
from litestar.params import QueryParameter

from autoresearch.errors import NotFound
from autoresearch.hub import wire
from autoresearch.hub.pages import assets, board_views, chart, chart_png
from autoresearch.hub.pages.page_cache import answer_cached, make_once
from autoresearch.hub.pages.rendering import answer, environment, remembered
from autoresearch.hub.routes.common import TheHub
from autoresearch.hub.rules import leaderboards as rules
from autoresearch.hub.worker import Hub

RECORDS_MAX, FEW = 200, 10  # records of one board alone, and where there are many boards
Choice = Annotated[str | None, QueryParameter(required=False, max_length=200)]
XAxis = Annotated[Literal["number", "time"], QueryParameter(required=False)]
PICTURE_S = 5.0
COLUMNS = (
    "platform",
    "track",
    "val_bpb",
    "vram_gb",
    "agent_id",
    "commit",
    "commit_hash",
    "created_at",
    "verified",
    "description",
)


@get("/leaderboard", include_in_schema=False)
async def leaderboard(
    request: Request[Any, Any, Any], hub: TheHub, platform: Choice = None, track: Choice = None
) -> Response[bytes]:
    """Who found what is best, on each platform and track."""

    def make() -> dict[str, object]:
        found = _boards(hub, platform, track)
        most = RECORDS_MAX if len(found) == 1 else FEW
        told = [board_views.told(hub.db.reader, board)[:most] for board in found]
        return {
            "boards": [
                (b, shown, len(b.records) - len(shown))
                for b, shown in zip(found, told, strict=True)
            ],
            "every": board_views.listed(board_views.sizes(hub)),
            "platform": platform or "",
            "track": track or "",
            "query": request.url.query,
        }

    return await answer_cached(request, hub, "leaderboard.html", make)


def _boards(hub: Hub, platform: str | None, track: str | None) -> list[wire.Board]:
    def make() -> list[wire.Board]:
        return rules.leaderboard(
            hub.db.reader, platform or None, track or None, board_views.BOARDS_MAX
        )

    return remembered(hub, ("leaderboard", platform or None, track or None), make)


@get("/leaderboard.json", include_in_schema=False)
async def leaderboard_json(
    request: Request[Any, Any, Any], hub: TheHub, platform: Choice = None, track: Choice = None
) -> Response[bytes]:
    """The same as data."""
    found = await hub.off_loop(_boards, hub, platform, track)
    return answer(request, msgspec.json.encode(found), "application/json")


@get("/leaderboard.csv", include_in_schema=False)
async def leaderboard_csv(
    hub: TheHub, platform: Choice = None, track: Choice = None
) -> Response[str]:
    """Every record of every board, a line each."""
    found = await hub.off_loop(_boards, hub, platform, track)
    text = io.StringIO()
    lines = csv.writer(text)
    lines.writerow(COLUMNS)
    for board in found:
        for r in board.records:
            cells = (
                board.platform,
                board.track,
                r.val_bpb,
                r.vram_gb,
                r.agent_id,
                r.commit,
                r.commit_hash,
            )
            lines.writerow(
                [_harmless(cell) for cell in (*cells, r.created_at, r.verified, r.description)]
            )
    headers = {"Content-Disposition": 'attachment; filename="leaderboard.csv"'}
    return Response(text.getvalue(), media_type="text/csv", headers=headers)


def _harmless(cell: object) -> object:
    """A text that a spreadsheet would run as a formula is quoted (CWE-1236)."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in "=+-@\t\r" else cell


@get("/progress", include_in_schema=False)
async def progress(
    request: Request[Any, Any, Any],
    hub: TheHub,
    platform: Choice = None,
    track: Choice = None,
    x: XAxis = "number",
    start: Annotated[int, QueryParameter(name="from", required=False, ge=1)] = 1,
    end: Annotated[int | None, QueryParameter(name="to", required=False, ge=1)] = None,
) -> Response[bytes]:
    """Every experiment of a board as a mark, the running best as a line."""

    def make() -> dict[str, object]:
        every = board_views.listed(board_views.sizes(hub))
        chosen = _chosen(every, platform, track)
        return {
            "every": every,
            "board": board_views.summary(hub.db.reader, chosen) if chosen else None,
            "chart": _chart(hub, chosen, x, start, end) if chosen else None,
            "x": x,
            "box": chart,
            "zoomed": start > 1 or end is not None,
            "start": start,
        }

    return await answer_cached(request, hub, "progress.html", make)


@get("/charts/progress.svg", include_in_schema=False)
async def progress_svg(
    request: Request[Any, Any, Any],
    hub: TheHub,
    platform: Choice = None,
    track: Choice = None,
    x: XAxis = "number",
) -> Response[bytes]:
    """The drawing alone, as a file that stands by itself."""

    style = assets.assets()["chart.css"].data.decode()
    # a document of its own: it runs nothing, and has its style within itself
    policy = f"default-src 'none'; style-src 'sha256-{b64encode(sha256(style.encode()).digest()).decode()}'; frame-ancestors 'none'"

    def make() -> bytes:
        chosen = _chosen(board_views.listed(board_views.sizes(hub)), platform, track)
        if chosen is None:
            raise NotFound(
                "no results on such a platform and track; /leaderboard names those that have some"
            )
        view = _chart(hub, chosen, x, 1, None)
        drawn = (
            environment()
            .get_template("chart.svg")
            .render(chart=view, board=chosen, box=chart, style=style)
        )
        return drawn.encode("utf-8", "replace")

    return answer(request, await hub.off_loop(make), "image/svg+xml", policy=policy)


@get("/charts/progress.png", include_in_schema=False)
async def progress_png(
    hub: TheHub, platform: Choice = None, track: Choice = None
) -> Response[bytes]:
    """The picture that a shared link shows; without results, one that says so. Up to PICTURE_S old: drawing takes a good part of a second."""

    def make() -> bytes:
        chosen = _chosen(board_views.listed(board_views.sizes(hub)), platform, track)
        name = (chosen.platform, chosen.track) if chosen else ("", "")
        found = board_views.points(hub.db.reader, *name) if chosen else []
        return chart_png.draw(found, *name, board_views.noise(found))

    data = await make_once(hub, ("png", platform, track), int(time.monotonic() / PICTURE_S), make)
    return Response(data, media_type="image/png", headers={"Cache-Control": "public, max-age=60"})


def _chosen(
    every: list[board_views.Listed], platform: str | None, track: str | None
) -> board_views.Listed | None:
    fitting = [
        b
        for b in every
        if platform in (None, "", b.platform) and (track is None or track == b.track)
    ]
    return (
        max(fitting, key=lambda b: b.size.results, default=None)
        if platform is None
        else next(iter(fitting), None)
    )


def _chart(
    hub: Hub, board: board_views.Listed, x: chart.Axis, start: int, end: int | None
) -> chart.Chart:
    def make() -> chart.Chart:
        found = board_views.points(hub.db.reader, board.platform, board.track)
        return chart.draw(found[start - 1 : end], x, board_views.noise(found))

    return remembered(hub, ("chart", board.platform, board.track, x, start, end), make)
