"""Looks through everything that a program can read for pieces of a text, which it knows by hashes
alone. Runs inside a sandbox; tests import it as well.

A file is looked at closely where the beginning of one of its lines is that of a line of the text.
Python's libraries and the interpreter itself come first and as a whole, then other files in an
order by hash until a number of bytes is read. Archives are opened."""

from __future__ import annotations

import hashlib
import os
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

PIECE, BLOCK = 200, 1 << 20  # bytes of a piece; places hashed at once
LINE = 48  # bytes that tell a line by its beginning
TEXTS = (".py", ".pyc", ".pyi", ".pyx", ".txt", ".rst", ".html", ".md", ".zip", ".whl", ".pyz")
ARCHIVES, LARGEST = (".zip", ".whl", ".pyz", ".egg"), 64 << 20
FACTOR = 0x9E3779B97F4A7C15  # odd, so that it has an inverse modulo 2**64


def powers(factor: int) -> Any:
    column = np.full(BLOCK + PIECE, factor, np.uint64)
    column[0] = 1
    return np.cumprod(column)


UP, DOWN = powers(FACTOR), powers(pow(FACTOR, -1, 2**64))


def hashes(data: bytes) -> Any:
    """A 64-bit hash of each PIECE bytes, wherever they begin."""
    parts = [np.empty(0, np.uint64)]
    for at in range(0, len(data) - PIECE + 1, BLOCK):
        block = np.frombuffer(data[at : at + BLOCK + PIECE - 1], np.uint8).astype(np.uint64)
        sums = np.zeros(len(block) + 1, np.uint64)
        np.cumsum(block * UP[: len(block)], out=sums[1:])
        parts.append((sums[PIECE:] - sums[:-PIECE]) * DOWN[: len(sums) - PIECE])
    return np.concatenate(parts)


def line_keys(data: bytes) -> Any:
    """A hash of the first LINE bytes of each line that is followed by so many."""
    text = np.frombuffer(data, np.uint8)
    begins = np.flatnonzero(text == 10) + 1
    begins = begins[begins <= len(text) - LINE]
    words = text[begins[:, None] + np.arange(LINE)].view(np.uint64)
    return (words * UP[1 : LINE // 8 + 1]).sum(axis=1, dtype=np.uint64)


class Known:
    """What is looked for: hashes of pieces, and keys of lines that may lie in one."""

    def __init__(self, pieces: Any, keys: Any) -> None:
        self.pieces, self.keys = pieces, np.unique(keys)
        self.table = np.zeros(1 << 22, bool)
        self.table[self.keys >> np.uint64(42)] = True

    def is_in(self, data: bytes) -> bool:
        found = line_keys(data)
        found = found[self.table[found >> np.uint64(42)]]
        near = np.isin(found, self.keys).any()
        return bool(near and np.isin(hashes(data), self.pieces).any())


def readable_files() -> Iterator[tuple[str, bool]]:
    """(path, whether it is of a library) from the root down, links not followed, kernel's own
    left out. Where the root cannot be listed, from what is known to lie beneath it."""
    roots = ["/"] if is_listed("/") else list_known()
    for folder, folders, names in (found for root in roots for found in os.walk(root)):
        if folder == "/":
            folders[:] = [name for name in folders if name not in ("proc", "sys", "dev")]
        parts = Path(folder).parts
        in_library = any(part.startswith("python3") for part in parts) and not {
            "test",
            "tests",
            "site-packages",
            "dist-packages",
        } & set(parts)
        for name in names:
            yield os.path.join(folder, name), in_library


def is_listed(folder: str) -> bool:
    try:
        return bool(os.listdir(folder))
    except OSError:
        return False


def list_known() -> list[str]:
    places = ("/usr", "/lib", "/opt", "/etc", "/tmp", sys.prefix, sys.base_prefix, os.getcwd())
    return sorted({os.path.realpath(place) for place in places})


def in_order() -> Iterator[str]:
    """Paths of files that can hold text, libraries first."""
    first: set[str] = {sys.executable, os.path.realpath(sys.executable)}
    others: set[str] = set()
    for path, in_library in readable_files():
        if in_library:
            first.add(path)
        elif path.endswith(TEXTS):
            others.add(path)
    yield from sorted(first)
    yield from sorted(others, key=lambda path: hashlib.sha256(os.fsencode(path)).digest())


def contents(path: str) -> Iterator[bytes]:
    """The file's bytes, and of an archive those of its members."""
    if not os.path.isfile(path) or os.path.getsize(path) > LARGEST:
        return
    yield Path(path).read_bytes()
    if path.endswith(ARCHIVES):
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if member.file_size <= LARGEST:
                    yield archive.read(member)


def search(known: Known, limit_bytes: int) -> tuple[list[str], int]:
    """(paths that hold a piece, bytes read)"""
    found: list[str] = []
    read = 0
    for path in in_order():
        try:
            for data in contents(path):
                read += len(data)
                if known.is_in(data):
                    found.append(path)
                    break
        except (OSError, zipfile.BadZipFile, RuntimeError):
            continue  # not for this program, or no archive
        if read > limit_bytes:
            break
    return found, read
