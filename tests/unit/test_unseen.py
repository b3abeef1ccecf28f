"""Claims about the test part: distill scores its end once on text that nobody saw, writes the look
into the ledger, and an agent that only fits the validation text is shown as one."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from rich.console import Console

import labs
from autoresearch.cli.distill import describe, distill_branch
from autoresearch.researcher.display import Display
from autoresearch.researcher.report import read_night, summarise
from autoresearch.researcher.report.morning import Morning
from autoresearch.researcher.workspace import Workspace
from tiny_workspaces import make, record, runner

# what is learned for good, and what helps on the validation text alone
TRAIN = """\
import os, pathlib
REAL = 0.0

FITTED = 0.0
(pathlib.Path(os.environ["AUTORESEARCH_RUN_DIR"]) / "result").write_text(f"{REAL} {FITTED}")
"""
HARNESS = """\
import os, pathlib, random, sys
real, fitted = map(float, pathlib.Path(sys.argv[1]).read_text().split())
luck = random.Random(int(os.environ["AUTORESEARCH_SEED"])).gauss(0, 0.01)
"""
SCORE = HARNESS + 'print(f"---\\nval_bpb: {1 - real - fitted + luck:.6f}")\n'
TEST = HARNESS + (
    'assert sys.stdin.read() == "rows that nobody saw"\n'
    "own = random.SystemRandom().gauss(0, 0.002)\n"
    'print(f"---\\ntest_bpb: {1.1 - real + fitted / 5 + luck + own:.6f}")\n'
)
DRAW = "import sys\nopen(sys.argv[1], 'w').write('rows that nobody saw')\n"
TOML = """\
[experiment]
free = ["train.py"]
command = ["python", "train.py"]
timeout_s = 60

[score]
command = ["python", "score.py", "{run_dir}/result"]
hidden = ["*/val.*"]
draw = ["python", "draw.py", "{unseen}"]
test = ["python", "test.py", "{run_dir}/result"]
"""


def night(folder: Path, *texts: str) -> Workspace:
    """A workspace whose ledger holds a chain of kept edits of train.py."""
    files = {"score.py": SCORE, "test.py": TEST, "draw.py": DRAW}
    workspace = make(folder, TRAIN, TOML, files)
    repo, parent = workspace.repo, workspace.repo.head()
    fields: dict[str, object] = {"branch": "autoresearch/w"}
    workspace.ledger.append(record(commit=parent, is_baseline=True, **fields))
    for number, text in enumerate(texts, start=2):
        (repo.path / "train.py").write_text(text, "utf-8")
        repo.add(["train.py"])
        commit = repo.commit(f"Edit {number}")
        workspace.ledger.append(
            record(
                id=f"{number:04d}",
                commit=commit,
                parent=parent,
                description=text,
                value=0.95,
                values=(0.95,),
                **fields,
            )
        )
        parent = commit
    repo.set_ref("refs/heads/autoresearch/w", parent)
    return workspace


def distilled(workspace: Workspace) -> str:
    display = Display(Console(quiet=True), quiet=True)
    result = distill_branch(
        runner(workspace, threading.Event()), display, "autoresearch/w", pairs=4, end_pairs=3
    )
    assert result is not None
    return describe(result)


def test_a_real_gain_shows_on_text_that_nobody_saw(tmp_path: Path) -> None:
    """The last line says so, and the ledger holds the look."""
    workspace = night(tmp_path / "w", TRAIN.replace("REAL = 0.0", "REAL = 0.05"))

    said = distilled(workspace)

    look = workspace.ledger.records()[-1]
    assert "on text the night never saw +0.0" in said and "not shown" not in said
    gain, low, high = look.proposal["test_gain"]  # type: ignore[misc]
    assert low < gain < high and gain == pytest.approx(0.05, abs=0.01)
    assert (look.agent, look.proposal["test_look"]) == ("distill", 1)
    assert look.branch.endswith("-distilled")
    tried = [row.commit for row in summarise(workspace.folder).experiments]
    assert tried == [r.commit[:7] for r in workspace.ledger.records()[:-1]], "no experiment"
    assert not list((workspace.private / "distill").glob("*.unseen"))


def test_what_only_fits_the_validation_text_is_shown(tmp_path: Path) -> None:
    """Its gain on the validation text is real, on the other it is none, and the sentence says
    so; the report says the same, in words and as the picture's last lines."""
    workspace = night(tmp_path / "w", TRAIN.replace("FITTED = 0.0", "FITTED = 0.05"))

    said = distilled(workspace)

    assert "true improvement +0.05" in said
    assert "not shown to be better there" in said
    morning = read_night(summarise(workspace.folder)) or Morning()
    assert morning.verdict == "; ".join(said.splitlines()[-2:])
    assert [(end.label, end.real) for end in morning.ends] == [
        ("what remains, on fresh seeds", True),
        ("what remains, on text the night never saw", False),
    ]
    later = record(
        id="0009", commit="f" * 40, branch="autoresearch/w", value=0.9, values=(0.9,),
        parent=workspace.ledger.records()[1].commit,
    )  # fmt: skip
    workspace.ledger.append(later)
    went_on = read_night(summarise(workspace.folder)) or Morning()
    assert "the best, fffffff, is not confirmed" in went_on.verdict


def test_a_second_look_says_that_it_is_one(tmp_path: Path) -> None:
    """The same chain asked again is the same look; after another chain's look it is the second."""
    workspace = night(tmp_path / "w", TRAIN.replace("REAL = 0.0", "REAL = 0.05"))
    earlier = record(id="test-1", commit="e" * 40, branch="b-distilled", proposal={"test_look": 1})
    workspace.ledger.append(earlier)

    said = distilled(workspace)

    assert "look 2 at this text: no longer unseen" in said
    assert distilled(workspace) == said
    assert len([r for r in workspace.ledger.records() if "test_look" in r.proposal]) == 2


def test_own_text_has_no_test_part_and_says_so(tmp_path: Path) -> None:
    """All of a user's own text is in use: `prepare.py draw` ends with a sentence, and the track's
    id does not know of the test part."""
    lab = labs.make_lab(tmp_path / "lab")
    lab.prepared("--track", "custom", "--data", str(labs.write_texts(tmp_path / "texts")))

    drawn = lab.run("draw", str(tmp_path / "rows"))

    assert drawn.returncode == 1 and "has no test part" in drawn.stderr
    assert "fixed/unseen.py" not in (*lab.fixed.rules.NUMBERS, *lab.fixed.rules.DATA)
