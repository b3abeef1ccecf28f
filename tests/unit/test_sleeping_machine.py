"""Time that the machine slept, or that all of us were stopped, is not a run's."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from autoresearch.researcher.sandbox.supervise import SLEPT_S, AwakeClock

# a job of a second under a limit of three, in a program of its own that can be stopped as a whole
PROGRAM = """\
import sys
from pathlib import Path
from autoresearch.researcher.sandbox import Job, Limits, choose_sandbox, supervise
supervise.SLEPT_S = 2.0
folder = Path(sys.argv[1])
command = ("sh", "-c", "touch begun; for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.1; done")
job = Job(command, folder, {"PATH": "/usr/bin:/bin"}, Limits(4.0), folder / "log")
done = choose_sandbox("none").run(job)
print(repr(done.reason), done.seconds < 4)
"""


@pytest.mark.parametrize(
    ("looks", "counted_s"),
    [((0.1, 0.2, 0.3), 0.3), ((1.0, 1.0 + SLEPT_S, 2.0 + SLEPT_S), 2.0), ((75.0, 75.5), 0.5)],
)
def test_only_time_between_looks_counts(looks: tuple[float, ...], counted_s: float) -> None:
    """A long gap is a sleep, however long it was; what comes after it counts again."""
    times = iter((0.0, *looks))
    clock = AwakeClock(lambda: next(times))
    for _ in looks[:-1]:
        clock.seconds()

    assert clock.seconds() == pytest.approx(counted_s)


def test_a_stopped_tree_goes_on_as_if_nothing_was(tmp_path: Path) -> None:
    """All processes are stopped for longer than the run may take; it ends well and in its time."""
    runner = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    while not (tmp_path / "begun").exists():
        assert runner.poll() is None
        time.sleep(0.01)
    tree = [psutil.Process(runner.pid), *psutil.Process(runner.pid).children(recursive=True)]
    for process in tree:
        process.suspend()
    time.sleep(5)
    for process in reversed(tree):
        process.resume()

    assert runner.communicate()[0].strip() == "'' True"
