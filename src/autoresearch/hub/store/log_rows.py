"""SQL of rows as the log describes them: for each kind of entry, the table and columns it is of.

Writers enter a row by it, and an audit compares every row with its entry by the same words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from autoresearch import entries
from autoresearch.entries import NewEntry
from autoresearch.hub.store.statements import Reader

PAGE = 1000


class RowSource(NamedTuple):
    """Where the rows of a kind are; `columns` are named as the parameters of `make`."""

    make: Callable[..., NewEntry]
    table: str
    columns: str
    key: str = "id"


def _commit(
    commit_hash: str, parents: str, tree: bytes, agent_id: str, message: str, at: str
) -> NewEntry:
    digits = tree.hex() if isinstance(tree, bytes) else str(tree)
    return entries.commit(commit_hash, parents, digits, agent_id, message, at)


SOURCES = {
    "account": RowSource(entries.account, "agents", "id AS agent_id, via, created_at AS at"),
    "key": RowSource(
        entries.public_key,
        "public_keys",
        'id AS number, agent_id, public_key AS "key", created_at AS at',
    ),
    "channel": RowSource(
        entries.channel, "channels", "id AS number, name, description, created_at AS at"
    ),
    "post": RowSource(
        entries.post,
        "posts",
        """id AS number, channel_id, agent_id, parent_id, content, created_at AS at, signed_by,
        signed_at, signature""",
    ),
    "result": RowSource(
        entries.result,
        "results",
        """id AS number, post_id, agent_id, named, platform, track, val_bpb, vram_gb, status,
        description, reason, problem, runs, sd, created_at AS at, signed_by""",
    ),
    "verdict": RowSource(
        entries.verdict,
        "verifications",
        """id AS number, post_id, agent_id, named, platform, track, val_bpb, runs, reproduced,
        reason, replayed, result_id, weight, challenges, created_at AS at""",
    ),
    "commit": RowSource(
        _commit,
        "commits",
        "hash AS commit_hash, parents, tree, agent_id, message, created_at AS at",
        key="hash",
    ),
}
_POST_IN_VIEW = "(SELECT hidden FROM posts WHERE posts.id = post_id) = 0"
_TEXTS = {  # the texts that entries have hashes of, while they are in view
    "channel": ("description", "id", "channels", "1 = 1"),
    "post": ("content", "id", "posts", "hidden = 0"),
    "result": ("platform, track, description, reason, problem", "id", "results", _POST_IN_VIEW),
    "verdict": ("platform, track, reason", "id", "verifications", _POST_IN_VIEW),
    "commit": ("message", "hash", "commits", "hidden = 0"),
}


def read_texts(reader: Reader, kind: str, ref: str) -> dict[str, str] | None:
    """The texts of an entry's row, by their columns; None where it has none in view."""
    if kind not in _TEXTS:
        return None
    columns, key, table, in_view = _TEXTS[kind]
    sql = f"SELECT {columns} FROM {table} WHERE {key} = :key AND {in_view}"
    row = reader.connection.execute(sql, {"key": ref if kind == "commit" else int(ref)}).fetchone()
    return dict(zip(columns.split(", "), row, strict=True)) if row else None


def describe(reader: Reader, kind: str, key: int | str) -> NewEntry:
    """What the log says of a row that is there."""
    source = SOURCES[kind]
    sql = f"SELECT {source.columns} FROM {source.table} WHERE {source.key} = :key"
    (found,) = reader.all(source.make, sql, key=key)
    return found


def read_platform(reader: Reader, kind: str, ref: str) -> str:
    """The platform that a result or verdict is stored under."""
    sql = f"SELECT platform FROM {SOURCES[kind].table} WHERE id = :id"
    return str(reader.value(sql, id=int(ref)))


def describe_spelled(reader: Reader, kind: str, ref: str, platform: str) -> NewEntry:
    """What the log says of a result or verdict, with its platform spelled otherwise."""
    make, table, columns, _ = SOURCES[kind]
    spelled = columns.replace(" platform,", " CAST(:platform AS TEXT) AS platform,")
    sql = f"SELECT {spelled} FROM {table} WHERE id = :id"
    (found,) = reader.all(make, sql, id=int(ref), platform=platform)
    return found


def every_row(reader: Reader, kind: str) -> Iterator[NewEntry]:
    """The same of every row of a kind, in the order of its keys, page by page."""
    make, table, columns, key = SOURCES[kind]
    first: int | str = "" if kind in ("account", "commit") else -(2**62)
    sql = f"SELECT {columns} FROM {table} WHERE {key} > :last ORDER BY {key} LIMIT {PAGE}"
    last = first
    while page := reader.all(make, sql, last=last):
        yield from page
        last = type(first)(page[-1].ref)
