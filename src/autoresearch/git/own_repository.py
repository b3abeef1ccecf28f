"""A checkout with a repository of its own: the last commits, copied, so that whoever works there
may use git as he likes and never reaches the repository that the checkout came from.

A worktree shares configuration, hooks and refs with its repository. Leaves to others: checkouts
and what becomes of them (`checkouts`), who works there (agents).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autoresearch.folders import wipe
from autoresearch.git.repo import FALLBACK_EMAIL, FALLBACK_NAME, Repo

HISTORY = 30  # commits that `git log` shows


@contextmanager
def own_repository(checkout: Path, commit: str) -> Iterator[None]:
    """While the block runs, `checkout`, a fresh worktree at `commit`, is a repository of its own;
    afterwards it is none at all. A folder that is no worktree stays as it is."""
    link = checkout / ".git"
    if not link.is_file():
        yield
        return
    source = Repo(checkout).common_dir()
    link.unlink()
    try:
        copy_history(checkout, source, commit)
        yield
    finally:
        wipe(link)


def copy_history(checkout: Path, source: Path, commit: str) -> None:
    """A new repository in `checkout`, on a branch at `commit`, whose files it has already."""
    kind = "sha1" if len(commit) == 40 else "sha256"
    repo = Repo(checkout)
    repo.git("init", "-q", "--template=", f"--object-format={kind}")
    repo.git("fetch", "-q", "--no-tags", f"--depth={HISTORY}", str(source), commit)
    (checkout / ".git" / "FETCH_HEAD").unlink()  # it names where we live
    repo.git("config", "user.name", FALLBACK_NAME)
    repo.git("config", "user.email", FALLBACK_EMAIL)
    repo.git("update-ref", "HEAD", commit)
    repo.git("reset", "-q")
