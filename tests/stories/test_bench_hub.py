"""The benchmark of the hub measures what it says it measures: every verb answered, without an
error."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parent.parent.parent / "bench" / "hub.py"
SMALL = ["--sizes=60", "--posts=60", "--rounds=1", "--seconds=0.1", "--many-pushes=16", "--json"]


@pytest.mark.slow
def test_the_benchmark_of_the_hub_runs_without_errors(tmp_path: Path) -> None:
    """On a tiny hub every verb gets answers and none is an error, pushes and bare git are
    compared, nothing is left behind."""
    done = subprocess.run(
        [sys.executable, str(BENCH), *SMALL],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert len(told["verbs"]) >= 15
    assert not [verb["verb"] for verb in told["verbs"] if verb["errors"] or not verb["requests"]]
    assert told["pushes"]["errors"] == 0 and len(told["git_ms"]) == 4
    assert len(told["compared"]) == 8
    assert all(each["ours"] > 0 and each["theirs"] > 0 for each in told["compared"])
    assert list(tmp_path.iterdir()) == []
