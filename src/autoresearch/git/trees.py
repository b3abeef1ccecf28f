"""Trees and commits made of blobs, in a repository that nobody else wrote in: no work tree, no
attributes, no filters.

Leaves to others: what lies in a folder (`checkouts`), refs and branches (`repo`).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from autoresearch.git.repo import ZERO, Repo

FILE, PROGRAM, LINK, REPOSITORY = "100644", "100755", "120000", "160000"


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """A path of a commit: git's mode and the blob's hash. Mode "0" takes the path away."""

    mode: str
    blob: str


GONE = TreeEntry("0", ZERO)


def read_tree(repo: Repo, commit: str) -> dict[str, TreeEntry]:
    """Every tracked path of a commit, folders flattened; names that are no UTF-8 as Python's own
    file functions give them."""
    entries = {}
    for line in repo.git_bytes("ls-tree", "-r", "-z", "--full-tree", commit).split(b"\0"):
        told, _, name = line.partition(b"\t")
        if name:
            mode, _, blob = told.decode("ascii").split()
            entries[os.fsdecode(name)] = TreeEntry(mode, blob)
    return entries


def write_blob(repo: Repo, data: bytes, converted_as: str = "") -> str:
    """Store bytes and return the blob's hash. With `converted_as`, converted as the repository's
    own attributes say for that path."""
    how = f"--path={converted_as}" if converted_as else "--no-filters"
    return repo.git("hash-object", "-w", how, "--stdin", data=data).strip()


def write_commit(
    repo: Repo,
    parent: str,
    changed: Mapping[str, TreeEntry],
    message: str,
    identity: dict[str, str] | None = None,
) -> str:
    """A commit on `parent` ("": none) with these paths changed, and no others. No branch and no
    index is touched."""
    with tempfile.TemporaryDirectory(prefix="autoresearch-") as place:
        index = {"GIT_INDEX_FILE": str(Path(place) / "index")}
        repo.git("read-tree", parent or "--empty", env=index)
        # room for a folder first
        ordered = sorted(changed.items(), key=lambda item: item[1] != GONE)
        none = ZERO[:1] * len(parent)  # as long as the repository's hashes
        lines = b"".join(
            f"{entry.mode} {none if entry == GONE else entry.blob}\t".encode()
            + os.fsencode(path)
            + b"\0"
            for path, entry in ordered
        )
        repo.git("update-index", "-z", "--index-info", data=lines, env=index)
        tree = repo.git("write-tree", env=index).strip()
    text = "\n".join(line.rstrip() for line in message.replace("\0", " ").strip().splitlines())
    args = ("commit-tree", tree, *(["-p", parent] if parent else []), "-F", "-")
    env = repo.identity() if identity is None else identity
    return repo.git(*args, data=f"{text}\n".encode("utf-8", "replace"), env=env).strip()


def find_ignored(repo: Repo, rules: Mapping[str, bytes], paths: Iterable[str]) -> set[str]:
    """Those of the paths that these .gitignore files, or the repository's own, tell git to
    ignore."""
    asked = b"\0".join(b"./" + os.fsencode(path) for path in paths)  # else ":" would be syntax
    if not asked:
        return set()
    with tempfile.TemporaryDirectory(prefix="autoresearch-") as place:
        for path, text in rules.items():
            (Path(place) / path).parent.mkdir(parents=True, exist_ok=True)
            (Path(place) / path).write_bytes(text)
        answer = repo.git_bytes(
            f"--git-dir={repo.common_dir()}", f"--work-tree={place}", "-C", place,
            "check-ignore", "--no-index", "-z", "--verbose", "--non-matching", "--stdin",
            data=asked, codes=(0, 1),
        )  # fmt: skip
    fields = answer.split(b"\0")
    found = zip(fields[2::4], fields[3::4], strict=False)
    return {
        os.fsdecode(path[2:]) for pattern, path in found if pattern and not pattern.startswith(b"!")
    }
