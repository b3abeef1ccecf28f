"""What foreign code did to a checkout, found out without git: git would read the folder's own
configuration, attributes and inner repositories, and run the programs they name.

Git checks a commit out, once, before anybody else writes there. From then on this file walks the
folder, hashes what it finds as git does, and compares that with what git had put there. Leaves to
others: commits (`trees`), which changes are allowed (workspace).
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from autoresearch.errors import BadInput
from autoresearch.folders import Bounds, read_bytes, read_chunks, walk_folder
from autoresearch.git.lfs import fill_pointers
from autoresearch.git.repo import Change, Repo
from autoresearch.git.trees import (
    FILE,
    GONE,
    LINK,
    PROGRAM,
    REPOSITORY,
    TreeEntry,
    find_ignored,
    read_tree,
    write_blob,
    write_commit,
)

BLOB_BYTES = 64 * 10**6  # a changed file over this is no program and is not committed


@dataclass(frozen=True, slots=True)
class FileState:
    """What lies at a path: git's mode for it, "" for what git cannot hold (a pipe, a device), and
    its size."""

    mode: str
    size_bytes: int


@dataclass(frozen=True)
class Checkout:
    """A throw-away folder with the files of one commit. `repo` is the repository it came from, and
    is never told of this folder.

    `files` and `blobs` are what git put here: states and hashes by path. They differ from
    `tracked` where git converts files."""

    repo: Repo
    path: Path
    commit: str
    bounds: Bounds
    tracked: Mapping[str, TreeEntry]
    files: Mapping[str, FileState]
    blobs: Mapping[str, str]

    def changes(self) -> list[Change]:
        """What differs from what was checked out, untracked files included, ignored ones not.
        TooLarge over the bounds."""
        now = list_files(self.path, self.bounds)
        changed = [
            Change("M" if path in now else "D", path)
            for path in self.files
            if now.get(path) != self.files[path] or not self._is_as_before(path)
        ]
        added = [path for path in now if path not in self.files]
        ignored = find_ignored(self.repo, self._ignore_rules(), added) if added else ()
        return sorted(
            [*changed, *(Change("?", path) for path in added if path not in ignored)],
            key=lambda change: change.path,
        )

    def _ignore_rules(self) -> dict[str, bytes]:
        """The .gitignore files of the commit, whatever became of those in the folder."""
        return {
            path: self.repo.show(self.commit, path)
            for path, entry in self.tracked.items()
            if is_ignore_file(path) and entry.mode in (FILE, PROGRAM)
        }

    def _is_as_before(self, path: str) -> bool:
        try:
            return hash_blob(self.path, path, self.files[path], self.commit) == self.blobs[path]
        except OSError:
            return False

    def write_commit(self, changes: Iterable[Change], message: str) -> str:
        """A commit of these changes on the one checked out. OSError for what is no file, TooLarge
        for what is no program's size."""
        now = list_files(self.path, self.bounds)
        entries = {c.path: self._entry(c.path, now.get(c.path)) for c in changes}
        return write_commit(self.repo, self.commit, entries, message)

    def _entry(self, path: str, now: FileState | None) -> TreeEntry:
        if now is None:
            return GONE
        if not now.mode:
            raise OSError(f"{path} is no plain file")
        was, before = self.tracked.get(path), self.files.get(path)
        converts = was is not None and was.blob != self.blobs.get(path)
        data = read_bytes(self.path, path, BLOB_BYTES)
        blob = write_blob(self.repo, data, converted_as=path if converts else "")
        # a disk without links or executable bits shows neither: what the commit says of them stays
        return TreeEntry(was.mode if was and before and before.mode == now.mode else now.mode, blob)


def check_out(repo: Repo, path: Path, commit: str, bounds: Bounds) -> Checkout:
    """Have git put a commit's files into an empty folder, and note how they lie there. The bounds
    are for what is added to them."""
    repo.add_worktree(path, commit)
    tracked = {p: e for p, e in read_tree(repo, commit).items() if e.mode != REPOSITORY}
    depth = max((p.count("/") for p in tracked), default=0)
    bounds = Bounds(bounds.entries + len(tracked) * (depth + 1), bounds.depth + depth)
    files = {p: state for p, state in list_files(path, bounds).items() if p in tracked}
    for p in fill_pointers(repo, path, [(p, state.size_bytes) for p, state in files.items()]):
        files[p] = replace(files[p], size_bytes=(path / p).stat().st_size)
    blobs = {p: hash_blob(path, p, state, commit) for p, state in files.items()}
    return Checkout(repo, path, commit, bounds, tracked, files, blobs)


def list_files(folder: Path, bounds: Bounds) -> dict[str, FileState]:
    """Whatever is no folder, by path. An inner repository is one entry, `sub/.git`; the checkout's
    own link to its repository none."""
    files = {}
    for path, info in walk_folder(folder, bounds):
        if stat.S_ISDIR(info.st_mode):
            continue
        parts = path.split("/")
        inner = next((n for n, part in enumerate(parts) if part.lower() == ".git"), None)
        if inner is None:
            files[path] = FileState(_mode(info.st_mode), info.st_size)
        elif inner > 0:
            files["/".join(parts[: inner + 1])] = FileState("", 0)
    return files


def is_ignore_file(path: str) -> bool:
    return path.rpartition("/")[2] == ".gitignore"


def commit_folder(repo: Repo, folder: Path, message: str, identity: dict[str, str]) -> str:
    """A first commit of a folder's files, but those that its .gitignore files name. BadInput where
    there are none, or an inner repository."""
    files = list_files(folder, Bounds(1_000_000, 200))
    rules = {
        p: read_bytes(folder, p, BLOB_BYTES)
        for p, s in files.items()
        if is_ignore_file(p) and s.mode
    }
    ignored = find_ignored(repo, rules, files)
    taken = {path: state for path, state in files.items() if path not in ignored}
    if odd := [path for path, state in taken.items() if not state.mode]:
        raise BadInput(
            f"{describe_path(odd[0])} is no plain file, so {folder} cannot be "
            "committed; take it out"
        )
    if not taken:
        raise BadInput(f"{folder} has no files; put the baseline there")
    entries = {
        path: TreeEntry(state.mode, write_blob(repo, read_bytes(folder, path, BLOB_BYTES)))
        for path, state in taken.items()
    }
    return write_commit(repo, "", entries, message, identity)


def _mode(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return LINK
    if not stat.S_ISREG(mode):
        return ""
    return PROGRAM if mode & stat.S_IXUSR else FILE


def hash_blob(folder: Path, path: str, state: FileState, commit: str) -> str:
    """The hash git would give these bytes, in the kind of hash that the commit has. OSError where
    they cannot be read."""
    digest = hashlib.sha1 if len(commit) == 40 else hashlib.sha256
    blob = digest(b"blob %d\0" % state.size_bytes)
    for piece in read_chunks(folder, path):
        blob.update(piece)
    return blob.hexdigest()


def describe_path(path: str) -> str:
    """A path for a sentence: whatever is no printable character is escaped."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
