"""What the loop asks of the others and tells them, and the answers where there is no hub.

No method raises for a hub that does not answer: research goes on with what is known. Leaves to
others: the wire (client), what is judged (judge), doing experiments (loop).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autoresearch.models import Cell
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


@dataclass(frozen=True)
class SharedCell:
    """A run of a wave that a volunteer may do."""

    commit: str
    seed: int


class Swarm:
    """Nothing to read, nobody to tell; `HubSwarm` answers otherwise. The loop holds one and calls
    it from one thread; only `notes` is called from an agent's thread as well. With `shares_cells`
    volunteers may run cells of waves; the three methods of cells never wait for anybody."""

    shares_cells = False

    def open(self) -> None:
        """Once, when the loop starts: join or come back, read what is new, send what waits."""

    def start(self) -> str | None:
        """Where a new branch should begin: a full hash that is in the repository, or None for the
        user's HEAD."""
        return None

    def foreign(self, best: Record) -> Foreign | None:
        """Before a proposal: a commit of others worth trying on this machine instead of an edit of
        our own, or None. The loop measures it like any candidate. Each commit is offered once."""
        return None

    def notes(self) -> Sequence[Note]:
        """What others wrote, for the agent's brief: quoted as data by the prompt."""
        return ()

    def claim(self, attempt_id: str, idea: str) -> str:
        """Lease an idea before it is run; why not (another's claim or result), or the empty
        string."""
        return ""

    def queue_verdict(self, record: Record) -> None:
        """A verdict fell. On disk in the outbox when this returns; telling the same record again
        tells nobody twice."""

    def ask_for_cells(self, cells: Sequence[SharedCell]) -> None:
        """Let volunteers run these, the first ones first, until each is withdrawn."""

    def find_cell(self, cell: SharedCell) -> Cell | None:
        """How it stands with a cell, as far as that is known here."""
        return None

    def withdraw_cell(self, cell: SharedCell) -> None:
        """The cell is run here, or done: nobody else need begin it."""

    def close(self) -> None:
        """The loop ends: a last, short try to send what waits."""
