"""The agent's part of the loop: asks it for edits and makes experiments of them, or of commits that
others offer.

One question at a time, in a thread. Leaves to others: the edit itself (proposals, agents), what
becomes of the experiment (loop).
"""

from __future__ import annotations

from concurrent.futures import Future

from autoresearch.researcher.agents.base import Agent, AgentFailed, Edit, NothingLeft
from autoresearch.researcher.display import Display
from autoresearch.researcher.journal import Attempt
from autoresearch.researcher.judging.judge import Finding
from autoresearch.researcher.loop.branch_state import BranchState
from autoresearch.researcher.loop.proposals import Proposal, in_thread, propose
from autoresearch.researcher.swarm.base import Foreign, Swarm
from autoresearch.researcher.workspace import OutsideFree
from autoresearch.untrusted import to_line

FAILED_EDITS = 3  # in a row, then the agent is not asked again
REFUSED_CLAIMS = 3  # in a row, then an experiment goes on without a claim


class Editing:
    """`seed`: the user's, for agents that draw lots."""

    def __init__(
        self, agent: Agent, state: BranchState, swarm: Swarm, display: Display, seed: int
    ) -> None:
        self.agent = agent
        self.state = state
        self.swarm = swarm
        self.display = display
        self.seed = seed
        self.open_edit: tuple[str, Future[Proposal]] | None = None  # attempt, and its answer
        self.failed_edits = self.refused_claims = 0
        self.why_not = ""  # why the agent is not asked at present

    def ask(self) -> None:
        """Have the agent edit, in a thread; `take_edit` reads what comes of it."""
        attempt = self.state.begin(self.state.best().commit)
        brief = self.state.brief(attempt, self.seed)
        workspace = self.state.workspace
        self.open_edit = attempt.id, in_thread(lambda: propose(workspace, self.agent, brief))

    def allow_asking(self) -> None:
        """An experiment was settled: there may be ideas again, for something was learned."""
        if self.failed_edits < FAILED_EDITS:
            self.why_not = ""

    def take_edit(self) -> None:
        """The agent is done: its commit becomes an experiment, or the attempt is dropped and the
        agent will be asked again."""
        assert self.open_edit is not None
        (attempt_id, future), self.open_edit = self.open_edit, None
        attempt = self.state.journal.state.attempts[attempt_id]
        try:
            proposal = future.result()
        except AgentFailed as error:
            self.drop_edit(attempt, f"the agent's edit failed: {error}")
            return
        except NothingLeft as error:
            self.state.journal.close(attempt.id)
            self.why_not = str(error)
            return
        for sentence in proposal.notices:
            self.display.say(sentence)
        if not proposal.refused and proposal.commit == attempt.parent:
            self.drop_edit(attempt, "the agent changed nothing")
            return
        self.failed_edits = 0
        if proposal.refused or self.claim_idea(attempt, proposal.edit.message):
            self.open_experiment(attempt, proposal)

    def drop_edit(self, attempt: Attempt, trouble: str) -> None:
        self.display.say(trouble)
        self.state.journal.close(attempt.id)
        self.failed_edits += 1
        if self.failed_edits >= FAILED_EDITS:
            self.why_not = f"the agent {self.agent.name} failed {FAILED_EDITS} times in a row"

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
            self.state.decide(attempt, Finding("crash", proposal.refused), self.agent.name)


def describe_adoption(foreign: Foreign) -> str:
    """How the ledger calls an experiment with another agent's commit. Their words are data: one
    line, no control characters."""
    words = to_line(foreign.description)
    return f"adopt {foreign.agent}'s {foreign.commit[:7]}: {words}"[:300]
