"""Claims about code that we ship: what counts as such, and that only its compiler's cache is passed
on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autoresearch import installation
from autoresearch.git.repo import Repo
from autoresearch.researcher import shipped_code
from autoresearch.researcher.agents.base import Brief, Edit
from autoresearch.researcher.agents.constants import replace_values
from autoresearch.researcher.agents.ideas import apply_idea, read_catalogue
from autoresearch.researcher.init import start_lab
from autoresearch.researcher.judging.values import Record
from autoresearch.researcher.shipped_code import ShippedCode
from tiny_workspaces import make, record, research

Change = Callable[[str], str]


def commit_change(repo: Repo, change: Change, name: str = "train.py") -> str:
    file = repo.path / name
    file.write_text(change(file.read_text("utf-8") if file.exists() else ""), "utf-8")
    repo.add([name])
    return repo.commit("A step")


def kept_of(commits: list[str], proposals: list[dict[str, Any]]) -> list[Record]:
    """Records of a chain; the first commit is the baseline's."""
    base = record(commit=commits[0], parent="", status="keep", is_baseline=True)
    steps = zip(commits[1:], commits, proposals, strict=False)
    return [base] + [record(commit=c, parent=p, status="keep", proposal=o) for c, p, o in steps]


def add_first_idea(text: str) -> tuple[str, str]:
    """The name of the first idea that applies, and the text with it."""
    for idea in read_catalogue():
        if changed := apply_idea(idea, {"train.py": text}):
            return idea.name, changed["train.py"]
    raise AssertionError("no idea applies")


@pytest.mark.parametrize("scale", ["cpu", "tinystories"])
def test_constants_and_ideas_of_the_catalogue_are_ours(tmp_path: Path, scale: str) -> None:
    """The lab of any scale, a number changed, an idea added."""
    repo = start_lab(tmp_path / "lab", "pystd-20s", scale=scale)
    base = repo.head()
    first = commit_change(repo, lambda text: replace_values(text, {"HEAD_LR": 0.004}))
    name, changed = add_first_idea(repo.show(first, "train.py").decode())
    second = commit_change(repo, lambda _: changed)
    proposals = [{"edit": {"train.py:HEAD_LR": [0.01, 0.004]}}, {"idea": name}]
    history = kept_of([base, first, second], proposals)
    code = ShippedCode(repo)

    assert all(code.holds(one, history) for one in reversed(history))
    assert not ShippedCode(repo).holds(history[2], history[:1]), "a parent that nobody kept"


def test_what_a_ledger_says_of_an_edit_is_not_believed(tmp_path: Path) -> None:
    """A line more than the proposal makes is somebody else's; so is all that descends from it."""
    repo = start_lab(tmp_path / "lab", "pystd-20s")
    base = repo.head()

    def change(text: str) -> str:
        return replace_values(text, {"HEAD_LR": 0.004})

    one = commit_change(repo, lambda text: change(text) + "# and more\n")
    two = commit_change(repo, lambda text: replace_values(text, {"HEAD_LR": 0.02}))
    proposals: list[dict[str, Any]] = [
        {"edit": {"train.py:HEAD_LR": [0.01, 0.004]}, "adopted": "x"},
        {"edit": {"train.py:HEAD_LR": [0.004, 0.02]}},
    ]
    history = kept_of([base, one, two], proposals)

    assert [ShippedCode(repo).holds(r, history) for r in history] == [True, False, False]
    for proposal in ({}, {"edit": {}}, {"edit": {"train.py:HEAD_LR": []}}, {"idea": "no-such"}):
        assert not ShippedCode(repo).holds(kept_of([base, one], [proposal])[1], history)


@pytest.mark.parametrize("name", ["train.py", "prepare.py", "fixed/loader.py", "torch.py"])
def test_a_lab_that_somebody_changed_is_not_ours(tmp_path: Path, name: str) -> None:
    """Neither another line of any file, nor a file more, which Python might import."""
    repo = start_lab(tmp_path / "lab", "pystd-20s")
    changed = commit_change(repo, lambda text: text + "# mine\n", name)
    history = kept_of([changed], [])

    assert not ShippedCode(repo).holds(history[0], history)


def test_an_installation_without_the_lab_ships_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A night of one's own project goes on there."""
    monkeypatch.setattr(installation, "PACKAGE", tmp_path / "a" / "b" / "c")
    repo = make(tmp_path / "own", "print('val_bpb: 1.0')").repo
    history = kept_of([repo.head()], [])

    assert not ShippedCode(repo).holds(history[0], history)


class Moves:
    """Changes STEP to the next number; `extra` is written along with the one of its place."""

    name = "joint"

    def __init__(self, extra: dict[int, str]) -> None:
        self.at, self.extra = 0, extra

    def edit(self, worktree: Path, brief: Brief) -> Edit:
        file = worktree / "train.py"
        before, self.at = self.at, self.at + 1
        text = file.read_text("utf-8").replace(f"STEP = {before}", f"STEP = {self.at}")
        file.write_text(text + self.extra.get(self.at, ""), "utf-8")
        return Edit(f"move {self.at}", {"edit": {"train.py:STEP": [before, self.at]}})


def test_only_what_our_own_code_compiled_is_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs begin with the cache of the last kept code that is ours; from the first foreign line on
    nothing is passed on any more."""
    train = (
        "STEP = 0\n"
        "import os, pathlib\n"
        "cache = pathlib.Path(os.environ['TORCHINDUCTOR_CACHE_DIR'])\n"
        "cache.mkdir(parents=True, exist_ok=True)\n"
        "print('found', sorted(p.name for p in cache.iterdir()))\n"
        "(cache / str(STEP)).write_text('x')\n"
        "print('val_bpb:', 1.0 - STEP / 10)\n"
    )
    lab = tmp_path / "shipped"
    lab.mkdir()
    (lab / "train.py").write_text(train, "utf-8")
    (lab / "prepare.py").write_text("LIMIT = 1\n", "utf-8")
    monkeypatch.setattr(shipped_code, "lab_folder", lambda: lab)
    workspace = make(tmp_path / "w", train)

    summary = research(workspace, Moves({3: "# mine\n"}), experiments=5, policy="greedy")

    assert [one.status for one in summary.finished] == ["keep"] * 5
    runs = workspace.private / "runs"
    logs = [sorted((runs / one.id).rglob("run.log"))[0] for one in summary.finished]
    found = [log.read_text().splitlines()[0] for log in logs]
    last = "found ['0', '1', '2']"
    assert found == ["found ['0']", "found ['0', '1']", last, last, last]
