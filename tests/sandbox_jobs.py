"""Jobs that several tests run in a sandbox: a folder, a few lines of Python, limits."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from autoresearch.researcher.sandbox import Job, Limits

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
