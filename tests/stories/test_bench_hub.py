"""The benchmark of the hub measures what it says it measures: every verb answered, without an
error."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).parent.parent.parent / "bench"
SMALL = ["--sizes=60", "--posts=60", "--rounds=1", "--seconds=0.1", "--many-pushes=16", "--json"]


def run_bench(name: str, words: list[str], folder: Path) -> Any:
    """What a benchmark tells as JSON."""
    done = subprocess.run(
        [sys.executable, str(BENCH / name), *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_the_benchmark_of_the_hub_runs_without_errors(tmp_path: Path) -> None:
    """On a tiny hub every verb gets answers and none is an error, pushes and bare git are
    compared, nothing is left behind."""
    told = run_bench("hub.py", SMALL, tmp_path)

    assert len(told["verbs"]) >= 15
    assert not [verb["verb"] for verb in told["verbs"] if verb["errors"] or not verb["requests"]]
    assert told["pushes"]["errors"] == 0 and len(told["git_ms"]) == 4
    assert len(told["compared"]) == 8
    assert all(each["ours"] > 0 and each["theirs"] > 0 for each in told["compared"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_benchmark_of_a_million_commits_runs_on_a_hundred(tmp_path: Path) -> None:
    """Every verb of both sizes is answered; what each hub is at rest is told."""
    words = ["--sizes=40,80", "--rounds=1", "--seconds=0.1", "--databases=sqlite", "--json"]
    told = run_bench("scale.py", words, tmp_path)

    assert len(told["costs"]) >= 22 and not [cost for cost in told["costs"] if cost["errors"]]
    assert [rest["size"] for rest in told["rest"]] == [40, 80]
    assert all(rest["bytes_each"] > 500 and rest["memory_bytes"] > 0 for rest in told["rest"])
