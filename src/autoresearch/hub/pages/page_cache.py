"""Whole pages that anyone may read, made once for everybody who asks until something happens on the hub.

Five hundred viewers who hear of the same event ask for the same page within a second; rendering it for each would hold up the events of all.
So a page is made off the event loop, packed, and the rest wait for it and get the same bytes.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable, Mapping
from typing import Any

from litestar import Request, Response

from autoresearch.hub.pages.rendering import POLICY, environment
from autoresearch.hub.routes.public import address_of
from autoresearch.hub.worker import Hub

PAGES_MAX = 200  # kept at once, packed: a few MB
HTML = "text/html; charset=utf-8"


async def answer_cached(
    request: Request[Any, Any, Any],
    hub: Hub,
    template: str,
    make: Callable[[], Mapping[str, object]],
) -> Response[bytes]:
    """The HTML of `template` for what `make` returns, which is called in a thread; templates get `url`, the hub's address, and `path`.

    Only for pages that the address decides alone: no cookie, no header but the host may change what they show.
    """
    path, url = request.scope["path"], address_of(request, hub)
    key = (template, path, request.scope["query_string"], url)

    def rendered() -> bytes:
        text = environment().get_template(template).render(path=path, url=url, **make())
        return gzip.compress(text.encode("utf-8", "replace"), 5, mtime=0)

    body = await make_once(
        hub, key, hub.feed.last_seq, rendered
    )  # the number before reading: what comes meanwhile is made again
    headers = {
        "Content-Security-Policy": POLICY,
        "Cache-Control": "no-cache",
        "Vary": "Accept-Encoding",
    }
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
    else:
        body = gzip.decompress(body)
    return Response(body, media_type=HTML, headers=headers)


async def make_once(hub: Hub, key: object, version: int, make: Callable[[], bytes]) -> bytes:
    """What `make` returns, made in a thread once per `version`. Whoever asks while it is being made waits for the same."""
    known = hub.pages.get(key)
    if known is None or known[0] != version:
        if len(hub.pages) >= PAGES_MAX:
            hub.pages.clear()
        known = hub.pages[key] = (version, asyncio.ensure_future(hub.off_loop(make)))
        known[1].add_done_callback(lambda done: _forget_failure(hub, key, done))
    return await asyncio.shield(known[1])  # one who goes away does not take it from the others


def _forget_failure(hub: Hub, key: object, done: asyncio.Future[bytes]) -> None:
    if (
        (done.cancelled() or done.exception() is not None)
        and key in hub.pages
        and hub.pages[key][1] is done
    ):
        del hub.pages[key]
