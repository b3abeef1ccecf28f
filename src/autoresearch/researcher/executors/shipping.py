"""A request on its way to another machine and back, whichever program carries it.

It travels with its commit; its measurement, log and curve come back. Where the machine that had it
is lost, it is sent again, a few times. Leaves to others: the far side (worker), how something is
sent (ray, slurm).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from autoresearch.folders import wipe
from autoresearch.git.bundles import create_bundle, temporary_bundle
from autoresearch.researcher import config
from autoresearch.researcher.executors import worker
from autoresearch.researcher.executors.worker import RunResult, Shipment
from autoresearch.researcher.experiment import Runner
from autoresearch.researcher.judging.values import Measurement
from autoresearch.researcher.own_files import OwnFiles
from autoresearch.researcher.own_text import find_text
from autoresearch.researcher.run_request import RunRequest

LIVES = 4  # a request is sent so often at most


def pack_request(runner: Runner, request: RunRequest, cores: int) -> Shipment:
    """All that a machine needs that has never seen the experiment."""
    workspace = runner.workspace
    with temporary_bundle() as file:
        create_bundle(workspace.repo, file, [request.commit])
        bundle = file.read_bytes()
    return Shipment(
        worker_dir=hashlib.sha256(str(workspace.folder).encode()).hexdigest()[:16],
        bundle=bundle,
        config=(workspace.folder / config.NAME).read_bytes(),
        request=worker.request_for(request, workspace.folder),
        sandbox=runner.sandbox.name,
        cores=cores,
        inside=workspace.inside,
        text=str(find_text(workspace)) if workspace.config.has_own_text else "",
        own_repository=str(workspace.repo.path),
        own_files=OwnFiles(runner.links, runner.readable, runner.variables),
    )


def measure_there(
    runner: Runner, request: RunRequest, send: Callable[[], RunResult | None]
) -> Measurement:
    """`send` the request until its result is back; None means that the machine was lost."""
    for _ in range(LIVES):
        result = send()
        if result is not None:
            return runner.in_time(unpack_result(request, result))
    return Measurement(
        "failed", f"the machine that ran it was lost {LIVES} times in a row", request.seed
    )


def unpack_result(request: RunRequest, result: RunResult) -> Measurement:
    """Put log and curve where a run of this machine would have left them."""
    wipe(request.folder)
    request.folder.mkdir(parents=True)
    for name, data in result.files.items():
        (request.folder / Path(name).name).write_bytes(data)
    return result.measurement
