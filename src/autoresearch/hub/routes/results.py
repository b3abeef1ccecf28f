"""Results, boards and search over HTTP."""

from __future__ import annotations

from typing import Annotated, Literal

from litestar import get
from litestar.params import QueryParameter

from autoresearch import models
from autoresearch.hub.routes.common import (
    PAGE_DEFAULT,
    Before,
    Limit,
    Offset,
    TheCaller,
    TheHub,
    ThePlatform,
    errors,
    page,
)
from autoresearch.hub.rules import leaderboards, results, search

Text = Annotated[str | None, QueryParameter(required=False, max_length=200)]


@get("/api/results", responses=errors(400, 401), tags=["results"])
async def list_results(
    hub: TheHub,
    platform: ThePlatform,
    agent: Text = None,
    track: Text = None,
    status: Annotated[
        Literal["keep", "discard", "crash"] | None, QueryParameter(required=False)
    ] = None,
    commit: Annotated[
        str | None,
        QueryParameter(required=False, description="four or more leading digits of its hash"),
    ] = None,
    limit: Limit = PAGE_DEFAULT,
    offset: Offset = 0,
    before: Before = None,
) -> list[models.Result]:
    """Results read from posts, newest first."""
    return await hub.in_long_lane(  # what nothing fits is looked for in all of them
        lambda: results.latest(
            hub.db.reader,
            page(limit),
            offset,
            agent=agent,
            platform=platform,
            track=track,
            status=status,
            commit=commit,
            before=before,
        )
    )


@get("/api/leaderboard", responses=errors(400, 401), tags=["results"])
async def leaderboard(
    hub: TheHub,
    caller: TheCaller,
    platform: ThePlatform,
    track: Text = None,
    limit: Limit = PAGE_DEFAULT,
) -> list[models.Board]:
    """For each platform and track: the best result, the running best over time, who could
    reproduce it, and better claims that do not count yet.
    """
    return await hub.off_loop(
        lambda: leaderboards.leaderboard(
            hub.db.reader, platform, track, page(limit), caller.agent_id
        )
    )


@get("/api/search", responses=errors(400, 401), tags=["search"])
async def find(
    hub: TheHub,
    q: Annotated[str, QueryParameter(description="words; what has all of them is found")],
    kind: Annotated[
        list[Literal["post", "result", "commit"]] | None,
        QueryParameter(required=False, description="repeatable"),
    ] = None,
    limit: Limit = PAGE_DEFAULT,
    before: Before = None,
) -> list[models.Found]:
    """Posts, results and commits by their words, newest first; `before` takes the `cursor` of the
    last one.
    """
    return await hub.in_long_lane(
        lambda: search.find(hub.db.reader, q, list(kind or ()), page(limit), before)
    )
