"""What a sandbox is asked and what it answers: values only. Leaves to others: how any of it is
done."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from autoresearch.folders import Bounds

MB, GB = 2**20, 2**30


@dataclass(frozen=True)
class Limits:
    """Of one run. `timeout_s` is wall clock; None elsewhere means no limit.

    `memory_bytes` is resident memory of the whole process tree, watched from outside;
    `address_bytes` is RLIMIT_AS of each process and only for code that can live with it: CUDA and
    sanitizers reserve terabytes of addresses that they never touch. `file_bytes` is the size of
    any one file, `disk_bytes` what all writable folders together may hold, `log_bytes` what the
    log may. `bounds` is how many files, and how deep, each writable folder may hold.
    """

    timeout_s: float
    memory_bytes: int | None = None
    file_bytes: int | None = None
    disk_bytes: int | None = None
    processes: int | None = None
    address_bytes: int | None = None
    log_bytes: int = 64 * MB
    bounds: Bounds | None = None


def never_held() -> float:
    return 0.0


@dataclass(frozen=True)
class Job:
    """One program to run. Its environment is exactly `env`; its input is empty, or what `stdin`
    holds, poured through a pipe, so that the file itself stays out of its reach; what it prints
    goes to `log`, a file it cannot reach.

    Besides the system's programs and the running Python it may read `readable` and write beneath
    `writable` (its `cwd` counts as readable); `hidden` paths, in whatever tree they lie, are not
    there for it. `mark` is what its processes carry in AUTORESEARCH_RUN, so that `sweep` finds any
    that outlived a killed runner. `cores` are the processors it is kept on, empty for all; Linux
    only, and a courtesy between neighbours rather than a limit. `descriptors` are open files that
    it finds under these numbers, 0 and 1 among them; they are its own from then on, and closed
    here. In a container only 0 and 1 arrive. With `network` it reaches what this machine reaches
    by IP, which a coding agent must; else nothing. `overrun` is asked now and then, with how to
    learn the processor seconds of its whole tree (a container's are not seen); a sentence ends the
    job. `held_s` tells how long we have made it wait so far: neither its time limit nor its seconds
    count that.
    """

    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]
    limits: Limits
    log: Path
    readable: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()
    hidden: tuple[Path, ...] = ()
    mark: str = ""
    stdin: Path | None = None
    cores: tuple[int, ...] = ()
    descriptors: Mapping[int, IO[bytes]] = field(default_factory=dict)
    network: bool = False
    overrun: Callable[[Callable[[], float]], str] | None = None
    held_s: Callable[[], float] = never_held


@dataclass(frozen=True)
class Finished:
    """How a run ended. `reason` is empty when it ended by itself with code 0, else says why in a
    few words ("over 120 s").

    `exit_code` is minus the signal's number where a signal ended it, None where it never started.
    `log_cut`: it printed more than its log may hold. `cpu_s`: processor time of all its processes,
    those excepted that outlived its first one; None where it is not known.
    """

    exit_code: int | None
    timed_out: bool
    seconds: float
    reason: str
    log_cut: bool = False
    cpu_s: float | None = None


@dataclass(frozen=True)
class Backend:
    """One kind of sandbox as it stands on this machine: whether it works here, why not, and what
    to do about it."""

    name: str
    works: bool
    detail: str


class Sandbox(Protocol):
    """One kind of isolation. When `run` returns, every process of the job is dead, however it
    tried to get away."""

    @property
    def name(self) -> str: ...

    def run(self, job: Job, stop: threading.Event | None = None) -> Finished: ...


@dataclass(frozen=True)
class Rule:
    """Landlock: what may be done at and beneath a path, as access bits of the kernel's ABI."""

    path: str
    access: int


@dataclass(frozen=True)
class Landlock:
    """A Landlock ruleset: everything in `filesystem`, `network` and `scoped` is refused but what a
    rule allows."""

    filesystem: int
    network: int
    scoped: int
    rules: tuple[Rule, ...]


@dataclass(frozen=True)
class Confinement:
    """What a level makes of a job: the command line to start, and what the child does to itself
    before it starts it.

    `seccomp` is a BPF program the child installs; `seccomp_fd` one that it hands on, for
    `{seccomp_fd}` in `argv`.
    """

    argv: tuple[str, ...]
    cwd: str
    landlock: Landlock | None = None
    seccomp: bytes = b""
    seccomp_fd: bytes = b""
    drop_privileges: bool = False
