"""Where a request really comes from, and under which path the hub was asked for.

Worked out once for each request, before anybody reads it: behind trusted proxies `client`,
`scheme` and `path` of the scope are what the caller sent, `base_path` is where the hub stands.
"""

from __future__ import annotations

from typing import Any

from autoresearch.hub.rules.addresses import client_address, is_trusted, read_prefix
from autoresearch.hub.settings import Settings


def resolve_origin(scope: Any, settings: Settings) -> None:
    """Write the caller's own address, scheme and path into `scope`."""
    client = scope.get("client")
    peer, port = client or ("", 0)
    base = settings.base_path
    if settings.trusted_proxies and is_trusted(peer, settings):
        said = _forwarded(scope["headers"])
        scope["client"] = (client_address(peer, ",".join(said["for"]), settings), port)
        scheme = said["proto"][0].partition(",")[0].strip().lower() if said["proto"] else ""
        scope["scheme"] = "https" if scheme == "https" else scope["scheme"]
        base = read_prefix(said["prefix"][0]) if said["prefix"] else base
    elif client:
        scope["client"] = (client_address(peer, "", settings), port)
    scope["base_path"] = base
    if base and (scope["path"] + "/").startswith(base + "/"):  # a proxy that did not cut it off
        scope["path"] = scope["path"][len(base) :] or "/"


def _forwarded(headers: Any) -> dict[str, list[str]]:
    """What X-Forwarded-For, -Proto and -Prefix say; a proxy may add a line of its own."""
    said: dict[str, list[str]] = {"for": [], "proto": [], "prefix": []}
    for name, value in headers:
        _, _, what = name.lower().partition(b"x-forwarded-")
        if (key := what.decode("latin-1")) in said:
            said[key].append(value.decode("latin-1"))
    return said
