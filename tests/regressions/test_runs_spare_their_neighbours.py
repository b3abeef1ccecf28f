"""Ending one run's processes must not end a neighbour's, nor leave any of an attempt's."""

from __future__ import annotations

import subprocess
import sys

import pytest

from autoresearch.researcher.sandbox import sweep_processes
from autoresearch.researcher.sandbox.processes import carries_mark


@pytest.mark.parametrize(
    ("found", "mark", "belongs"),
    [
        ("ab-1", "ab-1", True),
        ("ab-1", "ab", True),
        ("ab-10", "ab-1", False),
        ("ab-2", "ab-1", False),
        ("abc", "ab", False),
    ],
)
def test_a_run_belongs_to_its_attempt_alone(found: str, mark: str, belongs: bool) -> None:
    """`mark-1` is part of `mark`, and neither of `mark-10` nor of another attempt."""
    assert carries_mark(found, mark) is belongs


def test_the_end_of_one_run_leaves_its_neighbour() -> None:
    """Two runs of one attempt: sweeping the first leaves the second alive; sweeping the attempt
    ends that too."""
    sleep = [sys.executable, "-c", "print('up', flush=True); import time; time.sleep(300)"]
    runs = [
        subprocess.Popen(sleep, env={"AUTORESEARCH_RUN": f"neighbours-{n}"}, stdout=subprocess.PIPE)
        for n in (1, 10)
    ]
    for process in runs:
        assert process.stdout is not None and process.stdout.readline() == b"up\n"

    assert sweep_processes("neighbours-1") == [runs[0].pid]
    assert runs[1].poll() is None
    assert sweep_processes("neighbours") == [runs[1].pid]
    for process in runs:
        process.wait(timeout=60)
        assert process.stdout is not None
        process.stdout.close()
