"""The endless loop, in code: best commit, edit, commit, run, judge, keep or drop, ledger; as many at once as there are slots.
Survives `kill -9` anywhere.

How: the journal says what is about to be done before it is done. An attempt passes three phases. `editing`: nothing of it
counts; a restart drops it. `measuring`: its commit and every finished run are in the journal; a restart sweeps the processes
of interrupted runs and goes on with the next. `decided`: the record is in the journal; branch and ledger follow, and both
steps change nothing when done a second time. Runs and the agent's edits are futures; everything else happens in this thread,
one step after the other, so that no two verdicts ever race. Leaves to others: what comes next for an attempt (steps), where
runs take place (executors), what a verdict is (judge).
"""

from __future__ import annotations

import threading
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from typing import Any

from autoresearch.errors import BadWorkspace
from autoresearch.researcher.agents.base import Agent, AgentFailed, Edit, NothingLeft
from autoresearch.researcher.curve_files import watch_for
from autoresearch.researcher.display import Display, clock, duration
from autoresearch.researcher.evidence import case_of
from autoresearch.researcher.executors.base import Executor, RunRequest
from autoresearch.researcher.executors.local import LocalExecutor
from autoresearch.researcher.experiment import Runner, Stopped
from autoresearch.researcher.journal import Attempt
from autoresearch.researcher.judging.curves import Watch
from autoresearch.researcher.judging.judge import Finding
from autoresearch.researcher.judging.policies import Policy
from autoresearch.researcher.judging.values import Measurement, Record
from autoresearch.researcher.loop.branch_state import BranchState
from autoresearch.researcher.loop.proposals import Proposal, in_thread, propose
from autoresearch.researcher.loop.steps import (
    NextRun,
    free_number,
    meet_best,
    next_baseline_runs,
    next_step,
    seed_of,
)
from autoresearch.researcher.sandbox import sweep
from autoresearch.researcher.swarm.base import Alone, Foreign, Swarm
from autoresearch.researcher.workspace import OutsideFree, Workspace, short

FAILED_EDITS = 3  # in a row, then the agent is not asked again
REFUSED_CLAIMS = 3  # in a row, then an experiment goes on without a claim
STOPPED = "stopped; the same command goes on from here"


@dataclass(frozen=True)
class Options:
    """What one call of `autoresearch run` asks for. `experiments` None: until stopped. `slot` names the share of the machine
    that a run has; results of different shares are not compared."""

    experiments: int | None = None
    hours: float | None = None
    policy: Policy = "confirm"
    seed: int = 0
    branch: str | None = None
    baseline_runs: int | None = None
    platform: str = ""
    slot: str = ""


@dataclass
class Summary:
    """What one call of `autoresearch run` did."""

    branch: str
    finished: list[Record] = field(default_factory=list)
    ended: str = ""  # why the loop ended, a sentence


@dataclass(frozen=True)
class Going:
    """A run in progress."""

    attempt_id: str
    number: int
    is_recheck: bool


class Loop:
    def __init__(
        self,
        workspace: Workspace,
        agent: Agent,
        runner: Runner,
        options: Options,
        display: Display,
        stop: threading.Event,
        swarm: Swarm | None = None,
        executor: Executor | None = None,
    ) -> None:
        self.workspace = workspace
        self.agent = agent
        self.runner = runner
        self.options = options
        self.display = display
        self.stop = stop
        self.swarm = swarm or Alone()
        self.executor = executor or LocalExecutor(runner)
        self.books = BranchState(workspace, options.branch, options.slot, options.platform)
        self.journal = self.books.journal
        self.runs: dict[Future[Measurement], Going] = {}
        self.edit: tuple[str, Future[Proposal]] | None = (
            None  # the attempt the agent works at, and its answer
        )
        self.failed_edits = self.refused_claims = 0
        self.dry = ""  # why the agent is not asked at present
        display.many = self.executor.slots > 1

    # ---------------------------------------------------------------- the loop

    def run(self) -> Summary:
        """Experiment until stopped, told to end, or out of ideas. The caller holds the workspace's lock."""
        summary = Summary(short(self.books.branch))
        started = clock()
        try:
            self.open()
            self.baseline()
            summary.ended = self.research(summary.finished, started)
        except Stopped:
            summary.ended = STOPPED
        finally:
            self.executor.close()
            self.display.close()
            self.swarm.close()
        return summary

    def research(self, finished: list[Record], started: float) -> str:
        """Experiment until there is a reason to end, and tell it. What is open then is finished, unless the user said stop."""
        while True:
            for attempt in self.idle():
                record = self.go_on(attempt)
                finished += [record] if record else []
            over = self.is_over(len(finished), clock() - started)
            if not over and self.has_room(len(finished)):
                if self.adopt():
                    continue
                self.ask()
            if not self.runs and self.edit is None:
                return over or self.dry
            self.collect()

    def is_over(self, finished: int, seconds: float) -> str:
        """Why no further experiment starts, or the empty string."""
        o = self.options
        if self.stop.is_set():
            return STOPPED
        if o.experiments is not None and finished >= o.experiments:
            return f"{finished} experiments finished"
        if o.hours is not None and seconds >= o.hours * 3600:
            return f"the time is over: {duration(seconds)}"
        return ""

    def has_room(self, finished: int) -> bool:
        """Whether another experiment may begin beside those open. The agent is asked one question at a time."""
        count = len(self.journal.state.attempts)
        wanted = self.options.experiments
        enough = wanted is not None and finished + count >= wanted
        return self.edit is None and not self.dry and not enough and count < self.executor.slots

    def idle(self) -> list[Attempt]:
        """Open attempts that wait for their next step, a verdict that has fallen first."""
        busy = {going.attempt_id for going in self.runs.values()} | (
            {self.edit[0]} if self.edit else set()
        )
        waiting = [attempt for i, attempt in self.journal.state.attempts.items() if i not in busy]
        return sorted(waiting, key=lambda attempt: (attempt.phase != "decided", attempt.id))

    def collect(self) -> None:
        """Wait until a run or an edit is finished, and write down what came of it."""
        waiting: set[Future[Any]] = {*self.runs, *([self.edit[1]] if self.edit else [])}
        done, _ = wait(waiting, return_when=FIRST_COMPLETED)
        for run in [run for run in self.runs if run in done]:
            self.take_run(run)
        if self.edit and self.edit[1] in done:
            self.take_edit()

    # ---------------------------------------------------------------- opening

    def open(self) -> None:
        """Put everything in order: mend the ledger, sweep what a killed runner left, start or find the branch."""
        for sentence in self.workspace.ledger.repair():
            self.display.say(sentence)
        left = self.journal.state.attempts
        for attempt in left.values():
            sweep(attempt.mark)
        self.workspace.sweep_checkouts()
        self.workspace.check_clean()
        self.workspace.check_ready()
        self.swarm.open()
        tip = self.start_branch()
        self.books.join_line(tip)
        for sentence in self.workspace.notices(self.books.branch, tip):
            self.display.say(sentence)
        for attempt in left.values():
            if attempt.phase == "editing":
                self.journal.close(attempt.id)

    def start_branch(self) -> str:
        """The tip of the branch; a new one begins where the swarm says, else at the user's HEAD."""
        if self.workspace.repo.ref(self.books.branch) is not None:
            return self.workspace.start_branch(self.books.branch)
        start = self.swarm.start()
        try:
            return self.workspace.start_branch(self.books.branch, start)
        except OutsideFree as error:
            self.display.say(f"the branch starts at your own commit: {error}")
            return self.workspace.start_branch(self.books.branch)

    # ---------------------------------------------------------------- baseline

    def baseline(self) -> None:
        """Measure the unchanged commit and its noise, unless this branch has it: with all slots busy, as they will be later."""
        if self.books.baseline_record() is not None:
            return
        attempt = next(iter(self.journal.state.attempts.values()), None) or self.begin_baseline()
        slots = self.executor.slots
        wanted = self.options.baseline_runs or max(self.workspace.config.judge.baseline_runs, slots)
        if attempt.phase == "measuring":
            self.display.say(
                f"baseline {attempt.commit[:7]}: {wanted} runs of the unchanged code, to know its value and its noise"
            )
        while attempt.phase == "measuring":
            step = next_baseline_runs(attempt, wanted, slots, self.workspace.config)
            if isinstance(step, Finding):
                attempt = self.books.decide(attempt, step, self.agent.name)
                break
            if self.stop.is_set() and not self.runs:
                raise Stopped
            for _ in range(0 if self.stop.is_set() else step - len(self.runs)):
                number = free_number(attempt, (going.number for going in self.runs.values()))
                self.submit(attempt, NextRun(attempt.commit, f"baseline {number}"))
            self.collect()
            attempt = self.journal.state.attempts[attempt.id]
        self.settle(attempt)

    def begin_baseline(self) -> Attempt:
        base = self.journal.state.lines[self.books.branch].base
        attempt = self.books.begin(base, is_baseline=True)
        return self.journal.attempt(
            attempt.id, phase="measuring", commit=base, description="baseline"
        )

    def take_baseline_run(self, attempt: Attempt, measured: Measurement) -> None:
        if measured.value is None:
            self.journal.close(attempt.id)
            raise BadWorkspace(
                f"the unchanged code does not run, so nothing can be compared with it: {measured.reason} (log: {measured.log})"
            )
        self.runner.keep_warm(measured.log)  # the first run compiles, the others need not
        self.journal.attempt(attempt.id, measurements=(*attempt.measurements, measured))

    # ---------------------------------------------------------------- proposals

    def ask(self) -> None:
        """Have the agent edit, in a thread; what comes of it is read by `take_edit`."""
        attempt = self.books.begin(self.books.best().commit)
        brief = self.books.brief(attempt, self.options.seed)
        self.edit = attempt.id, in_thread(lambda: propose(self.workspace, self.agent, brief))

    def take_edit(self) -> None:
        """The agent is done: its commit becomes an experiment, or the attempt is dropped and it will be asked again."""
        assert self.edit is not None
        (attempt_id, future), self.edit = self.edit, None
        attempt = self.journal.state.attempts[attempt_id]
        try:
            proposal = future.result()
            for sentence in proposal.notices:
                self.display.say(sentence)
            trouble = (
                ""
                if proposal.refused or proposal.commit != attempt.parent
                else "the agent changed nothing"
            )
        except AgentFailed as error:
            trouble = f"the agent's edit came to nothing: {error}"
        except NothingLeft as error:
            self.journal.close(attempt_id)
            self.dry = str(error)
            return
        if trouble:
            self.display.say(trouble)
            self.journal.close(attempt_id)
            self.failed_edits += 1
            if self.failed_edits >= FAILED_EDITS:
                self.dry = f"the agent {self.agent.name} failed {FAILED_EDITS} times in a row"
            return
        self.failed_edits = 0
        if proposal.refused or self.claimed(attempt, proposal.edit.message):
            self.proposed(attempt, proposal)

    def adopt(self) -> bool:
        """Open an experiment whose edit is another agent's commit, where the swarm has one to offer."""
        best = self.books.best()
        foreign = self.swarm.foreign(best)
        if foreign is None:
            return False
        try:
            self.workspace.check_comparable(foreign.commit, best.commit)
        except OutsideFree as error:
            self.display.say(f"{foreign.agent}'s {foreign.commit[:7]} is not tried: {error}")
            return False
        attempt = self.books.begin(best.commit, agent=foreign.agent)
        edit = Edit(adoption(foreign), {"adopted": foreign.commit, "from": foreign.agent})
        self.proposed(attempt, Proposal(edit, foreign.commit))
        return True

    def claimed(self, attempt: Attempt, message: str) -> bool:
        """Lease the idea. Refused, the attempt is dropped; after several refusals in a row it goes on without a lease."""
        refusal = self.swarm.claim(attempt.id, message)
        self.refused_claims = self.refused_claims + 1 if refusal else 0
        if not refusal:
            return True
        if self.refused_claims >= REFUSED_CLAIMS:
            self.display.say(
                f"{refusal}; {REFUSED_CLAIMS} ideas in a row were refused, so this one is tried all the same"
            )
            self.refused_claims = 0
            return True
        self.display.say(f"another idea is asked for: {refusal}")
        self.journal.close(attempt.id)
        return False

    def proposed(self, attempt: Attempt, proposal: Proposal) -> None:
        """The edit is a commit: from here on it will have a verdict, whatever happens."""
        edit, commit = proposal.edit, proposal.commit
        self.workspace.remember(attempt.id, commit)
        subject = edit.message.strip().splitlines()[0] if edit.message.strip() else "(no message)"
        attempt = self.journal.attempt(
            attempt.id,
            phase="measuring",
            commit=commit,
            description=subject,
            proposal=edit.proposal,
        )
        self.display.say(f"experiment {attempt.id}  {commit[:7]}  {subject}")
        if proposal.refused:
            self.books.decide(attempt, Finding("crash", proposal.refused), self.agent.name)

    # ---------------------------------------------------------------- runs and verdicts

    def go_on(self, attempt: Attempt) -> Record | None:
        """The next step of an idle attempt: another run begins, or a verdict falls and is made true (then its record)."""
        if attempt.phase == "decided":
            return self.settle(attempt)
        met = meet_best(attempt, self.books.best())
        if met != attempt:
            attempt = self.journal.attempt(attempt.id, rival=met.rival, rechecks=met.rechecks)
        lines = self.workspace.repo.lines_added(attempt.judged_against, attempt.commit)
        case = case_of(
            attempt, self.books.history(), lines, self.workspace.config, self.options.policy
        )
        step = next_step(attempt, case)
        if isinstance(step, Finding):
            return self.settle(self.books.decide(attempt, step, self.agent.name))
        if self.stop.is_set():
            return None
        if step.why:
            self.display.verdict(attempt.id, "recheck" if step.is_recheck else "repeat", step.why)
        self.submit(attempt, step)
        return None

    def submit(self, attempt: Attempt, step: NextRun) -> None:
        """Begin one run."""
        number = free_number(
            attempt, (g.number for g in self.runs.values() if g.attempt_id == attempt.id)
        )
        seed = seed_of(step, self.options.seed, attempt.id, number)
        folder = self.workspace.private / "runs" / attempt.id / str(number)
        self.display.started((attempt.id, number), f"  {step.title}, seed {seed}", folder / "out")
        watch = None if step.is_recheck else self.watch_over(attempt, seed)
        order = RunRequest(
            step.commit, seed, f"{attempt.mark}-{number}", folder, self.books.timeout_s(), watch
        )
        self.runs[self.executor.submit(order)] = Going(attempt.id, number, step.is_recheck)

    def watch_over(self, attempt: Attempt, seed: int) -> Watch | None:
        rules = self.workspace.config.judge
        if not rules.early_stopping:
            return None
        return watch_for(
            attempt, self.books.history(), self.workspace.folder, rules.early_level, seed
        )

    def take_run(self, run: Future[Measurement]) -> None:
        """Write a finished run into the journal; one that was stopped does not count."""
        going = self.runs.pop(run)
        self.display.finished((going.attempt_id, going.number))
        try:
            measured = run.result()
        except Stopped:
            return
        attempt = self.journal.state.attempts[going.attempt_id]
        if measured.value is not None:
            took = duration(measured.seconds + measured.score_seconds)
            self.display.verdict(attempt.id, "run", f"{measured.value:.6f} in {took}")
        if attempt.is_baseline:
            self.take_baseline_run(attempt, measured)
        elif going.is_recheck:
            self.journal.attempt(attempt.id, rechecks=(*attempt.rechecks, measured))
        else:
            self.journal.attempt(attempt.id, measurements=(*attempt.measurements, measured))

    def settle(self, attempt: Attempt) -> Record:
        """Make a decided attempt true: branch first, ledger second, journal last; each step may be done again."""
        record = attempt.record
        if record is None:
            raise ValueError(f"attempt {attempt.id} is decided and has no record")
        if record.status == "keep" and not record.is_baseline:
            self.workspace.advance(self.books.branch, record.commit, attempt.judged_against)
        self.workspace.ledger.append(record)
        self.swarm.settled(record)
        if record.status == "keep":
            self.runner.keep_warm(record.log)
        self.runner.drop_caches(record.id)
        self.journal.close(attempt.id)
        self.display.verdict(record.id, record.status, record.reason)
        if self.failed_edits < FAILED_EDITS:
            self.dry = ""  # there may be ideas again: something was learned
        return record


def adoption(foreign: Foreign) -> str:
    """How the ledger calls an experiment with another agent's commit. Their words are data: one line, no control characters."""
    words = " ".join("".join(c if c.isprintable() else " " for c in foreign.description).split())
    return f"adopt {foreign.agent}'s {foreign.commit[:7]}: {words}"[:300]
