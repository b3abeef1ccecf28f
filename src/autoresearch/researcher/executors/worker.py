"""The far side of a cluster: carries out one order on the machine it travelled to, in that
machine's own sandbox.

A desk is a workspace that stays on a machine: repository, prepared data, nothing of any run. One
order at a time works at it, so there are as many desks as orders at once, and the next night finds
them again. Knows nothing of Ray; leaves to others: sending and losing orders (ray), what a run is
(experiment).
"""

from __future__ import annotations

import dataclasses
import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from autoresearch.errors import Conflict
from autoresearch.folders import wipe
from autoresearch.git.bundles import unbundle
from autoresearch.git.repo import Repo
from autoresearch.researcher import config, machine
from autoresearch.researcher.executors.base import RunRequest
from autoresearch.researcher.executors.slots import Plan, Slot, hold_slots, usable_cores
from autoresearch.researcher.experiment import Runner
from autoresearch.researcher.judging.values import Measurement
from autoresearch.researcher.preparation import prepare
from autoresearch.researcher.sandbox import choose_sandbox
from autoresearch.researcher.workspace import Workspace

DESKS, LOCKS = "desks", "locks"


@dataclass(frozen=True)
class Surroundings:
    """What a machine offers: the environment runs and preparation may see, what runs may read, and
    where caches are."""

    environment: Mapping[str, str]
    for_prepare: Mapping[str, str]
    readable: tuple[Path, ...]
    cache: Path


@dataclass(frozen=True)
class Shipment:
    """An order with all that a machine needs that has never seen the experiment. `order.folder` is
    relative to the workspace."""

    desk: str
    bundle: bytes
    config: bytes
    order: RunRequest
    sandbox: str
    cores: int


@dataclass(frozen=True)
class RunResult:
    """What comes back: the measurement, and log and curve as they lay in the run's folder, by
    name."""

    measurement: Measurement
    files: dict[str, bytes]


def carry_out(parcel: Shipment, here: Surroundings) -> RunResult:
    """Run the order at a free desk. Raises MissingTool where the sandbox asked for does not work
    here, BadWorkspace where the experiment cannot be prepared here."""
    with (
        hold_worker_dir(worker_dirs(here.cache) / parcel.desk) as folder,
        hold_slot(parcel.cores, here.cache / LOCKS) as mine,
    ):
        workspace = fill_worker_dir(folder, parcel)
        prepare_once(workspace, parcel, here)
        environment = {**here.environment, **mine.environment()}
        runner = Runner(
            workspace, choose_sandbox(parcel.sandbox), environment, here.readable, cores=mine.cores
        )
        o = parcel.order
        place = workspace.folder / o.folder
        measured = runner.measure(o.commit, o.seed, o.mark, place, o.timeout_s, o.watch)
        files = {
            file.name: file.read_bytes()
            for file in place.iterdir()
            if file.is_file() and not file.is_symlink()
        }
        wipe(place)
        return RunResult(measured, files)


def worker_dirs(cache: Path) -> Path:
    """Beside the cache, not in it: what lies there every run may read, and a desk holds the rows
    that it is scored on."""
    return cache.with_name(f"{cache.name}-{DESKS}")


@contextmanager
def hold_worker_dir(folder: Path) -> Iterator[Path]:
    """The first desk nobody sits at. A killed worker's desk is free again."""
    folder.mkdir(parents=True, exist_ok=True)
    number = 0
    while True:
        lock = FileLock(folder / f"{number}.lock", timeout=0)
        try:
            with lock:
                yield folder / str(number)
                return
        except Timeout:
            number += 1


@contextmanager
def hold_slot(cores: int, locks: Path) -> Iterator[Slot]:
    """Cores of one's own, or none in particular where others of this machine hold too many. GPUs
    are dealt out by the cluster."""
    with ExitStack() as held:
        try:
            slots = held.enter_context(hold_slots(Plan(1, cores), usable_cores(), [], locks))
        except Conflict:
            slots = [Slot()]
        yield slots[0]


def fill_worker_dir(folder: Path, parcel: Shipment) -> Workspace:
    """The desk's workspace with the order's commit checked out and the researcher's configuration."""
    if not (folder / ".git").is_dir():
        wipe(folder)
        Repo.init(folder)
    repo = Repo(folder)
    file = folder / ".git" / "order.bundle"
    file.write_bytes(parcel.bundle)
    unbundle(repo, file)
    repo.git("checkout", "-q", "--force", "--detach", parcel.order.commit)
    (folder / config.NAME).write_bytes(parcel.config)
    workspace = Workspace(folder)
    workspace.private.mkdir(exist_ok=True)
    workspace.sweep_checkouts()
    return workspace


def prepare_once(workspace: Workspace, parcel: Shipment, here: Surroundings) -> None:
    """The experiment's own preparation, unless these fixed files with this configuration were
    prepared at this desk."""
    if not workspace.config.experiment.prepare:
        return
    listing = workspace.repo.git("ls-tree", "-r", parcel.order.commit).splitlines()
    fixed = [line for line in listing if not workspace.is_free(line.partition("\t")[2])]
    done = hashlib.sha256(
        b"\0".join([parcel.config, *(line.encode() for line in fixed)])
    ).hexdigest()
    stamp = workspace.private / "prepared"
    if stamp.is_file() and stamp.read_text("utf-8") == done:
        return
    prepare(workspace, here.for_prepare, threading.Event())
    stamp.write_text(done, "utf-8")


def request_for(order: RunRequest, folder: Path) -> RunRequest:
    """The order as it travels: its folder relative to the workspace."""
    return dataclasses.replace(order, folder=order.folder.relative_to(folder))


def machine_name(share: str) -> str:
    """This machine's name for the ledger."""
    return machine.machine_name(share)
