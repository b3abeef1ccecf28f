"""The level without namespaces: Landlock keeps files and processes apart, seccomp the network and
the kernel. For kernels 5.13 and later.

Landlock can only allow, so a hidden path is made by allowing everything around it. What it does
not know (sockets but TCP, modes, other processes' limits, signals before ABI 6) is refused by the
filter. Weaker than namespaces in comfort rather than in safety: no /dev/shm, no sockets, no
multiprocessing locks. ABI: Documentation/userspace-api/landlock.rst.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from autoresearch.researcher.sandbox import mounts, seccomp
from autoresearch.researcher.sandbox.job import Confinement, Finished, Job, Landlock, Rule
from autoresearch.researcher.sandbox.supervise import supervise_job

CREATE_RULESET, VERSION = 444, 1
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, MAKE_CHAR, MAKE_BLOCK = (
    1 << 0,
    1 << 1,
    1 << 2,
    1 << 3,
    1 << 6,
    1 << 11,
)
TRUNCATE, IOCTL_DEV = 1 << 14, 1 << 15
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
READ = EXECUTE | READ_FILE | READ_DIR
FILESYSTEM_BITS = {
    1: 13,
    2: 14,
    3: 15,
    4: 15,
    5: 16,
}  # ABI to how many access rights it knows; later ones know as many
BOTH_TCP, BOTH_SCOPES = 0b11, 0b11  # bind and connect (ABI 4); abstract sockets and signals (ABI 6)

PLAIN_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
# Of /proc the job's own first process and the machine's figures: other processes' command lines
# may hold keys.
PROC = (
    *("self", "cpuinfo", "meminfo", "stat", "loadavg", "uptime", "version", "filesystems"),
    *("devices", "sys", "driver"),
)

HIDDEN = ("net", "task")


@dataclass(frozen=True)
class LandlockSandbox:
    abi: int
    name: str = "landlock"

    def run(self, job: Job, stop: threading.Event | None = None) -> Finished:
        return supervise_job(job, confine_job(job, self.abi), stop)


def kernel_abi() -> int:
    """Landlock's version in this kernel, 0 where there is none (or it is off, or this is not
    Linux)."""
    if not sys.platform.startswith("linux"):
        return 0
    version: int = ctypes.CDLL(None).syscall(CREATE_RULESET, None, ctypes.c_size_t(0), VERSION)
    return max(0, version)


def why_unsupported() -> str:
    """Why this level cannot work here, or ""."""
    if not sys.platform.startswith("linux"):
        return f"Landlock is a part of Linux; this is {platform.system()}"
    if not seccomp.is_supported(platform.machine()):
        return f"there is no seccomp filter for {platform.machine()} processors"
    return (
        ""
        if kernel_abi()
        else "this kernel has no Landlock (it needs Linux 5.13 or later, with it switched on)"
    )


def confine_job(job: Job, abi: int) -> Confinement:
    program = seccomp.compile_filter(seccomp.beside_landlock(abi, job.network), platform.machine())
    return Confinement(
        job.argv, str(job.cwd), make_ruleset(job, abi), seccomp=program, drop_privileges=True
    )


def make_ruleset(job: Job, abi: int) -> Landlock:
    """Everything Landlock of this ABI knows is refused, but for these rules."""
    known = (1 << FILESYSTEM_BITS.get(abi, 16)) - 1
    network = BOTH_TCP if abi >= 4 and not job.network else 0
    scoped = BOTH_SCOPES if abi >= 6 else 0
    return Landlock(known, network, scoped, tuple(make_rules(job, known)))


def make_rules(job: Job, known: int) -> Iterator[Rule]:
    """What is allowed, with `known` masking the rights this kernel has no bit for."""
    hidden = {path.resolve() for path in job.hidden}
    writing = known & ~(MAKE_CHAR | MAKE_BLOCK)
    yield from allow_paths(
        [*mounts.system_folders(), *mounts.sysfs_folders(), *job.readable, job.cwd], READ, hidden
    )
    yield from allow_paths(mounts.network_files() if job.network else (), READ, hidden)
    for path in proc_files():
        yield Rule(str(path), READ & access_of(path))
    yield from (Rule(path, READ_FILE | WRITE_FILE) for path in PLAIN_DEVICES)
    yield from allow_paths(mounts.device_files(), known & (READ | WRITE_FILE | IOCTL_DEV), hidden)
    yield from allow_paths(job.writable, writing, hidden)


def proc_files() -> Iterator[Path]:
    """Of its own process not what shows the machine's connections: `net`, also of each task."""
    for name in PROC:
        path = Path("/proc") / name
        yield from (
            (p for p in path.iterdir() if p.name not in HIDDEN and not p.is_symlink())
            if name == "self"
            else (path,)
        )


def allow_paths(paths: Iterable[Path], access: int, hidden: set[Path]) -> Iterator[Rule]:
    """Rules for the paths with everything beneath them except what is hidden."""
    above = {parent for secret in hidden for parent in secret.parents}
    for path in paths:
        if os.path.exists(path) and not mounts.is_beneath(path.resolve(), hidden):
            yield from allow_around(path.resolve(), access, hidden, above)


def allow_around(path: Path, access: int, hidden: set[Path], above: set[Path]) -> Iterator[Rule]:
    """`above`: every folder that something hidden lies in."""
    if path in hidden:
        return
    if path not in above:
        yield Rule(str(path), access & access_of(path))
        return
    yield Rule(str(path), access & READ_DIR)
    for entry in path.iterdir():
        if not entry.is_symlink():  # a rule for a link would be one for what it points to
            yield from allow_around(entry, access, hidden, above)


def access_of(path: Path) -> int:
    """The kernel refuses a rule that gives a file the rights of a folder."""
    return ~0 if path.is_dir() else OF_FILES
