"""What the loop asks for (a request) and who carries it out (an executor). Leaves to others: what
a run is (experiment), verdicts (judge)."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from autoresearch.researcher.judging.curves import StopRule
from autoresearch.researcher.judging.values import Measurement


@dataclass(frozen=True)
class RunRequest:
    """One run of one commit. `folder` is the run's own, in the workspace: log and curve are there
    when the future is done. `watch` ends it early where its curve is hopeless."""

    commit: str
    seed: int
    mark: str  # on every process of the run
    folder: Path
    timeout_s: float
    watch: StopRule | None = None


class Executor(Protocol):
    """Carries out as many requests at once as it has slots; further ones wait."""

    @property
    def slots(self) -> int: ...

    def submit(self, request: RunRequest) -> Future[Measurement]:
        """The measurement, sooner or later. The future raises Stopped where the user asked to stop
        meanwhile: that run does not count, and the same request may be submitted again."""
        ...

    def close(self) -> None:
        """End what still runs and give back what was held; afterwards no process of any request is
        alive."""
        ...
