"""The agent's part of the loop: asks it for edits and makes experiments of them, or of commits that
others offer.

One question at a time, in a thread. Leaves to others: the edit itself (proposals, agents), what
becomes of the experiment (loop).
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from autoresearch.researcher.agents.base import AgentFailed, AgentStopped, Edit, NothingLeft
from autoresearch.researcher.agents.mixture import choose_agent
from autoresearch.researcher.display import Display
from autoresearch.researcher.journal import Attempt
from autoresearch.researcher.judging.judge import Finding
from autoresearch.researcher.loop.branch_state import BranchState
from autoresearch.researcher.loop.patience import AskedAgent
from autoresearch.researcher.loop.proposals import Proposal, in_thread, propose
from autoresearch.researcher.swarm.base import Foreign, Swarm
from autoresearch.researcher.workspace import OutsideFree
from autoresearch.untrusted import first_line, to_line

# agents that answer within a second or two and lose little by one score that is not known yet; a
# model or a coding agent is to see the last verdict
AHEAD = frozenset({"catalogue", "cmaes", "joint", "random", "scripted", "search"})
REFUSED_CLAIMS = 3  # in a row, then an experiment goes on without a claim


@dataclass(frozen=True)
class OpenEdit:
    """A question that an agent has not answered yet."""

    attempt_id: str
    asked: AskedAgent
    answer: Future[Proposal]
    began_s: float  # of the monotonic clock


@dataclass(eq=False)
class Editing:
    """`asked`: whom to ask for edits, the first that can be asked; what comes after the first
    stands in for it. `mixed`: the agents share the night instead, by what each brings. `name`: the
    user's word for them. `seed`: the user's, for agents that draw lots."""

    asked: Sequence[AskedAgent]
    state: BranchState
    swarm: Swarm
    display: Display
    seed: int
    name: str
    mixed: bool = False
    open_edit: OpenEdit | None = None
    refused_claims: int = 0
    spent_usd: float = 0.0  # by this call, as far as agents say

    def who_can_edit(self) -> AskedAgent | None:
        """The first agent that can be asked now; of several that share the night, the one whose
        turn it is."""
        ready = [one for one in self.asked if not one.why_not and not one.wait_left_s()]
        if not self.mixed or len(ready) < 2:
            return next(iter(ready), None)
        history = self.state.history()
        direction = self.state.workspace.config.experiment.direction
        chance = random.Random(f"{self.seed}/{self.state.journal.state.next_id}/mixed")
        lost_s = {one.agent.name: one.lost_s for one in ready}
        name = choose_agent(list(lost_s), history, direction, lost_s, chance)
        return next(one for one in ready if one.agent.name == name)

    @property
    def asks_ahead(self) -> bool:
        """Whether all of the agents are asked while the run before is still being scored."""
        return all(one.agent.name in AHEAD for one in self.asked)

    @property
    def why_not(self) -> str:
        """Why no agent will be asked again; empty where one will, now or later."""
        reasons = [one.why_not for one in self.asked]
        return "; ".join(reasons) if all(reasons) else ""

    @property
    def has_given_up(self) -> bool:
        """Whether research ends for the sake of the agent that the user named."""
        if self.mixed:
            return all(one.has_given_up for one in self.asked)
        first = self.asked[0]
        return first.has_given_up or first.wait_left_s() > 0

    def wait_left_s(self) -> float:
        """How long until an agent can be asked; 0 where one can be, or none ever will."""
        waits = [one.wait_left_s() for one in self.asked if not one.why_not]
        return min(waits, default=0.0)

    def ask(self) -> None:
        """Have an agent edit, in a thread; `take_edit` reads what comes of it."""
        asked = self.who_can_edit()
        assert asked is not None
        name = asked.agent.name
        attempt = self.state.begin(
            self.state.best().commit, agent="" if name == self.name else name
        )
        brief = self.state.brief(attempt, self.seed)
        workspace, agent = self.state.workspace, asked.agent
        answer = in_thread(lambda: propose(workspace, agent, brief))
        self.open_edit = OpenEdit(attempt.id, asked, answer, time.monotonic())

    def allow_asking(self) -> None:
        """An experiment was settled: there may be ideas again, for something was learned."""
        for one in self.asked:
            if not one.has_given_up:
                one.why_not = ""

    def take_edit(self) -> None:
        """The agent is done: its commit becomes an experiment, or the attempt is dropped and the
        agent will be asked again."""
        assert self.open_edit is not None
        edit, self.open_edit = self.open_edit, None
        attempt = self.state.journal.state.attempts[edit.attempt_id]
        try:
            proposal = edit.answer.result()
        except AgentStopped:
            self.state.journal.close(attempt.id)
            return
        except AgentFailed as error:
            edit.asked.lost_s += time.monotonic() - edit.began_s
            self.spent_usd += error.cost_usd
            self.display.say(edit.asked.note_failure(error))
            self.state.journal.close(attempt.id)
            return
        except NothingLeft as error:
            self.state.journal.close(attempt.id)
            edit.asked.why_not = str(error)
            return
        self.spent_usd += cost_usd(proposal.edit)
        for sentence in proposal.notices:
            self.display.say(sentence)
        if proposal.refused:
            words = first_line(proposal.edit.message)
            edit.asked.note_failure(AgentFailed(f"{proposal.refused} (it said: {words})"))
        else:
            edit.asked.note_edit()
        if proposal.refused or self.claim_idea(attempt, proposal.edit.message):
            self.open_experiment(attempt, proposal)

    def adopt(self) -> bool:
        """Open an experiment with another agent's commit, where the swarm offers one."""
        best = self.state.best()
        foreign = self.swarm.foreign(best)
        if foreign is None:
            return False
        try:
            self.state.workspace.check_comparable(foreign.commit, best.commit)
        except OutsideFree as error:
            self.display.say(f"{foreign.agent}'s {foreign.commit[:7]} is not tried: {error}")
            return False
        attempt = self.state.begin(best.commit, agent=foreign.agent)
        origin: dict[str, object] = {"adopted": foreign.commit, "from": foreign.agent}
        edit = Edit(describe_adoption(foreign), origin)
        self.open_experiment(attempt, Proposal(edit, foreign.commit))
        return True

    def claim_idea(self, attempt: Attempt, message: str) -> bool:
        """Claim the idea on the hub. Refused, the attempt is dropped; after several refusals in a
        row it goes on without a claim."""
        refusal = self.swarm.claim(attempt.id, message)
        self.refused_claims = self.refused_claims + 1 if refusal else 0
        if not refusal:
            return True
        if self.refused_claims >= REFUSED_CLAIMS:
            self.display.say(
                f"{refusal}; {REFUSED_CLAIMS} ideas in a row were refused, "
                "so this one is tried all the same"
            )
            self.refused_claims = 0
            return True
        self.display.say(f"another idea is asked for: {refusal}")
        self.state.journal.close(attempt.id)
        return False

    def open_experiment(self, attempt: Attempt, proposal: Proposal) -> None:
        """The edit is a commit: from here on it will have a verdict, whatever happens."""
        edit, commit = proposal.edit, proposal.commit
        self.state.workspace.anchor_attempt(attempt.id, commit)
        subject = (edit.message.strip().splitlines() or ["(no message)"])[0]
        attempt = self.state.journal.update(
            attempt.id,
            phase="measuring",
            commit=commit,
            description=subject,
            proposal=edit.proposal,
        )
        self.display.say(f"experiment {attempt.id}  {commit[:7]}  {subject}")
        if proposal.refused:
            self.state.decide(attempt, Finding("crash", proposal.refused), self.name)


def cost_usd(edit: Edit) -> float:
    """What an edit cost; 0 where its agent does not say."""
    cost = edit.proposal.get("cost_usd")
    return float(cost) if isinstance(cost, (int, float)) else 0.0


def describe_adoption(foreign: Foreign) -> str:
    """How the ledger calls an experiment with another agent's commit. Their words are data: one
    line, no control characters."""
    words = to_line(foreign.description)
    return f"adopt {foreign.agent}'s {foreign.commit[:7]}: {words}"[:300]
