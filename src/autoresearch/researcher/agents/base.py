"""What an agent is: one method that edits files in a checkout and says what it did. Everything
else is the loop's.

An agent never commits, runs, judges or remembers: the loop does, so that research goes on however
little patience an agent has. A new kind is one class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from autoresearch.errors import AutoresearchError
from autoresearch.researcher.judging.values import Record


class AgentFailed(AutoresearchError):
    """This edit came to nothing; the next may not. The loop stops after several in a row.
    `cost_usd`: what it cost all the same, as far as the agent says."""

    cost_usd: float = 0.0


class AgentUnavailable(AgentFailed):
    """Time heals it: a usage limit, a server or a network that is down. `after_s`: when the agent
    said that it may be asked again; 0 where it said nothing."""

    def __init__(self, message: str, after_s: float = 0) -> None:
        super().__init__(message)
        self.after_s = after_s


class AgentStopped(AgentFailed):
    """The user said stop while the agent worked; nothing is wrong with it."""


class NothingLeft(AutoresearchError):
    """The agent has no idea left that it did not try; the loop ends."""


@dataclass(frozen=True)
class Pending:
    """An experiment that is being run at this moment, so has no verdict yet."""

    parent: str
    description: str
    proposal: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Brief:
    """What an agent is told. `history` is this branch's ledger, oldest first; `pending` is
    what other slots are trying now."""

    number: int
    parent: str
    free: tuple[str, ...]
    metric: str
    direction: str
    seed: int
    history: Sequence[Record] = ()
    pending: Sequence[Pending] = ()


@dataclass(frozen=True)
class Edit:
    """What was done: a commit message (subject first), and what the agent wants to find again in
    `Record.proposal`. `unused`: the failure that it was where no file changed after all."""

    message: str
    proposal: dict[str, object] = field(default_factory=dict)
    unused: AgentFailed | None = None


class Agent(Protocol):
    @property
    def name(self) -> str:
        """The word of `--agent`; stands in the ledger."""
        ...

    def edit(self, worktree: Path, brief: Brief) -> Edit:
        """Change free files below `worktree`. Raises AgentFailed or NothingLeft."""
        ...
