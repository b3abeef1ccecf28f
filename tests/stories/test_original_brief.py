"""An agent that follows the original's brief to the letter: its branch runs, or says what to
add."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import labs
from tiny_workspaces import command

NAMED = "train.py prepare.py pyproject.toml"  # by that brief; it also names uv.lock


def git(folder: Path, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    return subprocess.run(
        ["git", *who, *words], cwd=folder, capture_output=True, text=True, check=check
    )


@pytest.fixture()
def experiment(tmp_path: Path) -> Path:
    """A repository of `autoresearch init`, on a branch without history as that brief makes one."""
    folder = tmp_path / "experiment"
    made = command("init", str(folder), "--track", "custom")
    assert made.returncode == 0, made.stderr
    git(folder, "checkout", "--orphan", "mine")
    return folder


def prepare(repo: Path, place: Path) -> subprocess.CompletedProcess[str]:
    """Clone the branch and prepare a small track in the clone."""
    git(place, "clone", "-q", "-b", "mine", str(repo), "clone")
    data = labs.write_texts(place / "texts")
    small = ["--track", "custom", "--data", str(data), "--vocab-size", "260", "--seq-len", "16"]
    env = labs.clean_environment(place / "cache")
    return subprocess.run(
        [sys.executable, "prepare.py", *small],
        cwd=place / "clone", env=env, capture_output=True, text=True, timeout=240,
    )  # fmt: skip


def test_adding_the_named_files_to_a_full_index_runs(experiment: Path, tmp_path: Path) -> None:
    """The new branch keeps the index, so the commit has everything, whether uv.lock is there or
    not."""
    git(experiment, "add", *NAMED.split(), "uv.lock", check=False)
    git(experiment, "commit", "-qm", "start")
    done = prepare(experiment, tmp_path)

    assert done.returncode == 0, done.stderr


def test_a_commit_of_the_named_files_alone_says_what_to_add(
    experiment: Path, tmp_path: Path
) -> None:
    """One sentence with a command; after that command the branch runs."""
    git(experiment, "rm", "-rq", "--cached", ".")
    git(experiment, "add", *NAMED.split())
    git(experiment, "commit", "-qm", "start")
    (tmp_path / "first").mkdir()
    lacking = prepare(experiment, tmp_path / "first")

    assert lacking.returncode == 1 and len(lacking.stderr.splitlines()) == 1
    told = re.search(r"`git (add [^`]+)`", lacking.stderr)
    assert told and "fixed/" in lacking.stderr
    git(experiment, *shlex.split(told[1]))
    git(experiment, "commit", "-qm", "what was missing")
    assert prepare(experiment, tmp_path).returncode == 0
