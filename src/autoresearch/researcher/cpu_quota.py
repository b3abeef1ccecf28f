"""How many processors' time a container may use: what `docker --cpus 2` or a pod's limit says. The
cores are all visible there, and a thread for each of them makes every one wait.

Reads control groups of both versions. Leaves to others: dividing the machine (slots).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

CGROUPS, OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def limit_by_quota(cores: int, root: Path = CGROUPS, own: Path = OWN) -> int:
    """How many of so many cores this process may keep busy at once."""
    return min(cores, read_quota(root, own) or cores)


def read_quota(root: Path = CGROUPS, own: Path = OWN) -> int | None:
    """The quota in whole processors, rounded up; None where there is none. Every group above
    counts: the smallest holds."""
    found = [quota for folder in group_folders(root, own) if (quota := read_group(folder))]
    return max(1, math.ceil(min(found))) if found else None


def group_folders(root: Path, own: Path) -> Iterator[Path]:
    """The folders of this process's groups and of those above. In a container of its own
    namespace the root is the container's."""
    for line in read_words(own, "\n"):
        _, _, rest = line.partition(":")
        kinds, _, path = rest.partition(":")
        if kinds and "cpu" not in kinds.split(","):
            continue
        top = root / kinds if kinds else root
        inner = [part for part in path.split("/") if part not in ("", "..")]
        for depth in range(len(inner), -1, -1):
            yield top.joinpath(*inner[:depth])


def read_group(folder: Path) -> float | None:
    """Quota by period of one group, from the file of either version."""
    words = read_words(folder / "cpu.max") or [
        *read_words(folder / "cpu.cfs_quota_us"),
        *read_words(folder / "cpu.cfs_period_us"),
    ]
    try:
        quota, period = (float(word) for word in words)
    except ValueError:  # "max": none, or no such file
        return None
    return quota / period if quota > 0 and period > 0 else None


def read_words(file: Path, separator: str | None = None) -> list[str]:
    try:
        return file.read_text("ascii", "replace").strip().split(separator)
    except OSError:
        return []
