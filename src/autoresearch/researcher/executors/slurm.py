"""Runs as Slurm jobs, by submitit: each request is a job of its own, in the sandbox of the node it
comes to.

Where there is no Slurm, submitit starts the same jobs as processes of this machine. Slurm decides
where and when a job runs; one that was lost is submitted again. Leaves to others: what travels
(shipping), what happens over there (worker). https://github.com/facebookincubator/submitit
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from types import ModuleType
from typing import Any

from autoresearch.errors import AutoresearchError, BadInput, MissingTool
from autoresearch.folders import wipe
from autoresearch.installation import install_command
from autoresearch.researcher.executors import worker
from autoresearch.researcher.executors.local import Closing
from autoresearch.researcher.executors.shipping import measure_there, pack_request
from autoresearch.researcher.executors.slots import usable_cores
from autoresearch.researcher.executors.worker import RunResult, Shipment, Surroundings
from autoresearch.researcher.experiment import Runner, Stopped
from autoresearch.researcher.judging.values import Measurement
from autoresearch.researcher.run_request import RunRequest

FOLDER = "slurm"  # in the experiment's private folder: jobs and what they print
JOB = "%j"  # a folder for each, by its number; what is not submitted yet waits under this name
POLL_S, ASK_AGAIN_S, ENDS_WITHIN_S = 0.5, 5.0, 60.0
HOUR_MIN = 60  # what a job may take where nothing else was said
GENERIC = ("cpus_per_task", "gpus_per_node", "mem_gb", "name", "timeout_min")
Answer = RunResult | AutoresearchError | str


class SlurmExecutor:
    """`parameters` are submitit's, or those of sbatch; `surroundings` is called on each node and
    tells what it offers. Opening one runs a short job that tells what the nodes are called.

    MissingTool without submitit, BadInput for a parameter that does not exist."""

    def __init__(
        self,
        runner: Runner,
        jobs: int,
        gpus_each: int,
        parameters: Mapping[str, int | str],
        surroundings: Callable[[], Surroundings],
    ) -> None:
        self.submitit = load_submitit()
        self.folder = runner.workspace.private / FOLDER
        self.executor = self.submitit.AutoExecutor(self.folder / JOB)
        self.is_local = self.executor.cluster != "slurm"
        self.cores = choose_cores(parameters, jobs, self.is_local)
        self.set_parameters(parameters, gpus_each)
        self.slots = jobs
        self.runner = runner
        self.stop = Closing(runner.stop)
        self.surroundings = surroundings
        self.threads = ThreadPoolExecutor(jobs, "slurm-request")
        self.platform = self.ask_name()

    @property
    def size(self) -> str:
        """The share of a node that each run has."""
        return f"{self.cores} core{'s' * (self.cores > 1)} of a Slurm node"

    def set_parameters(self, parameters: Mapping[str, int | str], gpus_each: int) -> None:
        ours: dict[str, Any] = {"name": "autoresearch", "timeout_min": HOUR_MIN}
        if gpus_each and not self.is_local:
            ours["gpus_per_node"] = gpus_each
        theirs = {n if n in GENERIC else f"slurm_{n}": value for n, value in parameters.items()}
        try:
            self.executor.update_parameters(**{**ours, **theirs, "cpus_per_task": self.cores})
        except (AssertionError, NameError, ValueError) as error:
            raise BadInput(f"--slurm: {str(error).splitlines()[0]}") from error

    def ask_name(self) -> str:
        """What the ledger calls the nodes: the name of the one that answered."""
        found = self.run_job(worker.machine_name, f"{self.cores}c")
        if not isinstance(found, str):
            raise BadInput(f"no Slurm job could be run; {self.folder} holds what it printed")
        return found

    def submit(
        self, request: RunRequest, trained: Future[None] | None = None
    ) -> Future[Measurement]:
        return self.threads.submit(self.see_through, request)

    def see_through(self, request: RunRequest) -> Measurement:
        """In a thread: submit the request until its result is back."""
        shipment = pack_request(self.runner, request, self.cores)
        return measure_there(self.runner, request, lambda: self.send(shipment))

    def send(self, shipment: Shipment) -> RunResult | None:
        answer = self.run_job(carry_out, shipment, self.surroundings)
        if isinstance(answer, AutoresearchError):
            raise answer
        return answer if isinstance(answer, RunResult) else None

    def run_job(self, function: Callable[..., Answer], *arguments: object) -> Answer | None:
        """What a function returns in a job; None where the job was lost. Stopped where the user
        asked to stop meanwhile."""
        job = self.executor.submit(function, *arguments)
        try:
            while not job.done():
                if self.stop.is_set():
                    raise Stopped
                time.sleep(POLL_S)
            answer: Answer = job.result()
        except self.submitit.core.utils.UncompletedJobError:
            return None  # what it printed stays for the user to read
        except BaseException:
            cancel(job)
            raise
        wipe(job.paths.folder)
        return answer

    def close(self) -> None:
        self.stop.set()
        self.threads.shutdown(wait=True, cancel_futures=True)
        wipe(self.folder / JOB)


def carry_out(shipment: Shipment, surroundings: Callable[[], Surroundings]) -> Answer:
    """What a job calls over there. An error of ours comes back as a value: submitit would make a
    text of it."""
    try:
        return worker.carry_out(shipment, surroundings())
    except AutoresearchError as error:
        return error


def cancel(job: Any) -> None:
    """End a job, and wait until it has ended: afterwards no process of it is alive. It is asked
    again and again: Python loses an interrupt that comes while it tidies up."""
    began = asked = time.monotonic()
    job.cancel()
    while not job.done() and (now := time.monotonic()) - began < ENDS_WITHIN_S:
        if now - asked > ASK_AGAIN_S:
            job.cancel()
            asked = now
        time.sleep(POLL_S)


def choose_cores(parameters: Mapping[str, int | str], jobs: int, is_local: bool) -> int:
    """How many cores a run gets. BadInput where nobody knows."""
    wished = parameters.get("cpus_per_task")
    if wished is None and is_local:
        return max(1, len(usable_cores()) // jobs)
    if not isinstance(wished, int) or wished < 1:
        raise BadInput("say how many cores of a node each run has: --slurm cpus_per_task=8")
    return wished


def read_parameters(words: tuple[str, ...]) -> dict[str, int | str]:
    """`NAME=VALUE` words, numbers as numbers. BadInput for any other word."""
    found: dict[str, int | str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name.isidentifier() or not value:
            raise BadInput(f"--slurm takes NAME=VALUE, such as partition=gpu, not {word!r}")
        found[name] = int(value) if value.isdecimal() else value
    return found


def load_submitit() -> ModuleType:
    try:
        import submitit
    except ImportError as error:
        raise MissingTool(
            f"--executor slurm needs submitit, which is not installed; {install_command('slurm')}"
        ) from error
    found: ModuleType = submitit
    return found
