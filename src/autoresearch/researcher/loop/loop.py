"""The endless loop: best commit, edit, commit, run, judge, keep or discard, ledger; as many
experiments at once as there are slots. Survives `kill -9` anywhere.

The journal says what is about to be done before it is done. An attempt passes three phases.
`editing`: nothing of it counts; a restart drops it. `measuring`: its commit and each finished run
are in the journal; a restart ends the processes of interrupted runs and goes on with the next run.
`decided`: the record is in the journal; branch and ledger follow, and both steps change nothing
when done a second time. Runs and the agent's edits are futures. Everything else happens in this
thread, one step after the other, so no two verdicts race. Leaves to others: what comes next for an
attempt (steps), runs (runs), edits (editing), verdicts (judging).
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, wait
from dataclasses import dataclass, field, replace

from autoresearch.own_programs import call_program
from autoresearch.researcher.agents.base import Agent
from autoresearch.researcher.agents.mixture import Mixture
from autoresearch.researcher.display import Display, show_duration, show_left
from autoresearch.researcher.evidence import case_of
from autoresearch.researcher.executors.base import Executor
from autoresearch.researcher.executors.local import LocalExecutor
from autoresearch.researcher.experiment import Runner, Stopped
from autoresearch.researcher.journal import Attempt
from autoresearch.researcher.judging.confirm import describe_night, weigh_claims
from autoresearch.researcher.judging.judge import Finding
from autoresearch.researcher.judging.policies import Policy
from autoresearch.researcher.judging.values import Record
from autoresearch.researcher.loop.branch_state import BranchState
from autoresearch.researcher.loop.editing import Editing
from autoresearch.researcher.loop.patience import FIRST_WAIT_S, AskedAgent
from autoresearch.researcher.loop.runs import RunsInProgress
from autoresearch.researcher.loop.steps import NextRun, meet_best, next_baseline_runs, next_step
from autoresearch.researcher.loop.wave_driver import WaveCommits, WaveDriver
from autoresearch.researcher.sandbox import sweep_processes
from autoresearch.researcher.shipped_code import ShippedCode
from autoresearch.researcher.swarm.base import Swarm
from autoresearch.researcher.waves.pool import WaveMode
from autoresearch.researcher.waves.rows import is_row
from autoresearch.researcher.workspace import OutsideFree, Workspace, short_name

POLL_S = 30.0  # between two looks whether an agent can be asked: the clock may jump
STOPPED = "stopped; the same command goes on from here"


@dataclass(frozen=True)
class Options:
    """What one call of `autoresearch run` asks for. `experiments` None: until stopped. `slot` names
    the share of the machine that a run has; results of different shares are not compared."""

    experiments: int | None = None
    hours: float | None = None
    policy: Policy = "confirm"
    seed: int = 0
    branch: str | None = None
    baseline_runs: int | None = None
    platform: str = ""
    slot: str = ""
    max_cost_usd: float | None = None
    fallback: Agent | None = None  # is asked while the agent cannot be
    first_wait_s: float = FIRST_WAIT_S  # for an agent that is not available
    waves: WaveMode = "off"
    wave_commits: WaveCommits = "one"


@dataclass
class Summary:
    """What one call of `autoresearch run` did."""

    branch: str
    finished: list[Record] = field(default_factory=list)
    ended: str = ""  # why the loop ended, a sentence
    gave_up: bool = False  # it ended for the sake of the agent, which failed or was not available
    confirmation: str = (
        ""  # whether the best is confirmed, a sentence; empty where nothing was kept
    )


class Loop:
    def __init__(
        self,
        workspace: Workspace,
        agent: Agent | Mixture,
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
        self.swarm = swarm or Swarm()
        self.executor = executor or LocalExecutor(runner)
        self.state = BranchState(workspace, options.branch, options.slot, options.platform)
        self.journal = self.state.journal
        self.shipped = ShippedCode(workspace.repo)
        self.runs = RunsInProgress(runner, self.executor, self.state, display, options.seed)
        mixed = isinstance(agent, Mixture)
        agents = agent.agents if isinstance(agent, Mixture) else (agent, options.fallback)
        asked = [AskedAgent(one, options.first_wait_s) for one in agents if one]
        seed, name = options.seed, agent.name
        self.editing = Editing(asked, self.state, self.swarm, display, seed, name, mixed)
        waves, commits = options.waves, options.wave_commits
        self.waves = WaveDriver(waves, commits, self.state, self.editing, display, seed, self.swarm)
        display.many = self.executor.slots > 1 or (runner.can_overlap and self.editing.asks_ahead)

    # ---------------------------------------------------------------- the loop

    def run(self) -> Summary:
        """Experiment until stopped, finished, or out of ideas. The caller holds the workspace's
        lock."""
        summary = Summary(short_name(self.state.branch))
        started_s = time.monotonic()
        try:
            self.open()
            self.measure_baseline()
            summary.ended = self.research(summary.finished, started_s)
            summary.gave_up = self.editing.has_given_up and not self.is_done(summary.finished)
            summary.confirmation = self.weigh_best()
        except Stopped:
            summary.ended = STOPPED
        finally:
            self.executor.close()
            self.display.close()
            self.swarm.close()
        return summary

    def research(self, finished: list[Record], started_s: float) -> str:
        """Experiment until there is a reason to end, and return it. What is open then is finished,
        unless the user said stop."""
        began_s = time.monotonic()  # the unchanged code is measured by then
        while True:
            for attempt in self.waiting_attempts():
                if record := self.go_on(attempt):
                    finished.append(record)
                    self.say_left(len(finished), time.monotonic() - began_s, started_s)
            over = self.why_over(len(finished), time.monotonic() - started_s)
            seconds = time.monotonic() - started_s
            if not over and self.has_room(len(finished)):
                if self.open_wave(len(finished), seconds) or (
                    self.can_ask and self.editing.adopt()
                ):
                    continue
                if self.can_ask:
                    self.editing.ask()
            if self.runs or self.editing.open_edit is not None:
                self.collect()
            elif over or self.editing.why_not:
                return over or self.editing.why_not
            elif late := self.wait_for_agent(time.monotonic() - started_s):
                return late

    def say_left(self, done: int, took_s: float, started_s: float) -> None:
        """How long it will go on, as far as that is known."""
        left_s = self.left_s(time.monotonic() - started_s)
        if words := show_left(done, self.options.experiments, took_s, left_s):
            self.display.say(f"  {words}")

    def weigh_best(self) -> str:
        """Whether the best is surely better than the unchanged code, a sentence."""
        best, history = self.state.best(), self.state.history()
        if best.is_baseline:
            return ""
        claims = weigh_claims(history, self.workspace.config.experiment.direction)
        distill = call_program("autoresearch", "distill", self.workspace.folder)
        return describe_night(claims, best.commit, distill)

    def wait_for_agent(self, seconds: float) -> str:
        """Wait a little for an agent that is not available. Why there is no use in it, or the
        empty string. `seconds`: since the start."""
        wait_s, hours = self.editing.wait_left_s(), self.options.hours
        if hours is not None and seconds + wait_s >= hours * 3600:
            words = self.editing.asked[0].last_words
            return f"the agent is not available before the time is over: {words}"
        self.stop.wait(min(wait_s, POLL_S))
        return ""

    def is_done(self, finished: list[Record]) -> bool:
        """Whether the user's stop or number of experiments ended research."""
        return bool(self.why_over(len(finished), 0))

    def why_over(self, finished: int, seconds: float) -> str:
        """Why no further experiment starts, or the empty string."""
        o = self.options
        if self.stop.is_set():
            return STOPPED
        if o.experiments is not None and finished >= o.experiments:
            return f"{finished} experiments finished"
        if o.hours is not None and seconds >= o.hours * 3600:
            return f"the time is over: {show_duration(seconds)}"
        if o.max_cost_usd is not None and self.editing.spent_usd >= o.max_cost_usd:
            return f"the agent cost {self.editing.spent_usd:.2f} dollars, the most it may"
        return ""

    def has_room(self, finished: int) -> bool:
        """Whether another experiment may begin. Beside one that is being scored it may start."""
        count, wanted = len(self.journal.state.attempts), self.options.experiments
        enough = wanted is not None and finished + count >= wanted
        return not enough and count - self.runs.scored < self.executor.slots

    @property
    def can_ask(self) -> bool:
        """Whether an agent can be asked now; one question at a time. One that makes much of every
        verdict is not asked beside a scoring, but after it."""
        is_free = len(self.journal.state.attempts) < self.executor.slots
        if self.editing.open_edit is not None or not (is_free or self.editing.asks_ahead):
            return False
        return self.editing.who_can_edit() is not None

    def open_wave(self, finished: int, seconds: float) -> bool:
        """Open an experiment of a wave, where one is due. `seconds`: since the start."""
        if self.options.waves == "off":
            return False
        progress = self.state.progress(self.left_s(seconds), self.executor.slots)
        wanted = self.options.experiments
        if wanted is not None:
            progress = replace(progress, room=wanted - finished)
        is_last = bool(self.editing.why_not) and not self.editing.has_given_up
        return self.waves.open_next(progress, is_last)

    def left_s(self, seconds: float) -> float:
        """Until the time is over."""
        hours = self.options.hours
        return math.inf if hours is None else max(0.0, hours * 3600 - seconds)

    def waiting_attempts(self) -> list[Attempt]:
        """Open attempts that wait for their next step, decided ones first."""
        busy = self.runs.attempt_ids()
        if self.editing.open_edit:
            busy.add(self.editing.open_edit.attempt_id)
        waiting = [attempt for i, attempt in self.journal.state.attempts.items() if i not in busy]
        return sorted(waiting, key=lambda attempt: (attempt.phase != "decided", attempt.id))

    def collect(self) -> None:
        """Wait until a run or an edit is finished, and write down what came of it; or until a run
        has only its scoring left."""
        edit = self.editing.open_edit
        futures = {*self.runs.changes(), *([edit.answer] if edit else [])}
        done, _ = wait(futures, return_when=FIRST_COMPLETED)
        self.runs.record_finished(done)
        if edit and edit.answer in done:
            self.editing.take_edit()

    # ---------------------------------------------------------------- opening

    def clean_up(self, left: Iterable[Attempt]) -> None:
        """Mend the ledger and end what a killed runner left; refuse a folder with changes."""
        for sentence in self.workspace.ledger.repair():
            self.display.say(sentence)
        for attempt in left:
            sweep_processes(attempt.mark)
        self.workspace.sweep_checkouts()
        self.workspace.check_clean()
        self.workspace.check_ready()

    def open(self) -> None:
        """Put everything in order: mend the ledger, end what a killed runner left running, start or
        find the branch."""
        left = self.journal.state.attempts
        self.clean_up(left.values())
        self.swarm.open()
        tip = self.start_branch()
        self.state.join_line(tip)
        for sentence in self.workspace.notices(self.state.branch, tip):
            self.display.say(sentence)
        for attempt in left.values():
            if attempt.phase == "editing":
                self.journal.close(attempt.id)

    def start_branch(self) -> str:
        """The tip of the branch; a new one begins where the swarm says, else at the user's HEAD."""
        branch = self.state.branch
        if self.workspace.repo.ref(branch) is not None:
            return self.workspace.start_branch(branch)
        start = self.swarm.start()
        try:
            return self.workspace.start_branch(branch, start)
        except OutsideFree as error:
            self.display.say(f"the branch starts at your own commit: {error}")
            return self.workspace.start_branch(branch)

    # ---------------------------------------------------------------- the unchanged code

    def measure_baseline(self) -> None:
        """Measure the unchanged commit and its noise, unless this branch has them: with all slots
        busy, as they will be later."""
        if self.state.baseline_record() is not None:
            return
        attempt = next(iter(self.journal.state.attempts.values()), None) or self.begin_baseline()
        rules = self.workspace.config.judge
        wanted = self.options.baseline_runs or max(rules.baseline_runs, self.executor.slots)
        if attempt.phase == "measuring":
            self.display.say(
                f"baseline {attempt.commit[:7]}: {wanted} runs of the unchanged code, "
                "to know its value and its noise"
            )
        while attempt.phase == "measuring":
            attempt = self.go_on_with_baseline(attempt, wanted)
        self.settle(attempt)

    def begin_baseline(self) -> Attempt:
        base = self.journal.state.lines[self.state.branch].base
        attempt = self.state.begin(base, is_baseline=True)
        return self.journal.update(
            attempt.id, phase="measuring", commit=base, description="baseline"
        )

    def go_on_with_baseline(self, attempt: Attempt, wanted: int) -> Attempt:
        """The verdict, or as many runs as have room, and what the first of them brings."""
        # the first run's cache is there when the next one starts
        at_once = self.executor.slots + (self.runs.scored if attempt.measurements else 0)
        step = next_baseline_runs(attempt, wanted, at_once, self.workspace.config)
        if isinstance(step, Finding):
            return self.state.decide(attempt, step, self.agent.name)
        if self.stop.is_set() and not self.runs:
            raise Stopped
        for _ in range(0 if self.stop.is_set() else step - len(self.runs)):
            number = self.runs.next_number(attempt)
            self.runs.begin(attempt, NextRun(attempt.commit, f"baseline {number}"))
        self.collect()
        return self.journal.state.attempts[attempt.id]

    # ---------------------------------------------------------------- verdicts

    def go_on(self, attempt: Attempt) -> Record | None:
        """The next step of a waiting attempt: another run begins, or its verdict is made true (then
        its record)."""
        if attempt.phase == "decided":
            return self.settle(attempt)
        met = meet_best(attempt, self.state.best())
        if met != attempt:
            attempt = self.journal.update(attempt.id, rival=met.rival, rechecks=met.rechecks)
        lines = self.workspace.repo.lines_added(attempt.judged_against, attempt.commit)
        config, policy = self.workspace.config, self.options.policy
        step = next_step(attempt, case_of(attempt, self.state.history(), lines, config, policy))
        if isinstance(step, Finding):
            return self.settle(self.state.decide(attempt, step, self.agent.name))
        if self.stop.is_set():
            return None
        if step.why:
            self.display.verdict(attempt.id, "recheck" if step.is_recheck else "repeat", step.why)
        self.runs.begin(attempt, step)
        return None

    def settle(self, attempt: Attempt) -> Record:
        """Make a verdict true: branch first, ledger second, journal last; each step may be done
        again."""
        record = attempt.record
        if record is None:
            raise ValueError(f"attempt {attempt.id} is decided and has no record")
        if record.status == "keep" and not record.is_baseline:
            self.workspace.advance(self.state.branch, record.commit, attempt.judged_against)
            if self.shipped.holds(record, self.state.history()):
                self.runner.keep_warm(record.log)
        self.workspace.ledger.append(record)
        if not is_row(record.proposal):
            self.swarm.queue_verdict(record)
        self.runner.drop_caches(record.id)
        self.journal.close(attempt.id)
        self.display.verdict(record.id, record.status, record.reason)
        self.editing.allow_asking()
        return record
