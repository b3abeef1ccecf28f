"""`autoresearch export`: a real night written by the trackers' own libraries, read back by them."""

from __future__ import annotations

import importlib
import os
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from autoresearch.errors import BadInput, MissingTool
from autoresearch.researcher import export
from autoresearch.researcher.judging.curves import CurvePoint
from tiny_workspaces import Writes, make, noisy, research

MAIN = [sys.executable, "-c", "from autoresearch.cli.autoresearch import main; main()"]
CURVED = """\
import json, os
with open(os.environ["AUTORESEARCH_RUN_DIR"] + "/curve.jsonl", "w") as file:
    for i in range(1, 5):
        file.write(json.dumps({"progress": i / 4, "loss": 5 - i}) + "\\n")
"""
HEADER_BYTES = 7  # ":W&B", a magic number of two bytes, a version
ODD = export.ExportedRun("0009", {"reason": "", "description": "<b>"}, {"a: b/%": 1.0}, ())


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two experiments with curves, and one that crashed."""
    workspace = make(tmp_path_factory.mktemp("night"), CURVED + noisy(1.0, 0.001))
    texts = (CURVED + noisy(0.9, 0.001), "raise SystemExit('\x1b[31mx')\n")
    research(workspace, Writes(*texts), experiments=2)
    return workspace.folder


def test_runs_tell_what_the_ledger_does(night: Path) -> None:
    """Settings as clean text, results by name, the curve; a crash has no number."""
    baseline, kept, crashed = export.list_runs(night)

    assert baseline.curve[-1] == CurvePoint(1.0, 1.0) and len(kept.curve) == 4
    assert abs(kept.numbers["val_bpb"] - 0.9) < 0.01 and kept.facts["status"] == "keep"
    assert "val_bpb" not in crashed.numbers and "\x1b" not in crashed.facts["reason"]
    steps = list(export.list_steps(kept))
    assert [step for step, _ in steps] == [0, 1, 2, 3, 4] and "val_bpb" in steps[-1][1]


def read_trackio(folder: Path) -> list[tuple[str, int]]:
    with sqlite3.connect(folder / "ours.db") as found:
        rows = found.execute("SELECT run_name, count(*) FROM metrics GROUP BY run_name")
        return sorted(rows.fetchall())


def read_mlflow(folder: Path) -> list[tuple[str, int]]:
    client = export.import_tracker("mlflow").MlflowClient(tracking_uri=folder.as_uri())
    place = client.get_experiment_by_name("ours").experiment_id
    runs = client.search_runs([place])
    return sorted(
        (run.info.run_name, len(client.get_metric_history(run.info.run_id, "train_loss")) + 1)
        for run in runs
    )


def read_wandb(folder: Path) -> list[tuple[str, int]]:
    """Each file's own name of its run: two runs of one second are in no order by their folders."""
    return sorted(read_wandb_run(file) for file in folder.glob("wandb/offline-run-*/*.wandb"))


def read_wandb_run(file: Path) -> tuple[str, int]:
    """The run's name, and how many of its steps have a loss, and one for the last without."""
    protocol = importlib.import_module("wandb.proto.wandb_internal_pb2")
    name, losses = "", 0
    for data in split_log(file.read_bytes()[HEADER_BYTES:]):
        record = protocol.Record.FromString(data)
        name = record.run.display_name or name
        items = [item.key or ".".join(item.nested_key) for item in record.history.item]
        losses += "train_loss" in items
    return name, losses + 1


def split_log(data: bytes) -> Iterator[bytes]:
    """The records of LevelDB's log format: checksum, length, kind (4 ends a record that is in
    pieces), bytes. These files are smaller than its blocks of 32 KB."""
    at, whole = 0, b""
    while at + 7 <= len(data):
        length, kind = struct.unpack_from("<HB", data, at + 4)
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):
            yield whole
            whole = b""


READERS: dict[str, Callable[[Path], list[tuple[str, int]]]] = {
    "trackio": read_trackio,
    "mlflow": read_mlflow,
    "wandb": read_wandb,
}


@pytest.mark.parametrize("tracker", READERS)
def test_a_night_is_written_and_read_back(
    night: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tracker: str
) -> None:
    """By the real library, offline: a run for each experiment with every step of its curve."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # as the hint says
    out = tmp_path / "out"
    arguments = ["export", str(night), "--to", tracker, "--project", "ours", "--out", str(out)]
    env: dict[str, Any] = {**os.environ, "HOME": str(tmp_path)}
    done = subprocess.run([*MAIN, *arguments], capture_output=True, text=True, env=env, timeout=200)
    assert done.returncode == 0, done.stderr[-3000:]

    assert READERS[tracker](out) == [("0001", 5), ("0002", 5), ("0003", 1)]
    assert done.stdout.startswith(f"3 experiments in {out}\n") and tracker in done.stdout
    again = subprocess.run([*MAIN, *arguments], capture_output=True, text=True, env=env)
    assert again.returncode == 5 and "is not empty" in again.stderr


def test_mistakes_are_sentences(night: Path, tmp_path: Path, monkeypatch: Any) -> None:
    """A name that trackers do not take; a library that is not there, with what installs it."""
    with pytest.raises(BadInput, match="letters"):
        export.check_project("../x")
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(MissingTool, match="pip install wandb"):
        export.write_wandb([ODD], "p", tmp_path)
    assert export.safe_name("a: b/%") == "a_ b/_"
