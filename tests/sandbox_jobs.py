"""Jobs that several tests run in a sandbox: a folder, a few lines of Python, limits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from autoresearch.researcher.sandbox import Finished, Job, Limits

MINUTES_S = 120.0  # ends only a run that hangs, on however slow a machine


def job(folder: Path, code: str, mark: str = "", **limits: float) -> Job:
    """Run Python code in `folder`/run, which it may write; its log lies outside."""
    (folder / "run").mkdir(exist_ok=True)
    return Job(
        argv=(sys.executable, "-I", "-S", "-c", code),
        cwd=folder / "run",
        env={"PATH": "/usr/bin:/bin", **({"AUTORESEARCH_RUN": mark} if mark else {})},
        limits=Limits(**{"timeout_s": MINUTES_S, **limits}),  # type: ignore[arg-type]
        log=folder / "log",
        writable=(folder / "run",),
        mark=mark,
    )


ISOLATED = pytest.mark.parametrize("level", ["bwrap", "landlock"])
EVERY_LEVEL = pytest.mark.parametrize("level", ["none", "bwrap", "landlock"])
ROOT = os.geteuid() == 0


@dataclass(frozen=True)
class Unprotected:
    """No sandbox at all, for the test that every attack can succeed: a plain child with our
    environment and descriptors."""

    name: str = "unprotected"

    def run(self, job: Job, stop: threading.Event | None = None) -> Finished:
        """As anyone would start it with subprocess.run."""
        canary = json.loads((job.cwd / "decoys.json").read_text())["canary"]
        with job.log.open("wb") as log:
            done = subprocess.run(
                job.argv,
                cwd=job.cwd,
                env={**job.env, "HUB_KEY": canary},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                close_fds=False,
                timeout=job.limits.timeout_s,
                check=False,
            )
        return Finished(done.returncode, False, 0.0, "")
