"""An experiment repository on disk: its configuration, its throw-away checkouts, its commits and
the branch of kept ones.

The user's own checkout is never written in, except for the two ledger files and `.autoresearch/`
(all ignored by git): edits and runs happen in fresh worktrees, discarded commits stay reachable
below `refs/autoresearch/attempts/`. Leaves to others: git itself (`git.repo`), what is decided
(judge), making a new repository (init).
"""

from __future__ import annotations

import glob
import posixpath
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path

from filelock import FileLock, Timeout
from msgspec import structs

from autoresearch.errors import BadInput, BadWorkspace, Conflict, TooLarge
from autoresearch.folders import Bounds, read_bytes, wipe
from autoresearch.git.checkouts import Checkout, check_out, describe_path
from autoresearch.git.lfs import missing_contents
from autoresearch.git.repo import ZERO, Change, Repo
from autoresearch.git.trees import REPOSITORY, read_tree
from autoresearch.own_programs import call_program
from autoresearch.researcher import config
from autoresearch.researcher.ledger import JSONL, TSV, Ledger

PRIVATE = ".autoresearch"
ATTEMPTS = "refs/autoresearch/attempts/"
IGNORED = (TSV, JSONL, f"/{PRIVATE}/", "run.log", "/progress.png", "/progress.svg", "/report.html")


class OutsideFree(BadInput):
    """An edit touched what is fixed, or left what no commit may hold."""


class Workspace:
    """The experiment in `folder`, a repository or a part of one. Opening it reads and checks the
    configuration; nothing is changed.

    `inside`: where the folder lies in the repository; empty at its top. Paths of commits and
    checkouts, free ones too, begin at the top."""

    def __init__(self, folder: Path) -> None:
        self.repo = Repo.at(folder.resolve())
        self.folder = find_experiment(folder, self.repo.path)
        self.inside = name_inside(self.folder, self.repo.path)
        self.config = read_inside(self.folder, self.inside)
        self.private = self.folder / PRIVATE
        # where the branch may be checked out; an agent's are none
        self.users_folders = {self.repo.path}
        self.ledger = Ledger(self.folder, self.private, self.config.experiment.metric)
        # git would forget a worktree that another thread is half done with adding
        self.listing = threading.Lock()

    @contextmanager
    def lock(self, wait_s: float = 1.0) -> Iterator[None]:
        """Hold the workspace alone; Conflict where another runner has it. A killed runner's lock
        is gone with it."""
        self.repo.exclude(ignored_files(self.inside))
        self.private.mkdir(exist_ok=True)
        lock = FileLock(self.private / "lock", timeout=wait_s)
        try:
            lock.acquire()
        except Timeout as error:
            raise Conflict(
                f"another `autoresearch run` works in {self.folder}; stop it first, or "
                "use another folder"
            ) from error
        try:
            self.users_folders |= set(self.repo.checked_out().values())
            yield
        finally:
            lock.release()

    # ---------------------------------------------------------------- the user's checkout

    def check_clean(self) -> None:
        """BadWorkspace where tracked files differ from the last commit: experiments start from
        commits, not from files."""
        own = posixpath.join(self.inside, config.NAME)
        dirty = [c.path for c in self.repo.changes() if c.kind != "?" and c.path != own]
        if dirty:
            raise BadWorkspace(
                f"uncommitted changes in {name_some(dirty)}: experiments start from "
                "commits; commit them (git commit -am 'why') or undo them "
                f"(git restore {dirty[0]})"
            )

    def check_ready(self) -> None:
        """BadWorkspace where the commit checked out cannot be an experiment's start."""
        self.refuse_incomplete(self.repo.head())
        tracked = self.repo.files(self.repo.head())
        missing = [
            name
            for name in self.config.experiment.free
            if not any(fnmatchcase(path, name) for path in tracked)
        ]
        if missing:
            raise BadWorkspace(
                f"{config.NAME} calls {name_some(missing)} free, and no committed file "
                "is called so; mend the name or commit it"
            )

    def refuse_incomplete(self, commit: str) -> None:
        """BadWorkspace where a checkout of the commit would silently lack a part of it."""
        self.refuse_repositories(commit)
        if missing := missing_contents(self.repo, commit):
            raise BadWorkspace(
                f"{name_some(missing)} in commit {commit[:7]} is kept by git LFS, and this machine "
                "has the pointer only: fetch the content (git lfs pull), or commit the file itself"
            )

    def refuse_repositories(self, commit: str) -> None:
        """BadWorkspace where a commit holds submodules: git would read their own configuration and
        run what it names."""
        entries = read_tree(self.repo, commit).items()
        inner = [describe_path(path) for path, entry in entries if entry.mode == REPOSITORY]
        if inner:
            raise BadWorkspace(
                f"{name_some(inner)} in commit {commit[:7]} is a git repository of its "
                "own (a submodule), and experiments hold plain "
                f"files only: take it out (git rm --cached {inner[0]}) or commit its files instead"
            )

    def notices(self, branch: str, tip: str) -> list[str]:
        """What a person should know before the loop starts; nothing here stops it."""
        said = []
        here = self.repo.branch()
        if here is None:
            said.append(
                f"HEAD is detached at {self.repo.head()[:7]}; kept experiments go to "
                f"{short_name(branch)}, which is at {tip[:7]}"
            )
        elif here != branch and self.repo.commits(tip, here):
            said.append(
                f"{short_name(here)} has commits that {short_name(branch)} lacks; "
                f"experiments go on from {short_name(branch)} ({tip[:7]})"
            )
        if self.repo.identity():
            said.append(
                "git has no name or e-mail for you; commits are signed autoresearch "
                "<autoresearch@localhost>"
            )
        return said

    # ---------------------------------------------------------------- checkouts

    def checkout(self, commit: str) -> Checkout:
        """A fresh worktree of a commit in a folder of its own."""
        place = self.private / "worktrees"
        place.mkdir(parents=True, exist_ok=True)
        path = Path(tempfile.mkdtemp(prefix=f"{commit[:7]}-", dir=place))
        with self.listing:
            return check_out(self.repo, path, commit, self.bounds)

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

    @property
    def bounds(self) -> Bounds:
        """How much an edit or a run may leave in its checkout."""
        return Bounds(self.config.limits.files, self.config.limits.depth)

    def is_free(self, path: str) -> bool:
        """Whether experiments may change a file. Never what git itself reads, whatever the
        patterns say: it names programs."""
        if any(part.lower().startswith((".git", ".lfsconfig")) for part in path.split("/")):
            return False
        return any(fnmatchcase(path, pattern) for pattern in self.config.experiment.free)

    def commit(self, checkout: Checkout, message: str) -> str:
        """Commit an agent's edit as one commit on the checkout's parent, whatever commits it made
        itself. Untracked files outside the free patterns are left out (`droppings`).

        Returns the parent where nothing changed. Raises OutsideFree where fixed files changed or
        a repository was left."""
        try:
            changes = [c for c in checkout.changes() if not self.is_dropping(c)]
            outside = [c for c in changes if not self.is_free(c.path)]
            if outside:
                raise OutsideFree(describe_refusal(outside, self.config.experiment.free))
            if odd := [c.path for c in changes if not is_utf8(c.path)]:
                raise OutsideFree(f"the edit left {name_some(odd)}, a name that is not UTF-8")
            return checkout.write_commit(changes, message) if changes else checkout.commit
        except TooLarge as error:
            raise OutsideFree(f"the edit left too much: {error}") from error
        except OSError as error:
            raise OutsideFree(f"the edit left what cannot be committed: {error}") from error

    def is_dropping(self, change: Change) -> bool:
        """Whether a change is a file of the agent's own, no part of the experiment: its history, a
        backup, notes. A repository is none: it could hide what was edited."""
        return (
            change.kind == "?" and not self.is_free(change.path)
            and not change.path.endswith("/.git")
        )  # fmt: skip

    def droppings(self, checkout: Checkout) -> list[str]:
        """The files of an agent's own in its checkout, which are gone with it."""
        try:
            return [c.path for c in checkout.changes() if self.is_dropping(c)]
        except (TooLarge, OSError):  # `commit` says so
            return []

    @contextmanager
    def guard_configuration(self) -> Iterator[list[str]]:
        """Put git's configuration of the whole repository back where the block changed it; then a
        sentence is in the list.

        A worktree shares it, and git runs the programs that it names: outside any sandbox."""
        common = self.repo.common_dir()
        files = [common / name for name in ("config", "config.worktree", "info/attributes")]
        before = {file: read_file(file) for file in files}
        said: list[str] = []
        yield said
        for file, was in before.items():
            if (now := read_file(file)) == was:
                continue
            saved = self.private / f"{file.name}.changed"
            if now is not None:
                file.replace(saved)
            else:
                wipe(file)
            if was is not None:
                file.write_bytes(was)
            said.append(
                f"{file} changed while an agent edited, and was put back; what it was "
                f"changed to is in {saved}"
            )

    def commit_evidence(self, checkout: Checkout, message: str) -> str:
        """Commit a refused edit of tracked files, so that a person can see what was tried. It is
        never run, never on the branch."""
        try:
            changed = [c for c in checkout.changes() if c.kind != "?"]
            return checkout.write_commit(changed, message) if changed else checkout.commit
        except (TooLarge, OSError):  # nothing that git could hold
            return checkout.commit

    def check_comparable(self, commit: str, ours: str) -> None:
        """OutsideFree where another agent's commit differs from ours in a fixed file, or has a
        link or a repository for a free one: whoever edits a link edits what it points to, outside
        the checkout."""
        changed = self.repo.changed_between(ours, commit)
        strange = [
            path for path in changed if self.repo.mode(commit, path) not in ("", "100644", "100755")
        ]
        if strange:
            raise OutsideFree(
                f"its {name_some(strange)} is no plain file, and nobody should edit through it"
            )
        fixed = [path for path in changed if not self.is_free(path)]
        if fixed:
            raise OutsideFree(
                f"it differs from {ours[:7]} in {name_some(fixed)}, which is fixed "
                "here, so its results could not be compared"
            )

    def anchor_attempt(self, attempt_id: str, commit: str) -> None:
        """Keep an attempt's commit reachable, kept or not."""
        self.repo.set_ref(ATTEMPTS + attempt_id, commit)

    def attempt_ids(self) -> list[str]:
        return [name.removeprefix(ATTEMPTS) for name in self.repo.refs(ATTEMPTS)]

    # ---------------------------------------------------------------- the experiment branch

    def start_branch(self, branch: str, start: str | None = None) -> str:
        """The tip of the experiment branch. One that does not exist yet starts at `start`, else at
        the user's HEAD; OutsideFree where `start` has other fixed files than HEAD."""
        tip = self.repo.ref(branch)
        if tip is None:
            tip = self.repo.head()
            if start is not None and start != tip:
                self.check_comparable(start, tip)
                tip = start
            self.refuse_incomplete(tip)
            self.repo.set_ref(branch, tip, old=ZERO)
        else:
            self.refuse_incomplete(tip)
        return tip

    def advance(self, branch: str, commit: str, parent: str) -> None:
        """Move the branch from `parent` to `commit`, a descendant or not; nothing to do where it
        is there already. Where the user had the branch checked out when research began, their
        files follow (git refuses to overwrite work of theirs)."""
        if self.repo.ref(branch) == commit:
            return
        folder = self.repo.checked_out().get(branch)
        if folder not in self.users_folders:
            self.repo.set_ref(branch, commit, old=parent)
        else:
            Repo(folder).follow(commit, old=parent)


def find_experiment(folder: Path, top: Path) -> Path:
    """The folder of a configuration: this one, or its repository's top. BadWorkspace where
    neither has one and this one is not the top."""
    inner = folder.resolve()
    if inner == top or (inner / config.NAME).exists():
        return inner
    if (top / config.NAME).exists():
        return top
    raise BadWorkspace(
        f"{folder} lies inside the repository {top}, and neither is an experiment; "
        f"`{call_program('autoresearch', 'init', folder)} --command … --free FILE` makes this "
        "part one"
    )


def name_inside(folder: Path, top: Path) -> str:
    """Where a folder lies in its repository, as git calls it; empty at the top."""
    return "" if folder == top else folder.relative_to(top).as_posix()


def read_inside(folder: Path, inside: str) -> config.Config:
    """The configuration, with free files by their names in the repository."""
    found = config.read(folder)
    free = [posixpath.join(glob.escape(inside), name) for name in found.experiment.free]
    return structs.replace(found, experiment=structs.replace(found.experiment, free=free))


def ignored_files(inside: str) -> list[str]:
    """What git is not to see, as patterns of the whole repository."""
    return [f"/{inside}{name}" if inside and name[0] == "/" else name for name in IGNORED]


def branch_name(folder: Path, name: str | None) -> str:
    """The full ref name for `--branch NAME`; by default `autoresearch/<name of the folder>`."""
    chosen = name or "autoresearch/" + (
        "".join(c if c.isalnum() or c in "-_." else "-" for c in folder.name).strip(".-") or "main"
    )
    return chosen if chosen.startswith("refs/heads/") else f"refs/heads/{chosen}"


def short_name(branch: str) -> str:
    return branch.removeprefix("refs/heads/")


def name_some(names: list[str], limit: int = 5) -> str:
    """A few names as people write them: `a.py, b.py and 3 more`."""
    more = len(names) - limit
    return ", ".join(map(describe_path, names[:limit])) + (f" and {more} more" if more > 0 else "")


def read_file(file: Path) -> bytes | None:
    """What a file holds, or None where there is none, or something else in its place."""
    try:
        return read_bytes(file.parent, file.name, 2**20)
    except (OSError, TooLarge):
        return None


def is_utf8(path: str) -> bool:
    return not any("\ud800" <= c <= "\udfff" for c in path)


def describe_refusal(outside: list[Change], free: list[str]) -> str:
    changed = [c.path for c in outside if c.kind != "?"]
    inner = [c.path for c in outside if c.path.endswith("/.git")]
    parts = [f"changed {name_some(changed)}, which is fixed"] if changed else []
    parts += [f"left a git repository of its own ({name_some(inner)})"] if inner else []
    return f"the edit {' and '.join(parts)}; only {name_some(free)} may be changed"
