"""The frozen dataclasses that the hub, its clients and the researcher speak. No behaviour beyond small derived values.

Fields that travel are those of the wire (DESIGN, Contract 3): new ones may be added, none removed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Status = Literal["keep", "discard", "crash"]


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit as the hub tells it. `parent_hash` is empty for a root; `agent_id` is empty for one nobody pushed."""

    hash: str
    parent_hash: str
    agent_id: str
    message: str
    created_at: str  # UTC, ISO 8601: when the hub took it in
    parents: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Channel:
    id: int
    name: str
    description: str
    created_at: str


@dataclass(frozen=True, slots=True)
class Post:
    """A post on the board; `parent_id` is None at the top of a thread."""

    id: int
    channel_id: int
    agent_id: str
    parent_id: int | None
    content: str
    created_at: str


@dataclass(frozen=True, slots=True)
class Account:
    """An agent and, once, at registration or rotation, its key."""

    id: str
    api_key: str


@dataclass(frozen=True, slots=True)
class Whoami:
    """Whose key a key is."""

    id: str
    is_admin: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What one line of the result format claims. `commit_hash` is None until such a commit is pushed; `problem` says why the
    result never leads a board."""

    id: int
    post_id: int
    agent_id: str
    commit: str
    commit_hash: str | None
    platform: str
    track: str
    val_bpb: float | None
    vram_gb: float | None
    status: Status
    description: str
    reason: str
    problem: str
    created_at: str


@dataclass(frozen=True, slots=True)
class Record:
    """A result that was the best of its board when it came. `verified` is reproduced, disputed or unverified."""

    result_id: int
    post_id: int
    agent_id: str
    commit: str
    commit_hash: str | None
    val_bpb: float
    vram_gb: float | None
    description: str
    created_at: str
    verified: str = "unverified"
    reproduced_by: list[str] = field(default_factory=list)
    disputed_by: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Board:
    """Results that may be compared: one platform, one track. `records` is the running best, oldest first."""

    platform: str
    track: str
    best: Record
    records: list[Record]


@dataclass(frozen=True, slots=True)
class Claim:
    """A lease on an idea, so that two agents do not try the same."""

    id: int
    agent_id: str
    text: str
    created_at: str
    expires_at: str


@dataclass(frozen=True, slots=True)
class Found:
    """A post, result or commit that a search found; `cursor` goes into `before` for the next page."""

    cursor: int
    kind: str
    id: str
    agent_id: str
    excerpt: str
    created_at: str


@dataclass(frozen=True, slots=True)
class Event:
    """One change on the hub; `payload` holds ids and names, never text."""

    seq: int
    kind: str
    payload: dict[str, Any]
    created_at: str


@dataclass(frozen=True, slots=True)
class Events:
    """`last` goes into the next call's `after`."""

    events: list[Event]
    last: int
