"""What there is to see in a workspace right now, as values: the night so far, the runs in progress
with their curves, the machine.

Reads ledger, journal, curves and the outbox; takes nothing and writes nothing. Everything in them
was written by programs and agents: texts are cleaned here, once, so that nothing that is drawn can
command a terminal. Leaves to others: drawing (draw, plain).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import msgspec
import psutil

from autoresearch.researcher import curve_files
from autoresearch.researcher.gpus import GpuLoad, GpuMonitor
from autoresearch.researcher.journal import Attempt, Journal
from autoresearch.researcher.judging.curves import CurvePoint, smooth_loss
from autoresearch.researcher.judging.values import Record
from autoresearch.researcher.report import status
from autoresearch.researcher.workspace import Workspace, short_name
from autoresearch.untrusted import to_line

TEXT_MAX = 300
CURVES_MAX = 3  # of the best, drawn behind a run's own
GB = 2**30
Kind = Literal["baseline", "keep", "discard", "crash"]


@dataclass(frozen=True)
class VerdictView:
    """One finished experiment. `value` is None where it crashed."""

    id: str
    commit: str
    kind: Kind
    value: float | None
    description: str
    reason: str
    agent: str
    finished_at: str


@dataclass(frozen=True)
class RunView:
    """One run in progress. `points` is its training curve so far; `against` the curves of the
    commit it is judged against."""

    id: str
    number: int
    commit: str
    description: str
    points: tuple[CurvePoint, ...] = ()
    against: tuple[tuple[CurvePoint, ...], ...] = ()
    seconds: float = 0.0  # since it began

    @property
    def progress(self) -> float | None:
        return self.points[-1].progress if self.points else None

    def behind(self) -> tuple[float, float] | None:
        """This run's smooth_loss loss and the best's at the same progress; None where there is
        nothing to compare."""
        if not self.points:
            return None
        at = self.points[-1].progress
        ours = smooth_loss(self.points, at)
        theirs = [loss for curve in self.against if (loss := smooth_loss(curve, at)) is not None]
        return (ours, sum(theirs) / len(theirs)) if ours is not None and theirs else None


@dataclass(frozen=True)
class MachineLoad:
    """`processor` is the share of all cores in use since the last look, 0 to 1."""

    processor: float
    cores: int
    used_gb: float
    total_gb: float
    gpus: tuple[GpuLoad, ...] = ()


@dataclass(frozen=True)
class View:
    """`edited` are experiments whose idea is still being written."""

    about: status.Status
    verdicts: tuple[VerdictView, ...]
    runs: tuple[RunView, ...]
    edited: tuple[str, ...]
    machine: MachineLoad
    direction: Literal["min", "max"] = "min"

    @property
    def interruption(self) -> str:
        """What a runner that is gone was in the middle of, a sentence; empty where it was nothing,
        or where one runs."""
        return (
            "" if self.about.running else " ".join(map(safe_line, status.attempt_lines(self.about)))
        )

    @property
    def waiting(self) -> int | None:
        """How many experiments are not told to the hub yet; None where there is none."""
        return self.about.hub.waiting if self.about.hub else None

    def as_json(self) -> dict[str, Any]:
        """For scripts: curves as their last point only."""
        told: dict[str, Any] = msgspec.to_builtins(self)
        for run, seen in zip(told["runs"], self.runs, strict=True):
            del run["against"], run["points"]
            both = seen.behind()
            last = seen.points[-1].loss if seen.points else None
            run.update(progress=seen.progress, loss=last, best_loss_there=both[1] if both else None)
        return told


class Watcher:
    """Looks again whenever it is asked; remembers only what cannot change."""

    def __init__(self, folder: Path, gpus: GpuMonitor | None = None) -> None:
        self.folder = folder
        self.gpus = gpus or GpuMonitor()
        self.kept: dict[str, tuple[CurvePoint, ...]] = {}  # curves of finished runs, by log
        psutil.cpu_percent(interval=0.1)  # later answers are the share since the last one

    def read_snapshot(self) -> View:
        """BadWorkspace where the folder is no experiment, or its ledger or journal is damaged."""
        workspace = Workspace(self.folder)
        about = status.read(workspace)
        state = Journal(workspace.private / "state.json").state
        branch = short_name(state.branch)
        records = [r for r in workspace.ledger.records() if not branch or r.branch == branch]
        # what a killed runner left lying is no run in progress
        attempts = (
            [state.attempts[name] for name in sorted(state.attempts)] if about.running else []
        )
        return View(
            about=replace(about, best_description=safe_line(about.best_description)),
            verdicts=tuple(map(verdict_view, records)),
            runs=tuple(
                run for attempt in attempts for run in self.runs(workspace, attempt, records)
            ),
            edited=tuple(a.id for a in attempts if a.phase == "editing"),
            machine=self.machine(),
            direction=workspace.config.experiment.direction,
        )

    def runs(
        self, workspace: Workspace, attempt: Attempt, records: Sequence[Record]
    ) -> list[RunView]:
        """The runs of an attempt that are going on: those whose folder still has its `out`."""
        place = workspace.private / "runs" / attempt.id
        numbers = sorted(
            int(f.name) for f in place.glob("*") if f.name.isdecimal() and (f / "out").is_dir()
        )
        against = self.curves_of(workspace, attempt.judged_against, records)
        title = safe_line(attempt.description) or (
            "the unchanged code" if attempt.is_baseline else ""
        )
        found = []
        for n in numbers:
            points = curve_files.read(place / str(n) / "out" / curve_files.NAME)
            found.append(
                RunView(
                    attempt.id, n, attempt.commit, title, points, against, age_s(place / str(n))
                )
            )
        return found

    def curves_of(
        self, workspace: Workspace, commit: str, records: Sequence[Record]
    ) -> tuple[tuple[CurvePoint, ...], ...]:
        """The newest curves that runs of a commit left."""
        logs = [log for r in records if r.commit == commit for log in (r.logs or (r.log,)) if log][
            -CURVES_MAX:
        ]
        for log in logs:
            if log not in self.kept:
                self.kept[log] = curve_files.read(
                    (workspace.folder / log).parent / curve_files.NAME
                )
        return tuple(self.kept[log] for log in logs if self.kept[log])

    def machine(self) -> MachineLoad:
        memory = psutil.virtual_memory()
        used = (memory.total - memory.available) / GB
        return MachineLoad(
            psutil.cpu_percent() / 100,
            psutil.cpu_count() or 1,
            used,
            memory.total / GB,
            self.gpus.read(),
        )


def verdict_view(record: Record) -> VerdictView:
    kind: Kind = "baseline" if record.is_baseline else record.status
    value = None if record.status == "crash" else record.value
    texts = (safe_line(record.description), safe_line(record.reason), safe_line(record.agent))
    return VerdictView(
        record.id, record.commit, kind, value, *texts, finished_at=safe_line(record.finished_at)
    )


def age_s(folder: Path) -> float:
    """Seconds since a run's folder was made; 0 where it is gone by now."""
    try:
        return max(0.0, time.time() - folder.stat().st_mtime)
    except OSError:
        return 0.0


def safe_line(text: str) -> str:
    """A stranger's text as one short line that a terminal only shows."""
    return to_line(text, TEXT_MAX)
