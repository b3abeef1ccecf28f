"""The far side of a cluster: carries out one request on the machine it travelled to, in that
machine's own sandbox.

A worker folder is a workspace that stays on a machine: repository, prepared data, nothing of any
run. One request at a time works at it, so there are as many worker folders as requests at once,
and the next night finds them again. Knows nothing of Ray or Slurm; leaves to others: sending
and losing requests (shipping), what a run is (experiment).
"""

from __future__ import annotations

import dataclasses
import hashlib
import platform
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from filelock import FileLock, Timeout

from autoresearch.errors import BadWorkspace, Conflict
from autoresearch.folders import wipe
from autoresearch.git.bundles import unbundle
from autoresearch.git.repo import Repo
from autoresearch.researcher import config, machine
from autoresearch.researcher.executors.slots import Plan, Slot, hold_slots, usable_cores
from autoresearch.researcher.experiment import Runner
from autoresearch.researcher.judging.values import Measurement
from autoresearch.researcher.own_files import OwnFiles
from autoresearch.researcher.own_text import note_place
from autoresearch.researcher.preparation import prepare
from autoresearch.researcher.run_request import RunRequest
from autoresearch.researcher.sandbox import choose_sandbox
from autoresearch.researcher.workspace import Workspace

WORKER_DIRS, LOCKS = "desks", "locks"


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
    """A request with all that a machine needs that has never seen the experiment. `request.folder`
    is relative to the workspace."""

    worker_dir: str
    bundle: bytes
    config: bytes
    request: RunRequest
    sandbox: str
    cores: int
    inside: str = ""  # where the experiment lies in its repository
    # of the user's own, at the same place on every machine of the cluster: the text, the
    # repository whose files `links` names, and what else runs may read
    text: str = ""
    own_repository: str = ""
    own_files: OwnFiles = field(default_factory=OwnFiles)


@dataclass(frozen=True)
class RunResult:
    """What comes back: the measurement, and log and curve as they lay in the run's folder, by
    name."""

    measurement: Measurement
    files: dict[str, bytes]


def carry_out(shipment: Shipment, here: Surroundings) -> RunResult:
    """Run the request at a free worker folder. Raises MissingTool where the sandbox asked for does
    not work here, BadWorkspace where the experiment cannot be prepared here."""
    with (
        hold_worker_dir(worker_dirs(here.cache) / shipment.worker_dir) as folder,
        hold_slot(shipment.cores, here.cache / LOCKS) as mine,
    ):
        workspace = fill_worker_dir(folder, shipment)
        check_own_files(shipment)
        prepare_once(workspace, shipment, here)
        environment = {**here.environment, **mine.environment()}
        runner = Runner(
            workspace,
            choose_sandbox(shipment.sandbox),
            environment,
            (*here.readable, *(path for path in shipment.own_files.paths if path.exists())),
            links=shipment.own_files.links,
            links_from=Path(shipment.own_repository) if shipment.own_repository else None,
            variables=shipment.own_files.variables,
            cores=mine.cores,
        )
        place = workspace.folder / shipment.request.folder
        measured = runner.measure(replace(shipment.request, folder=place))
        files = {
            file.name: file.read_bytes()
            for file in place.iterdir()
            if file.is_file() and not file.is_symlink()
        }
        wipe(place)
        return RunResult(measured, files)


def worker_dirs(cache: Path) -> Path:
    """Beside the cache, not in it: what lies there every run may read, and a worker folder holds
    the rows that it is scored on."""
    return cache.with_name(f"{cache.name}-{WORKER_DIRS}")


@contextmanager
def hold_worker_dir(folder: Path) -> Iterator[Path]:
    """The first worker folder that is free. A killed worker's folder is free again."""
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


def fill_worker_dir(folder: Path, shipment: Shipment) -> Workspace:
    """The workspace of a worker folder with the request's commit checked out and the researcher's
    configuration."""
    if not (folder / ".git").is_dir():
        wipe(folder)
        Repo.init(folder)
    repo = Repo(folder)
    file = folder / ".git" / "request.bundle"
    file.write_bytes(shipment.bundle)
    unbundle(repo, file)
    repo.git("checkout", "-q", "--force", "--detach", shipment.request.commit)
    (folder / shipment.inside / config.NAME).write_bytes(shipment.config)
    workspace = Workspace(folder / shipment.inside)
    workspace.private.mkdir(exist_ok=True)
    if shipment.text:
        note_place(workspace.folder, Path(shipment.text))
    workspace.sweep_checkouts()
    return workspace


def check_own_files(shipment: Shipment) -> None:
    """BadWorkspace where a file that runs find in their checkout is not on this machine."""
    for link in shipment.own_files.links:
        if not (place := Path(shipment.own_repository) / link).exists():
            raise BadWorkspace(
                f"runs read {link}, and {platform.node()} of the cluster has no {place}; put it at "
                "the same path on every machine, or on a disk that they share"
            )


def prepare_once(workspace: Workspace, shipment: Shipment, here: Surroundings) -> None:
    """The experiment's own preparation, unless these fixed files with this configuration were
    prepared in this folder."""
    if not workspace.config.experiment.prepare:
        return
    listing = workspace.repo.git("ls-tree", "-r", shipment.request.commit).splitlines()
    fixed = [line for line in listing if not workspace.is_free(line.partition("\t")[2])]
    done = hashlib.sha256(
        b"\0".join([shipment.config, *(line.encode() for line in fixed)])
    ).hexdigest()
    stamp = workspace.private / "prepared"
    if stamp.is_file() and stamp.read_text("utf-8") == done:
        return
    prepare(workspace, here.for_prepare, threading.Event())
    stamp.write_text(done, "utf-8")


def request_for(request: RunRequest, folder: Path) -> RunRequest:
    """The request as it travels: its folder relative to the workspace."""
    return dataclasses.replace(request, folder=request.folder.relative_to(folder))


def machine_name(share: str) -> str:
    """This machine's name for the ledger."""
    return machine.machine_name(share)
