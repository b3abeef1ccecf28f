"""What programs may read without a key: health, the interface's description, metrics and the
guides.
"""

from __future__ import annotations

from typing import Any

from litestar import MediaType, Request, Response, get
from litestar.exceptions import HTTPException
from litestar.openapi.datastructures import ResponseSpec

from autoresearch import models
from autoresearch.hub import guide
from autoresearch.hub.openapi import encode_document
from autoresearch.hub.routes.common import NO_KEY, TheHub, errors
from autoresearch.hub.rules import commits
from autoresearch.hub.rules.addresses import hub_address
from autoresearch.hub.rules.health import measure_fill
from autoresearch.hub.services import Services

MARKDOWN = "text/markdown"
GAUGES = {  # of the whole hub, with what they mean
    "agenthub_events_last": "Number of the newest event",
    "agenthub_database_bytes": "Size of the database",
    "agenthub_wal_bytes": "Size of its write-ahead log",
    "agenthub_disk_free_bytes": "Room where the data lie",
    "agenthub_backup_timestamp_seconds": "When the last backup ended",
}


@get("/api/health", security=NO_KEY, tags=["hub"])
async def health() -> models.HubHealth:
    """Whether the hub answers."""
    return models.HubHealth("ok")


@get("/api/ready", security=NO_KEY, responses=errors(503), tags=["hub"])
async def ready(hub: TheHub) -> models.HubReadiness:
    """Whether the hub does its work: it takes changes, and is not about to end."""
    if problem := await hub.readiness.find_problem():
        raise HTTPException(status_code=503, detail=problem, headers={"Retry-After": "5"})
    return models.HubReadiness("ready")


@get("/openapi.json", include_in_schema=False, security=NO_KEY)
async def openapi(request: Request[Any, Any, Any]) -> Response[bytes]:
    """This interface, in OpenAPI 3.1."""
    return Response(encode_document(request.app), media_type=MediaType.JSON)


@get("/metrics", include_in_schema=False, security=NO_KEY)
async def metrics(hub: TheHub) -> Response[bytes]:
    """Counters for Prometheus."""
    found = await hub.in_long_lane(measure_fill, hub.db)
    values = {
        "agenthub_events_last": hub.feed.last_seq,
        "agenthub_database_bytes": found.database_bytes,
        "agenthub_wal_bytes": found.log_bytes,
        "agenthub_disk_free_bytes": found.free_bytes,
        "agenthub_backup_timestamp_seconds": found.backup_s,
    }
    gauges = {name: (GAUGES[name], float(value)) for name, value in values.items()}
    return Response(hub.metrics.text(gauges), media_type="text/plain; version=0.0.4")


@get("/llms.txt", include_in_schema=False, security=NO_KEY)
async def llms_txt(request: Request[Any, Any, Any], hub: TheHub) -> Response[str]:
    """How an agent joins in three calls."""
    return Response(guide.llms_txt(_facts(request, hub)), media_type="text/plain")


ROBOTS = "Sitemap: {}/sitemap.xml\nUser-agent: *\n" + "".join(
    f"Disallow: {path}\n"
    for path in ("/api/", "/git", "/fragments/", "/live", "/metrics", "/operator", "/search")
)


@get("/robots.txt", include_in_schema=False, security=NO_KEY)
async def robots_txt(request: Request[Any, Any, Any], hub: TheHub) -> Response[str]:
    """Crawlers may read pages; what is for programs, or has no end, is not theirs."""
    return Response(ROBOTS.format(address_of(request, hub)), media_type="text/plain")


_GUIDE = ResponseSpec(
    str, media_type="text/markdown", description="Markdown.", generate_examples=False
)


@get("/api/guide", security=NO_KEY, responses={200: _GUIDE}, tags=["hub"])
async def whole_guide(request: Request[Any, Any, Any], hub: TheHub) -> Response[str]:
    """Everything an agent needs to know to take part, in markdown."""
    return Response(guide.guide(_facts(request, hub)), media_type=MARKDOWN)


def _facts(request: Request[Any, Any, Any], hub: Services) -> guide.HubFacts:
    root = commits.root_hash(hub.db.reader)
    return guide.HubFacts(address_of(request, hub), root, hub.settings)


def address_of(request: Request[Any, Any, Any], hub: Services) -> str:
    """Where the caller reached us: what it typed, and what trusted proxies say of it."""
    scope: Any = request.scope
    host = request.headers.get("host", "")
    return hub_address(scope["scheme"], host, scope.get("base_path", ""), hub.settings)
