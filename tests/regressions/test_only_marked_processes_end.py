"""`pkill -f train.py` kills everybody's runs, and killing a starter orphans what it started. Only
marks and own trees count."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from autoresearch.researcher.sandbox import sweep_processes
from sandbox_jobs import EVERY_LEVEL

SLEEP = "import time; time.sleep(900)"
RUNNER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from sandbox_jobs import job
from autoresearch.researcher.sandbox import choose_sandbox
code = "import os, time\\nif os.fork(): time.sleep(900)\\nos.setsid(); os.fork(); open(str(os.getpid()), 'w').close(); time.sleep(900)"
choose_sandbox(sys.argv[1]).run(job(Path(sys.argv[2]), code, mark=sys.argv[4]))
"""


def eventually(holds: Callable[[], bool]) -> bool:
    """Wait for something that has to come, on however slow a machine."""
    deadline = time.monotonic() + 60
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.02)
    return holds()


def carrying(mark: str) -> list[psutil.Process]:
    """Living processes with the mark in their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("AUTORESEARCH_RUN") == mark:
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_sweep_ends_the_marked_and_nobody_else() -> None:
    """Two runs of the same `train.py`: sweeping one leaves the other running."""
    ours, theirs = (
        subprocess.Popen([sys.executable, "-c", SLEEP, "train.py"], env={"AUTORESEARCH_RUN": mark})
        for mark in ("ours-c7", "theirs-c7")
    )
    try:
        assert eventually(lambda: bool(carrying("ours-c7")))
        swept = sweep_processes("ours-c7")
        assert swept == [ours.pid]
        assert carrying("ours-c7") == []
        assert theirs.poll() is None
    finally:
        for process in (ours, theirs):
            process.kill()
            process.wait()


def test_an_empty_mark_sweeps_nothing() -> None:
    """A job without a mark must not end every unmarked process of the machine."""
    assert sweep_processes("") == []


@EVERY_LEVEL
def test_a_killed_runner_takes_its_run_along(level: str, tmp_path: Path) -> None:
    """kill -9 of the runner: the run, its child in another session and its grandchild end by
    themselves."""
    mark = f"killed-{os.getpid()}-{level}"
    here = str(Path(__file__).parents[1])
    runner = subprocess.Popen([sys.executable, "-c", RUNNER, level, str(tmp_path), here, mark])
    try:
        assert eventually(lambda: len(carrying(mark)) >= 3)
        runner.kill()
        runner.wait()
        assert eventually(lambda: not carrying(mark))
    finally:
        runner.kill()
        runner.wait()
        sweep_processes(mark)
