"""How a machine is divided among runs: each slot has processor cores and GPUs of its own, held by lock files that every runner respects.

Two runs on one GPU, or on one core, disturb each other's clock and so each other's result; two runners know nothing of each
other, hence the files. `plan` is pure; `hold` takes the locks. Leaves to others: what is run in a slot (local).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout

from autoresearch.errors import BadInput, Conflict

THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
ASK_GPUS = ("nvidia-smi", "--query-gpu=index", "--format=csv,noheader")
ASK_TIMEOUT_S = 30


@dataclass(frozen=True)
class Slot:
    """Where one run takes place. No cores: all of them, unpinned; no GPUs: whatever the environment shows."""

    cores: tuple[int, ...] = ()
    gpus: tuple[str, ...] = ()

    def environment(self) -> dict[str, str]:
        """What a run has to be told so that it uses its slot and no more."""
        threads = dict.fromkeys(THREADS, str(len(self.cores))) if self.cores else {}
        return {**threads, **({"CUDA_VISIBLE_DEVICES": ",".join(self.gpus)} if self.gpus else {})}


@dataclass(frozen=True)
class Plan:
    """The slots wished for, by number: which cores and GPUs they really are is known when they are held. `size` names a slot's size:
    results of different sizes are never compared. It is empty for the whole machine."""

    count: int
    cores_each: int = 0  # 0: not pinned
    gpus_each: int = 0
    size: str = ""
    warning: str = ""


def plan(jobs: int, cores: int, gpus: int, gpus_each: int = 1) -> Plan:
    """Divide a machine with so many cores and GPUs evenly. BadInput where there are fewer GPUs than jobs need."""
    wanted = jobs * gpus_each if gpus else 0
    if wanted > gpus:
        fits = gpus // gpus_each
        raise BadInput(
            f"--jobs {jobs} needs {wanted} GPUs and {gpus} can be seen here; "
            + (f"use --jobs {fits}, or --gpus 0 to let runs share them" if fits else "use a smaller --gpus")
        )
    each = gpus_each if gpus else 0
    if jobs == 1:
        return Plan(1, 0, each, f"{each} GPUs" if each > 1 else "")
    cores_each = cores // jobs
    if cores_each == 0:
        warning = f"--jobs {jobs} on {cores} cores: runs share cores and disturb each other's speed; with --jobs {cores} each has one of its own"
        return Plan(jobs, 0, each, sized(each, f"{cores} cores shared by {jobs}"), warning)
    return Plan(jobs, cores_each, each, sized(each, f"{cores_each} core{'s' * (cores_each > 1)}"))


def sized(gpus: int, cores: str) -> str:
    return f"{gpus} GPU{'s' * (gpus > 1)}, {cores}" if gpus else cores


@contextmanager
def hold(wanted: Plan, cores: Sequence[int], gpus: Sequence[str], folder: Path) -> Iterator[list[Slot]]:
    """The slots, each core and GPU locked for as long as the block lasts. Conflict where other runners hold too many."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        taken_gpus = take(held, "gpu", gpus, wanted.count * wanted.gpus_each, folder)
        names = [str(core) for core in cores]
        taken_cores = [int(c) for c in take(held, "core", names, wanted.count * wanted.cores_each, folder)]
        slots = [Slot() for _ in range(wanted.count)]
        for i, slot in enumerate(slots):
            mine = slice(i * wanted.cores_each, (i + 1) * wanted.cores_each)
            devices = slice(i * wanted.gpus_each, (i + 1) * wanted.gpus_each)
            slots[i] = replace(slot, cores=tuple(taken_cores[mine]), gpus=tuple(taken_gpus[devices]))
        yield slots


def take(held: ExitStack, kind: str, names: Sequence[str], count: int, folder: Path) -> list[str]:
    """Lock the first `count` that nobody holds. A killed runner's locks are gone with it."""
    taken: list[str] = []
    for name in names:
        if len(taken) == count:
            break
        lock = FileLock(folder / f"{kind}-{''.join(c if c.isalnum() else '-' for c in name)}.lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            continue
        held.callback(lock.release)
        taken.append(name)
    if len(taken) < count:
        raise Conflict(
            f"{count} {kind}s are needed and {len(taken)} of {len(names)} are free: another `autoresearch run` of this machine holds the others; "
            "stop it, or use fewer --jobs"
        )
    return taken


# ---------------------------------------------------------------- what there is


def usable_cores() -> list[int]:
    """The cores this process may run on; where cores cannot be pinned (macOS), as many numbers as there are."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def visible_gpus(environment: Mapping[str, str]) -> list[str]:
    """The NVIDIA GPUs runs may use, as CUDA_VISIBLE_DEVICES names them: those of that variable, else all that nvidia-smi lists."""
    named = environment.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in (part.strip() for part in named.split(",")) if name and name != "-1"]
    try:
        done = subprocess.run(ASK_GPUS, capture_output=True, text=True, timeout=ASK_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.split() if done.returncode == 0 else []
