"""What anyone may read without a key: health, the interface's description, metrics, the front page and the guides."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import MediaType, Request, Response, get

from autoresearch.hub import wire
from autoresearch.hub.openapi import document
from autoresearch.hub.routes.common import TheHub

NO_KEY: list[dict[str, list[str]]] = [{}]


@get("/api/health", security=NO_KEY, tags=["hub"])
async def health() -> wire.Health:
    """Whether the hub answers."""
    return wire.Health("ok")


@get("/openapi.json", include_in_schema=False)
async def openapi(request: Request[Any, Any, Any]) -> Response[bytes]:
    """This interface, in OpenAPI 3.1."""
    return Response(msgspec.json.encode(document(request.app)), media_type=MediaType.JSON)


@get("/metrics", include_in_schema=False)
async def metrics(hub: TheHub) -> Response[bytes]:
    """Counters for Prometheus."""
    gauges = {"agenthub_events_last": ("Number of the newest event", float(hub.feed.last_seq))}
    return Response(hub.metrics.text(gauges), media_type="text/plain; version=0.0.4; charset=utf-8")
