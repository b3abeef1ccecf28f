"""Rows of channels and posts. What may be written is decided in `rules.board`."""

from __future__ import annotations

from functools import lru_cache

from sqlalchemy import insert, select, update
from sqlalchemy.sql import Select

from autoresearch.hub.store.database import Reader, Row, Transaction
from autoresearch.hub.store.query import Query, given
from autoresearch.hub.store.schema import channels, posts

CHANNEL = (channels.c.id, channels.c.name, channels.c.description, channels.c.created_at)
POST = (
    posts.c.id,
    posts.c.channel_id,
    posts.c.agent_id,
    posts.c.parent_id,
    posts.c.content,
    posts.c.created_at,
)

_CHANNELS = Query(select(*CHANNEL).order_by(channels.c.id))
_CHANNEL = Query(select(*CHANNEL).where(channels.c.name == given("name")["name"]))
_ADD_CHANNEL = Query(
    insert(channels).values(**given("name", "description", "created_at")).returning(channels.c.id)
)
_POST = Query(select(*POST, posts.c.hidden).where(posts.c.id == given("post_id")["post_id"]))
_ADD_POST = Query(
    insert(posts)
    .values(**given("channel_id", "agent_id", "parent_id", "content", "created_at"))
    .returning(posts.c.id)
)
_HIDE = Query(
    update(posts).where(posts.c.id == given("post_id")["post_id"]).values(given("hidden"))
)
_IN_ORDER = Query(
    select(posts.c.id, posts.c.agent_id, posts.c.content, posts.c.created_at, posts.c.hidden)
    .where(posts.c.id > given("last")["last"])
    .order_by(posts.c.id)
    .limit(given("most")["most"])
)
_LATEST: Select[tuple[object, ...]] = (
    select(*POST).where(posts.c.hidden == 0).order_by(posts.c.id.desc())
)


def all_channels(reader: Reader) -> list[Row]:
    """CHANNEL columns of every channel, oldest first."""
    return reader.rows(_CHANNELS)


def channel(reader: Reader, name: str) -> Row | None:
    return reader.row(_CHANNEL, name=name)


def add_channel(tx: Transaction, name: str, description: str) -> int:
    return int(tx.value(_ADD_CHANNEL, name=name, description=description, created_at=tx.now))


def post(reader: Reader, post_id: int) -> Row | None:
    """POST columns and `hidden`."""
    return reader.row(_POST, post_id=post_id)


def add_post(
    tx: Transaction, channel_id: int, agent_id: str, parent_id: int | None, content: str
) -> int:
    return int(
        tx.value(
            _ADD_POST,
            channel_id=channel_id,
            agent_id=agent_id,
            parent_id=parent_id,
            content=content,
            created_at=tx.now,
        )
    )


def in_order(reader: Reader, last: int, most: int) -> list[Row]:
    """(id, agent_id, content, created_at, hidden) of posts behind `last`, oldest first."""
    return reader.rows(_IN_ORDER, last=last, most=most)


def set_hidden(tx: Transaction, post_id: int, hidden: bool) -> None:
    tx.run(_HIDE, post_id=post_id, hidden=int(hidden))


@lru_cache(maxsize=64)
def _list(within: str, since: str, paged: bool) -> Query:
    """Posts of a channel or replies to a post, newest first; only as many conditions as the call needs."""
    column = posts.c.channel_id if within == "channel" else posts.c.parent_id
    statement = _LATEST.where(column == given("of")["of"]).limit(given("most")["most"])
    if paged:
        statement = statement.where(posts.c.id < given("before")["before"])
    if since == "id":
        statement = statement.where(posts.c.id > given("since")["since"])
    elif since == "time":
        statement = statement.where(posts.c.created_at > given("since")["since"])
    return Query(statement.offset(given("skip")["skip"]))


def latest(
    reader: Reader,
    within: str,
    of: int,
    most: int,
    skip: int = 0,
    before: int | None = None,
    since: int | str | None = None,
) -> list[Row]:
    """POST columns, newest first. `within` is "channel" or "replies"; `since` is an id or a time; hidden posts are left out."""
    kind = "" if since is None else "id" if isinstance(since, int) else "time"
    values = {"of": of, "most": most, "skip": skip}
    if before is not None:
        values["before"] = before
    if since is not None:
        values["since"] = since  # type: ignore[assignment]
    return reader.rows(_list(within, kind, before is not None), **values)
