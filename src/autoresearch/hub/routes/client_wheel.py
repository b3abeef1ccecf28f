"""Hands out the hub's own client: a wheel of exactly this version, for pip, pipx and uv.

So nobody installs from a registry what someone else may have put there under our name.
"""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get
from litestar.params import FromPath

from autoresearch import models
from autoresearch.errors import NotFound
from autoresearch.hub.routes.common import NO_KEY, TheHub
from autoresearch.hub.routes.public import address_of
from autoresearch.installation import build_wheel

A_DAY = "public, max-age=86400"


@get("/api/client", security=NO_KEY, tags=["hub"])
async def describe_wheel(request: Request[Any, Any, Any], hub: TheHub) -> models.ClientWheel:
    """Where this hub's own client is, and its SHA-256."""
    wheel = await hub.in_long_lane(build_wheel)
    url = f"{address_of(request, hub)}/client/{wheel.name}"
    return models.ClientWheel(wheel.version, url, wheel.sha256, len(wheel.data))


@get("/client/{name:str}", include_in_schema=False, security=NO_KEY)
async def send_wheel(hub: TheHub, name: FromPath[str]) -> Response[bytes]:
    """The wheel. Another version's name is not found, and the answer says which one is there."""
    wheel = await hub.in_long_lane(build_wheel)
    if name != wheel.name:
        raise NotFound(f"this hub hands out {wheel.name}; GET /api/client tells where")
    headers = {"ETag": f'"{wheel.sha256}"', "Cache-Control": A_DAY}
    return Response(wheel.data, media_type="application/octet-stream", headers=headers)
