"""Who carries out what the loop asks for. Leaves to others: what a run is (experiment), verdicts
(judge)."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Protocol

from autoresearch.researcher.judging.values import Measurement
from autoresearch.researcher.run_request import RunRequest


class Executor(Protocol):
    """Carries out as many requests at once as it has slots; further ones wait."""

    @property
    def slots(self) -> int: ...

    def submit(
        self, request: RunRequest, trained: Future[None] | None = None
    ) -> Future[Measurement]:
        """The measurement, sooner or later. The future raises Stopped where the user asked to stop
        meanwhile: that run does not count, and the same request may be submitted again. `trained`
        is done before it where only scoring is left and another request would start meanwhile."""
        ...

    def close(self) -> None:
        """End what still runs and give back what was held; afterwards no process of any request is
        alive."""
        ...
