"""Runs on a Ray cluster: each in the sandbox of the machine it comes to. Same ledger, same
verdicts.

Ray decides where a run takes place and tells when a machine is lost. Leaves to others: what
travels (shipping), what happens over there (worker).
https://docs.ray.io/en/latest/ray-core/tasks.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from autoresearch.errors import BadInput, MissingTool
from autoresearch.installation import install_command
from autoresearch.researcher.executors import worker
from autoresearch.researcher.executors.local import Closing
from autoresearch.researcher.executors.shipping import measure_there, pack_request
from autoresearch.researcher.executors.worker import RunResult, Shipment, Surroundings
from autoresearch.researcher.experiment import Runner, Stopped
from autoresearch.researcher.judging.values import Measurement
from autoresearch.researcher.machine import one_word
from autoresearch.researcher.run_request import RunRequest

POLL_S = 0.25
STORE_BYTES = (
    200 * 2**20
)  # of a cluster that we start ourselves: bundles, logs and curves are all it holds


@dataclass(frozen=True)
class Share:
    """What one run asks of a node."""

    cores: int
    gpus: int = 0

    @property
    def size(self) -> str:
        gpus = f"{self.gpus} GPU{'s' * (self.gpus > 1)}, " if self.gpus else ""
        return f"{gpus}{self.cores} core{'s' * (self.cores > 1)} of a Ray node"


def largest_share(nodes: Sequence[tuple[int, int]], jobs: int, gpus_each: int) -> Share:
    """The largest equal share that lets so many runs go on at once. `nodes`: cores and GPUs of
    each. BadInput where there is none."""
    gpus = gpus_each if any(g for _, g in nodes) else 0

    def places(cores: int) -> int:
        return sum(min(c // cores, g // gpus if gpus else c) for c, g in nodes)

    fitting = [
        cores
        for cores in range(1, max((c for c, _ in nodes), default=0) + 1)
        if places(cores) >= jobs
    ]
    if not fitting:
        have = (
            f"{sum(c for c, _ in nodes)} cores and {sum(g for _, g in nodes)} GPUs on "
            f"{len(nodes)} nodes"
        )
        raise BadInput(
            f"--jobs {jobs} does not fit the Ray cluster, which has {have}; use fewer "
            "jobs or add nodes"
        )
    return Share(max(fitting), gpus)


class RayExecutor:
    """`surroundings` is called on each machine and tells what it offers. Opening one joins the
    cluster at `address`, or starts a small one on this machine where it is None and none is
    running. MissingTool without Ray."""

    def __init__(
        self,
        runner: Runner,
        jobs: int,
        gpus_each: int,
        address: str | None,
        surroundings: Callable[[], Surroundings],
    ) -> None:
        self.ray = join_cluster(address)
        self.slots = jobs
        self.runner = runner
        self.stop = Closing(runner.stop)
        try:
            alive = [node for node in self.ray.nodes() if node["Alive"]]
            self.share = largest_share(
                [count_runs(node["Resources"]) for node in alive], jobs, gpus_each
            )
            self.names = self.ask_names(
                [node["NodeID"] for node in alive if count_runs(node["Resources"])[0]]
            )
        except BaseException:
            self.ray.shutdown()
            raise
        remote = self.ray.remote(num_cpus=self.share.cores, num_gpus=self.share.gpus, max_retries=0)
        self.carry_out = remote(far_side)
        self.surroundings = surroundings
        self.threads = ThreadPoolExecutor(jobs, "ray-request")

    @property
    def platform(self) -> str:
        """What the machines are called in the ledger: one name where they are alike."""
        return self.names[0] if len(self.names) == 1 else one_word("ray " + " ".join(self.names))

    def ask_names(self, node_ids: Sequence[str]) -> list[str]:
        strategy = self.ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
        asked = [
            self.ray.remote(worker.machine_name)
            .options(num_cpus=0, scheduling_strategy=strategy(node_id, soft=False))
            .remote(f"{self.share.cores}c")
            for node_id in node_ids
        ]
        return sorted(set(self.ray.get(asked)))

    def submit(
        self, request: RunRequest, trained: Future[None] | None = None
    ) -> Future[Measurement]:
        return self.threads.submit(self.see_through, request)

    def see_through(self, request: RunRequest) -> Measurement:
        """In a thread: send the request until its result is back, again where the machine that had
        it is lost."""
        shipment = self.ray.put(pack_request(self.runner, request, self.share.cores))
        return measure_there(self.runner, request, lambda: self.once(shipment))

    def once(self, shipment: Any) -> RunResult | None:
        """One attempt; None where the machine, or Ray's own process there, was lost."""
        errors = self.ray.exceptions
        running = self.carry_out.remote(shipment, self.surroundings)
        try:
            while not self.ray.wait([running], timeout=POLL_S)[0]:
                if self.stop.is_set():
                    self.ray.cancel(running, force=True)  # its processes die with it
                    raise Stopped
            result: RunResult = self.ray.get(running)
        except errors.RayTaskError as error:
            raise error.cause from None
        except errors.RayError:
            return None
        return result

    def close(self) -> None:
        self.stop.set()
        self.threads.shutdown(wait=True, cancel_futures=True)
        self.ray.shutdown()


def far_side(shipment: Shipment, surroundings: Callable[[], Surroundings]) -> RunResult:
    """What Ray calls over there."""
    return worker.carry_out(shipment, surroundings())


def count_runs(resources: dict[str, float]) -> tuple[int, int]:
    return int(resources.get("CPU", 0)), int(resources.get("GPU", 0))


def join_cluster(address: str | None) -> ModuleType:
    """Ray, connected. Quiet: no dashboard, no messages of its workers."""
    try:
        import ray
        import ray.util.scheduling_strategies
    except ImportError as error:
        raise MissingTool(
            f"--executor ray needs Ray, which is not installed; {install_command('ray')}"
        ) from error
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    ours: dict[str, Any] = (
        {} if address else {"include_dashboard": False, "object_store_memory": STORE_BYTES}
    )
    try:
        ray.init(address=address or "local", **quiet, **ours)
    except (ConnectionError, TimeoutError) as error:
        raise BadInput(
            f"no Ray cluster answers at {address} ({error}); --ray-address takes what "
            "`ray start --head` printed, HOST:PORT"
        ) from error
    found: ModuleType = ray
    return found
