"""One whole experiment as a person runs it: prepare, train, score, on a tiny text of their own
with a budget of seconds."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from labs import LAB, copy_fixed

BLOCK = (
    "val_bpb", "training_seconds", "total_seconds", "peak_vram_mb", "mfu_percent",
    "total_tokens_M", "num_steps",
    "num_params_M", "depth",
)  # fmt: skip


class Experiment:
    """A folder with the lab's files and a prepared track."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        copy_fixed(folder)
        shutil.copy(LAB / "train.py", folder)
        # uncompiled: what a compiler does is no part of these claims, and it takes a minute
        self.replace("\nCOMPILE = 1", "\nCOMPILE = 0")
        self.replace("\nTOTAL_BATCH = 4096", "\nTOTAL_BATCH = 1024")
        self.env = {
            **os.environ,
            "AUTORESEARCH_CACHE": str(folder / "cache"),
            "AUTORESEARCH_TRACK": "custom-3s",
            "AUTORESEARCH_RUN_DIR": str(folder / "run"),
        }

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=250,
        )

    def replace(self, old: str, new: str) -> None:
        path = self.folder / "train.py"
        source = path.read_text("utf-8")
        assert source.count(old) == 1
        path.write_text(source.replace(old, new), "utf-8")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    folder = tmp_path_factory.mktemp("experiment")
    text = folder / "text.txt"
    text.write_text(
        "\n\n".join(
            (Path(os.__file__).parent / f"{n}.py").read_text("utf-8")
            for n in ("ast", "shutil", "os", "tarfile")
        )
    )
    experiment = Experiment(folder)
    done = experiment.python(
        "prepare.py",
        "--track",
        "custom-3s",
        "--data",
        str(text),
        "--vocab-size",
        "300",
        "--seq-len",
        "64",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return experiment


@pytest.fixture(scope="module")
def run(prepared: Experiment) -> str:
    done = prepared.python("train.py")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_run_ends_with_the_block_and_nothing_after_it(run: str) -> None:
    """The last lines are `---` and the nine values, one a line, val_bpb with six decimals."""
    lines = run.splitlines()

    assert lines[-10] == "---"
    assert [line.split(":")[0] for line in lines[-9:]] == list(BLOCK)
    assert re.fullmatch(r"val_bpb: +\d+\.\d{6}", lines[-9])


def test_grep_finds_the_two_lines(run: str, tmp_path: Path) -> None:
    r"""`grep "^val_bpb:\|^peak_vram_mb:" run.log`, as every agent's brief says, finds exactly two lines."""
    (tmp_path / "run.log").write_text(run, "utf-8")

    found = subprocess.run(
        ["grep", r"^val_bpb:\|^peak_vram_mb:", "run.log"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    assert len(found.stdout.splitlines()) == 2


def test_the_anchor_stands_before_the_block(run: str) -> None:
    """The line before the block says what a static trigram scores on the same text."""
    assert re.search(r"^anchor: .*trigram.*\d\.\d{4}.*\n---\n", run, re.M)


def test_the_log_names_device_and_attention(run: str) -> None:
    """The first lines say what was chosen by itself."""
    assert re.search(r"^device: \w+ \(.+\), torch ", run, re.M)
    assert re.search(r"^attention: ", run, re.M)


def test_the_budget_was_kept_and_the_curve_written(run: str, prepared: Experiment) -> None:
    """Training took the three seconds of the track and no free steps; curve.jsonl ends where the
    run did."""
    values = dict(re.findall(r"^(\w+): +([\d.]+)$", run, re.M))
    points = [
        json.loads(line)
        for line in (prepared.folder / "run" / "curve.jsonl").read_text("utf-8").splitlines()
    ]

    assert float(values["training_seconds"]) >= 3
    steps = int(values["num_steps"])
    assert 0 <= steps - points[-1]["step"] <= max(1, steps // 10)
    assert 0 < points[-1]["progress"] <= 1


def test_the_score_of_the_checkpoint_is_the_printed_one(run: str, prepared: Experiment) -> None:
    """A second process, given the checkpoint, finds the val_bpb that the run printed."""
    done = prepared.python("prepare.py", "score", "run/checkpoint.safetensors")

    assert done.returncode == 0, done.stderr
    scored, printed = (
        float(re.search(r"^val_bpb: +([\d.]+)$", out, re.M)[1]) for out in (done.stdout, run)
    )
    assert scored == pytest.approx(printed, abs=1e-4)


def test_a_diverging_run_fails_with_a_sentence(prepared: Experiment, tmp_path: Path) -> None:
    """A loss that is NaN ends the run at once: exit code 1, the reason, and no val_bpb anywhere."""
    shutil.copytree(prepared.folder, tmp_path / "copy", ignore=shutil.ignore_patterns("run"))
    other = Experiment.__new__(Experiment)
    other.folder = tmp_path / "copy"
    other.env = {**prepared.env, "AUTORESEARCH_RUN_DIR": str(other.folder / "run")}
    other.replace(
        "return (lse - hit[:, 0]).mean()", "return (lse - hit[:, 0]).mean() * float('nan')"
    )

    done = other.python("train.py")

    assert done.returncode == 1
    assert "FAIL: the loss of step 1 is nan" in done.stderr
    assert "val_bpb:" not in done.stdout
