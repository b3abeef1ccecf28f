"""What somebody asks for who wants a commit run. Leaves to others: carrying it out (experiment,
executors)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from autoresearch.researcher.judging.curves import StopRule


@dataclass(frozen=True)
class RunRequest:
    """One run of one commit. `folder` is the run's own, in the workspace: log and curve are there
    afterwards, and whatever lies in it before is removed first.

    `watch` ends it early where its curve is hopeless. With `replay`, a record of an earlier run,
    it gets the same batches at the same progress, and its time does not count. With `unseen`, rows
    of the test part, the result is scored on these as well.
    """

    commit: str
    seed: int
    mark: str  # on every process of the run
    folder: Path
    timeout_s: float
    watch: StopRule | None = None
    replay: Path | None = None
    unseen: Path | None = None
