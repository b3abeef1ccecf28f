"""How often a second this disk takes in what a group of posts changes: the floor below posts."""

from __future__ import annotations

import os
from pathlib import Path
from time import perf_counter

PAGES, PAGE_BYTES = 25, 4096  # of a commit of some eight posts, as SQLite's log has them
FILE_PAGES = 1000  # SQLite's log begins anew after as many
SECONDS = 2.0


def measure_flushes(folder: Path, seconds: float = SECONDS) -> float:
    """Commits a second of a program that only writes pages in place and flushes them."""
    path, page, count = folder / "flushes", os.urandom(PAGE_BYTES), 0
    path.write_bytes(page * FILE_PAGES)
    with path.open("r+b", buffering=0) as file:
        os.fsync(file.fileno())
        ends = (started := perf_counter()) + seconds
        while perf_counter() < ends:
            first = count * PAGES % FILE_PAGES
            for number in range(first, first + PAGES):
                os.pwrite(file.fileno(), page, number * PAGE_BYTES)
            os.fdatasync(file.fileno())
            count += 1
    return count / (perf_counter() - started)
