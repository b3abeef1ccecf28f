"""Git works in a checkout that is handed out, on a repository that nothing of ours reads."""

from __future__ import annotations

import subprocess
from pathlib import Path

from autoresearch.git.own_repository import own_repository
from autoresearch.git.repo import Repo
from autoresearch.researcher.workspace import Workspace
from tiny_workspaces import make, noisy


def git(folder: Path, *args: str) -> str:
    return subprocess.run(
        ["git", *args], cwd=folder, capture_output=True, text=True, check=True
    ).stdout


def test_status_diff_log_and_commit_work_on_a_copy(tmp_path: Path) -> None:
    """A fresh checkout is clean, an edit is a diff, the log is there, a commit of the agent's stays
    in its own repository, and ours gains no ref, no setting and no hook."""
    workspace = make(tmp_path / "w", noisy())
    head, ours = workspace.repo.head(), workspace.repo
    before = ours.refs("refs/"), (ours.common_dir() / "config").read_text()
    with workspace.fresh(head) as checkout, own_repository(checkout.path, head):
        assert git(checkout.path, "status", "--porcelain") == ""
        assert git(checkout.path, "log", "--format=%H").split()[0] == head
        (checkout.path / "train.py").write_text("print(1)\n")
        assert "+print(1)" in git(checkout.path, "diff")
        git(checkout.path, "commit", "-qam", "mine")
        git(checkout.path, "config", "core.fsmonitor", "touch /tmp/never")
        there = Path(git(checkout.path, "rev-parse", "--absolute-git-dir").strip())
        assert there == checkout.path / ".git"
        assert str(ours.common_dir()) not in "".join(
            file.read_text("utf-8", "replace")
            for file in there.rglob("*")
            if file.is_file() and file.suffix not in (".pack", ".idx", ".rev")
        )
    assert (ours.refs("refs/"), (ours.common_dir() / "config").read_text()) == before


def test_the_edit_is_committed_as_ever(tmp_path: Path) -> None:
    """What the agent left in its files becomes our commit, whatever it did to its repository."""
    workspace = make(tmp_path / "w", noisy())
    head = workspace.repo.head()
    with workspace.fresh(head) as checkout:
        with own_repository(checkout.path, head):
            (checkout.path / "train.py").write_text("print(2)\n")
            git(checkout.path, "commit", "-qam", "mine")
            (checkout.path / ".git" / "hooks").mkdir()
        commit = workspace.commit(checkout, "ours")
    assert not checkout.path.exists()
    assert Repo(workspace.folder).show(commit, "train.py") == b"print(2)\n"
    assert Repo(workspace.folder).changed_between(head, commit) == ["train.py"]
    assert Workspace(workspace.folder).repo.message(commit).strip() == "ours"
