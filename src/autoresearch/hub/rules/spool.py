"""Files for bodies and answers of unknown length: in memory while they are small, on disk beyond.

Where the disk is full an answer is kept in memory instead, for reading must go on.
"""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from typing import BinaryIO

from autoresearch.errors import StorageFull

BODY_BYTES = 1024 * 1024  # of a push that are kept in memory
ANSWER_BYTES = 4 * 1024 * 1024  # of a bundle
FALLBACK_BYTES = 256 * 1024 * 1024  # of an answer, where the disk takes nothing
FULL = "the hub's disk is full; try again later, and tell its operator"


def open_spool(memory_bytes: int) -> BinaryIO:
    """A file that is gone once it is closed."""
    return tempfile.SpooledTemporaryFile(memory_bytes)  # type: ignore[return-value]


def spool_answer(make_pieces: Callable[[], Iterator[bytes]]) -> BinaryIO:
    """What `make_pieces` yields, as a file at its beginning. Raises StorageFull."""
    file = open_spool(ANSWER_BYTES)
    try:
        file.writelines(make_pieces())
    except OSError:
        file.close()
        return _keep_in_memory(make_pieces())
    file.seek(0)
    return file


def _keep_in_memory(pieces: Iterator[bytes]) -> BinaryIO:
    file = io.BytesIO()
    for piece in pieces:
        if file.tell() + len(piece) > FALLBACK_BYTES:
            raise StorageFull(FULL)
        file.write(piece)
    file.seek(0)
    return file


def give_descriptor(file: BinaryIO) -> BinaryIO:
    """The same content in a file that another program can read; `file` is closed where that is
    another one. In memory where the system can do that: the disk may be full.
    """
    if not hasattr(os, "memfd_create"):
        file.fileno()
        return file
    copy = os.fdopen(os.memfd_create("request"), "w+b")
    file.seek(0)
    shutil.copyfileobj(file, copy)
    file.close()
    copy.seek(0)
    return copy
