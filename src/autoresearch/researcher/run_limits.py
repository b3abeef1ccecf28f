"""What a run may use and where it keeps things: command, memory, places, masked paths.

Leaves to others: the job that these become (experiment)."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil

GB = 2**30


def read_masks(file: Path) -> set[Path]:
    """The absolute paths in it, one a line."""
    lines = os.fsdecode(file.read_bytes()).split("\n")
    return {Path(line) for line in lines if line.startswith("/")}


def memory_bytes(limit_gb: float | None) -> int | None:
    """What a run may use: as configured (0: no limit), else nine tenths of the machine's memory."""
    if limit_gb is None:
        return int(0.9 * psutil.virtual_memory().total)
    return int(limit_gb * GB) or None


def places(home: Path) -> dict[str, str]:
    """Where a program that we start keeps what it keeps."""
    return {
        "HOME": str(home),
        "TMPDIR": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "TORCHINDUCTOR_CACHE_DIR": str(home / "cache" / "torchinductor"),
    }


def argv(command: Sequence[str], run_dir: Path) -> tuple[str, ...]:
    """The command with `python` as the interpreter we run under and `{run_dir}` filled in."""
    first, *rest = command
    program = sys.executable if first in ("python", "python3") else first
    return (program, *(part.replace("{run_dir}", str(run_dir)) for part in rest))
