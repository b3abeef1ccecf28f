"""What a report is made of: one experiment as the ledger has it, and the summary of them all. Reads
and draws nothing."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from autoresearch.models import Status

# What a number of a well-known metric counts, for the axis of a picture. Another metric is shown by
# its name alone.
UNITS = {
    "val_bpb": "bits per byte",
    "seconds": "s",
    "accuracy": "fraction correct",
}


@dataclass(frozen=True, slots=True)
class Experiment:
    """One line of the ledger. `value` is None where there is none: a crash is never a score of
    0."""

    number: int  # 1 for the first line of the ledger
    commit: str  # as written: a short hash, or whatever another tool put there
    status: Status
    value: float | None
    description: str
    memory_gb: float | None = None
    values: tuple[float, ...] = ()  # one per repeat, where the ledger tells them
    reason: str = ""
    track: str = ""
    platform: str = ""
    agent: str = ""
    is_baseline: bool = False
    contended: bool = False  # something else was using the machine
    total_seconds: float | None = None
    finished_at: str = ""
    log: str = ""


@dataclass(frozen=True, slots=True)
class TableSummary:
    """A ledger in numbers. `noise` is the standard deviation between runs of the same code, in
    units of the metric."""

    directory: Path
    metric: str
    direction: str  # "min" or "max"
    track: str
    platform: str
    experiments: tuple[Experiment, ...]
    baseline: Experiment | None = None
    best: Experiment | None = None
    noise: float | None = None
    noise_source: str = ""  # where the noise was taken from, for a person
    notes: tuple[str, ...] = ()  # what could not be read or is not shown, a sentence each

    @property
    def sign(self) -> int:
        """What a value is multiplied with so that more is better."""
        return -1 if self.direction == "min" else 1

    @property
    def gain(self) -> float | None:
        """By how much the best is better than the baseline; None while either is unknown."""
        if (
            self.baseline is None
            or self.best is None
            or self.baseline.value is None
            or self.best.value is None
        ):
            return None
        return self.sign * (self.best.value - self.baseline.value)

    @property
    def gain_percent(self) -> float | None:
        """The gain in percent of the baseline; None where a value is zero or less: such a metric
        has no natural zero, and a share of it would say nothing."""
        if self.gain is None or self.baseline is None or self.best is None:
            return None
        first, last = self.baseline.value or 0.0, self.best.value or 0.0
        return 100 * self.gain / first if first > 0 and last >= 0 else None

    def count(self, status: Status) -> int:
        return sum(row.status == status for row in self.experiments)

    def running_best(self) -> list[float | None]:
        """The best kept value up to and including each experiment; None before the first."""
        line: list[float | None] = []
        for row in self.experiments:
            best = line[-1] if line else None
            kept = row.value if row.status == "keep" else None
            line.append(self.better(best, kept))
        return line

    def better(self, a: float | None, b: float | None) -> float | None:
        """The better of two values; the other one where one is missing; of equal ones the first."""
        if a is None or b is None:
            return b if a is None else a
        return b if self.sign * (b - a) > 0 else a

    def gains(self) -> dict[int, float | None]:
        """By how much each experiment was better than the best before it, by number; None where
        either is unknown."""
        before = [None, *self.running_best()]
        return {
            row.number: None
            if row.value is None or best is None
            else self.sign * (row.value - best)
            for row, best in zip(self.experiments, before, strict=False)
        }

    def improvements(self) -> list[tuple[Experiment, float]]:
        """The kept experiments that were a new best, each with its gain; without the baseline."""
        found, best = [], None
        for row, line in zip(self.experiments, self.running_best(), strict=True):
            if best is not None and line is not None and line != best and row.value is not None:
                found.append((row, abs(line - best)))
            best = line
        return found

    def to_json(self) -> dict[str, Any]:
        """Plain types only, for `--json`."""
        return {
            **asdict(self),
            "directory": str(self.directory),
            "counts": {status: self.count(status) for status in ("keep", "discard", "crash")},
            "gain": self.gain,
            "gain_percent": self.gain_percent,
        }


def renumber(rows: list[Experiment]) -> list[Experiment]:
    return [replace(row, number=number) for number, row in enumerate(rows, start=1)]
