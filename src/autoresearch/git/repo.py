"""A git repository on disk, driven through the git program with argument lists: commits, refs,
throw-away worktrees.

Leaves to others: what a commit means (researcher), bundles as bytes (`bundle`, `pack`, `fsck`),
the network (`client`). Every command runs without prompts, hooks, signing, pagers or the user's
ignore file, so that it does the same on every machine; name and e-mail are the user's where git
knows them, else a stated fallback.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from autoresearch.errors import AutoresearchError, BadWorkspace, Conflict, MissingTool, NotFound
from autoresearch.own_programs import call_program

TIMEOUT_S = 300
FALLBACK_NAME, FALLBACK_EMAIL = "autoresearch", "autoresearch@localhost"
ZERO = "0" * 40
# what git may see of our environment: where programs and the user's configuration are, and who the
# user says they are
PASSED_ON = (
    "PATH", "HOME", "USERPROFILE", "SYSTEMROOT", "TMPDIR", "TEMP", "XDG_CONFIG_HOME",
    "GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM",
    "GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL",
)  # fmt: skip
SETTINGS = {
    "commit.gpgSign": "false",
    "tag.gpgSign": "false",
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.excludesFile": os.devnull,
    "core.autocrlf": "false",
    "submodule.recurse": "false",
    "core.quotePath": "false",
    "core.filesRefLockTimeout": "10000",
    "core.packedRefsTimeout": "10000",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "advice.detachedHead": "false",
    "init.defaultBranch": "main",
}

LINE_ENDS = ("core.autocrlf",)


class GitFailed(AutoresearchError):
    """git ended with an error; the text carries git's own last words."""


@dataclass(frozen=True, slots=True)
class Change:
    """One path that differs: `kind` is git's letter (M modified, A added, D deleted, ?
    untracked)."""

    kind: str
    path: str


def environment() -> dict[str, str]:
    """The environment git runs in: nothing of ours but PASSED_ON, English messages, no prompts."""
    env = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return {
        **env,
        "LC_ALL": "C.UTF-8",
        "LANGUAGE": "en",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_EDITOR": "true",
        "GIT_PAGER": "cat",
    }


class Repo:
    """A work tree with its repository, in which nobody writes but us and the user: git runs the
    programs that a folder's configuration, attributes and inner repositories name. Where foreign
    code wrote, `checkouts` looks."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    @classmethod
    def init(cls, path: Path) -> Repo:
        """Make an empty repository on branch `main`."""
        path.mkdir(parents=True, exist_ok=True)
        repo = cls(path)
        repo.git("init", "-q", "--template=")
        return repo

    @classmethod
    def at(cls, path: Path) -> Repo:
        """The repository whose top folder is `path`; BadWorkspace where it is none."""
        if not path.is_dir():
            command = call_program("autoresearch", "init", path)
            raise BadWorkspace(f"{path} is not a folder; `{command}` makes one")
        try:
            top = cls(path).git("rev-parse", "--show-toplevel").strip()
        except GitFailed as error:
            command = call_program("autoresearch", "init", "DIR")
            raise BadWorkspace(
                f"{path} is no git repository ({error}); `{command}` makes one"
            ) from error
        return cls(Path(top))

    # ---------------------------------------------------------------- asking

    def git(self, *args: str, data: bytes = b"", env: dict[str, str] | None = None) -> str:
        """Run one git command here and return what it printed; GitFailed with its last words
        otherwise."""
        return self.git_bytes(*args, data=data, env=env).decode("utf-8", "replace")

    def git_bytes(
        self,
        *args: str,
        data: bytes | BinaryIO = b"",
        env: dict[str, str] | None = None,
        codes: Sequence[int] = (0,),
        theirs: Sequence[str] = (),
    ) -> bytes:
        """`data`: what git reads, in memory or an open file that it reads itself. `theirs`:
        settings that stay as the user has them."""
        fed: dict[str, Any] = {"input": data} if isinstance(data, bytes) else {"stdin": data}
        ours = {name: value for name, value in SETTINGS.items() if name not in theirs}
        settings = [part for name, value in ours.items() for part in ("-c", f"{name}={value}")]
        try:
            done: subprocess.CompletedProcess[bytes] = subprocess.run(
                ["git", *settings, *args],
                cwd=self.path,
                env={**environment(), **(env or {})},
                **fed,
                capture_output=True,
                timeout=TIMEOUT_S,
                check=False,
                start_new_session=True,  # a Ctrl-C is for us: git finishes what it writes
            )
        except FileNotFoundError as error:
            if not self.path.is_dir():
                raise BadWorkspace(f"the folder {self.path} is gone") from error
            raise MissingTool(
                "git is not installed; install it (for example: apt install git)"
            ) from error
        except subprocess.TimeoutExpired as error:
            raise GitFailed(f"git {args[0]} took over {TIMEOUT_S} s in {self.path}") from error
        if done.returncode not in codes:
            words = done.stderr.decode("utf-8", "replace").strip().splitlines() or [
                f"exit code {done.returncode}"
            ]
            raise GitFailed(f"git {args[0]}: {words[-1]}")
        return done.stdout

    def resolve(self, name: str) -> str:
        """The full hash of the commit `name`; NotFound where there is none."""
        commit = self.maybe(name)
        if commit is None:
            raise NotFound(f"no commit {name!r} in {self.path}")
        return commit

    def maybe(self, name: str) -> str | None:
        """The full hash of the commit `name`, or None."""
        try:
            return self.git(
                "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"
            ).strip()
        except GitFailed:
            return None

    def head(self) -> str:
        """The commit checked out here; BadWorkspace in a repository without commits."""
        commit = self.maybe("HEAD")
        if commit is None:
            raise BadWorkspace(
                f"{self.path} has no commit yet; commit the files the experiment starts from"
            )
        return commit

    def branch(self) -> str | None:
        """The full name of the branch checked out here, or None where HEAD is detached."""
        try:
            return self.git("symbolic-ref", "--quiet", "HEAD").strip()
        except GitFailed:
            return None

    def changes(self) -> list[Change]:
        """What differs from the commit checked out here, untracked files included, ignored ones
        not. Ends of lines are converted as the user has it, who checked the files out."""
        how = ("--no-renames", "--untracked-files=all", "--ignore-submodules=all")
        said = self.git_bytes("status", "--porcelain=v1", "-z", *how, theirs=LINE_ENDS)
        parts = said.decode("utf-8", "replace").split("\0")
        return [Change(part[:2].strip()[:1], part[3:]) for part in parts if part]

    def changed_between(self, before: str, after: str) -> list[str]:
        """The paths in which two commits differ."""
        text = self.git("diff", "--no-ext-diff", "--no-renames", "--name-only", "-z", before, after)
        return [path for path in text.split("\0") if path]

    def lines_added(self, before: str, after: str) -> int:
        """Lines added less lines removed between two commits."""
        text = self.git("diff", "--no-ext-diff", "--no-renames", "--numstat", before, after)
        counts = (line.split("\t")[:2] for line in text.splitlines())
        return sum(int(plus) - int(minus) for plus, minus in counts if plus != "-")

    def diff(self, before: str, after: str) -> str:
        return self.git("diff", "--no-ext-diff", "--no-color", before, after)

    def show(self, commit: str, path: str) -> bytes:
        """The bytes of one file in one commit; NotFound where it has none."""
        try:
            return self.git_bytes("cat-file", "blob", f"{commit}:{path}")
        except GitFailed as error:
            raise NotFound(f"commit {commit[:7]} has no file {path}") from error

    def mode(self, commit: str, path: str) -> str:
        """git's mode of a path in a commit (100644 a file, 100755 a program, 120000 a link, 160000
        a repository), empty where it is not there."""
        return self.git("--literal-pathspecs", "ls-tree", "-z", commit, "--", path).partition(" ")[
            0
        ]

    def files(self, commit: str) -> list[str]:
        """Every tracked path of a commit."""
        return [
            path
            for path in self.git("ls-tree", "-r", "-z", "--name-only", commit).split("\0")
            if path
        ]

    def message(self, commit: str) -> str:
        return self.git("log", "-1", "--format=%B", commit).strip()

    def commits(self, base: str, tip: str) -> list[str]:
        """The commits of `tip` that `base` has not, oldest first."""
        return self.git("rev-list", "--reverse", f"{base}..{tip}").split()

    def merge_base(self, one: str, other: str) -> str:
        """The nearest commit both descend from, or the empty string where they share none."""
        try:
            return self.git("merge-base", one, other).split("\n")[0].strip()
        except GitFailed:
            return ""

    # ---------------------------------------------------------------- commits and refs

    def identity(self) -> dict[str, str]:
        """The GIT_* variables that stand in for a name or e-mail git does not know; empty where it
        knows both."""
        known = environment()
        missing = {}
        for what, fallback in (("name", FALLBACK_NAME), ("email", FALLBACK_EMAIL)):
            if self.setting(f"user.{what}"):
                continue
            for role in ("AUTHOR", "COMMITTER"):
                variable = f"GIT_{role}_{what.upper()}"
                if variable not in known:
                    missing[variable] = fallback
        return missing

    def setting(self, name: str) -> str:
        """A value of git's configuration, or the empty string."""
        try:
            return self.git("config", "--get", name).strip()
        except GitFailed:
            return ""

    def add(self, paths: Iterable[str]) -> None:
        """Stage exactly these paths, deletions included; never `add -A`."""
        listing = "\0".join(paths).encode()
        if listing:
            self.git(
                "--literal-pathspecs",
                "add",
                "--all",
                "--force",
                "--pathspec-from-file=-",
                "--pathspec-file-nul",
                data=listing,
            )

    def commit(self, message: str) -> str:
        """Commit what is staged and return the hash."""
        self.git(
            "commit",
            "-q",
            "--no-verify",
            "--cleanup=whitespace",
            "-F",
            "-",
            data=message.encode(),
            env=self.identity(),
        )
        return self.head()

    def ref(self, name: str) -> str | None:
        return self.maybe(name)

    def refs(self, prefix: str) -> dict[str, str]:
        """Refs below a prefix, by full name."""
        lines = self.git("for-each-ref", "--format=%(refname) %(objectname)", prefix).splitlines()
        return dict(line.split(" ") for line in lines)

    def set_ref(self, name: str, commit: str, old: str | None = None) -> None:
        """Point a ref at a commit. With `old`, only if it pointed there (ZERO: did not exist);
        Conflict otherwise."""
        try:
            before = [ZERO[:1] * len(commit) if old == ZERO else old] if old is not None else []
            self.git("update-ref", name, commit, *before)
        except GitFailed as error:
            now = self.ref(name)
            raise Conflict(
                f"{name} is at {(now or 'nothing')[:7]} and could not be moved to "
                f"{commit[:7]}: {error}"
            ) from error

    def follow(self, commit: str, old: str) -> None:
        """Move the checked-out branch and its files from `old` to any other commit. Uncommitted
        work and untracked files stay as they are; where they are in the way git refuses, then
        Conflict."""
        try:
            if self.head() != old:
                raise GitFailed(f"it is at {self.head()[:7]}, not at {old[:7]}")
            self.git_bytes("reset", "-q", "--keep", commit, theirs=LINE_ENDS)
        except GitFailed as error:
            raise Conflict(
                f"the branch checked out in {self.path} could not follow to {commit[:7]}: {error}"
            ) from error

    # ---------------------------------------------------------------- worktrees

    def common_dir(self) -> Path:
        """Where the repository itself lives, shared by all its worktrees."""
        return (self.path / self.git("rev-parse", "--git-common-dir").strip()).resolve()

    def add_worktree(self, path: Path, commit: str) -> None:
        """A fresh checkout of a commit, detached, in a folder that is empty or not there yet."""
        self.git("worktree", "add", "-q", "--detach", "--force", str(path), commit)

    def prune_worktrees(self) -> None:
        """Forget worktrees whose folder is gone."""
        self.git("worktree", "prune", "--expire=now")

    def checked_out(self) -> dict[str, Path]:
        """Branches checked out in some worktree: full ref name to folder."""
        found: dict[str, Path] = {}
        folder = Path()
        for line in self.git("worktree", "list", "--porcelain").splitlines():
            if line.startswith("worktree "):
                folder = Path(line.removeprefix("worktree "))
            elif line.startswith("branch "):
                found[line.removeprefix("branch ")] = folder
        return found

    def exclude(self, patterns: Sequence[str]) -> None:
        """Ignore patterns in this repository without touching a tracked file (info/exclude, all
        worktrees)."""
        file = self.common_dir() / "info" / "exclude"
        file.parent.mkdir(exist_ok=True)
        known = file.read_text("utf-8").splitlines() if file.exists() else []
        missing = [pattern for pattern in patterns if pattern not in known]
        if missing:
            file.write_text("\n".join([*known, *missing]) + "\n", "utf-8")
