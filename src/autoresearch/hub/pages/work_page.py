"""What volunteers run again, and what waits for them."""

from __future__ import annotations

import time
from typing import Any

from litestar import Request, Response, get

from autoresearch.hub.pages.rendering import answer_cached
from autoresearch.hub.routes.common import TheHub
from autoresearch.hub.rules import volunteers

RENEWED_S = 15  # leases come and go without an event


@get("/work", include_in_schema=False)
async def show_work(request: Request[Any, Any, Any], hub: TheHub) -> Response[bytes]:
    """Volunteers and their queue."""

    def read() -> dict[str, object]:
        return {"work": volunteers.read_work(hub.db.reader)}

    moment = int(time.time() // RENEWED_S)
    return await answer_cached(request, hub, "work.html", read, moment=moment)
