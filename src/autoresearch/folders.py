"""Folders that foreign code wrote in: walked, read and removed without recursion, without
following a link.

A run may leave a thousand folders inside each other, a million files, names that are no UTF-8,
pipes, links and folders without permissions. Nothing here fails or waits on them. Leaves to
others: what may lie there (workspace, sandbox).
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from autoresearch.errors import TooLarge

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # opening a pipe waits for nobody
CHUNK_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many files and folders may lie below a folder, and how many folders inside each other."""

    entries: int = 100_000
    depth: int = 64


def walk_folder(folder: Path, bounds: Bounds | None = None) -> Iterator[tuple[str, os.stat_result]]:
    """Every file and folder below `folder`: its path from there, and its lstat. What vanishes
    meanwhile is left out.

    Raises TooLarge at the first entry over the bounds. One descriptor is open for each level of
    depth."""
    bounds = bounds or Bounds()
    left = bounds.entries
    levels: list[tuple[int | None, str, list[str]]] = [(None, "", [os.fspath(folder)])]
    try:
        while levels:
            parent, place, names = levels[-1]
            if not names:
                levels.pop()
                if parent is not None:
                    os.close(parent)
                continue
            name = names.pop()
            try:
                opened = os.open(name, FOLDER, dir_fd=parent)
            except OSError:
                continue
            inner: list[str] = []
            below = "" if parent is None else f"{place}{name}/"
            levels.append((opened, below, inner))
            for found, info in _entries(opened):
                left -= 1
                if left < 0:
                    raise TooLarge(f"more than {bounds.entries} files and folders")
                if stat.S_ISDIR(info.st_mode):
                    if len(levels) > bounds.depth:
                        raise TooLarge(f"more than {bounds.depth} folders inside each other")
                    inner.append(found)
                yield below + found, info
    finally:
        for opened_level, _, _ in levels:
            if opened_level is not None:
                os.close(opened_level)


def _entries(folder: int) -> Iterator[tuple[str, os.stat_result]]:
    try:
        with os.scandir(folder) as found:
            for entry in found:
                with suppress(OSError):
                    yield entry.name, entry.stat(follow_symlinks=False)
    except OSError:  # the disk's own trouble
        return


def size_bytes(folder: Path, bounds: Bounds | None = None) -> int:
    """What the files below a folder hold; links count as themselves. Raises TooLarge over the
    bounds."""
    return sum(i.st_size for _, i in walk_folder(folder, bounds) if not stat.S_ISDIR(i.st_mode))


def read_chunks(folder: Path, path: str) -> Iterator[bytes]:
    """A plain file's bytes, piece by piece; a link's target. OSError where it is neither or cannot
    be read."""
    *above, name = path.split("/")
    parent = _open_below(folder, above)
    try:
        if stat.S_ISLNK(os.lstat(name, dir_fd=parent).st_mode):
            yield os.readlink(os.fsencode(name), dir_fd=parent)
            return
        opened = os.open(name, FILE, dir_fd=parent)
    finally:
        os.close(parent)
    with os.fdopen(opened, "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(f"{path} is no plain file")
        while piece := file.read(CHUNK_BYTES):
            yield piece


def read_bytes(folder: Path, path: str, most_bytes: int) -> bytes:
    """A file's bytes or a link's target; TooLarge where there are more than `most_bytes`."""
    data = bytearray()
    for piece in read_chunks(folder, path):
        data += piece
        if len(data) > most_bytes:
            raise TooLarge(f"{path} is over {most_bytes / 1e6:g} MB")
    return bytes(data)


def _open_below(folder: Path, names: list[str]) -> int:
    """A descriptor of a folder some levels below another, no level of which is a link."""
    opened = os.open(folder, FOLDER)
    for name in names:
        try:
            inner = os.open(name, FOLDER, dir_fd=opened)
        finally:
            os.close(opened)
        opened = inner
    return opened


def wipe(folder: Path) -> None:
    """Remove a folder with all that is in it, however deep, and also where it took away its own
    permissions.

    Folders two levels down move up before their parent goes, so depth costs neither memory nor
    descriptors."""
    try:
        top = _open_writable(os.fspath(folder))
    except FileNotFoundError:
        return
    except OSError:  # a file, or a link
        with suppress(OSError):
            os.unlink(folder)
        return
    try:
        while _empty(top, top):
            pass
    finally:
        os.close(top)
    with suppress(OSError):
        os.rmdir(folder)


def _empty(folder: int, top: int) -> bool:
    """Remove what lies in a folder; what its own folders hold moves to `top`. Whether anything
    went, or moved."""
    went = False
    with os.scandir(folder) as found:
        for entry in found:
            with suppress(OSError):
                if not entry.is_dir(follow_symlinks=False):
                    os.unlink(entry.name, dir_fd=folder)
                elif folder != top:
                    os.close(_open_writable(entry.name, folder))  # moving changes its `..`
                    os.rename(entry.name, secrets.token_hex(12), src_dir_fd=folder, dst_dir_fd=top)
                elif not _remove(entry.name, top):
                    continue
                went = True
    return went


def _remove(name: str, top: int) -> bool:
    inner = _open_writable(name, top)
    try:
        went = _empty(inner, top)
    finally:
        os.close(inner)
    with suppress(OSError):
        os.rmdir(name, dir_fd=top)
        return True
    return went


def _open_writable(name: str, parent: int | None = None) -> int:
    """A descriptor of a folder whose entries may be removed."""
    try:
        opened = os.open(name, FOLDER, dir_fd=parent)
    except PermissionError:
        os.chmod(name, 0o700, dir_fd=parent)
        opened = os.open(name, FOLDER, dir_fd=parent)
    os.fchmod(opened, 0o700)
    return opened
