"""What the loop asks of the others and tells them; `Alone` is the answer where there is no hub.

No method raises for a hub that does not answer: research goes on with what is known. Leaves to
others: the wire (client), what is judged (judge), doing experiments (loop).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from autoresearch.researcher.agents.prompt import Note
from autoresearch.researcher.judging.values import Record


@dataclass(frozen=True)
class Foreign:
    """Another agent's commit, fetched and found to differ from ours in free files only, that
    claims to be better than our best."""

    commit: str  # full hash, in the repository
    agent: str
    description: str  # untrusted, one line
    claimed: float | None = None


class Swarm(Protocol):
    """The loop holds one and calls it from one thread; only `notes` is called from an agent's
    thread as well."""

    def open(self) -> None:
        """Once, when the loop starts: join or come back, read what is new, send what waits."""
        ...

    def start(self) -> str | None:
        """Where a new branch should begin: a full hash that is in the repository, or None for the
        user's HEAD."""
        ...

    def foreign(self, best: Record) -> Foreign | None:
        """Before a proposal: a commit of others worth trying on this machine instead of an edit of
        our own, or None. The loop measures it like any candidate. Each commit is offered once."""
        ...

    def notes(self) -> Sequence[Note]:
        """What others wrote, for the agent's brief: quoted as data by the prompt."""
        ...

    def claim(self, attempt_id: str, idea: str) -> str:
        """Lease an idea before it is run; why not (another's claim or result), or the empty
        string."""
        ...

    def queue_verdict(self, record: Record) -> None:
        """A verdict fell. On disk in the outbox when this returns; telling the same record again
        tells nobody twice."""
        ...

    def close(self) -> None:
        """The loop ends: a last, short try to send what waits."""
        ...


class Alone:
    """No hub: nothing to read, nobody to tell."""

    def open(self) -> None:
        return

    def start(self) -> str | None:
        return None

    def foreign(self, best: Record) -> Foreign | None:
        return None

    def notes(self) -> Sequence[Note]:
        return ()

    def claim(self, attempt_id: str, idea: str) -> str:
        return ""

    def queue_verdict(self, record: Record) -> None:
        return

    def close(self) -> None:
        return
