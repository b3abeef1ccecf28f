"""Where `autoresearch run` runs its experiments: reads what `--jobs`, `--gpus` and `--executor` say of this machine or of a cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from autoresearch.cli.surroundings import cache

if TYPE_CHECKING:
    from autoresearch.researcher.executors.base import Executor
    from autoresearch.researcher.experiment import Runner

JobsOption = Annotated[
    int, typer.Option("--jobs", min=1, help="So many experiments at once, each with cores (and a GPU) of its own.")
]
GpusOption = Annotated[
    int, typer.Option("--gpus", min=0, help="NVIDIA GPUs for each run, held for it alone; 0 leaves them as they are.")
]
LOCKS = "locks"  # in the cache, so that every runner of this user on this machine sees them


class ExecutorKind(str, Enum):
    local = "local"
    ray = "ray"


@dataclass(frozen=True)
class PlaceOptions:
    """What the options of `autoresearch run` say of where runs take place."""

    jobs: int = 1
    gpus: int = 1
    kind: ExecutorKind = ExecutorKind.local
    address: str | None = None


@dataclass(frozen=True)
class Place:
    """An executor, the share of the machine that each of its runs has, and what such a machine is called."""

    executor: Executor
    slot: str
    platform: str


@contextmanager
def place(options: PlaceOptions, runner: Runner, say: Callable[[str], None]) -> Iterator[Place]:
    """The executor the options ask for, with what it needs held as long as the block lasts. BadInput where there is less than
    asked for, Conflict where another runner holds it, MissingTool without Ray."""
    from autoresearch.researcher import machine
    from autoresearch.researcher.executors import slots
    from autoresearch.researcher.executors.local import LocalExecutor

    cores, gpus = slots.usable_cores(), slots.visible_gpus(os.environ) if options.gpus else []
    plan = slots.plan(options.jobs, len(cores), len(gpus), options.gpus)
    if plan.warning:
        say(plan.warning)
    with slots.hold(plan, cores, gpus, cache() / LOCKS) as held:
        yield Place(LocalExecutor(runner, held), plan.size, machine.name(plan.share))
