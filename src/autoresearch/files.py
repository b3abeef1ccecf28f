"""Files that are replaced as a whole: after a crash there is the old one or the new one, never
half of one.

A new file beside the target is written, put on disk (fsync) and renamed over it; then the folder
is put on disk too. Without `durable` the fsyncs are left out, for what may be lost but not be seen
half written. Leaves to others: what is in the files.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

READABLE, PRIVATE = 0o666, 0o600  # modes of a new file, before the user's umask
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


def replace_file(target: Path, data: bytes, *, mode: int = READABLE, durable: bool = True) -> None:
    """Put `data` in the place of a file, whole or not at all. Its folder is made where it is
    missing."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacement_of(target, mode=mode, durable=durable) as file:
        file.write(data)


def replace_json(target: Path, value: Any, *, mode: int = READABLE) -> None:
    """Put a value in the place of a file, as JSON that people can read."""
    import msgspec  # here: `ah` starts without it

    replace_file(target, msgspec.json.format(msgspec.json.encode(value)), mode=mode)


@contextmanager
def replacement_of(
    target: Path, *, mode: int = READABLE, durable: bool = True
) -> Iterator[BinaryIO]:
    """A file to write to, which takes the place of `target` when the block ends without an
    error."""
    # a name of its own: two writers never write to one file, and `*.json` never finds it
    unfinished = target.with_name(f".{target.name}.{os.urandom(8).hex()}.new")
    try:
        with os.fdopen(os.open(unfinished, _NEW, mode), "wb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(unfinished, target)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Put new and renamed names on disk; nothing to do where folders cannot be opened (Windows)."""
    if os.name != "nt":
        sync_path(folder)


def sync_path(path: Path) -> None:
    """Put what is written to a file, or the names in a folder, on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
