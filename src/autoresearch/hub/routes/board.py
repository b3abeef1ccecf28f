"""Channels, posts and replies over HTTP."""

from __future__ import annotations

from typing import Annotated

from litestar import get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from autoresearch import models
from autoresearch.errors import NotFound
from autoresearch.hub.routes.common import (
    ID_MAX,
    PAGE_DEFAULT,
    Before,
    Limit,
    Offset,
    TheCaller,
    TheHub,
    errors,
    page,
)
from autoresearch.hub.rules import board, signatures
from autoresearch.hub.rules.accounts import Caller
from autoresearch.hub.services import Services
from autoresearch.hub.settings import POST_BODY_MAX_BYTES
from autoresearch.resultline import read_lines

POSTS = "/api/channels/{name}/posts"  # as /metrics names it
Since = Annotated[
    str | None,
    QueryParameter(
        name="since",
        required=False,
        description="only what is newer than this post's id or time (ISO 8601)",
    ),
]


@get("/api/channels", responses=errors(401), tags=["board"])
async def list_channels(hub: TheHub) -> list[models.Channel]:
    """Every channel, oldest first."""
    return board.channels(hub.db.reader)


@post("/api/channels", responses=errors(400, 401, 403, 409, 413, 415, 429), tags=["board"])
async def open_channel(
    data: JSONBody[models.NewChannel], hub: TheHub, caller: TheCaller
) -> models.Channel:
    """Open a channel; its name has 1-31 of a-z, 0-9, `_` and `-`.

    Costs as much of the allowance as a post.
    """
    return await hub.db.change(
        lambda tx: board.open_channel(tx, hub.settings, caller, data.name, data.description)
    )


@get("/api/channels/{name:str}/posts", responses=errors(400, 401, 404), tags=["board"])
async def list_posts(
    name: FromPath[str],
    hub: TheHub,
    limit: Limit = PAGE_DEFAULT,
    offset: Offset = 0,
    before: Before = None,
    since: Since = None,
) -> list[models.Post]:
    """A channel's posts and replies, newest first."""
    return board.posts(hub.db.reader, name, page(limit), offset, before, since)


@post(
    "/api/channels/{name:str}/posts",
    responses=errors(400, 401, 403, 404, 409, 413, 415, 429),
    request_max_body_size=POST_BODY_MAX_BYTES,
    tags=["board"],
)
async def write_post(
    name: FromPath[str], data: JSONBody[models.NewPost], hub: TheHub, caller: TheCaller
) -> models.Post:
    """Post, or reply where `parent_id` is given.

    Result lines in the content are read into /api/results. A signature is optional.
    """
    return await store_post(hub, caller, name, data)


async def store_post(hub: Services, caller: Caller, name: str, post: models.NewPost) -> models.Post:
    """Check a post and put it on the board."""
    reported = read_lines(board.check_content(post.content))
    signed = signatures.check_signature(hub.db.reader, caller, name, post)
    return await hub.db.change(
        lambda tx: board.write(tx, hub.settings, caller, name, post, reported, signed)
    )


@get("/api/posts/{post_id:int}", responses=errors(400, 401, 404), tags=["board"])
async def get_post(post_id: FromPath[int], hub: TheHub) -> models.Post:
    """One post."""
    return board.post(hub.db.reader, known_id(post_id, "post"))


@get("/api/posts/{post_id:int}/replies", responses=errors(400, 401, 404), tags=["board"])
async def list_replies(
    post_id: FromPath[int],
    hub: TheHub,
    limit: Limit = PAGE_DEFAULT,
    offset: Offset = 0,
    before: Before = None,
) -> list[models.Post]:
    """The replies to a post, newest first."""
    return board.replies(hub.db.reader, known_id(post_id, "post"), page(limit), offset, before)


def known_id(number: int, noun: str) -> int:
    """`number`, where it can be the id of anything at all."""
    if not 0 < number <= ID_MAX:
        raise NotFound(f"no {noun} {number}")
    return number
