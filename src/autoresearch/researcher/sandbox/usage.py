"""Watches what a running job uses, from outside: memory, processes and disk of its whole tree.
Decides nothing but "over or not".

Why not only rlimits: they bind each process on its own, and RLIMIT_AS stops CUDA from starting.
Two hundred processes below the limit each are over it together.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import psutil

from autoresearch.errors import TooLarge
from autoresearch.folders import Bounds, walk_folder
from autoresearch.researcher.sandbox.job import GB, MB, Job

# about what one core can do; they decide how soon to look again
FILL_BYTES_PER_S, FORKS_PER_S = 4 * GB, 4000
LOOK_S = (0.05, 0.5)
DISK_LOOK_S = 1.0
T = TypeVar("T", int, float)
ANY = Bounds(entries=sys.maxsize, depth=200)


def show_size(n_bytes: float) -> str:
    return f"{n_bytes / GB:.1f} GB" if n_bytes >= GB / 10 else f"{n_bytes / MB:.1f} MB"


@dataclass
class UsageMonitor:
    """`look()` returns the sentence of the limit that is passed, else "". It may be asked at any
    time: the processes are walked, which costs milliseconds, only where `pause_s` have passed since
    the last walk, and fewer the nearer the limit is."""

    job: Job
    warden: int
    pause_s: float = LOOK_S[0]
    due: float = field(default_factory=time.monotonic)
    disk_due: float = field(default_factory=time.monotonic)

    def look(self) -> str:
        limits = self.job.limits
        if self.job.overrun is not None and (reason := self.job.overrun(self.cpu_seconds)):
            return reason
        now = time.monotonic()
        if now < self.due:
            return ""
        watches_disk = limits.disk_bytes is not None or limits.bounds is not None
        over_disk = watches_disk and now >= self.disk_due
        over = ""
        self.pause_s = LOOK_S[1]
        if over_disk or limits.memory_bytes is not None or limits.processes is not None:
            tree = descendants(self.warden)
            over = self.memory(tree) or self.count(tree) or (self.disk(tree) if over_disk else "")
        self.due = now + self.pause_s
        return over

    def cpu_seconds(self) -> float:
        """Of the whole tree, those that have ended included."""
        with suppress(psutil.NoSuchProcess):
            tree = [psutil.Process(self.warden), *descendants(self.warden)]
            return sum_seconds(tree)
        return 0.0

    def memory(self, tree: list[psutil.Process]) -> str:
        limit = self.job.limits.memory_bytes
        if limit is None:
            return ""
        used = resident_bytes(tree)
        if used > limit:
            used = shared_bytes(tree)
        self.come_again((limit - used) / FILL_BYTES_PER_S)
        return f"used more than {show_size(limit)} of memory" if used > limit else ""

    def count(self, tree: list[psutil.Process]) -> str:
        limit = self.job.limits.processes
        if limit is None:
            return ""
        self.come_again((limit - len(tree)) / FORKS_PER_S)
        return f"started more than {limit} processes" if len(tree) > limit else ""

    def come_again(self, left_s: float) -> None:
        """Before a limit that is that far away can be passed."""
        self.pause_s = min(self.pause_s, max(left_s, LOOK_S[0]))

    def disk(self, tree: list[psutil.Process]) -> str:
        limit = self.job.limits.disk_bytes
        began = time.monotonic()
        try:
            used = disk_bytes(self.job.writable, self.job.limits.bounds)
        except TooLarge as error:
            return f"wrote {error}"
        used += unlinked_bytes(p.pid for p in tree)
        took = time.monotonic() - began
        # a folder of many files costs at most 5 % of a core
        self.disk_due = began + took + max(DISK_LOOK_S, 20 * took)
        return f"wrote more than {show_size(limit)}" if limit is not None and used > limit else ""


def descendants(pid: int) -> list[psutil.Process]:
    try:
        found: list[psutil.Process] = psutil.Process(pid).children(recursive=True)
        return found
    except psutil.NoSuchProcess:
        return []


def resident_bytes(tree: Iterable[psutil.Process]) -> int:
    """Bytes, shared pages counted in every process that maps them: an upper bound, and cheap."""
    return sum(_each(tree, lambda p: p.memory_info().rss))


def shared_bytes(tree: Iterable[psutil.Process]) -> int:
    """Bytes, shared pages divided among their users (Linux PSS; elsewhere what is unique). Dear,
    so asked only near the limit."""
    return sum(
        _each(tree, lambda p: getattr(p.memory_full_info(), "pss", 0) or p.memory_full_info().uss)
    )


def sum_seconds(processes: Iterable[psutil.Process]) -> float:
    """The processor time of them all."""
    return sum(_each(processes, spent_seconds))


def spent_seconds(process: psutil.Process) -> float:
    """Its own processor time and that of the children it has seen end."""
    times = process.cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


def _each(tree: Iterable[psutil.Process], ask: Callable[[psutil.Process], T]) -> Iterator[T]:
    for process in tree:
        try:
            yield ask(process)
        except (psutil.Error, OSError):
            continue


def disk_bytes(folders: Iterable[Path], bounds: Bounds | None = None) -> int:
    """Blocks in use beneath the folders, each file once; follows no link. TooLarge over the
    bounds."""
    infos = (
        info for folder in dict.fromkeys(folders) for _, info in walk_folder(folder, bounds or ANY)
    )
    return sum({(i.st_dev, i.st_ino): i.st_blocks * 512 for i in infos}.values())


def unlinked_bytes(pids: Iterable[int]) -> int:
    """What files hold that a process keeps open after deleting them (memory files among them): no
    folder shows those."""
    if not sys.platform.startswith("linux"):
        return 0
    held: dict[tuple[int, int], int] = {}
    for pid in pids:
        try:
            for name in os.listdir(f"/proc/{pid}/fd"):
                info = os.stat(f"/proc/{pid}/fd/{name}")
                if info.st_nlink == 0 and stat.S_ISREG(info.st_mode):
                    held[info.st_dev, info.st_ino] = info.st_blocks * 512
        except OSError:  # ended, or closed it
            continue
    return sum(held.values())


def largest_file_bytes(folders: Iterable[Path]) -> int:
    """Apparent size of the largest file beneath the folders."""
    largest = 0
    with suppress(TooLarge):  # which has a reason of its own
        for folder in folders:
            for _, info in walk_folder(folder):
                largest = max(largest, 0 if stat.S_ISDIR(info.st_mode) else info.st_size)
    return largest
