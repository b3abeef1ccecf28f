"""A score with the harness outside: it asks, and the model answers from two sandboxes of its own.

harness ──questions──▶ model 0, model 1: each alone, nothing writable but private memory, no log
   ▲ └──── answers: a pipe, and a memory file where descriptors can be handed on ────┘
   its own sandbox: its own processes, folder and log, which no model's process can reach

Leaves to others: isolation (sandbox), what is asked and answered (the score command and its model).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import IO

from autoresearch.researcher.sandbox import Finished, Job, Sandbox, choose_sandbox

MODELS, MEMORY = "AUTORESEARCH_MODELS", "AUTORESEARCH_MEMORY"
PER_SCORE = 2  # the one asked for a row never sees that row's probes
FIRST = 64  # descriptors below this are the programs' own
STDIN, STDOUT = 0, 1


@dataclass(frozen=True)
class ModelChannel:
    """The ends of one model's pipes and memory file, as descriptors under the numbers they get."""

    harness: Mapping[int, IO[bytes]]
    model: Mapping[int, IO[bytes]]

    @property
    def names(self) -> str:
        """`reading,writing,memory`, as the harness reads them; -1 where there is no memory file."""
        return ",".join(str(number) for number in [*self.harness, -1][:3])

    def close(self) -> None:
        for file in (*self.harness.values(), *self.model.values()):
            file.close()


def run_beside(
    sandbox: Sandbox, harness: Job, models: Sequence[Job], stop: threading.Event | None
) -> Finished:
    """Run the harness to its end beside its models, and end these then; without models, alone."""
    if not models:
        return sandbox.run(harness, stop)
    in_container = sandbox.name == "container"  # a daemon's children inherit no descriptors
    channels = [open_channel(at, not in_container) for at in range(len(models))]
    over = threading.Event()
    with ThreadPoolExecutor(len(models)) as pool:
        try:
            for job, channel in zip(models, channels, strict=True):
                pool.submit(sandbox.run, connect(job, channel), over)
            apart = choose_sandbox("none") if in_container else sandbox
            return apart.run(ask(harness, channels), stop)
        finally:
            over.set()
            pool.shutdown()
            for channel in channels:
                channel.close()


def connect(job: Job, channel: ModelChannel) -> Job:
    """A model's job at its end of the channel."""
    memory = max(channel.model) if max(channel.model) >= FIRST else -1
    return replace(job, descriptors=channel.model, env={**job.env, MEMORY: str(memory)})


def ask(harness: Job, channels: Sequence[ModelChannel]) -> Job:
    """The harness's job at its ends of all channels."""
    ends = {number: file for channel in channels for number, file in channel.harness.items()}
    names = " ".join(channel.names for channel in channels)
    return replace(harness, descriptors=ends, env={**harness.env, MODELS: names})


def open_channel(at: int, with_memory: bool) -> ModelChannel:
    """Two pipes, and a memory file that both ends hold where the system has such."""
    questions, questions_in = os.pipe()
    answers, answers_in = os.pipe()
    first = FIRST + 3 * at
    harness = {
        first: open_raw(answers, "rb"),
        first + 1: open_raw(questions_in, "wb"),
    }
    model = {STDIN: open_raw(questions, "rb"), STDOUT: open_raw(answers_in, "wb")}
    if with_memory:
        for memory in memory_file():
            harness[first + 2] = open_raw(memory, "r+b")
            model[FIRST] = open_raw(os.dup(memory), "r+b")
    return ModelChannel(harness, model)


def memory_file() -> Iterator[int]:
    if hasattr(os, "memfd_create"):
        yield os.memfd_create("answers", os.MFD_CLOEXEC)


def open_raw(descriptor: int, mode: str) -> IO[bytes]:
    return os.fdopen(descriptor, mode, 0)
