"""docs/moving.md, followed to the letter: train files, ledgers and data that others have."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import torch

import labs

ROOT = Path(__file__).parents[2]
ORIGINALS = ROOT / "tests" / "originals"
PAGE = (ROOT / "docs" / "moving.md").read_text("utf-8")
RUN = re.compile(r"^# -+ the run\n", re.M)


def block(holding: str) -> str:
    """The one fenced block of the page that holds these words."""
    found = re.findall(r"^```(?:sh|python)\n(.*?)^```$", PAGE, re.M | re.S)
    (text,) = [text for text in found if holding in text]
    return text


def shell(folder: Path, env: dict[str, str], script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=folder, env=env, capture_output=True, text=True, timeout=800, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A shell in which `autoresearch` and `python` are this installation's, with a cache of its
    own."""
    programs = Path(sys.executable).parent
    cache = tmp_path_factory.mktemp("cache")
    return {
        **labs.clean_environment(cache),
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.org",
        "GIT_COMMITTER_NAME": "Ada", "GIT_COMMITTER_EMAIL": "ada@example.org",
        "NO_COLOR": "1",
    }  # fmt: skip


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory, env: dict[str, str]) -> tuple[Path, str]:
    """The page's first block with the small file on a short track; the folder and what was
    printed."""
    place = tmp_path_factory.mktemp("moving")
    (place / "old").mkdir()
    shutil.copy(ORIGINALS / "small.py", place / "old" / "train.py")
    done = shell(place, env, block("cp old/train.py").replace("climbmix", "stories-2s"))
    assert done.returncode == 0, done.stdout + done.stderr
    return place / "moved", done.stdout


def test_a_train_file_runs_unchanged(moved: tuple[Path, str]) -> None:
    """Its own loop, clock and block: it ends with a number."""
    assert re.search(r"^---\nval_bpb: +\d\.\d{6}\ntraining_seconds: [2-9]", moved[1], re.M)


def research(experiment: Path, env: dict[str, str]) -> str:
    """Commit train.py and measure the baseline once; what was printed."""
    script = "git commit -qam 'Bring a train.py' || true\nautoresearch run . --experiments 0"
    done = shell(experiment, env, f"{script} --baseline-runs 1 2>&1")
    return done.stdout


@pytest.fixture()
def experiment(moved: tuple[Path, str], tmp_path: Path) -> Path:
    """A copy of the experiment, as each way of the page starts from it."""
    copy = tmp_path / "copy"
    shutil.copytree(moved[0], copy, ignore=shutil.ignore_patterns("run", "__pycache__"))
    return copy


@pytest.mark.slow
def test_unchanged_the_researcher_says_what_is_missing(
    experiment: Path, env: dict[str, str]
) -> None:
    """A crash with a sentence that names the function to call."""
    said = " ".join(research(experiment, env).split())

    assert "the run left no checkpoint" in said and "it has to call save_checkpoint" in said


@pytest.mark.slow
def test_three_changes_and_its_number_is_checked(experiment: Path, env: dict[str, str]) -> None:
    """The page's lines, put where it says: a model to build, a main part, a checkpoint at its
    end."""
    train = experiment / "train.py"
    head, run = RUN.split(train.read_text("utf-8"))
    main = 'if __name__ == "__main__":\n' + textwrap.indent(run, "    ")
    parts = (head, block("def build_model"), main, block("save_checkpoint"))
    train.write_text("\n".join(parts), "utf-8")

    said = research(experiment, env)

    (row,) = (experiment / "results.tsv").read_text("utf-8").splitlines()[1:]
    assert row.split("\t")[3] == "keep" and 0 < float(row.split("\t")[1]) < 20, said


@pytest.mark.slow
def test_without_the_score_table_its_print_is_judged(experiment: Path, env: dict[str, str]) -> None:
    """The page's sed leaves a configuration that is valid; the number of the log is the result."""
    edited = shell(experiment, env, block("sed -i.bak"))
    assert edited.returncode == 0, edited.stderr

    said = research(experiment, env)

    (row,) = (experiment / "results.tsv").read_text("utf-8").splitlines()[1:]
    logs = "".join(log.read_text("utf-8") for log in experiment.glob(".autoresearch/**/*.log"))
    assert row.split("\t")[3] == "keep", said
    assert re.search(rf"^val_bpb: +{row.split(chr(9))[1]}$", logs, re.M)


# ---------------------------------------------------------------- a file that needs CUDA


def test_a_file_for_cuda_is_imported_and_built_as_far_as_a_cpu_can(
    moved: tuple[Path, str], env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All names it imports are there, its model is built, and evaluate_bpb takes it."""
    lab = labs.load_lab(moved[0])
    for name in ("AUTORESEARCH_CACHE", "AUTORESEARCH_TRACK"):
        monkeypatch.setenv(name, {**env, "AUTORESEARCH_TRACK": "stories-2s"}[name])
    monkeypatch.setitem(sys.modules, "prepare", lab.prepare)
    head = RUN.split((ORIGINALS / "needs_cuda.py").read_text("utf-8"))[0]
    names: dict[str, Any] = {"__name__": "cuda_file"}
    monkeypatch.setitem(sys.modules, "cuda_file", sys.modules[__name__])  # for its dataclass
    exec_source(head, names)
    tokenizer = names["Tokenizer"].from_directory()
    with torch.device("meta"):
        config = names["GPTConfig"](names["MAX_SEQ_LEN"], tokenizer.get_vocab_size())
        model = names["GPT"](config)
    model.to_empty(device="cpu")
    torch.manual_seed(1)
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.02)
    model.init_weights()
    x, y, _ = next(names["make_dataloader"](tokenizer, 2, names["MAX_SEQ_LEN"], "train"))

    model.to(x.device)(x, y).backward()

    assert all(weight.grad is not None for weight in model.parameters())
    assert int(names["get_token_bytes"]().sum()) > 0 and names["EVAL_TOKENS"] > 0
    assert 1 < names["evaluate_bpb"](model, tokenizer, 8) < 20


def exec_source(source: str, names: dict[str, Any]) -> None:
    """Run a file's imports, classes, functions and constants."""
    code = compile(ast.parse(source), "train.py", "exec")
    exec(code, names)  # noqa: S102 - a file of these tests


def test_without_a_gpu_a_file_for_cuda_fails_for_that_reason_alone(
    moved: tuple[Path, str], env: dict[str, str]
) -> None:
    """Started as it is, it gets past every import; what it misses is the device."""
    shutil.copy(ORIGINALS / "needs_cuda.py", moved[0] / "needs_cuda.py")
    done = shell(moved[0], {**env, "CUDA_VISIBLE_DEVICES": ""}, "python needs_cuda.py")

    assert done.returncode != 0
    assert re.search("CUDA|NVIDIA", done.stderr.splitlines()[-1]), done.stderr


# ---------------------------------------------------------------- ledgers


def test_a_ledger_is_drawn_wherever_it_lies(tmp_path: Path, env: dict[str, str]) -> None:
    """The page's command on a results.tsv of the original's five columns."""
    (tmp_path / "old").mkdir()
    lines = ("commit\tval_bpb\tmemory_gb\tstatus\tdescription",
             "a1b2c3d\t0.997900\t44.0\tkeep\tbaseline",
             "b2c3d4e\t0.993200\t44.2\tkeep\tincrease LR to 0.04",
             "c3d4e5f\t0.000000\t0.0\tcrash\tdouble model width (OOM)")  # fmt: skip
    (tmp_path / "old" / "results.tsv").write_text("\n".join(lines) + "\n", "utf-8")

    done = shell(tmp_path, env, block("autoresearch report"))

    assert done.returncode == 0, done.stderr
    assert "increase LR to 0.04" in done.stdout
    assert (tmp_path / "picture" / "progress.png").stat().st_size > 1000
