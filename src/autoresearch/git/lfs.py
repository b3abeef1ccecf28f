"""Files that git LFS keeps: a commit holds a pointer, and the content lies beside the objects.

git leaves the pointer where git-lfs is not installed, and a program would read that without a
word. So a checkout gets the content where this machine has it. Nothing is downloaded: that is
`git lfs pull`, with the user's own keys.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from autoresearch.git.repo import Repo

VERSION = "version https://git-lfs.github.com/spec/v1"
POINTER = re.compile(
    rf"{re.escape(VERSION)}\n(?:ext-[^\n]*\n)*"
    r"oid sha256:(?P<oid>[0-9a-f]{64})\nsize (?P<size>\d+)\n?"
)
POINTER_BYTES = 1024  # a pointer is shorter, as its specification says


@dataclass(frozen=True)
class Pointer:
    """What stands for a file's content: its sha256 and its size."""

    oid: str
    size: int


def parse_pointer(data: bytes) -> Pointer | None:
    if len(data) >= POINTER_BYTES:
        return None
    match = POINTER.fullmatch(data.decode("utf-8", "replace").replace("\r\n", "\n"))
    return Pointer(match["oid"], int(match["size"])) if match else None


def list_pointers(repo: Repo, commit: str) -> dict[str, Pointer]:
    """The pointers among a commit's files, by path."""
    told = repo.git_bytes(
        "grep", "-lz", "-F", "--full-name", "-e", VERSION, commit, "--", ":/", codes=(0, 1)
    )
    found = {}
    for name in filter(None, told.split(b"\0")):
        path = os.fsdecode(name).removeprefix(f"{commit}:")
        if pointer := parse_pointer(repo.show(commit, path)):
            found[path] = pointer
    return found


def missing_contents(repo: Repo, commit: str) -> list[str]:
    """The paths of a commit whose content this machine lacks."""
    return [
        path
        for path, pointer in list_pointers(repo, commit).items()
        if find_content(repo, path, pointer) is None
    ]


def fill_pointers(repo: Repo, folder: Path, sizes: Iterable[tuple[str, int]]) -> list[str]:
    """Put the content in the place of each pointer in a fresh checkout, where it is here. Returns
    the paths."""
    filled = []
    for path, size in sizes:
        if not len(VERSION) < size < POINTER_BYTES:
            continue
        file = folder / path
        pointer = None if file.is_symlink() else parse_pointer(file.read_bytes())
        content = find_content(repo, path, pointer) if pointer else None
        if content is not None:
            shutil.copyfile(content, file)
            filled.append(path)
    return filled


def find_content(repo: Repo, path: str, pointer: Pointer) -> Path | None:
    """A file with exactly that content: in LFS's own store, or in the user's checkout."""
    for file in (*store_files(repo, pointer), repo.path / path):
        if file.is_file() and file.stat().st_size == pointer.size and has_hash(file, pointer.oid):
            return file
    return None


def store_files(repo: Repo, pointer: Pointer) -> Iterator[Path]:
    common = repo.common_dir()
    named = repo.setting("lfs.storage")
    for store in ([common / named] if named else []) + [common / "lfs"]:
        yield store / "objects" / pointer.oid[:2] / pointer.oid[2:4] / pointer.oid


def has_hash(file: Path, oid: str) -> bool:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while piece := stream.read(2**20):
            digest.update(piece)
    return digest.hexdigest() == oid
