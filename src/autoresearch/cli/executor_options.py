"""Where `autoresearch run` runs its experiments: reads what `--jobs`, `--gpus` and `--executor`
say of this machine or of a cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autoresearch.cli.common import FOR_PREPARE, FOR_RUNS, cache, environment, readable
from autoresearch.cli.options import choice, count, gather, text

if TYPE_CHECKING:
    from autoresearch.researcher.executors.base import Executor
    from autoresearch.researcher.executors.worker import Surroundings
    from autoresearch.researcher.experiment import Runner


LOCKS = "locks"  # in the cache, so that every runner of this user on this machine sees them


@dataclass(frozen=True)
class ExecutorOptions:
    """What the options of `autoresearch run` say of where runs take place, called
    as they are."""

    jobs: int = 1
    gpus: int = 1
    executor: str = "local"
    ray_address: str | None = None
    slurm: tuple[str, ...] = ()


executor_options = gather(
    ExecutorOptions,
    "executor",
    count(
        "--jobs", "So many experiments at once, each with cores (and a GPU) of its own.", default=1
    ),
    count(
        "--gpus",
        "NVIDIA GPUs for each run, held for it alone; 0 leaves them as they are.",
        least=0,
        default=1,
    ),
    choice(
        "--executor",
        ("local", "ray", "slurm"),
        "Where runs take place: local is this machine, ray a Ray cluster, slurm Slurm jobs.",
        default="local",
    ),
    text(
        "--ray-address",
        "For --executor ray: HOST:PORT of the cluster; without it one is started here.",
        None,
    ),
    text(
        "--slurm",
        "For --executor slurm: a parameter of each job, such as partition=gpu; repeatable.",
        None,
        metavar="NAME=VALUE",
        multiple=True,
    ),
)


@dataclass(frozen=True)
class Place:
    """An executor, the share of the machine that each of its runs has, and what such a machine is
    called."""

    executor: Executor
    slot: str
    platform: str

    def close(self) -> None:
        self.executor.close()


@contextmanager
def place(options: ExecutorOptions, runner: Runner, say: Callable[[str], None]) -> Iterator[Place]:
    """The executor the options ask for, with what it needs held as long as the block lasts.
    BadInput where there is less than asked for, Conflict where another runner holds it,
    MissingTool without Ray or submitit."""
    if options.executor != "local":
        reach = cluster if options.executor == "ray" else slurm_jobs
        with closing(reach(options, runner, say)) as there:
            yield there
        return
    from autoresearch.researcher import machine
    from autoresearch.researcher.executors import slots
    from autoresearch.researcher.executors.local import LocalExecutor

    cores, gpus = slots.usable_cores(), slots.visible_gpus(os.environ) if options.gpus else []
    plan = slots.plan_slots(options.jobs, len(cores), len(gpus), options.gpus)
    if plan.warning:
        say(plan.warning)
    with (
        slots.hold_slots(plan, cores, gpus, cache() / LOCKS) as held,
        closing(
            Place(LocalExecutor(runner, held), plan.size, machine.machine_name(plan.share))
        ) as here,
    ):
        yield here


def cluster(options: ExecutorOptions, runner: Runner, say: Callable[[str], None]) -> Place:
    """A Ray cluster. Closing the executor leaves it."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    from autoresearch.researcher.executors.ray import RayExecutor

    say(
        f"joining the Ray cluster at {options.ray_address}"
        if options.ray_address
        else "starting a Ray cluster on this machine"
    )
    executor = RayExecutor(runner, options.jobs, options.gpus, options.ray_address, surroundings)
    if len(executor.names) > 1:
        say(
            f"the cluster's machines differ ({', '.join(executor.names)}), so their "
            "results differ by more than the code does"
        )
    return Place(executor, executor.share.size, executor.platform)


def slurm_jobs(options: ExecutorOptions, runner: Runner, say: Callable[[str], None]) -> Place:
    """Jobs of Slurm; of this machine where there is none."""
    from autoresearch.researcher.executors.slurm import SlurmExecutor, read_parameters

    parameters = read_parameters(options.slurm)
    say("asking a job what the nodes are called")
    executor = SlurmExecutor(runner, options.jobs, options.gpus, parameters, surroundings)
    if executor.is_local:
        say("no Slurm here (no srun): its jobs run as processes of this machine")
    return Place(executor, executor.size, executor.platform)


def surroundings() -> Surroundings:
    """What the machine this is called on offers to runs: a Ray worker calls it over there."""
    from autoresearch.researcher.executors.worker import Surroundings

    return Surroundings(
        environment(FOR_RUNS), environment((*FOR_RUNS, *FOR_PREPARE)), readable(), cache()
    )
