"""How a machine is divided among runs: each slot has processor cores and GPUs of its own, held by
lock files that every runner respects.

Two runs on one GPU, or on one core, disturb each other's clock and so each other's result; two
runners know nothing of each other, hence the files. `plan` is pure; `hold` takes the locks. Leaves
to others: what is run in a slot (local).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout

from autoresearch.errors import BadInput, Conflict
from autoresearch.researcher.cpu_quota import limit_by_quota

T = TypeVar("T")
THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
DRIVERS = Path("/proc/driver/nvidia/gpus")


@dataclass(frozen=True)
class Gpu:
    """`name` as CUDA_VISIBLE_DEVICES takes it; `identity` is the same for everyone who means this
    device."""

    name: str
    identity: str


@dataclass(frozen=True)
class Slot:
    """Where one run takes place. No cores: all of them, unpinned; no GPUs: whatever the
    environment shows."""

    cores: tuple[int, ...] = ()
    gpus: tuple[Gpu, ...] = ()

    def environment(self) -> dict[str, str]:
        """What a run has to be told so that it uses its slot and no more."""
        threads = dict.fromkeys(THREADS, str(len(self.cores))) if self.cores else {}
        if not self.gpus:
            return threads
        order = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}  # else CUDA counts from the fastest
        return {**threads, **order, "CUDA_VISIBLE_DEVICES": ",".join(gpu.name for gpu in self.gpus)}


@dataclass(frozen=True)
class Plan:
    """The slots wished for, by number: which cores and GPUs they really are is known when they are
    held. `size` names a slot's size: results of different sizes are never compared. It is empty
    for the whole machine."""

    count: int
    cores_each: int = 0  # 0: not pinned
    gpus_each: int = 0
    size: str = ""
    share: str = ""  # the part of the processor, as one word for the platform's name
    warning: str = ""


def plan_slots(jobs: int, cores: int, gpus: int, gpus_each: int = 1) -> Plan:
    """Divide a machine with so many cores and GPUs evenly. BadInput where there are fewer GPUs
    than jobs need."""
    wanted = jobs * gpus_each if gpus else 0
    if wanted > gpus:
        fits = gpus // gpus_each
        raise BadInput(
            f"--jobs {jobs} needs {wanted} GPUs and {gpus} can be seen here; "
            + (
                f"use --jobs {fits}, or --gpus 0 to let runs share them"
                if fits
                else "use a smaller --gpus"
            )
        )
    each = gpus_each if gpus else 0
    if jobs == 1:  # alone: all cores, as if there were no slots
        return Plan(1, 0, each, f"{each} GPUs" if each > 1 else "")
    cores_each = cores // jobs
    if cores_each == 0:
        warning = (
            f"--jobs {jobs} on {cores} cores: runs share cores and disturb each other's "
            f"speed; with --jobs {cores} each has one of its own"
        )
        size = describe_size(each, f"{cores} cores shared by {jobs}")
        return Plan(jobs, 0, each, size, f"{cores}c-by-{jobs}", warning)
    size = describe_size(each, f"{cores_each} core{'s' * (cores_each > 1)}")
    return Plan(jobs, cores_each, each, size, f"{cores_each}c")


def describe_size(gpus: int, cores: str) -> str:
    return f"{gpus} GPU{'s' * (gpus > 1)}, {cores}" if gpus else cores


@contextmanager
def hold_slots(
    wanted: Plan, cores: Sequence[int], gpus: Sequence[Gpu], folder: Path
) -> Iterator[list[Slot]]:
    """The slots, each core and GPU locked for as long as the block lasts. Conflict where other
    runners hold too many."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        count, names = wanted.count, {gpu: gpu.identity for gpu in gpus}
        free_gpus = lock_free(held, "GPU", names, count * wanted.gpus_each, folder)
        numbers = {core: str(core) for core in cores}
        free_cores = lock_free(held, "core", numbers, count * wanted.cores_each, folder)
        of_cores, of_gpus = deal(free_cores, count), deal(free_gpus, count)
        yield [Slot(*parts) for parts in zip(of_cores, of_gpus, strict=True)]


def deal(things: Sequence[T], count: int) -> list[tuple[T, ...]]:
    """So many equal parts, each of what lies together."""
    size = len(things) // count
    return [tuple(things[i * size : (i + 1) * size]) for i in range(count)]


def lock_free(
    held: ExitStack, kind: str, things: Mapping[T, str], count: int, folder: Path
) -> list[T]:
    """Lock the first `count` that nobody holds, each by its name. A killed runner's locks are gone
    with it."""
    taken: list[T] = []
    for thing, name in things.items():
        if len(taken) == count:
            break
        lock = FileLock(
            folder / f"{kind.lower()}-{re.sub(r'[^A-Za-z0-9-]', '-', name)}.lock", timeout=0
        )
        try:
            lock.acquire()
        except Timeout:
            continue
        held.callback(lock.release)
        taken.append(thing)
    if len(taken) < count:
        raise Conflict(
            f"{count} {kind}s are needed and {len(taken)} of {len(things)} are free: "
            "another `autoresearch run` of this machine holds the others; "
            "stop it, or use fewer --jobs"
        )
    return taken


# ---------------------------------------------------------------- what there is


def usable_cores() -> list[int]:
    """The cores this process may run on, no more than a container's quota has time for; where
    cores cannot be pinned (macOS), as many numbers as there are."""
    if hasattr(os, "sched_getaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        return cores[: limit_by_quota(len(cores))]
    return list(range(os.cpu_count() or 1))


def limit_threads(environment: Mapping[str, str]) -> dict[str, str]:
    """What a run that has the whole machine is told where a quota gives it less time than it sees
    cores: without it, libraries start a thread for each. What the user says stands."""
    cores = os.cpu_count() or 1
    threads = limit_by_quota(cores)
    missing = [name for name in THREADS if name not in environment] if threads < cores else []
    return dict.fromkeys(missing, str(threads))


def visible_gpus(
    environment: Mapping[str, str], drivers: Path = DRIVERS, devices: Path = Path("/dev")
) -> list[Gpu]:
    """The NVIDIA GPUs runs may use: those CUDA_VISIBLE_DEVICES of `environment` names, else all
    that the kernel shows."""
    there = [uuid for minor, uuid in driver_gpus(drivers) if (devices / f"nvidia{minor}").exists()]
    named = environment.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        return [Gpu(str(i), uuid) for i, uuid in enumerate(there)]
    names = [name for name in (part.strip() for part in named.split(",")) if name and name != "-1"]
    return [
        Gpu(name, there[int(name)] if name.isdecimal() and int(name) < len(there) else name)
        for name in names
    ]


def driver_gpus(drivers: Path) -> list[tuple[str, str]]:
    """Minor number and UUID of each GPU in the order of the PCI bus, from the driver's own
    files."""
    texts = [file.read_text("utf-8", "replace") for file in sorted(drivers.glob("*/information"))]
    found = [
        (re.search(r"^Device Minor:\s*(\d+)", t, re.M), re.search(r"^GPU UUID:\s*(\S+)", t, re.M))
        for t in texts
    ]
    return [(minor[1], uuid[1]) for minor, uuid in found if minor and uuid]
