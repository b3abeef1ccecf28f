"""One branch of research: its ledger and its journal, read together and kept in step.

Answers what the loop asks (the best, the history, the time limit of a run), refuses results that
could not be compared, and writes an attempt's beginning and verdict into the journal. Leaves to
others: when any of it happens (loop), the files themselves (ledger, journal, workspace).
"""

from __future__ import annotations

import secrets

from autoresearch.clock import timestamp
from autoresearch.errors import BadWorkspace, Conflict
from autoresearch.researcher.agents.base import Brief, Pending
from autoresearch.researcher.agents.mixture import seconds_of
from autoresearch.researcher.evidence import record_of
from autoresearch.researcher.journal import Attempt, Journal, Line
from autoresearch.researcher.judging.judge import Finding
from autoresearch.researcher.judging.values import Record
from autoresearch.researcher.measurement import measured_timeout_s
from autoresearch.researcher.waves.pool import Progress
from autoresearch.researcher.workspace import Workspace, branch_name, short_name


class BranchState:
    """`branch`: the name asked for, None for the one used last. `slot`: the share of the machine
    that a run has, empty for all of it."""

    def __init__(self, workspace: Workspace, branch: str | None, slot: str, platform: str) -> None:
        self.workspace = workspace
        self.slot = slot
        self.platform = platform
        self.journal = Journal(workspace.private / "state.json")
        self.branch = self.choose_branch(branch)

    # ---------------------------------------------------------------- the branch

    def join_line(self, tip: str) -> None:
        """Note where the branch starts; refuse to go on with results that could not be compared."""
        state = self.journal.state
        known = state.lines.get(self.branch)
        fingerprint, slot = self.workspace.config.fingerprint(), self.slot
        if known is not None and known.fingerprint != fingerprint:
            raise BadWorkspace(
                "command, metric, score or environment in autoresearch.toml changed since "
                f"{short_name(self.branch)} was started, so results could not be compared; "
                "undo that, or start another branch with --branch NAME"
            )
        if known is not None and known.slot != slot and self.has_results():
            whole = "the whole machine"
            raise BadWorkspace(
                f"{short_name(self.branch)} was measured with {known.slot or whole} a "
                "run and this call "
                f"gives {slot or whole}, so results could not be compared; use the --jobs it was "
                "started with, or start another branch with --branch NAME"
            )
        base = known.base if known else self.first_commit() or tip
        self.journal.save(
            branch=self.branch,
            lines={**state.lines, self.branch: Line(base, fingerprint, slot)},
            next_id=max(state.next_id, self.highest_id() + 1),
        )

    def choose_branch(self, wanted: str | None) -> str:
        state = self.journal.state
        if wanted is None and state.branch:
            return state.branch
        branch = self.free_name(branch_name(self.workspace.folder, wanted), wanted)
        if state.attempts and state.branch != branch:
            raise Conflict(
                f"an experiment on {short_name(state.branch)} is not finished; "
                "run once without --branch to finish it"
            )
        return branch

    def free_name(self, branch: str, wanted: str | None) -> str:
        """The branch's name; another where the user has a branch that git cannot put it beside:
        `autoresearch/x` is a file in a folder, and `autoresearch` a file of that name."""
        parts = branch.split("/")
        above = ["/".join(parts[:count]) for count in range(3, len(parts))]
        taken = next((name for name in above if self.workspace.repo.ref(name)), None)
        if taken is None:
            return branch
        if wanted is None:
            return branch.replace("/autoresearch/", "/autoresearch-", 1)
        raise Conflict(
            f"git cannot have {short_name(branch)} beside your branch {short_name(taken)}; name "
            "another one with --branch"
        )

    # ---------------------------------------------------------------- what it has

    def first_commit(self) -> str | None:
        return next((record.commit for record in self.history() if record.is_baseline), None)

    def highest_id(self) -> int:
        records = self.workspace.ledger.records()
        ids = [*(record.id for record in records), *self.workspace.attempt_ids()]
        return max((int(i) for i in ids if i.isdecimal()), default=0)

    def has_results(self) -> bool:
        return bool(self.history()) or any(
            a.measurements for a in self.journal.state.attempts.values()
        )

    def history(self) -> list[Record]:
        """This branch's records, oldest first."""
        return [r for r in self.workspace.ledger.records() if r.branch == short_name(self.branch)]

    def best(self) -> Record:
        """The last experiment kept; Conflict where the branch is not at its commit."""
        tip = self.workspace.repo.ref(self.branch)
        last = next(r for r in reversed(self.history()) if r.status == "keep")
        if tip != last.commit:
            raise Conflict(
                f"{short_name(self.branch)} is at {(tip or 'nothing')[:7]}, but the "
                "last experiment kept "
                f"on it is {last.commit[:7]}; move it back (git update-ref {self.branch} "
                f"{last.commit}), or start another branch with --branch NAME"
            )
        return last

    def timeout_s(self) -> float:
        """The stated limit, or the measured one."""
        base = self.baseline_record()
        stated_s = self.workspace.config.experiment.timeout_s
        return stated_s or measured_timeout_s(base.slowest_seconds if base else None)

    def baseline_record(self) -> Record | None:
        return next((record for record in self.history() if record.is_baseline), None)

    def progress(self, left_s: float, slots: int) -> Progress:
        """How the night goes, in runs of the unchanged code. `left_s`: until it is over."""
        base, best, history = self.baseline_record(), self.best(), self.history()
        assert base is not None and base.value is not None
        run_s = max(1.0, (base.slowest_seconds or 0.0) + (base.score_seconds or 0.0))
        value = base.value if best.estimate is None else best.estimate
        is_min = self.workspace.config.experiment.direction == "min"
        gained = base.value - value if is_min else value - base.value
        spent_s = sum(seconds_of(record) for record in history)
        return Progress(gained, spent_s / run_s, left_s * slots / run_s)

    def brief(self, attempt: Attempt, seed: int) -> Brief:
        history = self.history()
        e = self.workspace.config.experiment
        others = [a for i, a in sorted(self.journal.state.attempts.items()) if i != attempt.id]
        pending = tuple(Pending(a.parent, a.description, a.proposal) for a in others)
        return Brief(
            int(attempt.id),
            attempt.parent,
            tuple(e.free),
            e.metric,
            e.direction,
            seed,
            history,
            pending,
        )

    # ---------------------------------------------------------------- what is written

    def begin(self, parent: str, is_baseline: bool = False, agent: str = "") -> Attempt:
        """Open an attempt in the journal; its mark is on disk before any process carries it."""
        number = self.journal.state.next_id
        mark = secrets.token_hex(16)
        attempt = Attempt(
            f"{number:04d}",
            parent,
            mark,
            "editing",
            timestamp(),
            is_baseline=is_baseline,
            agent=agent,
        )
        return self.journal.begin(attempt)

    def decide(self, attempt: Attempt, finding: Finding, agent: str) -> Attempt:
        """The verdict, on disk before anything follows from it."""
        config, branch = self.workspace.config, short_name(self.branch)
        record = record_of(attempt, finding, config, branch, attempt.agent or agent, self.platform)
        return self.journal.update(attempt.id, phase="decided", record=record)
