"""Any metric: the second example is researched like the lab, and its judge cannot be talked round
by the free file."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SORTING = Path(__file__).parents[2] / "examples" / "sorting"


@pytest.fixture
def sorting(tmp_path: Path) -> Path:
    return Path(
        shutil.copytree(SORTING, tmp_path / "sorting", ignore=shutil.ignore_patterns("__pycache__"))
    )


def judge(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "judge.py"]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


def ratio(folder: Path) -> float:
    found = re.findall(r"^questions_ratio: +([\d.]+)$", judge(folder).stdout, re.MULTILINE)
    assert len(found) == 1
    return float(found[0])


def test_better_questions_make_a_better_number(sorting: Path) -> None:
    """Halving the row is better than walking along it, and nothing is better than the limit."""
    before = ratio(sorting)
    text = (sorting / "order.py").read_text()
    (sorting / "order.py").write_text(text.replace("HALVING = 0", "HALVING = 1"))

    assert 1.0 < ratio(sorting) < before - 0.05


CHEATS = {
    "no questions at all": ("def order(n, before): return list(range(n))", "wrong order"),
    "not every thing": ("def order(n, before): return [0] * n", "wrong order"),
    "too few things": ("def order(n, before): return [0]", "had to name 64"),
    "things that are not there": ("def order(n, before): return range(1, n + 1)", "had to name 64"),
    "asking for ever": ("def order(n, before):\n    while True: before(0, 1)", "asked more than"),
    "going away": ("import os\nos._exit(0)", "ended before"),
    "an error": ("def order(n, before): 1 / 0", "ended before"),
    "a line on the wire": (
        "import os\ndef order(n, before): os.write(3, b'! 0\\n'); os._exit(0)",
        "FAIL",
    ),
}


@pytest.mark.parametrize("cheat", CHEATS)
def test_the_judge_is_not_talked_round(sorting: Path, cheat: str) -> None:
    """Each ends with a sentence, an exit code of 1 and no number."""
    code, sentence = CHEATS[cheat]
    (sorting / "order.py").write_text(code + "\n")
    done = judge(sorting)

    assert done.returncode == 1
    assert sentence in done.stderr
    assert "questions_ratio" not in done.stdout


def test_a_printed_number_is_a_second_one(sorting: Path) -> None:
    """What the free file prints stands in the log beside the judge's own line, and two numbers are
    a crash for the runner."""
    with (sorting / "order.py").open("a") as file:
        file.write('print("questions_ratio:  0.500000")\n')
    done = judge(sorting)

    assert len(re.findall("^questions_ratio:", done.stdout + done.stderr, re.MULTILINE)) == 2


def test_the_example_is_researched(sorting: Path) -> None:
    """Two experiments of the search agent in a repository that is not the lab: a baseline with its
    noise, verdicts, a report."""
    for command in (
        "init -q",
        "add .",
        "-c user.name=Ada -c user.email=ada@example.org commit -qm start",
    ):
        subprocess.run(["git", *command.split()], cwd=sorting, check=True, timeout=60)
    program = [sys.executable, "-c", "from autoresearch.cli.autoresearch import main; main()"]
    run = subprocess.run(
        [*program, "run", ".", "--experiments", "2", "--baseline-runs", "2", "--sandbox", "none"],
        cwd=sorting, capture_output=True, text=True, timeout=250, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    told = subprocess.run(
        [*program, "report", "--json"],
        cwd=sorting,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    report = json.loads(told.stdout)

    assert report["metric"] == "questions_ratio"
    assert 1.0 < report["baseline"]["value"] < 1.3 and report["noise"] < 0.05
    assert len(report["experiments"]) == 3
    assert Path(report["files"]["png"]).exists()
