"""Claims about an experiment repository: what an edit may touch, and that the user's own work is
never harmed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from autoresearch.errors import BadWorkspace, Conflict
from autoresearch.folders import wipe
from autoresearch.git.repo import Repo
from autoresearch.researcher.workspace import OutsideFree, Workspace, branch_name
from tiny_workspaces import TOML, make, noisy


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return make(tmp_path / "w", noisy(), files={".gitignore": "*.tmp\n"})


def edit(folder: Path, name: str, text: str = "x = 1\n") -> None:
    (folder / name).write_text(text, "utf-8")


def test_an_edit_of_the_free_file_becomes_one_commit(workspace: Workspace) -> None:
    """The commit's parent is the checkout's commit, and it holds just the free file; ignored files
    are left out."""
    head = workspace.repo.head()
    with workspace.fresh(head) as checkout:
        edit(checkout.path, "train.py")
        edit(checkout.path, "scratch.tmp")
        commit = workspace.commit(checkout, "an idea")

    assert workspace.repo.changed_between(head, commit) == ["train.py"]
    assert [commit] == workspace.repo.commits(head, commit)
    assert workspace.repo.message(commit) == "an idea"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("prepare.py", "changed prepare.py, which is fixed"),
        ("autoresearch.toml", "fixed"),
    ],
)
def test_an_edit_outside_the_free_files_is_refused(
    workspace: Workspace, name: str, words: str
) -> None:
    """Fixed files are named in the refusal; what was tried can still be looked at."""
    with workspace.fresh(workspace.repo.head()) as checkout:
        edit(checkout.path, "train.py")
        edit(checkout.path, name)
        with pytest.raises(OutsideFree, match=words):
            workspace.commit(checkout, "too far")
        evidence = workspace.commit_evidence(checkout, "too far")

    assert "train.py" in workspace.repo.changed_between(workspace.repo.head(), evidence)


DROPPINGS = (
    ".aider.chat.history.md", ".aider.tags.cache.v4/cache.db", ".claude/settings.local.json",
    ".gemini/tmp/log", "NOTES.md", "train.py.bak", "train.py.orig", "docs/plan.md", ".gitignore2",
    ".opencode/state.json",
)  # fmt: skip


def test_an_agents_own_files_are_left_out_and_named(workspace: Workspace) -> None:
    """History, backups, settings, notes, links and pipes beside the edit cost nothing: the commit
    holds the edit alone."""
    head = workspace.repo.head()
    with workspace.fresh(head) as checkout:
        edit(checkout.path, "train.py")
        for name in DROPPINGS:
            (checkout.path / name).parent.mkdir(parents=True, exist_ok=True)
            edit(checkout.path, name)
        (checkout.path / "latest").symlink_to("/etc/passwd")
        os.mkfifo(checkout.path / "pipe")
        left = workspace.droppings(checkout)
        commit = workspace.commit(checkout, "an idea")

    assert sorted([*DROPPINGS, "latest", "pipe"]) == sorted(left)
    assert workspace.repo.changed_between(head, commit) == ["train.py"]


def test_an_edit_that_removes_a_fixed_file_is_refused(workspace: Workspace) -> None:
    """Deleting is changing."""
    with workspace.fresh(workspace.repo.head()) as checkout:
        (checkout.path / "prepare.py").unlink()
        with pytest.raises(OutsideFree, match=r"prepare\.py"):
            workspace.commit(checkout, "gone")


def test_nothing_changed_is_no_commit(workspace: Workspace) -> None:
    """An agent that did nothing gets the parent back."""
    with workspace.fresh(workspace.repo.head()) as checkout:
        assert workspace.repo.head() == workspace.commit(checkout, "nothing")


def test_free_may_be_a_pattern(tmp_path: Path) -> None:
    """`src/*.py` frees files that do not exist yet, too."""
    workspace = make(
        tmp_path,
        noisy(),
        TOML.replace('"train.py"]\nc', '"src/*.py", "train.py"]\nc'),
        {"src/a.py": "A = 1\n"},
    )
    with workspace.fresh(workspace.repo.head()) as checkout:
        edit(checkout.path, "src/b.py")
        commit = workspace.commit(checkout, "a new module")

    assert workspace.repo.changed_between(workspace.repo.head(), commit) == ["src/b.py"]


def test_checkouts_are_gone_afterwards(workspace: Workspace) -> None:
    """Also where the block ends with an error, git knows of no worktree but the user's."""
    with pytest.raises(ZeroDivisionError), workspace.fresh(workspace.repo.head()) as checkout:
        place = checkout.path
        raise ZeroDivisionError

    assert not place.exists() and workspace.repo.git("worktree", "list").count("\n") == 1


def test_a_folder_without_permissions_is_removed_too(tmp_path: Path) -> None:
    """A run cannot leave something behind by locking it."""
    locked = tmp_path / "a" / "b"
    locked.mkdir(parents=True)
    (locked / "c").write_text("x")
    locked.chmod(0)

    wipe(tmp_path / "a")

    assert not (tmp_path / "a").exists()


def test_a_dirty_repository_is_refused_with_the_way_out(workspace: Workspace) -> None:
    """Uncommitted changes of tracked files would not be part of the experiment: the sentence says
    commit or undo."""
    edit(workspace.folder, "notes.txt")
    edit(workspace.folder, "autoresearch.toml", TOML + "# a remark\n")
    workspace.check_clean()
    edit(workspace.folder, "train.py")

    with pytest.raises(BadWorkspace, match=r"uncommitted changes in train\.py.*git restore"):
        workspace.check_clean()


def test_a_free_file_that_does_not_exist_is_named(tmp_path: Path) -> None:
    """A wrong name in autoresearch.toml is found before anything runs."""
    workspace = make(tmp_path, noisy(), TOML.replace('"train.py"]\nc', '"trian.py"]\nc'))

    with pytest.raises(BadWorkspace, match=r"trian\.py"):
        workspace.check_ready()


def test_a_detached_head_is_told_not_refused(workspace: Workspace) -> None:
    """The experiment branch grows from there; a sentence says where kept work goes."""
    workspace.repo.git("switch", "-q", "--detach")
    tip = workspace.start_branch("refs/heads/autoresearch/w")

    said = workspace.notices("refs/heads/autoresearch/w", tip)

    assert any("HEAD is detached" in sentence and "autoresearch/w" in sentence for sentence in said)
    assert tip == workspace.repo.head()


def test_a_repository_without_commits_is_refused(tmp_path: Path) -> None:
    """There is nothing to start from."""
    repo = Repo.init(tmp_path)
    (tmp_path / "autoresearch.toml").write_text(TOML)

    with pytest.raises(BadWorkspace, match="no commit yet"):
        Workspace(repo.path).check_ready()


def test_two_runners_in_one_workspace(workspace: Workspace) -> None:
    """The second gets a sentence; after the first it may."""
    with (
        workspace.lock(),
        pytest.raises(Conflict, match="another `autoresearch run`"),
        Workspace(workspace.folder).lock(),
    ):
        pass
    with Workspace(workspace.folder).lock():
        pass


def test_the_branch_follows_into_the_users_checkout(workspace: Workspace) -> None:
    """Where the user looks at the experiment branch, their files move along; uncommitted work of
    theirs is not overwritten."""
    branch, head = "refs/heads/autoresearch/w", workspace.repo.head()
    workspace.start_branch(branch)
    workspace.repo.git("switch", "-q", "autoresearch/w")
    with workspace.fresh(head) as checkout:
        edit(checkout.path, "train.py", "x = 2\n")
        commit = workspace.commit(checkout, "better")

    edit(workspace.folder, "train.py", "mine\n")
    with pytest.raises(Conflict, match="could not follow"):
        workspace.advance(branch, commit, head)
    workspace.repo.git("restore", "train.py")
    workspace.advance(branch, commit, head)
    workspace.advance(branch, commit, head)

    assert (workspace.folder / "train.py").read_text() == "x = 2\n"
    assert [c for c in workspace.repo.changes() if c.kind != "?"] == []


def test_the_users_branch_is_left_alone(workspace: Workspace) -> None:
    """Experiments advance their own branch; main and its files stay where they are."""
    head = workspace.repo.head()
    workspace.start_branch("refs/heads/autoresearch/w")
    with workspace.fresh(head) as checkout:
        edit(checkout.path, "train.py", "x = 2\n")
        workspace.advance("refs/heads/autoresearch/w", workspace.commit(checkout, "better"), head)

    assert head == workspace.repo.head() == workspace.repo.resolve("main")
    assert noisy() == (workspace.folder / "train.py").read_text()


def test_an_agents_links_leave_the_repository_alone(workspace: Workspace, tmp_path: Path) -> None:
    """A free file replaced by a link is committed as a link; what it points to is not read into
    the commit."""
    (tmp_path / "secret").write_text("canary")
    with workspace.fresh(workspace.repo.head()) as checkout:
        (checkout.path / "train.py").unlink()
        os.symlink(tmp_path / "secret", checkout.path / "train.py")
        commit = workspace.commit(checkout, "a link")

    assert b"canary" not in workspace.repo.show(commit, "train.py")


@pytest.mark.parametrize(
    ("folder", "name", "branch"),
    [
        ("pystd-20s", None, "autoresearch/pystd-20s"),
        ("my run!", None, "autoresearch/my-run"),
        ("x", "nov/ideas", "nov/ideas"),
        ("..", None, "autoresearch/main"),
    ],
)
def test_the_branch_has_a_valid_name(folder: str, name: str | None, branch: str) -> None:
    """Whatever the folder is called, git takes the branch's name."""
    full = branch_name(Path(folder), name)

    assert f"refs/heads/{branch}" == full
    assert subprocess.run(["git", "check-ref-format", full], check=False).returncode == 0
