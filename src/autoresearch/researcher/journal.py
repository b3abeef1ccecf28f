"""What the loop is about to do, on disk before it does it: so `kill -9` at any instant loses
nothing.

One small file, replaced as a whole (files). Leaves to others: doing (loop), finished experiments
(ledger).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import msgspec

from autoresearch.errors import BadWorkspace
from autoresearch.files import replace_json
from autoresearch.researcher.judging.values import Measurement, Record

Phase = Literal["editing", "measuring", "decided"]


@dataclass(frozen=True)
class Attempt:
    """An open experiment. editing: nothing of it counts yet. measuring: its commit and each
    finished run stand here. decided: the record stands here; branch and ledger follow it, and both
    steps can be done again without harm."""

    id: str
    parent: str
    mark: str  # on every process of this attempt, for sweeping
    phase: Phase
    started_at: str
    commit: str = ""
    description: str = ""
    proposal: dict[str, object] = field(default_factory=dict)
    measurements: tuple[Measurement, ...] = ()
    rival: str = ""  # the best commit it is judged against, where that is no longer its parent
    # runs of the commit it is judged against that this attempt asked for
    rechecks: tuple[Measurement, ...] = ()
    record: Record | None = None
    is_baseline: bool = False
    agent: str = ""  # whose commit it is, where it is not our own agent's

    @property
    def judged_against(self) -> str:
        return self.rival or self.parent


@dataclass(frozen=True)
class Line:
    """One experiment branch: the commit it started from and what its results were measured with."""

    base: str
    fingerprint: str
    slot: str = ""  # the share of the machine that a run had; empty: all of it


@dataclass(frozen=True)
class State:
    branch: str = ""  # full ref name of the branch that grew last
    next_id: int = 1
    lines: dict[str, Line] = field(default_factory=dict)
    attempts: dict[str, Attempt] = field(default_factory=dict)  # by id: every open experiment
    # of a file written when there could be only one; read, never written
    attempt: Attempt | None = None


class Journal:
    def __init__(self, file: Path) -> None:
        self.file = file
        self.state = self.load()

    def load(self) -> State:
        try:
            state = msgspec.json.decode(self.file.read_bytes(), type=State)
        except FileNotFoundError:
            return State()
        except msgspec.MsgspecError as error:
            raise BadWorkspace(
                f"{self.file} is damaged ({error}); move it away: the ledger and the branch stay, "
                "the open experiments are forgotten"
            ) from error
        if state.attempt is not None:
            return replace(state, attempts={state.attempt.id: state.attempt}, attempt=None)
        return state

    def save(self, **changes: object) -> State:
        """Replace fields of the state; on disk when this returns."""
        self.state = replace(self.state, **changes)  # type: ignore[arg-type]
        replace_json(self.file, self.state)
        return self.state

    def begin(self, attempt: Attempt) -> Attempt:
        """Open an attempt; its id is used up."""
        attempts = {**self.state.attempts, attempt.id: attempt}
        self.save(attempts=attempts, next_id=max(self.state.next_id, int(attempt.id) + 1))
        return attempt

    def update(self, attempt_id: str, **changes: object) -> Attempt:
        """Replace fields of an open attempt."""
        changed = replace(self.state.attempts[attempt_id], **changes)  # type: ignore[arg-type]
        self.save(attempts={**self.state.attempts, attempt_id: changed})
        return changed

    def close(self, attempt_id: str) -> None:
        """Forget an attempt: its record stands in the ledger, or it never came to anything."""
        self.save(
            attempts={i: attempt for i, attempt in self.state.attempts.items() if i != attempt_id}
        )
