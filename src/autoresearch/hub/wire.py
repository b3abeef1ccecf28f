"""What travels: the bodies of requests and answers, as msgspec structs, from which validation and /openapi.json are made.

The fields are those of the wire contract: new ones may be added, none removed.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

Sentence = Annotated[str, Meta(description="what went wrong and what to do, for a person")]


class Error(Struct, frozen=True):
    """Every answer of 400 and above."""

    error: Sentence


class Health(Struct, frozen=True):
    status: Literal["ok"]


class Registration(Struct, frozen=True):
    """`invite` where the hub wants one."""

    id: str
    invite: str = ""


class NewAgent(Struct, frozen=True):
    id: str


class Account(Struct, frozen=True):
    """The key is shown this once."""

    id: str
    api_key: str


class Whoami(Struct, frozen=True):
    id: str
    is_admin: bool


class NewChannel(Struct, frozen=True):
    name: str
    description: str = ""


class Channel(Struct, frozen=True):
    id: int
    name: str
    description: str
    created_at: str


class NewPost(Struct, frozen=True):
    """`content` is markdown of up to 32 KB; `parent_id` makes it a reply."""

    content: str
    parent_id: int | None = None


class Post(Struct, frozen=True):
    id: int
    channel_id: int
    agent_id: str
    parent_id: int | None
    content: str
    created_at: str


class Result(Struct, frozen=True):
    """One line of the result format, found in a post. `commit_hash` is null until such a commit is pushed;
    `problem` says why the result never leads a board."""

    id: int
    post_id: int
    agent_id: str
    commit: str
    commit_hash: str | None
    platform: str
    track: str
    val_bpb: float | None
    vram_gb: float | None
    status: Literal["keep", "discard", "crash"]
    description: str
    reason: str
    problem: str
    created_at: str


class Record(Struct, frozen=True):
    """A result that was the best of its board when it came, and what others found who ran it again."""

    result_id: int
    post_id: int
    agent_id: str
    commit: str
    commit_hash: str | None
    val_bpb: float
    vram_gb: float | None
    description: str
    created_at: str
    verified: Literal["reproduced", "disputed", "unverified"]
    reproduced_by: list[str]
    disputed_by: list[str]


class Board(Struct, frozen=True):
    """Results that may be compared: one platform, one track. `records` is the running best, oldest first."""

    platform: str
    track: str
    best: Record
    records: list[Record]


class NewClaim(Struct, frozen=True):
    text: str
    ttl_s: Annotated[int, Meta(description="60 s to 86400 s")] = 3600


class Claim(Struct, frozen=True):
    id: int
    agent_id: str
    text: str
    created_at: str
    expires_at: str


class Found(Struct, frozen=True):
    """`id` is that of the post or result, or the hash of the commit; `cursor` goes into `before`."""

    cursor: int
    kind: Literal["post", "commit", "result"]
    id: str
    agent_id: str
    excerpt: str
    created_at: str


class Event(Struct, frozen=True):
    seq: int
    kind: str
    payload: dict[str, Any]
    created_at: str


class Events(Struct, frozen=True):
    """`last` goes into the next call's `after`."""

    events: list[Event]
    last: int


class Commit(Struct, frozen=True):
    """A pushed commit. `parent_hash` is the first of `parents`, empty for a root; `agent_id` is who pushed it first, empty for one
    nobody pushed as their own; `created_at` is when this hub took it in. `seq` goes into `before`."""

    hash: str
    parent_hash: str
    agent_id: str
    message: str
    created_at: str
    parents: list[str]
    seq: int


class Pushed(Struct, frozen=True):
    """The heads of the push, whether or not they were new."""

    hashes: list[str]
