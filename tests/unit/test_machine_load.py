"""How busy the machine is with other work: measured with real work beside a real run."""

from __future__ import annotations

import multiprocessing
import os
import time
from pathlib import Path

import pytest

from autoresearch.researcher.machine_load import CpuTimes, read_cpu, share_of_others
from tiny_workspaces import make, measure

BUSY = """\
import time
end = time.process_time() + 1.0
begun = time.monotonic()
while time.process_time() < end or time.monotonic() < begun + 2.2:
    pass
print("val_bpb: 1.0")
"""


def burn(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


@pytest.mark.parametrize(
    ("worked_s", "own_s", "share"),
    [(8.0, 8.0, 0.0), (20.0, 10.0, 0.5), (20.0, None, None), (3.0, 4.0, 0.0), (90.0, 0.0, 1.0)],
)
def test_what_a_run_used_itself_is_taken_off(
    worked_s: float, own_s: float | None, share: float | None
) -> None:
    """Ten seconds of two processors are twenty; the share never leaves its bounds."""
    before, after = CpuTimes(0.0, 100.0, 2), CpuTimes(10.0, 100.0 + worked_s, 2)
    assert share_of_others(before, after, own_s) == share


def test_a_short_run_says_nothing() -> None:
    """Counters tick too slowly for it."""
    now = read_cpu()
    assert share_of_others(now, read_cpu(), 0.0) is None


def test_a_runs_own_work_is_not_the_machines(tmp_path: Path) -> None:
    """Beside work on every processor a run has others' share measured, and its own not in it."""
    workspace = make(tmp_path, BUSY)
    others = [multiprocessing.Process(target=burn, args=(60,)) for _ in range(os.cpu_count() or 1)]
    for other in others:
        other.start()
    try:
        measured = measure(workspace)
    finally:
        for other in others:
            other.kill()
            other.join()

    assert measured.value == 1.0 and measured.others_share is not None
    assert 0.1 < measured.others_share <= 1.0
