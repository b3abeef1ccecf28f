"""The endless loop, in code: best commit, edit, commit, run, judge, keep or drop, ledger. Survives `kill -9` anywhere.

How: the journal says what is about to be done before it is done. An attempt passes three phases. `editing`: nothing of it
counts; a restart drops it. `measuring`: its commit and every finished run are in the journal; a restart sweeps the processes
of the interrupted run and goes on with the next. `decided`: the record is in the journal; branch and ledger follow, and both
steps change nothing when done a second time. Leaves to others: what a run is (experiment), what a verdict is (judge).
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field

from autoresearch.errors import BadWorkspace, Conflict
from autoresearch.models import Status
from autoresearch.researcher import judge
from autoresearch.researcher.agents.base import Agent, AgentFailed, Brief, Edit, NothingLeft
from autoresearch.researcher.display import Display, clock, duration
from autoresearch.researcher.evidence import Finding, baseline_finding, measured_timeout_s, record_of, run_seed, weigh
from autoresearch.researcher.experiment import Measurement, Runner, Stopped, now, printed, read_log
from autoresearch.researcher.journal import Attempt, Journal, Line
from autoresearch.researcher.ledger import Record
from autoresearch.researcher.sandbox import sweep
from autoresearch.researcher.swarm.base import Alone, Foreign, Swarm
from autoresearch.researcher.workspace import OutsideFree, Workspace, branch_name, short

FAILED_EDITS = 3  # in a row, then the agent is not asked again
REFUSED_CLAIMS = 3  # in a row, then an experiment goes on without a claim


@dataclass(frozen=True)
class Options:
    """What one call of `autoresearch run` asks for. `experiments` None: until stopped."""

    experiments: int | None = None
    hours: float | None = None
    policy: judge.Policy = "confirm"
    seed: int = 0
    branch: str | None = None
    baseline_runs: int | None = None
    platform: str = ""


@dataclass
class Summary:
    """What one call of `autoresearch run` did."""

    branch: str
    finished: list[Record] = field(default_factory=list)
    ended: str = ""  # why the loop ended, a sentence


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
    ) -> None:
        self.workspace = workspace
        self.agent = agent
        self.runner = runner
        self.options = options
        self.display = display
        self.stop = stop
        self.swarm = swarm or Alone()
        self.refused_claims = 0
        self.journal = Journal(workspace.private / "state.json")
        self.branch = self.choose_branch()

    # ---------------------------------------------------------------- the loop

    def run(self) -> Summary:
        """Experiment until stopped, told to end, or out of ideas. The caller holds the workspace's lock."""
        summary = Summary(short(self.branch))
        started = clock()
        try:
            self.open()
            self.baseline()
            while not (summary.ended or (ended := self.is_over(len(summary.finished), clock() - started))):
                record = self.one_experiment()
                if record is not None:
                    summary.finished.append(record)
            summary.ended = summary.ended or ended
        except Stopped:
            summary.ended = "stopped; the same command goes on from here"
        except NothingLeft as error:
            summary.ended = str(error)
        finally:
            self.swarm.close()
        return summary

    def is_over(self, finished: int, seconds: float) -> str:
        """Why no further experiment starts, or the empty string."""
        o = self.options
        if self.stop.is_set():
            return "stopped; the same command goes on from here"
        if o.experiments is not None and finished >= o.experiments:
            return f"{finished} experiments finished"
        if o.hours is not None and seconds >= o.hours * 3600:
            return f"the time is over: {duration(seconds)}"
        return ""

    def open(self) -> None:
        """Put everything in order: mend the ledger, sweep what a killed runner left, start or find the branch."""
        for sentence in self.workspace.ledger.repair():
            self.display.say(sentence)
        attempt = self.journal.state.attempt
        if attempt is not None:
            sweep(attempt.mark)
        self.workspace.sweep_checkouts()
        self.workspace.check_clean()
        self.workspace.check_ready()
        self.swarm.open()
        tip = self.start_branch()
        self.join_line(tip)
        for sentence in self.workspace.notices(self.branch, tip):
            self.display.say(sentence)
        if attempt is not None and attempt.phase == "editing":
            self.journal.save(attempt=None)

    def start_branch(self) -> str:
        """The tip of the branch; a new one begins where the swarm says, else at the user's HEAD."""
        if self.workspace.repo.ref(self.branch) is not None:
            return self.workspace.start_branch(self.branch)
        start = self.swarm.start()
        try:
            return self.workspace.start_branch(self.branch, start)
        except OutsideFree as error:
            self.display.say(f"the branch starts at your own commit: {error}")
            return self.workspace.start_branch(self.branch)

    def join_line(self, tip: str) -> None:
        """Note where the branch starts; refuse to go on with results that could not be compared."""
        state = self.journal.state
        known = state.lines.get(self.branch)
        fingerprint = self.workspace.config.fingerprint()
        if known is not None and known.fingerprint != fingerprint:
            raise BadWorkspace(
                f"command, metric, score or environment in autoresearch.toml changed since {short(self.branch)} was started, so results could "
                "not be compared; undo that, or start another branch with --branch NAME"
            )
        line = known or Line(base=self.first_commit() or tip, fingerprint=fingerprint)
        self.journal.save(
            branch=self.branch,
            lines={**state.lines, self.branch: line},
            next_id=max(state.next_id, self.highest_id() + 1),
        )

    def choose_branch(self) -> str:
        state = self.journal.state
        if self.options.branch is None and state.branch:
            return state.branch
        branch = branch_name(self.workspace.folder, self.options.branch)
        if state.attempt is not None and state.branch != branch:
            raise Conflict(
                f"an experiment on {short(state.branch)} is not finished; run once without --branch to finish it"
            )
        return branch

    def first_commit(self) -> str | None:
        return next((record.commit for record in self.history() if record.is_baseline), None)

    def highest_id(self) -> int:
        ids = [record.id for record in self.workspace.ledger.records()] + self.workspace.attempt_ids()
        return max((int(i) for i in ids if i.isdecimal()), default=0)

    def history(self) -> list[Record]:
        """This branch's records, oldest first."""
        return [r for r in self.workspace.ledger.records() if r.branch == short(self.branch)]

    # ---------------------------------------------------------------- baseline

    def baseline(self) -> None:
        """Measure the unchanged commit and its noise, unless this branch has it."""
        if self.baseline_record() is not None:
            return
        attempt = self.journal.state.attempt
        if attempt is None:
            tip = self.journal.state.lines[self.branch].base
            attempt = self.begin(tip, is_baseline=True)
            attempt = self.journal.attempt(phase="measuring", commit=tip, description="baseline")
        runs = self.options.baseline_runs or self.workspace.config.judge.baseline_runs
        if attempt.phase == "measuring":
            self.display.say(
                f"baseline {attempt.commit[:7]}: {runs} runs of the unchanged code, to know its value and its noise"
            )
            attempt = self.measure_baseline(attempt, runs)
        self.settle(attempt)

    def measure_baseline(self, attempt: Attempt, wanted: int) -> Attempt:
        rules = self.workspace.config.judge
        while True:
            finding = baseline_finding(attempt.measurements, wanted, rules.contended_below, rules.contended_repeats)
            if finding.action == "keep":
                return self.journal.attempt(phase="decided", record=self.record(attempt, "keep", finding))
            measured = self.measure(attempt, attempt.commit, f"baseline {len(attempt.measurements) + 1}")
            if measured.value is None:
                self.journal.save(attempt=None)
                raise BadWorkspace(
                    f"the unchanged code does not run, so nothing can be compared with it: {measured.reason} (log: {measured.log})"
                )
            self.runner.keep_warm(measured.log)  # the first run compiles, the others need not
            attempt = self.journal.attempt(measurements=(*attempt.measurements, measured))

    # ---------------------------------------------------------------- one experiment

    def one_experiment(self) -> Record | None:
        """Begin an experiment or go on with the open one; None where the agent's edit came to nothing."""
        attempt = self.journal.state.attempt or self.propose()
        if attempt is None:
            return None
        if attempt.phase == "measuring":
            attempt = self.measure_and_judge(attempt)
        return self.settle(attempt)

    def propose(self) -> Attempt | None:
        """Another agent's commit worth trying, or what our agent makes of a fresh checkout of the best commit."""
        adopted = self.adopt()
        if adopted is not None:
            return adopted
        for _ in range(FAILED_EDITS):
            attempt = self.begin(self.best().commit)
            with self.workspace.fresh(attempt.parent) as checkout:
                try:
                    edit = self.agent.edit(checkout.path, self.brief(attempt))
                    commit = self.workspace.commit(checkout, edit.message)
                    refused = ""
                except OutsideFree as error:
                    commit, refused = self.workspace.commit_evidence(checkout, edit.message), str(error)
                except AgentFailed as error:
                    self.display.say(f"the agent's edit came to nothing: {error}")
                    self.journal.save(attempt=None)
                    continue
                except NothingLeft:
                    self.journal.save(attempt=None)
                    raise
            if commit == attempt.parent and not refused:
                self.display.say("the agent changed nothing")
                self.journal.save(attempt=None)
                continue
            if not refused and not self.claimed(attempt, edit.message):
                return None
            return self.proposed(attempt, edit, commit, refused)
        raise NothingLeft(f"the agent {self.agent.name} failed {FAILED_EDITS} times in a row")

    def adopt(self) -> Attempt | None:
        """Open an experiment whose edit is another agent's commit, where the swarm has one to offer."""
        best = self.best()
        foreign = self.swarm.foreign(best)
        if foreign is None:
            return None
        try:
            self.workspace.check_comparable(foreign.commit, best.commit)
        except OutsideFree as error:
            self.display.say(f"{foreign.agent}'s {foreign.commit[:7]} is not tried: {error}")
            return None
        attempt = self.begin(best.commit)
        attempt = self.journal.attempt(agent=foreign.agent)
        edit = Edit(adoption(foreign), {"adopted": foreign.commit, "from": foreign.agent})
        return self.proposed(attempt, edit, foreign.commit, "")

    def claimed(self, attempt: Attempt, message: str) -> bool:
        """Lease the idea. Refused, the attempt is dropped; after several refusals in a row it goes on without a lease."""
        refusal = self.swarm.claim(attempt.id, message)
        if not refusal:
            self.refused_claims = 0
            return True
        self.refused_claims += 1
        if self.refused_claims >= REFUSED_CLAIMS:
            self.display.say(
                f"{refusal}; {REFUSED_CLAIMS} ideas in a row were refused, so this one is tried all the same"
            )
            self.refused_claims = 0
            return True
        self.display.say(f"another idea is asked for: {refusal}")
        self.journal.save(attempt=None)
        return False

    def proposed(self, attempt: Attempt, edit: Edit, commit: str, refused: str) -> Attempt:
        """The edit is a commit: from here on it will have a verdict, whatever happens."""
        self.workspace.remember(attempt.id, commit)
        subject = edit.message.strip().splitlines()[0] if edit.message.strip() else "(no message)"
        attempt = self.journal.attempt(phase="measuring", commit=commit, description=subject, proposal=edit.proposal)
        self.display.say(f"experiment {attempt.id}  {commit[:7]}  {subject}")
        if refused:
            attempt = self.journal.attempt(
                phase="decided", record=self.record(attempt, "crash", Finding("crash", refused))
            )
        return attempt

    def measure_and_judge(self, attempt: Attempt) -> Attempt:
        """Run until the evidence decides; every finished run is in the journal before the next begins."""
        lines = self.workspace.repo.lines_added(attempt.parent, attempt.commit)
        while True:
            history = self.history()
            finding = weigh(attempt, history, lines, self.workspace.config, self.options.policy)
            if finding.action in ("repeat", "recheck") and finding.reason:
                self.display.verdict(attempt.id, finding.action, finding.reason)
            if finding.action == "repeat":
                run = self.measure(attempt, attempt.commit, f"run {len(attempt.measurements) + 1}")
                attempt = self.journal.attempt(measurements=(*attempt.measurements, run))
            elif finding.action == "recheck":
                run = self.measure(attempt, attempt.parent, f"parent {attempt.parent[:7]} again")
                attempt = self.journal.attempt(rechecks=(*attempt.rechecks, run))
            else:
                return self.journal.attempt(phase="decided", record=self.record(attempt, finding.action, finding))

    def settle(self, attempt: Attempt) -> Record:
        """Make a decided attempt true: branch first, ledger second, journal last; each step may be done again."""
        record = attempt.record
        if record is None:
            raise ValueError(f"attempt {attempt.id} is decided and has no record")
        if record.status == "keep" and not record.is_baseline:
            self.workspace.advance(self.branch, record.commit, attempt.judged_against)
        self.workspace.ledger.append(record)
        self.swarm.settled(record)
        if record.status == "keep":
            self.runner.keep_warm(record.log)
        self.runner.drop_caches(record.id)
        self.journal.save(attempt=None)
        self.display.verdict(record.id, record.status, record.reason)
        return record

    # ---------------------------------------------------------------- parts

    def begin(self, parent: str, is_baseline: bool = False) -> Attempt:
        """Open an attempt in the journal; its mark is on disk before any process carries it."""
        number = self.journal.state.next_id
        attempt = Attempt(f"{number:04d}", parent, secrets.token_hex(16), "editing", now(), is_baseline=is_baseline)
        self.journal.save(attempt=attempt, next_id=number + 1)
        return attempt

    def best(self) -> Record:
        """The last experiment kept; Conflict where the branch is not at its commit."""
        tip = self.workspace.repo.ref(self.branch)
        last = next(r for r in reversed(self.history()) if r.status == "keep")
        if tip != last.commit:
            raise Conflict(
                f"{short(self.branch)} is at {(tip or 'nothing')[:7]}, but the last experiment kept on it is {last.commit[:7]}; move it back "
                f"(git update-ref {self.branch} {last.commit}), or start another branch with --branch NAME"
            )
        return last

    def measure(self, attempt: Attempt, commit: str, title: str) -> Measurement:
        """One run of a commit with a seed of its own. Raises Stopped."""
        number = len(attempt.measurements) + len(attempt.rechecks) + 1
        folder = self.workspace.private / "runs" / attempt.id / str(number)
        seed = run_seed(self.options.seed, attempt.id, number)
        if self.stop.is_set():
            raise Stopped
        with self.display.running(f"  {title}, seed {seed}", folder / "out"):
            measured = self.runner.measure(commit, seed, attempt.mark, folder, self.timeout_s())
        if measured.value is not None:
            self.display.verdict(
                attempt.id, "run", f"{measured.value:.6f} in {duration(measured.seconds + measured.score_seconds)}"
            )
        return measured

    def timeout_s(self) -> float:
        """The stated limit, or the measured one."""
        base = self.baseline_record()
        return self.workspace.config.experiment.timeout_s or measured_timeout_s(base.slowest_seconds if base else None)

    def baseline_record(self) -> Record | None:
        return next((record for record in self.history() if record.is_baseline), None)

    def brief(self, attempt: Attempt) -> Brief:
        history = self.history()
        e = self.workspace.config.experiment
        base = self.baseline_record()
        lines = printed(read_log(self.workspace.folder / base.log)) if base and base.log else {}
        settings = {name: values[0] for name, values in lines.items() if len(values) == 1}
        return Brief(
            int(attempt.id), attempt.parent, tuple(e.free), e.metric, e.direction, self.options.seed, history, settings
        )

    def record(self, attempt: Attempt, status: Status, finding: Finding) -> Record:
        return record_of(
            attempt,
            status,
            finding,
            self.history(),
            self.workspace.config,
            short(self.branch),
            attempt.agent or self.agent.name,
            self.options.platform,
        )


def adoption(foreign: Foreign) -> str:
    """How the ledger calls an experiment with another agent's commit. Their words are data: one line, no control characters."""
    words = " ".join("".join(c if c.isprintable() else " " for c in foreign.description).split())
    return f"adopt {foreign.agent}'s {foreign.commit[:7]}: {words}"[:300]
