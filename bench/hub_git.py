"""What bare `git` takes for the work a hub does: one subprocess after another on a repository with
the same commits, as a plain server would."""

from __future__ import annotations

import secrets
import subprocess
from pathlib import Path
from statistics import median
from time import perf_counter

import httpx

from hub_data import Loaded, Pusher

TIMES = 40
FULL = 2000  # commits of the lineage that is fetched whole


def git_baseline(http: httpx.Client, loaded: Loaded, scratch: Path) -> dict[str, float]:
    """Median milliseconds of taking in a bundle, making an incremental and a full one, and a
    diff."""
    repo = scratch / "bare.git"
    tip = loaded.trunk[-1]
    _git(scratch, "init", "-q", "--bare", str(repo))
    bundle = scratch / "trunk.bundle"
    headers = {"Authorization": f"Bearer {loaded.keys[0]}"}
    bundle.write_bytes(http.get(f"/api/git/fetch/{tip}", headers=headers).content)
    _git(repo, "bundle", "unbundle", str(bundle))
    _git(repo, "update-ref", "refs/heads/trunk", tip)
    steps = list(zip(loaded.trunk[-TIMES - 1 :], loaded.trunk[-TIMES:], strict=False))
    return {
        "push of one commit (unbundle, update-ref)": _pushes(repo, loaded, scratch),
        "incremental fetch (pack-objects)": _median(
            [
                lambda a=a, b=b: _git(
                    repo, "pack-objects", "--revs", "--thin", "--stdout", "-q", data=f"{b}\n^{a}\n"
                )
                for a, b in steps
            ]
        ),
        f"full fetch, lineage of {min(FULL, len(loaded.trunk)):,} (pack-objects)": _median(
            [
                lambda: _git(
                    repo,
                    "pack-objects",
                    "--revs",
                    "--stdout",
                    "-q",
                    data=loaded.trunk[:FULL][-1] + "\n",
                )
            ]
            * 5
        ),
        "diff (git diff)": _median([lambda a=a, b=b: _git(repo, "diff", a, b) for a, b in steps]),
    }


def _pushes(repo: Path, loaded: Loaded, scratch: Path) -> float:
    tip = loaded.trunk[-1]
    line, file = Pusher(loaded, "bench-0", tip, secrets.token_hex(4)), scratch / "one.bundle"
    times = []
    for number in range(TIMES):
        file.write_bytes(line.next())
        started = perf_counter()
        _git(repo, "bundle", "unbundle", str(file))
        _git(repo, "update-ref", f"refs/heads/p{number}", line.tip)
        times.append(perf_counter() - started)
    return median(times) * 1000


def _median(works: list) -> float:  # type: ignore[type-arg]
    times = []
    for work in works:
        started = perf_counter()
        work()
        times.append(perf_counter() - started)
    return median(times) * 1000


def _git(folder: Path, *arguments: str, data: str = "") -> bytes:
    done = subprocess.run(
        ["git", "-c", "gc.auto=0", *arguments],
        cwd=folder,
        input=data.encode(),
        capture_output=True,
        check=True,
        timeout=300,
    )
    return done.stdout
