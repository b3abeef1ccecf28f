"""Where a request really comes from, and under which path the hub was asked for.

Worked out once for each request, before anybody reads it: behind trusted proxies `client`,
`scheme` and `path` of the scope are what the caller sent, `base_path` is where the hub stands.
"""

from __future__ import annotations

import os
import re
from itertools import count
from typing import Any

from autoresearch.hub.rules.addresses import client_address, is_trusted, read_prefix, spell_address
from autoresearch.hub.settings import Settings

REQUEST_ID = re.compile(r"[A-Za-z0-9._:=-]{1,64}", re.ASCII)
_SAID = {
    b"x-forwarded-for": "for",
    b"x-forwarded-proto": "proto",
    b"x-forwarded-prefix": "prefix",
    b"x-request-id": "id",
}
_worker, _numbers = os.urandom(4).hex(), count(1)


def resolve_origin(scope: Any, settings: Settings) -> None:
    """Write the caller's own address, scheme and path into `scope`, and the request's id."""
    client = scope.get("client")
    peer, port = client or ("", 0)
    base = settings.base_path
    scope["request_id"] = f"{_worker}-{next(_numbers):x}"
    if settings.trusted_proxies and is_trusted(peer, settings):
        said = _read_forwarded(scope["headers"])
        scope["client"] = (client_address(peer, ",".join(said["for"]), settings), port)
        scheme = said["proto"][0].partition(",")[0].strip().lower() if said["proto"] else ""
        scope["scheme"] = "https" if scheme == "https" else scope["scheme"]
        base = read_prefix(said["prefix"][0]) if said["prefix"] else base
        if said["id"] and REQUEST_ID.fullmatch(said["id"][0]):
            scope["request_id"] = said["id"][0]
    elif client:
        scope["client"] = (spell_address(peer), port)
    scope["base_path"] = base
    if base and (scope["path"] + "/").startswith(base + "/"):  # a proxy that did not cut it off
        scope["path"] = scope["path"][len(base) :] or "/"


def _read_forwarded(headers: Any) -> dict[str, list[str]]:
    """What X-Forwarded-For, -Proto and -Prefix say, and X-Request-Id; a proxy may add a line of
    its own."""
    said: dict[str, list[str]] = {key: [] for key in _SAID.values()}
    for name, value in headers:
        if key := _SAID.get(name.lower()):
            said[key].append(value.decode("latin-1"))
    return said
