"""What a run left behind: whether it may lie there, and what of it stays.

Foreign code wrote all of it. Leaves to others: the walk (folders), git's view of it
(git.checkouts), the run itself (experiment).
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from autoresearch.errors import TooLarge
from autoresearch.folders import Bounds, size_bytes, walk_folder, wipe
from autoresearch.git.checkouts import Checkout, describe_path
from autoresearch.researcher.feeding import RECORD
from autoresearch.researcher.judging.values import Measurement
from autoresearch.researcher.workspace import Workspace, name_some

CURVE, CURVE_BYTES = "curve.jsonl", 2**20
CACHE, CACHE_BYTES = "cache", 512 * 2**20
# torch keeps compiled headers in TMPDIR/torchinductor_USER, whatever its cache is told to be: five
# seconds of each run
HEADERS = "precompiled_headers"


def too_heavy(checkout: Checkout, workspace: Workspace) -> str:
    """Why the free files are too large to be a program, or "": they might hold what other runs
    have learned."""
    limit_kb = workspace.config.limits.free_kb
    heavy = [
        path
        for path, state in checkout.files.items()
        if workspace.is_free(path) and 0 < limit_kb * 1000 < state.size_bytes
    ]
    return (
        f"{name_some(heavy)} is over {limit_kb:g} kB: a program carries no data (limits.free_kb)"
        if heavy
        else ""
    )


def inspect(measured: Measurement, checkout: Checkout, workspace: Workspace) -> Measurement:
    """A run that changed fixed files is a crash; untracked files it left are named (they go with
    the checkout)."""
    try:
        changes = checkout.changes()
    except TooLarge as error:
        return crash_of_leftovers(measured, error)
    changed = [c.path for c in changes if c.kind != "?"]
    left = tuple(describe_path(c.path) for c in changes if c.kind == "?")
    if changed and measured.outcome == "ok":
        return replace(
            measured,
            outcome="changed fixed files",
            value=None,
            left=left,
            reason=f"the run changed {name_some(changed)} while it ran",
        )
    return replace(measured, left=left)


def weigh_leftovers(measured: Measurement, folder: Path, bounds: Bounds) -> Measurement:
    """A run that left more files, or folders deeper inside each other, than it may is a crash."""
    try:
        for place in ("out", "tmp"):
            deque(walk_folder(folder / place, bounds), maxlen=0)
    except TooLarge as error:
        return crash_of_leftovers(measured, error)
    return measured


def crash_of_leftovers(measured: Measurement, error: TooLarge) -> Measurement:
    """A run that left more than may lie around; one that failed anyway keeps its own reason."""
    if measured.outcome != "ok":
        return measured
    reason = f"the run left {error} (limits.files, limits.depth)"
    return replace(measured, outcome="left too much", value=None, reason=reason)


def tidy(folder: Path) -> None:
    """Keep logs, record and curve of a finished run, and its compiler's cache until its attempt is
    settled; drop checkpoints and scratch: a night's runs must not fill the disk."""
    curve = folder / "out" / CURVE
    if curve.is_file() and not curve.is_symlink() and curve.stat().st_size <= CURVE_BYTES:
        curve.replace(folder / CURVE)
    cache = folder / "tmp" / "cache"
    with suppress(TooLarge, OSError):  # it only speeds things up, and a run may forbid any of it
        if cache.is_dir() and not cache.is_symlink():
            gather_headers(folder / "tmp", cache)
            if 0 < size_bytes(cache) <= CACHE_BYTES:
                cache.replace(folder / CACHE)
    record = folder / "feed" / RECORD
    if record.is_file():
        record.replace(folder / RECORD)
    for scratch in ("out", "tmp", "score", "feed", "pipes"):
        wipe(folder / scratch)


def gather_headers(scratch: Path, cache: Path) -> None:
    """Put the compiler's headers into its cache. A run may have put links there: they stay where
    they are."""
    kept = cache / HEADERS
    wipe(kept)
    for headers in scratch.glob(f"torchinductor_*/{HEADERS}"):
        if headers.is_symlink() or headers.parent.is_symlink() or not headers.is_dir():
            continue
        kept.mkdir(exist_ok=True)
        headers.replace(kept / headers.parent.name)


def spread_headers(cache: Path, scratch: Path) -> None:
    """Put them back to where the compiler looks for them."""
    for headers in (cache / HEADERS).glob("torchinductor_*"):
        place = scratch / headers.name
        place.mkdir()
        headers.replace(place / HEADERS)
