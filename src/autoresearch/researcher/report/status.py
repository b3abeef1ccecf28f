"""What is going on in a workspace: whether research runs, what is open, what was found so far.

Reads ledger and journal, and tries the lock; changes nothing. Leaves to others: tables and
pictures.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from autoresearch.errors import Conflict
from autoresearch.own_programs import call_program
from autoresearch.researcher.curve_files import NAME, read_newest
from autoresearch.researcher.display import escape_text
from autoresearch.researcher.journal import Attempt, Journal
from autoresearch.researcher.judging.amounts import show_amount
from autoresearch.researcher.judging.noise import pool_noise
from autoresearch.researcher.judging.values import Record
from autoresearch.researcher.ledger import best
from autoresearch.researcher.swarm import standing
from autoresearch.researcher.swarm.standing import Standing
from autoresearch.researcher.workspace import Workspace, short_name


@dataclass(frozen=True)
class Open:
    """The experiment in progress. `progress` is 0 to 1 where its run tells."""

    id: str
    commit: str
    description: str
    phase: str
    runs: int
    started_at: str
    progress: float | None


@dataclass(frozen=True)
class Status:
    """One workspace. `noise` is the standard deviation of one run, None while unknown."""

    folder: str
    branch: str
    running: bool
    metric: str
    track: str
    kept: int
    discarded: int
    crashed: int
    baseline: float | None
    noise: float | None
    best: float | None
    best_commit: str
    best_description: str
    attempts: tuple[Open, ...]  # every open experiment, the oldest first
    hub: Standing | None = None  # None where research never had one

    @property
    def attempt(self) -> Open | None:
        return self.attempts[0] if self.attempts else None

    def as_dict(self) -> dict[str, Any]:
        """`attempt` stays for scripts written when there could be only one: the oldest."""
        fields = asdict(self)
        return {**fields, "attempt": fields["attempts"][0] if fields["attempts"] else None}


def read(workspace: Workspace) -> Status:
    """The status of the branch that grew last."""
    state = Journal(workspace.private / "state.json").state
    branch = short_name(state.branch)
    records = [r for r in workspace.ledger.records() if not branch or r.branch == branch]
    tried = [r for r in records if not r.is_baseline]
    base = next((r for r in records if r.is_baseline), None)
    top = best(records, workspace.config.experiment.direction)
    noise = pool_noise([r.values for r in records])
    return Status(
        folder=str(workspace.folder),
        branch=branch,
        running=is_running(workspace),
        metric=workspace.config.experiment.metric,
        track=workspace.config.track,
        kept=count(tried, "keep"),
        discarded=count(tried, "discard"),
        crashed=count(tried, "crash"),
        baseline=base.value if base else None,
        noise=noise.sigma if noise.dof else None,
        best=top.value if top else None,
        best_commit=top.commit if top else "",
        best_description=top.description if top else "",
        attempts=tuple(
            describe_attempt(workspace, state.attempts[i]) for i in sorted(state.attempts)
        ),
        hub=standing.read_standing(workspace.private),
    )


def count(records: list[Record], status: str) -> int:
    return sum(record.status == status for record in records)


def describe_attempt(workspace: Workspace, attempt: Attempt) -> Open:
    runs = len(attempt.measurements) + len(attempt.rechecks)
    point = read_newest(workspace.private / "runs" / attempt.id / str(runs + 1) / "out" / NAME)
    progress = point.progress if point else None
    return Open(
        attempt.id,
        attempt.commit,
        attempt.description,
        attempt.phase,
        runs,
        attempt.started_at,
        progress,
    )


def is_running(workspace: Workspace) -> bool:
    """Whether a runner holds the workspace's lock."""
    if not Path(workspace.private / "lock").exists():
        return False
    try:
        with workspace.lock(wait_s=0):
            return False
    except Conflict:
        return True


def sentences(status: Status) -> list[str]:
    """The status for a person; what agents wrote in it commands no terminal."""
    return [escape_text(line) for line in lines(status)]


def lines(status: Status) -> list[str]:
    if status.baseline is None:
        command = call_program("autoresearch", "run", status.folder)
        first = f"{status.folder}: no experiment yet; start with: {command}"
        return [first, *attempt_lines(status), *hub_lines(status)]
    noise = f" (noise {show_amount(status.noise)})" if status.noise is not None else ""
    return [
        f"{status.folder}: {status.kept} kept, {status.discarded} discarded, "
        f"{status.crashed} crashed, on branch {status.branch}",
        f"baseline {status.metric} {show_amount(status.baseline)}{noise}",
        f"best     {status.metric} "
        f"{show_amount(status.baseline if status.best is None else status.best)}  "
        f"{status.best_commit[:7]}  {status.best_description}",
        *attempt_lines(status),
        *hub_lines(status),
    ]


def hub_lines(status: Status) -> list[str]:
    return standing.describe_standing(status.hub) if status.hub else []


def attempt_lines(status: Status) -> list[str]:
    """What is in progress, or how to go on."""
    if not status.attempts:
        return ["a runner is between two experiments"] if status.running else []
    what = [describe_open(attempt, status.running) for attempt in status.attempts]
    if status.running:
        return what
    command = call_program("autoresearch", "run", status.folder)
    return [f"interrupted in {', '.join(what)}; `{command}` goes on with it"]


def describe_open(attempt: Open, running: bool) -> str:
    done = (
        f", {attempt.progress:.0%} of its run" if attempt.progress is not None and running else ""
    )
    description = attempt.description or "(being edited)"
    runs = f"{attempt.runs} runs finished{done}"
    return f"experiment {attempt.id} {description}: {runs}, since {attempt.started_at}"
