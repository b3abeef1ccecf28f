"""What keeps an open page fresh: a public stream of events, and the files of the pages."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get
from litestar.params import FromPath
from litestar.response import Stream

from autoresearch.hub.pages import assets
from autoresearch.hub.pages.rendering import accepts_gzip
from autoresearch.hub.routes.common import TheHub, hold_share, network_of_caller
from autoresearch.hub.routes.events import HEADERS, behind

FOREVER = "public, max-age=31536000, immutable"


@get("/live", include_in_schema=False)
async def stream_events(request: Request[Any, Any, Any], hub: TheHub) -> Response[Any]:
    """Server-sent events with ids and names, resumed after `Last-Event-ID` or `?after=`."""
    after = request.query_params.get("after", "")
    known = int(after) if after.isascii() and after.isdecimal() and len(after) < 19 else None
    place = behind(request.headers.get("last-event-id"), known, hub)
    hold_share(request, hub.streams, network_of_caller(request), "event streams")
    return Stream(hub.feed.stream(place), media_type="text/event-stream", headers=HEADERS)


@get("/static/{name:str}", include_in_schema=False)
async def send_asset(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
    """A file of the pages; its name changes with its content."""
    asset = assets.find_asset(name)
    headers = {"Cache-Control": FOREVER, "Vary": "Accept-Encoding"}
    if accepts_gzip(request):
        headers["Content-Encoding"] = "gzip"
        return Response(asset.packed, media_type=asset.media_type, headers=headers)
    return Response(asset.data, media_type=asset.media_type, headers=headers)
