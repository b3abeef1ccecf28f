"""`init` in repositories as people have them: what cannot work is told there, not at the first
run."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from autoresearch.errors import BadWorkspace, Conflict
from autoresearch.git.repo import Repo
from autoresearch.researcher import config
from autoresearch.researcher.init import split_command, start_own, usual_direction
from autoresearch.researcher.loop.branch_state import BranchState
from autoresearch.researcher.workspace import Workspace
from tiny_workspaces import make, noisy


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    repo = Repo.init(tmp_path / "mine")
    (repo.path / "sub").mkdir()
    for name in ("opt.py", "sub/opt.py"):
        (repo.path / name).write_text("X = 5\n")
    repo.add(["opt.py", "sub/opt.py"])
    repo.commit("Start")
    return repo


@pytest.mark.parametrize(
    ("given", "name"),
    [("./opt.py", "opt.py"), ("sub//opt.py", "sub/opt.py"), ("sub/../opt.py", "opt.py")],
)
def test_a_free_file_is_called_as_git_calls_it(repo: Repo, given: str, name: str) -> None:
    """However the shell completed it."""
    start_own(repo.path, [given], "python opt.py", "score")
    assert config.read(repo.path).experiment.free == [name]


@pytest.mark.parametrize("name", ["opt.pi", "sub", "data/x.py"])
def test_a_free_file_that_is_not_there_is_told_at_once(repo: Repo, name: str) -> None:
    """And no configuration is left behind."""
    with pytest.raises(BadWorkspace, match=name):
        start_own(repo.path, [name], "python opt.py", "score")
    assert not (repo.path / config.NAME).exists()


def test_a_folder_of_a_larger_repository_is_an_experiment_of_its_own(repo: Repo) -> None:
    """Names begin at the folder, for the user, and at the top, for git; what belongs to nobody is
    refused with the way on."""
    start_own(repo.path / "sub", ["./opt.py"], "python opt.py", "score")

    workspace = Workspace(repo.path / "sub")
    assert config.read(repo.path / "sub").experiment.free == ["opt.py"]
    assert workspace.config.experiment.free == ["sub/opt.py"]
    assert (workspace.folder, workspace.repo.path) == (repo.path / "sub", repo.path)
    assert workspace.is_free("sub/opt.py") and not workspace.is_free("opt.py")
    (repo.path / "else").mkdir()
    with pytest.raises(BadWorkspace, match="neither is an experiment"):
        Workspace(repo.path / "else")


def test_a_folder_without_a_configuration_belongs_to_the_top(repo: Repo) -> None:
    """Where the repository is an experiment as a whole."""
    start_own(repo.path, ["opt.py"], "python opt.py", "score")
    assert Workspace(repo.path / "sub").folder == repo.path


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("python opt.py --n 3", ["python", "opt.py", "--n", "3"]),
        ("python 'a b.py'", ["python", "a b.py"]),
        ("cd sub && python opt.py", ["sh", "-c", "cd sub && python opt.py"]),
        ("N=1 python opt.py", ["sh", "-c", "N=1 python opt.py"]),
        ("python opt.py | tail -1", ["sh", "-c", "python opt.py | tail -1"]),
        ("make; ./bench", ["sh", "-c", "make; ./bench"]),
        ("python -c 'print(1 > 0); x = 1'", ["python", "-c", "print(1 > 0); x = 1"]),
    ],
)
def test_a_line_for_a_shell_gets_one(line: str, words: list[str]) -> None:
    """Plain words are started as they are; what only a shell understands is handed to it."""
    assert split_command(line) == words


@pytest.mark.parametrize(
    ("metric", "direction"),
    [("accuracy", "max"), ("val_acc", "max"), ("f1", "max"), ("tokens_per_s", "max"),
     ("pass_at_1", "max"), ("seconds", "min"), ("val_bpb", "min"), ("loss", "min"),
     ("faculty", "min"), ("score", "min")],
)  # fmt: skip
def test_the_name_says_what_is_better(metric: str, direction: str) -> None:
    """A good thing is not minimised for want of a flag."""
    assert usual_direction(metric) == direction


def test_a_branch_in_the_way_is_walked_round(tmp_path: Path) -> None:
    """Git cannot have `autoresearch/w` beside `autoresearch`; a name that the user gave is refused
    with a sentence."""
    workspace = make(tmp_path / "w", noisy())
    workspace.repo.git("branch", "autoresearch")

    state = BranchState(workspace, None, "", "")
    assert state.branch == "refs/heads/autoresearch-w"
    workspace.start_branch(state.branch)
    with pytest.raises(Conflict, match="autoresearch/mine beside your branch autoresearch"):
        BranchState(workspace, "autoresearch/mine", "", "")


@pytest.mark.parametrize("setting", ["true", "input"])
def test_converted_line_ends_are_no_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    """Where the user's git converts line ends, what it calls clean is clean for us."""
    (tmp_path / "config").write_text(f"[core]\n\tautocrlf = {setting}\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    workspace = make(tmp_path / "w", noisy())
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", workspace.folder, clone], check=True)
    theirs = (clone / "train.py").read_bytes()
    assert (b"\r\n" in theirs) == (setting == "true")

    cloned = Workspace(clone)
    (clone / "train.py").touch()
    cloned.check_clean()
    with cloned.fresh(cloned.repo.head()) as checkout:
        (checkout.path / "train.py").write_text(noisy(0.5))
        better = cloned.commit(checkout, "better")
    branch = cloned.repo.branch()
    assert branch is not None
    cloned.users_folders.add(clone.resolve())
    cloned.advance(branch, better, cloned.repo.head())
    cloned.check_clean()
    (clone / "train.py").write_bytes(b"other\r\n")
    with pytest.raises(BadWorkspace, match="uncommitted changes"):
        cloned.check_clean()
