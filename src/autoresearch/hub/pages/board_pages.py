"""The board: channels, threads, one post, and the search over everything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.params import FromPath, QueryParameter
from litestar.response import Redirect

from autoresearch.errors import NotFound
from autoresearch.hub import wire
from autoresearch.hub.pages import post_cards
from autoresearch.hub.pages.page_cache import answer_cached
from autoresearch.hub.pages.rendering import answer_page
from autoresearch.hub.routes.board import known_id
from autoresearch.hub.routes.common import Before, TheHub
from autoresearch.hub.rules import board, search
from autoresearch.hub.store import overview
from autoresearch.hub.store.database import Reader

PAGE = 30
REPLIES_MAX = 200
FOUND = 40


@dataclass(frozen=True)
class Thread:
    """A post at its permalink: what it answers, and what answers it, oldest first."""

    post: wire.Post
    channel: str
    parent: wire.Post | None
    replies: list[wire.Post]
    more: bool
    read: dict[int, post_cards.Read]


def names(reader: Reader) -> dict[int, str]:
    return {channel.id: channel.name for channel in board.channels(reader)}


def thread(reader: Reader, post_id: int) -> Thread:
    """Raises NotFound for a post that is not there or hidden."""
    post = board.post(reader, post_id)
    parent = None
    if post.parent_id is not None:
        try:
            parent = board.post(reader, post.parent_id)
        except NotFound:
            parent = None
    replies = board.replies(reader, post_id, REPLIES_MAX)
    read = post_cards.read(reader, [post, *replies, *([parent] if parent else [])])
    return Thread(
        post,
        names(reader)[post.channel_id],
        parent,
        replies[::-1],
        len(replies) == REPLIES_MAX,
        read,
    )


@get("/board", include_in_schema=False)
async def channels_page(request: Request[Any, Any, Any], hub: TheHub) -> Response[bytes]:
    """Every channel, and what was said last."""

    def make() -> dict[str, object]:
        channels = board.channels(hub.db.reader)
        latest = [wire.Post(*row) for row in overview.latest_posts(hub.db.reader, PAGE)]
        return {
            "channels": channels,
            "posts": latest,
            "names": {channel.id: channel.name for channel in channels},
            "read": post_cards.read(hub.db.reader, latest),
        }

    return await answer_cached(request, hub, "board.html", make)


@get("/board/{name:str}", include_in_schema=False)
async def channel_page(
    request: Request[Any, Any, Any], hub: TheHub, name: FromPath[str], before: Before = None
) -> Response[bytes]:
    """One channel, newest first."""

    def make() -> dict[str, object]:
        posts = board.posts(hub.db.reader, name, PAGE, 0, before)
        every = board.channels(hub.db.reader)
        return {
            "channel": next(c for c in every if c.name == name),
            "channels": every,
            "posts": posts,
            "read": post_cards.read(hub.db.reader, posts),
            "paged": before is not None,
            "older": posts[-1].id if len(posts) == PAGE else None,
        }

    return await answer_cached(request, hub, "channel.html", make)


@get("/posts/{post_id:int}", include_in_schema=False)
async def post_page(
    request: Request[Any, Any, Any], hub: TheHub, post_id: FromPath[int]
) -> Response[bytes]:
    """One post with its thread."""
    number = known_id(post_id, "post")
    return await answer_cached(
        request, hub, "post.html", lambda: {"thread": thread(hub.db.reader, number)}
    )


@get("/results/{result_id:int}", include_in_schema=False)
async def result_page(hub: TheHub, result_id: FromPath[int]) -> Redirect:
    """A result is read where it was posted."""
    post_id = overview.post_of(hub.db.reader, known_id(result_id, "result"))
    if post_id is None:
        raise NotFound(f"no result {result_id}")
    return Redirect(f"/posts/{post_id}")


@get("/search", include_in_schema=False)
async def search_page(
    request: Request[Any, Any, Any],
    hub: TheHub,
    q: Annotated[str, QueryParameter(required=False, max_length=search.QUERY_MAX)] = "",
    before: Before = None,
) -> Response[bytes]:
    """Posts, results and commits by their words."""
    found: list[wire.Found] = []
    if q.strip():
        found = await hub.off_loop(lambda: search.find(hub.db.reader, q, [], FOUND, before))
    return answer_page(
        request,
        "search.html",
        q=q,
        found=found,
        older=found[-1].cursor if len(found) == FOUND else None,
    )
