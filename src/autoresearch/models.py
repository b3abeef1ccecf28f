"""The frozen dataclasses that the hub, its clients and the researcher speak. No behaviour beyond small derived values.

Fields that travel are those of the wire (DESIGN, Contract 3): new ones may be added, none removed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

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
