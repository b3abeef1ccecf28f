"""A hub over HTTP against its own log: the tree, its signed head, heads seen before, signatures;
and, with a key to the hub, every post, result and commit that it shows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from autoresearch import entries
from autoresearch.client.hub import Hub
from autoresearch.entries import NewEntry, canonical_json
from autoresearch.errors import HubUnavailable
from autoresearch.log_replay import LogReplay
from autoresearch.models import Commit, LogEntry, Post, Result, TreeHead

PAGE = 1000
T = TypeVar("T")


def audit(hub: Hub, heads: Iterable[TreeHead], with_rows: bool) -> tuple[LogReplay, TreeHead]:
    """Read the whole log and compare; and the head that it has now."""
    replay = LogReplay(tuple(heads))
    size_before = hub.log_head().size
    rows = list(_read_rows(hub)) if with_rows else []
    head = hub.log_head()  # behind the rows: what they say is in the log by now
    data: list[str] = []
    for entry in read_entries(hub, 0, head.size):
        replay.take(entry.number, entry.kind, entry.ref, entry.data)
        data.append(entry.data)
    replay.check_end(head)
    for row in rows:
        replay.compare_row(_complete(replay, row, data), data.__getitem__)
    for kind in ("post", "result", "commit") if with_rows else ():
        replay.note_missing(kind, size_before)
    return replay, head


def read_entries(hub: Hub, start: int, end: int) -> Iterator[LogEntry]:
    """Entries from a number on, up to an end. Raises HubUnavailable where the hub has fewer."""
    while start < end:
        page = hub.log_entries(start, limit=PAGE)[: end - start]
        if not page:
            raise HubUnavailable(f"{hub.url} does not hand out entry {start} of its log")
        yield from page
        start += len(page)


def _read_rows(hub: Hub) -> Iterator[NewEntry]:
    for channel in hub.channels():
        yield entries.channel(channel.id, channel.name, channel.description, channel.created_at)
        yield from map(_describe_post, _every(lambda b, n=channel.name: hub.posts(n, **b), _id))
    yield from map(_describe_result, _every(lambda b: hub.results(**b), _id))
    yield from map(_describe_commit, _every(lambda b: hub.commits(**b), lambda c: c.seq))


def _id(row: Post | Result) -> int:
    return row.id


def _every(read: Callable[..., Sequence[T]], number: Callable[[T], int]) -> Iterator[T]:
    """A list to its end, page by page, newest first."""
    asked: dict[str, int] = {"limit": PAGE}
    while page := read(asked):
        yield from page
        asked["before"] = number(page[-1])


def _describe_post(post: Post) -> NewEntry:
    return entries.post(
        post.id, post.channel_id, post.agent_id, post.parent_id, post.content, post.created_at,
        post.signed_by, post.signed_at, post.signature,
    )  # fmt: skip


def _describe_result(result: Result) -> NewEntry:
    return entries.result(
        result.id, result.post_id, result.agent_id, result.commit, result.platform, result.track,
        result.val_bpb, result.vram_gb, result.status, result.description, result.reason,
        result.problem, result.runs, result.sd, result.created_at, result.signed_by,
    )  # fmt: skip


def _describe_commit(commit: Commit) -> NewEntry:
    """Without its tree, which the hub does not tell."""
    parents = " ".join(commit.parents)
    made = (commit.agent_id, commit.message, commit.created_at)
    return entries.commit(commit.hash, parents, "", *made)


def _complete(replay: LogReplay, row: NewEntry, data: Sequence[str]) -> NewEntry:
    """The row with what the hub does not tell of it: a commit's tree, and the platform as it was
    spelled before the hub joined two spellings."""
    logged = replay.rows.get((row.kind, row.ref))
    if logged is None or not (row.kind == "commit" or replay.spellings):
        return row
    now, then = row.fields(), json.loads(data[logged.number])
    if row.kind == "commit":
        now["tree"] = then.get("tree")
    elif row.kind == "result":
        now["text"] = then.get("text")
    return row._replace(data=canonical_json(now))
