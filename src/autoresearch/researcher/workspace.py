"""An experiment repository on disk: its configuration, its throw-away checkouts, its commits and the branch of kept ones.

The user's own checkout is never written in, except for the two ledger files and `.autoresearch/` (all ignored by git): edits
and runs happen in fresh worktrees, discarded commits stay reachable below `refs/autoresearch/attempts/`. Leaves to others:
git itself (`git.repo`), what is decided (judge), making a new repository (starter).
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from filelock import FileLock, Timeout

from autoresearch.errors import BadInput, BadWorkspace, Conflict
from autoresearch.git.repo import ZERO, Change, Repo
from autoresearch.researcher import config
from autoresearch.researcher.ledger import JSONL, TSV, Ledger

PRIVATE = ".autoresearch"
ATTEMPTS = "refs/autoresearch/attempts/"
IGNORED = (TSV, JSONL, f"/{PRIVATE}/", "run.log", "/progress.png", "/progress.svg", "/report.html")


class OutsideFree(BadInput):
    """An edit touched what is fixed, or left files that are not part of the experiment."""


@dataclass(frozen=True)
class Checkout:
    """A throw-away worktree of one commit."""

    repo: Repo
    commit: str

    @property
    def path(self) -> Path:
        return self.repo.path

    def changes(self) -> list[Change]:
        return self.repo.changes()


class Workspace:
    """The repository in `folder`. Opening it reads and checks the configuration; nothing is changed."""

    def __init__(self, folder: Path) -> None:
        self.repo = Repo.at(folder.resolve())
        if not (self.repo.path / config.NAME).exists() and folder.resolve() != self.repo.path:
            raise BadWorkspace(
                f"{folder} lies inside the repository {self.repo.path}, which is no experiment; give its own folder"
            )
        self.folder = self.repo.path
        self.config = config.read(self.folder)
        self.private = self.folder / PRIVATE
        self.ledger = Ledger(self.folder, aside=self.private)
        self.listing = (
            threading.Lock()
        )  # git would forget a worktree that another thread is half done with adding

    @contextmanager
    def lock(self, wait_s: float = 1.0) -> Iterator[None]:
        """Hold the workspace alone; Conflict where another runner has it. A killed runner's lock is gone with it."""
        self.repo.exclude(IGNORED)
        self.private.mkdir(exist_ok=True)
        lock = FileLock(self.private / "lock", timeout=wait_s)
        try:
            lock.acquire()
        except Timeout as error:
            raise Conflict(
                f"another `autoresearch run` works in {self.folder}; stop it first, or use another folder"
            ) from error
        try:
            yield
        finally:
            lock.release()

    # ---------------------------------------------------------------- the user's checkout

    def check_clean(self) -> None:
        """BadWorkspace where tracked files differ from the last commit: experiments start from commits, not from files."""
        dirty = [c.path for c in self.repo.changes() if c.kind != "?" and c.path != config.NAME]
        if dirty:
            raise BadWorkspace(
                f"uncommitted changes in {listed(dirty)}: experiments start from commits; commit them (git commit -am 'why') or undo them "
                f"(git restore {dirty[0]})"
            )

    def check_ready(self) -> None:
        """BadWorkspace where the commit checked out cannot be an experiment's start."""
        tracked = self.repo.files(self.repo.head())
        missing = [
            name
            for name in self.config.experiment.free
            if not any(fnmatchcase(path, name) for path in tracked)
        ]
        if missing:
            raise BadWorkspace(
                f"{config.NAME} calls {listed(missing)} free, and no committed file is called so; mend the name or commit it"
            )

    def notices(self, branch: str, tip: str) -> list[str]:
        """What a person should know before the loop starts; nothing here stops it."""
        said = []
        here = self.repo.branch()
        if here is None:
            said.append(
                f"HEAD is detached at {self.repo.head()[:7]}; kept experiments go to {short(branch)}, which is at {tip[:7]}"
            )
        elif here != branch and self.repo.commits(tip, here):
            said.append(
                f"{short(here)} has commits that {short(branch)} lacks; experiments go on from {short(branch)} ({tip[:7]})"
            )
        if self.repo.identity():
            said.append(
                "git has no name or e-mail for you; commits are signed autoresearch <autoresearch@localhost>"
            )
        return said

    # ---------------------------------------------------------------- checkouts

    def checkout(self, commit: str) -> Checkout:
        """A fresh worktree of a commit in a folder of its own."""
        place = self.private / "worktrees"
        place.mkdir(parents=True, exist_ok=True)
        path = Path(tempfile.mkdtemp(prefix=f"{commit[:7]}-", dir=place))
        with self.listing:
            return Checkout(self.repo.add_worktree(path, commit), commit)

    def remove(self, checkout: Checkout) -> None:
        wipe(checkout.path)
        with self.listing:
            self.repo.prune_worktrees()

    @contextmanager
    def fresh(self, commit: str) -> Iterator[Checkout]:
        """A checkout that is gone afterwards, whatever happened in it."""
        checkout = self.checkout(commit)
        try:
            yield checkout
        finally:
            self.remove(checkout)

    def sweep_checkouts(self) -> None:
        """Remove what a killed runner left."""
        wipe(self.private / "worktrees")
        self.repo.prune_worktrees()

    # ---------------------------------------------------------------- commits

    def is_free(self, path: str) -> bool:
        return any(fnmatchcase(path, pattern) for pattern in self.config.experiment.free)

    def commit(self, checkout: Checkout, message: str) -> str:
        """Commit an agent's edit as one commit on the checkout's parent, whatever commits it made itself (trap C1).

        Returns the parent where nothing changed. Raises OutsideFree where fixed files changed or other files were left."""
        checkout.repo.reset_to(checkout.commit)
        changes = checkout.changes()
        outside = [c for c in changes if not self.is_free(c.path)]
        if outside:
            raise OutsideFree(refusal(outside, self.config.experiment.free))
        if not changes:
            return checkout.commit
        checkout.repo.add(c.path for c in changes)
        return checkout.repo.commit(message)

    def commit_evidence(self, checkout: Checkout, message: str) -> str:
        """Commit a refused edit of tracked files, so that a person can see what was tried. It is never run, never on the branch."""
        checkout.repo.reset_to(checkout.commit)
        changed = [c.path for c in checkout.changes() if c.kind != "?"]
        if not changed:
            return checkout.commit
        checkout.repo.add(changed)
        return checkout.repo.commit(message)

    def check_comparable(self, commit: str, ours: str) -> None:
        """OutsideFree where another agent's commit differs from ours in a fixed file, or has a link or a repository for a free one:
        whoever edits a link edits what it points to, outside the checkout."""
        changed = self.repo.changed_between(ours, commit)
        strange = [
            path for path in changed if self.repo.mode(commit, path) not in ("", "100644", "100755")
        ]
        if strange:
            raise OutsideFree(
                f"its {listed(strange)} is no plain file, and nobody should edit through it"
            )
        fixed = [path for path in changed if not self.is_free(path)]
        if fixed:
            raise OutsideFree(
                f"it differs from {ours[:7]} in {listed(fixed)}, which is fixed here, so its results could not be compared"
            )

    def remember(self, attempt_id: str, commit: str) -> None:
        """Keep an attempt's commit reachable, kept or not (trap C4)."""
        self.repo.set_ref(ATTEMPTS + attempt_id, commit)

    def attempt_ids(self) -> list[str]:
        return [name.removeprefix(ATTEMPTS) for name in self.repo.refs(ATTEMPTS)]

    # ---------------------------------------------------------------- the experiment branch

    def start_branch(self, branch: str, start: str | None = None) -> str:
        """The tip of the experiment branch. One that does not exist yet starts at `start`, else at the user's HEAD; OutsideFree
        where `start` has other fixed files than HEAD."""
        tip = self.repo.ref(branch)
        if tip is None:
            tip = self.repo.head()
            if start is not None and start != tip:
                self.check_comparable(start, tip)
                tip = start
            self.repo.set_ref(branch, tip, old=ZERO)
        return tip

    def advance(self, branch: str, commit: str, parent: str) -> None:
        """Move the branch from `parent` to `commit`, a descendant or not; nothing to do where it is there already. Where the user
        has the branch checked out, their files follow (git refuses to overwrite work of theirs)."""
        if self.repo.ref(branch) == commit:
            return
        folder = self.repo.checked_out().get(branch)
        if folder is None:
            self.repo.set_ref(branch, commit, old=parent)
        else:
            Repo(folder).follow(commit, old=parent)


def wipe(folder: Path) -> None:
    """Remove a folder that a run wrote in, also where it took away its own permissions."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        for place, _, _ in os.walk(folder):
            os.chmod(place, 0o700)
        shutil.rmtree(folder, ignore_errors=True)


def branch_name(folder: Path, name: str | None) -> str:
    """The full ref name for `--branch NAME`; by default `autoresearch/<name of the folder>`."""
    chosen = name or "autoresearch/" + (
        "".join(c if c.isalnum() or c in "-_." else "-" for c in folder.name).strip(".-") or "main"
    )
    return chosen if chosen.startswith("refs/heads/") else f"refs/heads/{chosen}"


def short(branch: str) -> str:
    return branch.removeprefix("refs/heads/")


def listed(names: list[str], limit: int = 5) -> str:
    """A few names as people write them: `a.py, b.py and 3 more`."""
    more = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {more} more" if more > 0 else "")


def refusal(outside: list[Change], free: list[str]) -> str:
    changed = [c.path for c in outside if c.kind != "?"]
    left = [c.path for c in outside if c.kind == "?"]
    parts = [f"changed {listed(changed)}, which is fixed"] if changed else []
    parts += [f"left untracked files {listed(left)}"] if left else []
    return f"the edit {' and '.join(parts)}; only {listed(free)} may be changed"
