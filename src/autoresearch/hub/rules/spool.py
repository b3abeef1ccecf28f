"""Files for bodies of unknown length: in memory while they are small, on disk beyond."""

from __future__ import annotations

import tempfile
from typing import BinaryIO

BODY_BYTES = 1024 * 1024  # of a push that are kept in memory
ANSWER_BYTES = 4 * 1024 * 1024  # of a bundle


def open_spool(memory_bytes: int) -> BinaryIO:
    """A file that is gone once it is closed."""
    return tempfile.SpooledTemporaryFile(memory_bytes)  # type: ignore[return-value]
