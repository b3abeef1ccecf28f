"""The endless loop, in code: best commit, edit, commit, run, judge, keep or drop, ledger. Survives `kill -9` anywhere.

How: the journal says what is about to be done before it is done. An attempt passes three phases. `editing`: nothing of it
counts; a restart drops it. `measuring`: its commit and every finished run are in the journal; a restart sweeps the processes
of the interrupted run and goes on with the next. `decided`: the record is in the journal; branch and ledger follow, and both
steps change nothing when done a second time. Leaves to others: what a run is (experiment), what a verdict is (judge).
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from statistics import fmean

from autoresearch.errors import BadWorkspace, Conflict
from autoresearch.models import Status
from autoresearch.researcher import judge
from autoresearch.researcher.agents.base import Agent, AgentFailed, Brief, Edit, NothingLeft
from autoresearch.researcher.display import Display, clock, duration
from autoresearch.researcher.experiment import Measurement, Runner, Stopped, now, printed, read_log
from autoresearch.researcher.journal import Attempt, Journal, Line
from autoresearch.researcher.ledger import Record
from autoresearch.researcher.sandbox import sweep
from autoresearch.researcher.workspace import OutsideFree, Workspace, branch_name, short

FAILED_EDITS = 3  # in a row, then the agent is not asked again
FIRST_TIMEOUT_S = 3600.0  # of the baseline, where the limit is to be measured
TIMEOUT_FACTOR, TIMEOUT_MARGIN_S = 2.0, 60.0


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
    ) -> None:
        self.workspace = workspace
        self.agent = agent
        self.runner = runner
        self.options = options
        self.display = display
        self.stop = stop
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
        tip = self.workspace.start_branch(self.branch)
        self.join_line(tip)
        for sentence in self.workspace.notices(self.branch, tip):
            self.display.say(sentence)
        if attempt is not None and attempt.phase == "editing":
            self.journal.save(attempt=None)

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
        if any(record.is_baseline for record in self.history()):
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

    def measure_baseline(self, attempt: Attempt, runs: int) -> Attempt:
        rules = self.workspace.config.judge
        while True:
            attempt = self.must_attempt()
            good = usable_baseline(attempt.measurements, rules.contended_below)
            if len(good) >= runs or len(attempt.measurements) >= runs + rules.contended_repeats:
                break
            measured = self.measure(attempt, f"baseline {len(attempt.measurements) + 1}", FIRST_TIMEOUT_S)
            if measured.value is None:
                self.journal.save(attempt=None)
                raise BadWorkspace(
                    f"the unchanged code does not run, so nothing can be compared with it: {measured.reason} (log: {measured.log})"
                )
        good = good if len(good) > 1 or runs == 1 else tuple(range(len(attempt.measurements)))
        record = self.record(
            attempt, "keep", "the unchanged code", good, contended=len(good) < len(attempt.measurements)
        )
        return self.journal.attempt(phase="decided", record=record)

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
        """Have the agent edit a fresh checkout of the best commit, and commit that."""
        for _ in range(FAILED_EDITS):
            attempt = self.begin(self.tip())
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
            return self.proposed(attempt, edit, commit, refused)
        raise NothingLeft(f"the agent {self.agent.name} failed {FAILED_EDITS} times in a row")

    def proposed(self, attempt: Attempt, edit: Edit, commit: str, refused: str) -> Attempt:
        """The edit is a commit: from here on it will have a verdict, whatever happens."""
        self.workspace.remember(attempt.id, commit)
        subject = edit.message.strip().splitlines()[0] if edit.message.strip() else "(no message)"
        attempt = self.journal.attempt(phase="measuring", commit=commit, description=subject, proposal=edit.proposal)
        self.display.say(f"experiment {attempt.id}  {commit[:7]}  {subject}")
        if refused:
            attempt = self.journal.attempt(phase="decided", record=self.record(attempt, "crash", refused, ()))
        return attempt

    def measure_and_judge(self, attempt: Attempt) -> Attempt:
        """Run until the evidence decides."""
        while True:
            attempt = self.must_attempt()
            decided = self.judged(attempt)
            if decided is not None:
                return self.journal.attempt(phase="decided", record=decided)
            self.measure(attempt, f"run {len(attempt.measurements) + 1}", self.timeout_s())

    def judged(self, attempt: Attempt) -> Record | None:
        """The record of an attempt whose evidence decides, or None where another run is needed."""
        runs = attempt.measurements
        crashed = next((run for run in runs if run.value is None), None)
        if crashed is not None:
            return self.record(attempt, "crash", crashed.reason, ())
        if not runs:
            return None
        config = self.workspace.config
        base = self.baseline_record()
        pace = judge.pace(
            [run.throughput for run in runs],
            base.throughput,
            config.judge.contended_below,
            config.judge.contended_repeats,
        )
        if pace.repeat:
            self.display.verdict(attempt.id, "repeat", f"{pace.label}: run again rather than judged")
            return None
        history = self.history()
        incumbent = next(r for r in reversed(history) if r.commit == attempt.parent and r.status == "keep")
        values = [run.value for i, run in enumerate(runs) if i in pace.usable and run.value is not None]
        rules = judge.Rules(self.options.policy, config.experiment.direction, config.judge.alpha, config.judge.repeats)
        lines = self.workspace.repo.lines_added(attempt.parent, attempt.commit)
        decision = judge.decide(values, incumbent.values, [r.values for r in history], lines, rules)
        if decision.action == "repeat":
            self.display.verdict(attempt.id, "repeat", decision.reason)
            return None
        reason = "; ".join(part for part in (decision.reason, pace.label, left_behind(runs)) if part)
        status: Status = "keep" if decision.action == "keep" else "discard"
        return self.record(attempt, status, reason, pace.usable, contended=bool(pace.label))

    def settle(self, attempt: Attempt) -> Record:
        """Make a decided attempt true: branch first, ledger second, journal last; each step may be done again."""
        record = attempt.record
        if record is None:
            raise ValueError(f"attempt {attempt.id} is decided and has no record")
        if record.status == "keep" and not record.is_baseline:
            self.workspace.advance(self.branch, record.commit, record.parent)
        self.workspace.ledger.append(record)
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

    def must_attempt(self) -> Attempt:
        if self.journal.state.attempt is None:
            raise ValueError("no experiment is open")
        return self.journal.state.attempt

    def tip(self) -> str:
        tip = self.workspace.repo.ref(self.branch)
        last = next((r.commit for r in reversed(self.history()) if r.status == "keep"), None)
        if tip is None or tip != last:
            raise Conflict(
                f"{short(self.branch)} is at {(tip or 'nothing')[:7]}, but the last experiment kept on it is {(last or 'none')[:7]}; move it back "
                f"(git update-ref {self.branch} {last}), or start another branch with --branch NAME"
            )
        return tip

    def measure(self, attempt: Attempt, title: str, first_timeout_s: float) -> Measurement:
        """One run of the attempt's commit with a seed of its own; in the journal when this returns."""
        number = len(attempt.measurements) + 1
        folder = self.workspace.private / "runs" / attempt.id / str(number)
        timeout_s = self.workspace.config.experiment.timeout_s or first_timeout_s
        seed = run_seed(self.options.seed, attempt.id, number)
        if self.stop.is_set():
            raise Stopped
        with self.display.running(f"  {title}, seed {seed}", folder / "out"):
            measured = self.runner.measure(attempt.commit, seed, attempt.mark, folder, timeout_s)
        self.journal.attempt(measurements=(*attempt.measurements, measured))
        if measured.value is not None:
            self.display.verdict(
                attempt.id, "run", f"{measured.value:.6f} in {duration(measured.seconds + measured.score_seconds)}"
            )
        return measured

    def timeout_s(self) -> float:
        """Twice the slowest baseline run, its start-up and evaluation included, plus a minute (trap C6)."""
        return measured_timeout_s(self.baseline_record().proposal.get("seconds"))

    def baseline_record(self) -> Record:
        return next(record for record in self.history() if record.is_baseline)

    def brief(self, attempt: Attempt) -> Brief:
        history = self.history()
        e = self.workspace.config.experiment
        base = self.baseline_record()
        lines = printed(read_log(self.workspace.folder / base.log)) if base.log else {}
        settings = {name: values[0] for name, values in lines.items() if len(values) == 1}
        number = int(attempt.id)
        return Brief(number, attempt.parent, tuple(e.free), e.metric, e.direction, self.options.seed, history, settings)

    def record(
        self, attempt: Attempt, status: Status, reason: str, usable: Sequence[int], contended: bool = False
    ) -> Record:
        """The attempt as the ledger tells it; only `usable` runs count."""
        config = self.workspace.config
        runs = [run for i, run in enumerate(attempt.measurements) if i in usable]
        values = tuple(run.value for run in runs if run.value is not None)
        every = attempt.measurements
        proposal = dict(attempt.proposal)
        if attempt.is_baseline:
            proposal["seconds"] = max((run.seconds for run in every), default=0.0)
        return Record(
            id=attempt.id,
            commit=attempt.commit,
            parent="" if attempt.is_baseline else attempt.parent,
            status=status,
            description=attempt.description,
            reason=reason,
            metric=config.experiment.metric,
            value=fmean(values) if values else None,
            values=values,
            memory_gb=max((run.memory_gb for run in runs if run.memory_gb is not None), default=None),
            track=config.track,
            platform=self.options.platform,
            branch=short(self.branch),
            agent="" if attempt.is_baseline else self.agent.name,
            seed=every[0].seed if every else None,
            seeds=tuple(run.seed for run in every),
            training_seconds=mean(run.training_seconds for run in runs),
            total_seconds=mean(run.total_seconds for run in runs),
            tokens_M=mean(run.tokens_M for run in runs),
            num_steps=mean(run.num_steps for run in runs),
            throughput=mean(run.throughput for run in runs),
            contended=contended,
            started_at=attempt.started_at,
            finished_at=now(),
            log=every[-1].log if every else "",
            is_baseline=attempt.is_baseline,
            proposal=proposal,
        )


def run_seed(seed: int, attempt_id: str, number: int) -> int:
    """The seed of one run: another for every run, the same again after a crash, and not the agent's to choose (trap B12)."""
    digest = sha256(f"{seed}/{attempt_id}/{number}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % 2**31


def usable_baseline(runs: Sequence[Measurement], below: float) -> tuple[int, ...]:
    """The baseline runs whose throughput is near the fastest one's; all where the command does not tell."""
    paces = [run.throughput for run in runs]
    known = [p for p in paces if p is not None]
    if len(known) < len(paces) or not known:
        return tuple(range(len(runs)))
    return tuple(i for i, p in enumerate(known) if p >= below * max(known))


def measured_timeout_s(slowest_s: object) -> float:
    """The limit of a run, from the slowest baseline run's wall clock."""
    if not isinstance(slowest_s, (int, float)) or slowest_s <= 0:
        return FIRST_TIMEOUT_S
    return TIMEOUT_FACTOR * slowest_s + TIMEOUT_MARGIN_S


def left_behind(runs: Sequence[Measurement]) -> str:
    left = sorted({name for run in runs for name in run.left})
    more = f" and {len(left) - 3} more" if len(left) > 3 else ""
    return f"untracked files left by the run were cleaned away: {', '.join(left[:3])}{more}" if left else ""


def mean(values: Iterable[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return fmean(known) if known else None
