"""Claims about checkouts compared without git: the same answer as git's where nobody attacks, and
commits that git would make."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from autoresearch.folders import Bounds
from autoresearch.git.checkouts import Checkout, check_out, describe_path
from autoresearch.git.repo import Change, Repo


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    made = Repo.init(tmp_path / "repo")
    (made.path / "sub").mkdir()
    for name, text in {
        "a.py": "a\n",
        "run.sh": "true\n",
        "sub/b.py": "b\n",
        ".gitignore": "*.log\nout/\n!keep.log\n",
    }.items():
        (made.path / name).write_text(text)
    (made.path / "run.sh").chmod(0o755)
    os.symlink("a.py", made.path / "link")
    made.add(change.path for change in made.changes())
    made.commit("first")
    return made


@pytest.fixture
def checkout(repo: Repo, tmp_path: Path) -> Checkout:
    return check_out(repo, tmp_path / "tree", repo.head(), Bounds())


def edit_everything(tree: Path) -> None:
    (tree / "a.py").write_text("b\n")  # as long as before
    (tree / "run.sh").chmod(0o644)
    (tree / "link").unlink()
    os.symlink("b.py", tree / "link")
    (tree / "sub" / "b.py").unlink()
    (tree / "sub" / "new.py").write_text("new\n")
    for name in (":(top)x", "with space", "line\nbreak", "ümlaut", "-dash", "*"):
        (tree / name).write_text("x\n")
    for name in ("x.log", "keep.log", "out/y", "sub/out/z"):
        (tree / name).parent.mkdir(exist_ok=True)
        (tree / name).write_text("x\n")


def test_changes_are_those_that_git_would_name(checkout: Checkout) -> None:
    """Content, modes, links, removals, new files, and what the commit's .gitignore names."""
    assert checkout.changes() == []
    edit_everything(checkout.path)

    asked = sorted(Repo(checkout.path).changes(), key=lambda change: change.path)

    assert checkout.changes() == asked and len(asked) == 12


def test_a_commit_of_changes_is_the_one_git_would_make(checkout: Checkout) -> None:
    """The same tree as `git add` and `git commit` of the same files."""
    edit_everything(checkout.path)
    changes = checkout.changes()

    ours = checkout.write_commit(changes, "  edited  \n\n")
    theirs = Repo(checkout.path)
    theirs.add(change.path for change in changes)

    assert theirs.git("write-tree") == checkout.repo.git("rev-parse", f"{ours}^{{tree}}")
    assert checkout.repo.message(ours) == "edited"
    assert checkout.repo.commits(checkout.commit, ours) == [ours]


def test_a_file_in_place_of_a_folder_and_back(checkout: Checkout) -> None:
    """Removing comes before adding, so a path may change its kind."""
    (checkout.path / "sub" / "b.py").unlink()
    (checkout.path / "sub").rmdir()
    (checkout.path / "sub").write_text("a file\n")
    (checkout.path / "a.py").unlink()
    (checkout.path / "a.py").mkdir()
    (checkout.path / "a.py" / "inner").write_text("x\n")

    commit = checkout.write_commit(checkout.changes(), "swapped")

    assert {"sub", "a.py/inner"} <= set(checkout.repo.files(commit))


def test_what_git_converts_is_converted_back(tmp_path: Path) -> None:
    """With line ends by attribute the file lies there with CRLF, counts as unchanged, and is
    stored with LF when it is edited."""
    repo = Repo.init(tmp_path / "repo")
    (repo.path / ".gitattributes").write_text("*.txt text eol=crlf\n")
    (repo.path / "a.txt").write_text("one\n")
    repo.add([".gitattributes", "a.txt"])
    repo.git("config", "core.autocrlf", "true")
    first = repo.commit("first")
    checkout = check_out(repo, tmp_path / "tree", first, Bounds())
    assert (checkout.path / "a.txt").read_bytes() == b"one\r\n"
    assert checkout.changes() == []

    (checkout.path / "a.txt").write_bytes(b"two\r\n")
    commit = checkout.write_commit(checkout.changes(), "edited")

    assert repo.show(commit, "a.txt") == b"two\n"


def test_git_of_the_folder_is_not_asked(checkout: Checkout, tmp_path: Path) -> None:
    """A run that replaces its `.git` by a repository with a filter of its own does not get that
    filter run."""
    (checkout.path / ".git").unlink()
    hostile = Repo.init(checkout.path)
    hostile.git("config", "filter.evil.clean", f"touch {tmp_path / 'attacked'}; cat")
    (checkout.path / ".gitattributes").write_text("* filter=evil\n")
    (checkout.path / "a.py").write_text("changed\n")

    changes = checkout.changes()

    assert changes == [Change("?", ".gitattributes"), Change("M", "a.py")]
    checkout.write_commit(changes, "mine")
    assert not (tmp_path / "attacked").exists()


def test_own_commits_of_an_agent_move_no_branch_and_count_as_edits(
    repo: Repo, checkout: Checkout
) -> None:
    """Where an agent switched branches in its checkout and committed, its work is still a change
    of the commit checked out."""
    theirs = Repo(checkout.path)
    theirs.git("switch", "-q", "-c", "mine")
    (checkout.path / "a.py").write_text("two\n")
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    theirs.git(*identity, "commit", "-q", "-a", "-m", "own commit")

    assert checkout.changes() == [Change("M", "a.py")]
    ours = checkout.write_commit(checkout.changes(), "ours")
    assert repo.commits(checkout.commit, ours) == [ours]
    assert repo.head() == checkout.commit != repo.resolve("mine")


def test_sha256_repositories_are_compared_too(tmp_path: Path) -> None:
    """The hash is the one the repository uses."""
    (tmp_path / "repo").mkdir()
    repo = Repo(tmp_path / "repo")
    repo.git("init", "-q", "--object-format=sha256")
    (repo.path / "a").write_text("x")
    repo.add(["a"])
    checkout = check_out(repo, tmp_path / "tree", repo.commit("first"), Bounds())

    assert checkout.changes() == []
    assert checkout.blobs["a"] == checkout.tracked["a"].blob


@pytest.mark.parametrize("what", ["pipe", "folder", "unreadable"])
def test_a_file_replaced_by_something_else_has_changed(checkout: Checkout, what: str) -> None:
    """A pipe is not opened; a folder and a file without permissions are no surprise."""
    file = checkout.path / "a.py"
    if what == "unreadable":
        file.write_text("b\n")
        file.chmod(0)
    else:
        file.unlink()
        os.mkfifo(file) if what == "pipe" else file.mkdir()

    assert [change.path for change in checkout.changes()] == ["a.py"]


def test_names_are_printable_in_sentences() -> None:
    """Whatever bytes a file's name has."""
    assert describe_path("a\x1b[2J\nb" + os.fsdecode(b"\xff")) == r"a\x1b[2J\nb\xff"
