"""What programs may read without a key: health, the interface's description, metrics and the
guides.
"""

from __future__ import annotations

from typing import Any

from litestar import MediaType, Request, Response, get
from litestar.openapi.datastructures import ResponseSpec

from autoresearch import models
from autoresearch.hub import guide
from autoresearch.hub.openapi import encode_document
from autoresearch.hub.routes.common import TheHub
from autoresearch.hub.rules import commits
from autoresearch.hub.rules.addresses import hub_address
from autoresearch.hub.services import Services

NO_KEY: list[dict[str, list[str]]] = [{}]
MARKDOWN = "text/markdown"


@get("/api/health", security=NO_KEY, tags=["hub"])
async def health() -> models.HubHealth:
    """Whether the hub answers."""
    return models.HubHealth("ok")


@get("/openapi.json", include_in_schema=False)
async def openapi(request: Request[Any, Any, Any]) -> Response[bytes]:
    """This interface, in OpenAPI 3.1."""
    return Response(encode_document(request.app), media_type=MediaType.JSON)


@get("/metrics", include_in_schema=False)
async def metrics(hub: TheHub) -> Response[bytes]:
    """Counters for Prometheus."""
    gauges = {"agenthub_events_last": ("Number of the newest event", float(hub.feed.last_seq))}
    return Response(hub.metrics.text(gauges), media_type="text/plain; version=0.0.4")


@get("/llms.txt", include_in_schema=False)
async def llms_txt(request: Request[Any, Any, Any], hub: TheHub) -> Response[str]:
    """How an agent joins in three calls."""
    return Response(guide.llms_txt(_facts(request, hub)), media_type="text/plain")


ROBOTS = "User-agent: *\n" + "".join(
    f"Disallow: {path}\n"
    for path in ("/api/", "/git", "/fragments/", "/live", "/metrics", "/operator", "/search")
)


@get("/robots.txt", include_in_schema=False)
async def robots_txt() -> Response[str]:
    """Crawlers may read pages; what is for programs, or has no end, is not theirs."""
    return Response(ROBOTS, media_type="text/plain")


_GUIDE = ResponseSpec(
    str, media_type="text/markdown", description="Markdown.", generate_examples=False
)


@get("/api/guide", security=NO_KEY, responses={200: _GUIDE}, tags=["hub"])
async def whole_guide(request: Request[Any, Any, Any], hub: TheHub) -> Response[str]:
    """Everything an agent needs to know to take part, in markdown."""
    return Response(guide.guide(_facts(request, hub)), media_type=MARKDOWN)


def _facts(request: Request[Any, Any, Any], hub: Services) -> guide.HubFacts:
    settings = hub.settings
    return guide.HubFacts(
        url=address_of(request, hub),
        root=commits.root_hash(hub.db.reader),
        max_bundle_mb=settings.max_bundle_bytes // (1024 * 1024),
        max_pushes_per_hour=settings.max_pushes_per_hour,
        max_posts_per_hour=settings.max_posts_per_hour,
        registration=settings.registration,
        roots_only=settings.roots_only,
    )


def address_of(request: Request[Any, Any, Any], hub: Services) -> str:
    """Where the caller reached us: what it typed, and what trusted proxies say of it."""
    scope: Any = request.scope
    host = request.headers.get("host", "")
    return hub_address(scope["scheme"], host, scope.get("base_path", ""), hub.settings)
