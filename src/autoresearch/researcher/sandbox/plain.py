"""No isolation, for code one trusts: its own session, the limits, and nothing left alive
afterwards. Only taken when asked for by name."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from autoresearch.researcher.sandbox.job import Confinement, Finished, Job
from autoresearch.researcher.sandbox.supervise import supervise_job


@dataclass(frozen=True)
class Plain:
    name: str = "none"

    def run(self, job: Job, stop: threading.Event | None = None) -> Finished:
        return supervise_job(job, Confinement(job.argv, str(job.cwd)), stop)
