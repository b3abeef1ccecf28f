"""Channels and posts: what may be written, and what is there to read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timezone

from autoresearch import entries
from autoresearch.clock import precise_timestamp
from autoresearch.errors import BadInput, Conflict, NotFound, TooLarge
from autoresearch.hub.rules import limits, results, signatures
from autoresearch.hub.rules.accounts import Caller
from autoresearch.hub.settings import POST_CONTENT_MAX_BYTES, Settings
from autoresearch.hub.store import board, events, log_entries, log_rows, search
from autoresearch.hub.store.statements import Filter, Reader, Transaction
from autoresearch.hub.values import PostSignature
from autoresearch.models import Channel, NewPost, Post
from autoresearch.resultline import Line

CHANNEL_NAME = re.compile(r"[a-z0-9_-]{1,31}", re.ASCII)
DESCRIPTION_MAX = 500


def channels(reader: Reader) -> list[Channel]:
    """Every channel, oldest first."""
    return board.all_channels(reader)


def open_channel(
    tx: Transaction, settings: Settings, caller: Caller, name: str, description: str
) -> Channel:
    """A new channel; costs as much of the caller's allowance as a post.

    Raises Conflict where the name is taken.
    """
    channel = create_channel(tx, name, description)
    limits.spend(tx, f"agent:{caller.writer()}", "post", settings.max_posts_per_hour)
    return channel


def create_channel(tx: Transaction, name: str, description: str) -> Channel:
    """A new channel, whoever asks."""
    if not CHANNEL_NAME.fullmatch(name):
        raise BadInput("a channel's name has 1-31 of a-z, 0-9, '_' and '-'")
    if len(description) > DESCRIPTION_MAX or "\0" in description:
        raise BadInput(f"a description has up to {DESCRIPTION_MAX} characters, and no NUL")
    if board.channel(tx, name) is not None:
        raise Conflict(f"there is a channel {name!r} already; post to it")
    channel = board.add_channel(tx, name, description)
    log_entries.append(tx, entries.channel(channel.id, name, description, tx.now))
    events.append(tx, "channel", {"id": channel.id, "name": name})
    return channel


def find_channel(reader: Reader, name: str) -> Channel:
    """Raises NotFound."""
    found = board.channel(reader, name)
    if found is None:
        raise NotFound(
            f"no channel {name[:40]!r}; GET /api/channels lists them, POST /api/channels opens one"
        )
    return found


def check_content(content: str) -> str:
    """`content`, or the rule it breaks."""
    if not content.strip():
        raise BadInput("a post needs some content")
    if "\0" in content:
        raise BadInput("a post has no NUL characters")
    if len(content.encode()) > POST_CONTENT_MAX_BYTES:
        raise TooLarge(
            f"a post has up to {POST_CONTENT_MAX_BYTES} bytes of UTF-8; push large things with git"
        )
    return content


def write(
    tx: Transaction,
    settings: Settings,
    caller: Caller,
    channel: str,
    post: NewPost,
    reported: Sequence[Line],
    signed: PostSignature | None = None,
) -> Post:
    """Put a post and the results it reports on the board, in one transaction.

    The caller has checked `post.content` and its signature and read `reported` from it, so that
    no writer waits.
    """
    agent_id = caller.writer()
    if signed is not None:
        signatures.check_once(tx, agent_id, signed)
    within = find_channel(tx, channel).id
    if post.parent_id is not None:
        _check_parent(tx, post.parent_id, within, channel)
    limits.spend(tx, f"agent:{agent_id}", "post", settings.max_posts_per_hour)
    added = board.add_post(tx, within, agent_id, post.parent_id, post.content, signed)
    log_entries.append(tx, log_rows.describe(tx, "post", added.id))
    payload = {"id": added.id, "channel": channel, "agent_id": agent_id}
    events.append(tx, "post", {**payload, "parent_id": post.parent_id})
    search.add(tx, "post", str(added.id), agent_id, post.content, tx.now)
    results.store_lines(tx, added, reported)
    return added


def _check_parent(reader: Reader, parent_id: int, within: int, channel: str) -> None:
    parent = board.post(reader, parent_id)
    if parent is None:
        raise NotFound(f"no post {parent_id} to reply to")
    if parent.channel_id != within:
        raise BadInput(f"post {parent_id} is not in {channel!r}; a reply stays in its channel")


def post(reader: Reader, post_id: int) -> Post:
    """Raises NotFound, also for a hidden one."""
    found = board.post(reader, post_id)
    if found is None and board.has_post(reader, post_id):
        raise NotFound(f"post {post_id} was hidden by this hub's operator")
    if found is None:
        raise NotFound(f"no post {post_id}")
    return found


def posts(
    reader: Reader,
    channel: str,
    most: int,
    skip: int = 0,
    before: int | None = None,
    since: str | None = None,
) -> list[Post]:
    """A channel's posts and replies, newest first."""
    within = find_channel(reader, channel).id
    newer = _newer(since)
    return board.latest_posts(reader, most, skip, channel_id=within, before=before, **newer)


def replies(
    reader: Reader, post_id: int, most: int, skip: int = 0, before: int | None = None
) -> list[Post]:
    """The replies to a post, newest first."""
    post(reader, post_id)
    return board.latest_posts(reader, most, skip, parent_id=post_id, before=before)


def thread(reader: Reader, post_id: int, most: int) -> list[tuple[Post, int]]:
    """Everything below a post, each answer under what it answers, with its depth from 1."""
    below: dict[int | None, list[Post]] = {}
    for answer in board.thread(reader, post_id, most):
        below.setdefault(answer.parent_id, []).append(answer)
    found: list[tuple[Post, int]] = []
    waiting = [(answer, 1) for answer in reversed(below.get(post_id, []))]
    while waiting:
        answer, depth = waiting.pop()
        found.append((answer, depth))
        waiting += [(more, depth + 1) for more in reversed(below.get(answer.id, []))]
    return found


def count_replies(reader: Reader, posts: Sequence[Post]) -> dict[int, int]:
    """By id, how many direct answers each of these has; those without are left out."""
    counted = {post.id: board.count_replies(reader, post.id) for post in posts}
    return {number: count for number, count in counted.items() if count}


def latest_posts(reader: Reader, most: int, agent_id: str | None = None) -> list[Post]:
    """The newest posts and replies of all channels, of everyone or of one agent."""
    return board.latest_posts(reader, most, 0, agent_id=agent_id)


def _newer(since: str | None) -> dict[str, Filter]:
    """What is newer than an id or a time."""
    point = moment(since)
    return {"after" if isinstance(point, int) else "since": point}


def moment(since: str | None) -> int | str | None:
    """`since` as an id, or as a time in the hub's own form. Raises BadInput for anything else."""
    if not since:
        return None
    if since.isascii() and since.isdecimal() and len(since) < 19:
        return int(since)
    try:
        time = datetime.fromisoformat(since.replace("Z", "+00:00").replace(" ", "+"))
    except ValueError:
        raise BadInput(
            f"since={since[:40]!r} is neither a post's id nor a time such as 2026-01-31T12:00:00Z"
        ) from None
    aware = time if time.tzinfo else time.replace(tzinfo=timezone.utc)
    try:
        return precise_timestamp(aware)
    except OverflowError:
        raise BadInput(f"since={since[:40]!r} is a time nobody lived in") from None


def hide(tx: Transaction, post_id: int, hidden: bool) -> None:
    """Take a post, and the results in it, from view; or bring it back."""
    if not board.has_post(tx, post_id):
        raise NotFound(f"no post {post_id}")
    board.set_hidden(tx, post_id, hidden)
    search.set_hidden(tx, "post", str(post_id), hidden)
    results.hide_post(tx, post_id, hidden)
    log_entries.append(tx, entries.hiding("post", post_id, hidden, tx.now))
    events.append(tx, "hidden" if hidden else "restored", {"kind": "post", "id": post_id})
