"""A hopeless run is ended while it runs, in a real sandbox, by real curves; a good one and the
user's Ctrl-C are not touched."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from autoresearch.researcher import report as reports
from autoresearch.researcher.experiment import Stopped
from autoresearch.researcher.judging.curves import StopMark, StopRule
from autoresearch.researcher.ledger import row
from autoresearch.researcher.run_request import RunRequest
from tiny_workspaces import Writes, make, research, runner

# writes a curve for a budget of so many seconds, a loss that is the value it prints at the end
CURVED = """\
import json, os, time
VALUE, BUDGET_S = {value}, {budget_s}
NOISE = (int(os.environ["AUTORESEARCH_SEED"]) % 1000 - 500) / 100_000
with open(os.environ["AUTORESEARCH_RUN_DIR"] + "/curve.jsonl", "w") as out:
    for i in range(101):
        point = dict(progress=i / 100, loss=7.0 if i == 0 else VALUE + NOISE)
        print(json.dumps(point), file=out, flush=True)
        time.sleep(BUDGET_S / 100)
print(f"val_bpb: {{VALUE + NOISE:.6f}}")
"""
WATCH = StopRule((StopMark(0.25, 1.0, 1.1),), start=7.0)


def curved(value: float, budget_s: float = 0.5) -> str:
    return CURVED.format(value=value, budget_s=budget_s)


@pytest.mark.parametrize(("value", "outcome"), [(2.0, "stopped early"), (1.0, "ok")])
def test_a_watched_run_ends_where_it_is_hopeless(
    tmp_path: Path, value: float, outcome: str
) -> None:
    """The same program with a loss above the limit is ended long before its end, and has no value;
    below it, it goes on."""
    workspace = make(tmp_path / "w", curved(value, 60.0 if value > 1.5 else 1.0))
    commit = workspace.repo.head()
    measured = runner(workspace).measure(
        RunRequest(commit, 1, "m" * 32, workspace.private / "runs" / "1" / "1", 300, watch=WATCH)
    )

    assert measured.outcome == outcome, measured
    assert (measured.value is None) is (outcome != "ok")
    assert (workspace.private / "runs" / "1" / "1" / "curve.jsonl").is_file()


def test_the_users_stop_still_stops_a_watched_run(tmp_path: Path) -> None:
    """Ctrl-C under a watch is Ctrl-C: the run does not count."""
    workspace, stop = make(tmp_path / "w", curved(1.0, 120.0)), threading.Event()
    threading.Timer(2.0, stop.set).start()

    with pytest.raises(Stopped):
        runner(workspace, stop).measure(
            RunRequest(
                workspace.repo.head(),
                1,
                "m" * 32,
                workspace.private / "runs" / "1" / "1",
                300,
                watch=WATCH,
            )
        )


@pytest.mark.slow
def test_the_loop_discards_what_its_curve_condemns(tmp_path: Path) -> None:
    """After a baseline of three runs, a much worse idea is ended early: discarded, not crashed,
    without a value; one that is as good runs to its end."""
    workspace = make(tmp_path / "w", curved(1.0))
    research(workspace, Writes(curved(3.0, 60.0), curved(0.5)), experiments=2)
    worse, better = workspace.ledger.records()[1:]

    assert (worse.status, worse.value) == ("discard", None)
    assert worse.reason.startswith("stopped early at 25%")
    assert row(worse).split("\t")[1:4] == ["0.000000", "0.0", "discard"]
    assert better.status == "keep"
    summary = reports.summarise(workspace.folder)
    assert (summary.count("discard"), summary.count("crash")) == (1, 0)
    assert reports.write_summary(summary, tmp_path / "pictures").png.is_file()
