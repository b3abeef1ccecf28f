"""Claims about the git program as we drive it: no surprises from the user's configuration, no harm
to their checkout."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from autoresearch.errors import BadWorkspace, Conflict, NotFound
from autoresearch.git.repo import ZERO, Change, Repo


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    made = Repo.init(tmp_path / "repo")
    write(made, "a.txt", "one\n")
    made.add(["a.txt"])
    made.commit("first")
    return made


def write(repo: Repo, name: str, text: str) -> None:
    (repo.path / name).write_text(text, "utf-8")


def test_a_commit_needs_no_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where git knows no name and no e-mail, a stated fallback signs."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "none"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for name in (
        "GIT_AUTHOR_NAME",
        "GIT_AUTHOR_EMAIL",
        "GIT_COMMITTER_NAME",
        "GIT_COMMITTER_EMAIL",
        "XDG_CONFIG_HOME",
    ):
        monkeypatch.delenv(name, raising=False)
    made = Repo.init(tmp_path / "repo")
    write(made, "a", "x")
    made.add(["a"])

    made.commit("who am I")

    assert (
        made.git("log", "-1", "--format=%an <%ae>").strip()
        == "autoresearch <autoresearch@localhost>"
    )


def test_the_users_name_signs_where_git_knows_it(repo: Repo) -> None:
    """A configured identity is used as it is."""
    repo.git("config", "user.name", "Ada")
    repo.git("config", "user.email", "ada@example.org")
    write(repo, "a.txt", "two\n")
    repo.add(["a.txt"])

    repo.commit("second")

    assert repo.git("log", "-1", "--format=%an <%ae>").strip() == "Ada <ada@example.org>"


def test_hooks_signing_and_ignore_files_of_the_user_do_nothing(repo: Repo, tmp_path: Path) -> None:
    """A hook that refuses, a signing key that is missing and a global ignore file change
    nothing."""
    hook = repo.common_dir() / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    (tmp_path / "ignore").write_text("*\n")
    repo.git("config", "core.excludesFile", str(tmp_path / "ignore"))
    repo.git("config", "commit.gpgSign", "true")
    write(repo, "b.txt", "x\n")

    assert [Change("?", "b.txt")] == repo.changes()
    repo.add(["b.txt"])
    assert repo.commit("signed by nobody") == repo.head()


def test_names_with_odd_characters_are_names(repo: Repo) -> None:
    """Spaces, quotes, stars, line breaks and dashes in file names are characters, not syntax."""
    names = ["with space.txt", 'quo"te.txt', "-dash", "*.txt", "line\nbreak", "ümlaut"]
    for name in names:
        write(repo, name, "x\n")

    assert sorted(names) == sorted(change.path for change in repo.changes())
    repo.add(["*.txt"])
    assert (
        "a.txt" not in repo.git("diff", "--cached", "--name-only")
        and sum(c.kind == "?" for c in repo.changes()) == 5
    )


def test_a_ref_moves_only_from_where_it_was(repo: Repo) -> None:
    """Two who move one ref do not overwrite each other: the second gets a Conflict that names both
    places."""
    repo.set_ref("refs/heads/x", repo.head(), old=ZERO)

    with pytest.raises(Conflict, match="refs/heads/x is at"):
        repo.set_ref("refs/heads/x", repo.head(), old=ZERO)


def test_lines_are_counted(repo: Repo) -> None:
    """Added less removed."""
    before = repo.head()
    write(repo, "a.txt", "1\n2\n3\n")
    repo.add(["a.txt"])

    assert repo.lines_added(before, repo.commit("longer")) == 2


def test_what_is_missing_is_named(repo: Repo, tmp_path: Path) -> None:
    """Unknown commits, missing files and folders without a repository get sentences of their
    own."""
    with pytest.raises(NotFound, match="no commit 'nope'"):
        repo.resolve("nope")
    with pytest.raises(NotFound, match="has no file b"):
        repo.show(repo.head(), "b")
    with pytest.raises(BadWorkspace, match="not a folder"):
        Repo.at(tmp_path / "missing")
    with pytest.raises(BadWorkspace, match="no git repository"):
        Repo.at(tmp_path)
    with pytest.raises(BadWorkspace, match="no commit yet"):
        Repo.init(tmp_path / "empty").head()


def test_excluding_twice_writes_once(repo: Repo) -> None:
    """Ignored names stand in info/exclude once, and no tracked file is touched."""
    repo.exclude(["x", "y"])
    repo.exclude(["y", "z"])

    assert (repo.common_dir() / "info" / "exclude").read_text().split() == ["x", "y", "z"]
    assert repo.changes() == []


def test_ctrl_c_does_not_reach_git(repo: Repo) -> None:
    """git runs in a session of its own: a Ctrl-C in our terminal cannot end it in the middle of a
    write."""
    session = int(
        repo.git(
            "-c", f"alias.session=!{sys.executable} -c 'import os; print(os.getsid(0))'", "session"
        )
    )

    assert session != os.getsid(0)
