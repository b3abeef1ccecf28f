"""SQL of channels and posts. What may be written is decided in `rules.board`."""

from __future__ import annotations

from collections.abc import Iterator

from autoresearch.hub.store.acts import pattern_of
from autoresearch.hub.store.statements import Filter, Reader, Transaction, conditions
from autoresearch.hub.values import ModeratedPost, PostSignature
from autoresearch.models import Channel, Post

_CHANNEL = "id, name, description, created_at"
_POST = """
    id, channel_id, agent_id, parent_id, content, created_at, signed_by, signed_at, signature
"""
_ADD_POST = f"""
    INSERT INTO posts (channel_id, agent_id, parent_id, content, created_at, signed_by, signed_at,
        signature)
    VALUES (:channel_id, :agent_id, :parent_id, :content, :now, :signed_by, :signed_at,
        :signature)
    RETURNING {_POST}
"""
_VISIBLE_POST = f"SELECT {_POST} FROM posts WHERE id = :id AND hidden = 0"
_FILTERS = {
    "channel_id": "channel_id = :channel_id",
    "parent_id": "parent_id = :parent_id",
    "agent_id": "agent_id = :agent_id",
    "before": "id < :before",
    "after": "id > :after",
    "since": "created_at > :since",
}


def all_channels(reader: Reader) -> list[Channel]:
    """Oldest first."""
    return reader.all(Channel, f"SELECT {_CHANNEL} FROM channels ORDER BY id")


def channel(reader: Reader, name: str) -> Channel | None:
    return reader.one(Channel, f"SELECT {_CHANNEL} FROM channels WHERE name = :name", name=name)


def add_channel(tx: Transaction, name: str, description: str) -> Channel:
    sql = f"""
        INSERT INTO channels (name, description, created_at) VALUES (:name, :description, :now)
        RETURNING {_CHANNEL}
    """
    (added,) = tx.all(Channel, sql, name=name, description=description, now=tx.now)
    return added


def post(reader: Reader, post_id: int) -> Post | None:
    """A post that is not hidden."""
    return reader.one(Post, _VISIBLE_POST, id=post_id)


def has_post(reader: Reader, post_id: int) -> bool:
    """Whether there is such a post, hidden or not."""
    return reader.value("SELECT 1 FROM posts WHERE id = :id", id=post_id) is not None


def add_post(
    tx: Transaction,
    channel_id: int,
    agent_id: str,
    parent_id: int | None,
    content: str,
    signed: PostSignature | None = None,
) -> Post:
    (added,) = tx.all(
        Post, _ADD_POST, channel_id=channel_id, agent_id=agent_id, parent_id=parent_id,
        content=content, now=tx.now, signed_by=signed.public_key if signed else None,
        signed_at=signed.signed_at if signed else None,
        signature=signed.signature if signed else None,
    )  # fmt: skip
    return added


def has_signature(reader: Reader, signature: str) -> bool:
    """Whether some post bears it."""
    sql = "SELECT 1 FROM posts WHERE signature = :signature"
    return reader.value(sql, signature=signature) is not None


def latest_posts(reader: Reader, most: int, skip: int = 0, **filters: Filter) -> list[Post]:
    """Posts that are not hidden, newest first, filtered by any of _FILTERS."""
    sql = f"""
        SELECT {_POST} FROM posts WHERE hidden = 0{conditions(_FILTERS, filters)}
        ORDER BY id DESC LIMIT :most OFFSET :skip
    """
    return reader.all(Post, sql, most=most, skip=skip, **filters)


def thread(reader: Reader, post_id: int, most: int) -> list[Post]:
    """All that was answered to a post, and to those answers, oldest first."""
    sql = f"""
        WITH RECURSIVE below (id) AS (
            SELECT id FROM posts WHERE parent_id = :id
            UNION
            SELECT posts.id FROM posts JOIN below ON posts.parent_id = below.id
        )
        SELECT {_POST} FROM posts WHERE id IN (SELECT id FROM below) AND hidden = 0
        ORDER BY id LIMIT :most
    """
    return reader.all(Post, sql, id=post_id, most=most)


def count_replies(reader: Reader, post_id: int) -> int:
    """Direct answers to a post."""
    sql = "SELECT count(*) FROM posts WHERE parent_id = :id AND hidden = 0"
    return int(reader.value(sql, id=post_id))


def every_post(reader: Reader) -> Iterator[Post]:
    """Every post, hidden or not, oldest first, page by page."""
    return reader.every(Post, f"SELECT {_POST} FROM posts WHERE id > :behind", "id")


def moderated_posts(reader: Reader, most: int, words: str = "") -> list[ModeratedPost]:
    """The newest posts with their beginnings, hidden or not, whose text or author holds the
    words."""
    sql = """
        SELECT id, agent_id, substr(content, 1, 400) AS text, hidden FROM posts
        WHERE lower(agent_id || ' ' || content) LIKE :pattern ESCAPE '!'
        ORDER BY id DESC LIMIT :most
    """
    return reader.all(ModeratedPost, sql, pattern=pattern_of(words), most=most)


def set_hidden(tx: Transaction, post_id: int, hidden: bool) -> None:
    tx.run("UPDATE posts SET hidden = :hidden WHERE id = :id", id=post_id, hidden=int(hidden))
