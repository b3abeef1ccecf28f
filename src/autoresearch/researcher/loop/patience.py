"""How long an agent that made no edit is left alone, and when it is asked no more.

Where time heals the failure (a usage limit, a network that is down) the waits grow, or last as long
as the agent said. Any other failure three times in a row ends the asking. Leaves to others: what a
failure is (agents), the waiting itself (loop), which agent is asked (editing).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from autoresearch.clock import time_of_day
from autoresearch.researcher.agents.base import Agent, AgentFailed, AgentUnavailable
from autoresearch.researcher.display import show_duration

FAILED_EDITS = 3  # in a row, then the agent is not asked again
FIRST_WAIT_S, LONGEST_WAIT_S = 60.0, 1800.0
PATIENCE_S = 24 * 3600.0  # of waits that the agent did not ask for, then it is not asked again
BELIEVED = 3  # times in a row that came too early, then the waits grow all the same
MARGIN_S = 2.0  # after a time that was told: clocks differ


@dataclass
class AskedAgent:
    """One agent and how it has done. `why_not`: why it is not asked at present, a sentence."""

    agent: Agent
    first_wait_s: float = FIRST_WAIT_S
    failed: int = 0
    waits: int = 0
    waited_s: float = 0.0
    lost_s: float = 0.0  # with answers that came to nothing
    asked_again_at: float = 0.0  # Unix time: a machine that sleeps meanwhile has waited as well
    last_words: str = field(default="")
    why_not: str = ""

    @property
    def has_given_up(self) -> bool:
        """Whether the agent failed for good; an agent without ideas did not."""
        return self.failed >= FAILED_EDITS or self.waited_s > PATIENCE_S

    def wait_left_s(self) -> float:
        """How long it is not asked yet."""
        return max(0.0, self.asked_again_at - time.time())

    def note_edit(self) -> None:
        """It made a usable edit: whatever was wrong is over."""
        self.failed = self.waits = 0
        self.waited_s = 0.0
        self.last_words = ""

    def note_failure(self, error: AgentFailed) -> str:
        """Count a failure; the sentence for the user."""
        self.last_words = str(error)
        if isinstance(error, AgentUnavailable):
            return self.begin_wait(error.after_s)
        self.failed += 1
        if self.has_given_up:
            self.why_not = (
                f"the agent {self.agent.name} failed {self.failed} times in a row, at last: {error}"
            )
        return f"the agent's edit failed: {error}"

    def begin_wait(self, told_s: float) -> str:
        growing_s = min(self.first_wait_s * 2.0**self.waits, LONGEST_WAIT_S)
        if told_s and self.waits < BELIEVED:
            growing_s = 0.0
        wait_s = max(growing_s, told_s + MARGIN_S if told_s else 0.0)
        self.waits += 1
        self.waited_s += growing_s
        self.asked_again_at = time.time() + wait_s
        if self.has_given_up:
            self.why_not = (
                f"the agent {self.agent.name} was not available for "
                f"{show_duration(self.waited_s)}, at last: {self.last_words}"
            )
        at = time_of_day(self.asked_again_at)
        return (
            f"the agent {self.agent.name} is not available: {self.last_words}; it is asked again "
            f"at {at}, in {show_duration(wait_s)}"
        )
