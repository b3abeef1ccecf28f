"""A crash is written as 0.000000, and the smallest number of upstream's own results.tsv is
therefore a crash.

A ledger that begins with a crash broke its analysis as well (karpathy/autoresearch 469).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from autoresearch.models import Status
from autoresearch.researcher import report

HEADER = "commit\tval_bpb\tmemory_gb\tstatus\tdescription\n"
CRASH = "d4e5f6a\t0.000000\t0.0\tcrash\tdouble the width (OOM)\n"
GOOD = "a1b2c3d\t0.997900\t44.0\tkeep\tbaseline\nb2c3d4e\t0.993200\t44.0\tkeep\thigher rate\n"


@pytest.mark.parametrize(
    "lines", [GOOD + CRASH, CRASH + GOOD, CRASH + GOOD + CRASH], ids=["last", "first", "both"]
)
def test_a_crash_is_neither_best_nor_baseline(tmp_path: Path, lines: str) -> None:
    """Wherever it stands, a crash has no value: best and baseline are runs that were measured."""
    (tmp_path / "results.tsv").write_text(HEADER + lines)
    summary = report.summarise(tmp_path)

    assert summary.best is not None and summary.best.value == 0.9932
    assert summary.baseline is not None and summary.baseline.value == 0.9979
    assert min(value for value in summary.running_best() if value is not None) == 0.9932


@pytest.mark.parametrize(("status", "told"), [("keep", "crash"), ("discard", "discard")])
def test_a_zero_under_another_status_is_no_value(tmp_path: Path, status: str, told: Status) -> None:
    """No text costs 0 bits: who keeps a run with 0.000000 has lost a number, not found a model; a
    discarded one may have been stopped early."""
    (tmp_path / "results.tsv").write_text(HEADER + GOOD + CRASH.replace("crash", status))
    summary = report.summarise(tmp_path)

    assert summary.count(told) == 1
    assert summary.best is not None and summary.best.value == 0.9932
    assert min(value for value in summary.running_best() if value is not None) == 0.9932


def test_a_ledger_of_crashes_alone_is_drawn(tmp_path: Path) -> None:
    """Nothing measured is a report too: it says so instead of failing."""
    (tmp_path / "results.tsv").write_text(HEADER + CRASH)

    assert report.write_summary(report.summarise(tmp_path)).png.read_bytes().startswith(b"\x89PNG")
    assert report.summarise(tmp_path).best is None
