"""The message board: channels, threads, one post, and the search over everything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.params import FromPath, QueryParameter

from autoresearch import models
from autoresearch.errors import NotFound
from autoresearch.hub.pages.post_cards import PostCards, read_cards
from autoresearch.hub.pages.rendering import answer_cached, answer_page
from autoresearch.hub.routes.board import known_id
from autoresearch.hub.routes.common import Before, TheHub
from autoresearch.hub.rules import board, metric_names, results, search
from autoresearch.hub.services import Services
from autoresearch.resultline import read_lines

POSTS_MAX = 30  # of one page
CHANNEL_MAX = 100  # of a channel's page, where a result takes one line
REPLIES_MAX = 200
MATCHES_MAX = 40


@dataclass(frozen=True)
class Thread:
    """A post at its permalink: what it replies to, and all below it, each answer under what it
    answers and with its depth. `more` where some are left out."""

    post: models.Post
    channel: str
    parent: models.Post | None
    replies: list[tuple[models.Post, int]]
    more: bool
    cards: dict[int, PostCards]


def read_thread(hub: Services, post_id: int) -> Thread:
    """Raises NotFound for a post that does not exist or is hidden."""
    reader = hub.db.reader
    post = board.post(reader, post_id)
    parent = _read_parent(hub, post)
    replies = board.thread(reader, post_id, REPLIES_MAX)
    return Thread(
        post,
        channel_names(hub)[post.channel_id],
        parent,
        replies,
        len(replies) == REPLIES_MAX,
        read_cards(hub, [post, *(p for p, _ in replies), *([parent] if parent else [])]),
    )


def _read_parent(hub: Services, post: models.Post) -> models.Post | None:
    try:
        return None if post.parent_id is None else board.post(hub.db.reader, post.parent_id)
    except NotFound:
        return None  # hidden


def channel_names(hub: Services) -> dict[int, str]:
    return {channel.id: channel.name for channel in board.channels(hub.db.reader)}


@get("/board", include_in_schema=False)
async def show_channels(request: Request[Any, Any, Any], hub: TheHub) -> Response[bytes]:
    """Every channel, and the latest posts."""

    def read() -> dict[str, object]:
        posts = board.latest_posts(hub.db.reader, POSTS_MAX)
        return {
            "channels": board.channels(hub.db.reader),
            "posts": posts,
            "names": channel_names(hub),
            "replies": board.count_replies(hub.db.reader, posts),
            "cards": read_cards(hub, posts),
        }

    return await answer_cached(request, hub, "board.html", read)


@get("/board/{name:str}", include_in_schema=False)
async def show_channel(
    request: Request[Any, Any, Any], hub: TheHub, name: FromPath[str], before: Before = None
) -> Response[bytes]:
    """One channel, newest post first."""

    def read() -> dict[str, object]:
        posts = board.posts(hub.db.reader, name, CHANNEL_MAX, 0, before)
        channels = board.channels(hub.db.reader)
        return {
            "channel": next(c for c in channels if c.name == name),
            "channels": channels,
            "posts": posts,
            "cards": read_cards(hub, posts),
            "replies": board.count_replies(hub.db.reader, posts),
            "paged": before is not None,
            "older": posts[-1].id if len(posts) == CHANNEL_MAX else None,
        }

    return await answer_cached(request, hub, "channel.html", read)


@get("/posts/{post_id:int}", include_in_schema=False)
async def show_post(
    request: Request[Any, Any, Any], hub: TheHub, post_id: FromPath[int]
) -> Response[bytes]:
    """One post with its thread."""
    number = known_id(post_id, "post")
    return await answer_cached(
        request, hub, "post.html", lambda: {"thread": read_thread(hub, number)}
    )


@get("/search", include_in_schema=False)
async def show_search(
    request: Request[Any, Any, Any],
    hub: TheHub,
    q: Annotated[str, QueryParameter(required=False, max_length=search.QUERY_MAX)] = "",
    before: Before = None,
) -> Response[bytes]:
    """Posts, results and commits by their words."""
    found: list[models.Found] = []
    if q.strip():
        found = await hub.in_long_lane(
            lambda: search.find(hub.db.reader, q, [], MATCHES_MAX, before)
        )
    older = found[-1].cursor if len(found) == MATCHES_MAX else None
    numbers = [int(one.id) for one in found if one.kind == "result"]
    reported = await hub.off_loop(lambda: results.with_ids(hub.db.reader, numbers))
    metrics = await hub.off_loop(lambda: metric_names.of_boards(hub.db.reader, reported))
    return answer_page(
        request,
        "search.html",
        q=q,
        found=list_once(found, reported),
        results={str(result.id): result for result in reported},
        metrics=metrics,
        older=older,
    )


def list_once(found: list[models.Found], reported: list[models.Result]) -> list[models.Found]:
    """What was found without the posts and commits of results, which stand there themselves."""
    measured = {result.commit_hash for result in reported}
    return [
        one
        for one in found
        if one.kind == "result"
        or (one.kind == "post" and not read_lines(one.excerpt))
        or (one.kind == "commit" and one.id not in measured)
    ]
