"""A run that is fed from outside: its batches and its clock come from a program of ours.

run, in its sandbox ──requests──▶ feeder, in a sandbox of its own, from pristine fixed files
        ▲ └──── batches: a pipe, and a memory file that both hold ────┘

In a container no descriptor arrives, so both pipes get a name in a folder that it finds, batches
follow through one of them, and the feeder stays a plain process beside it.

The budget is measured here as well: the feeder says when the first batch went out, and a run that
works on long after its budget is ended. A run whose turn has not come has no feeder yet, so it
waits with its first request. Leaves to others: what is handed out ([data] feed), what a run is
(experiment), whose turn it is (turns).
"""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import msgspec

from autoresearch.files import replace_file
from autoresearch.researcher.judging.values import Measurement
from autoresearch.researcher.model_jobs import (
    MEMORY,
    STDIN,
    STDOUT,
    connect,
    open_channel,
    open_raw,
)
from autoresearch.researcher.sandbox import Finished, Job, Sandbox, choose_sandbox, mounts

FEED = "AUTORESEARCH_FEED"
RECORD = "feed.json"  # beside a run's log: what `--replay` takes
CLOCK = "clock.json"  # beside all runs: what the baseline needs after its budget
LAST_WORDS_S = 10.0  # for the feeder to write its record once the run is gone
FIRST_LINE = re.compile(r"^first batch at (\S+), budget (\S+), grace (\S+)$", re.MULTILINE)
AFTER_MARGIN_S, AFTER_UNKNOWN_S = 2.0, 30.0
# of a baseline in the original's manner, which compiles on the clock
GRACE_FACTOR, GRACE_MARGIN_S = 2.0, 20.0
SOON_S = 2.0
PATIENCE = 5  # times what is allowed, on the wall's clock, end a run whatever it used


@dataclass(frozen=True)
class FirstBatch:
    """What the feeder said when it handed out the first batch, in seconds of the machine's
    clock."""

    at_s: float
    budget_s: float
    grace_s: float

    @property
    def ends_s(self) -> float:
        return self.at_s + self.budget_s


def read_first_batch(log: Path) -> FirstBatch | None:
    """From the feeder's log, which nothing but the feeder writes; None before it."""
    try:
        found = FIRST_LINE.search(log.read_text("utf-8", "replace"))
    except OSError:
        return None
    return FirstBatch(*map(float, found.groups())) if found else None


# waits at the requests' end until the run may be fed; False where the run is gone before
Hold = Callable[[IO[bytes], threading.Event], bool]


def run_fed(
    sandbox: Sandbox, job: Job, feeder: Job, pipes: Path, stop: threading.Event | None, hold: Hold
) -> Finished:
    """Run the job to its end beside its feeder, which then writes its record and ends."""
    over, is_gone = threading.Event(), threading.Event()
    in_container = sandbox.name == "container"
    apart = choose_sandbox("none") if in_container else sandbox
    open_both = open_named_pipes(job, feeder, pipes) if in_container else open_pipes(job, feeder)

    def feed(feeding: Job) -> None:
        if hold(feeding.descriptors[STDIN], is_gone):
            apart.run(feeding, over)

    with ThreadPoolExecutor(1) as pool:
        try:
            with open_both as (fed, feeding):
                ending = pool.submit(feed, feeding)
                try:
                    finished = sandbox.run(fed, stop)
                finally:
                    is_gone.set()
            wait([ending], LAST_WORDS_S)
            return finished
        finally:
            over.set()


@contextmanager
def open_pipes(job: Job, feeder: Job) -> Iterator[tuple[Job, Job]]:
    """Both jobs at their ends of two pipes and a memory file."""
    channel = open_channel(0, with_memory=True)
    try:
        env = {**job.env, FEED: channel.names}
        yield replace(job, descriptors=channel.harness, env=env), connect(feeder, channel)
    finally:
        channel.close()


@contextmanager
def open_named_pipes(job: Job, feeder: Job, folder: Path) -> Iterator[tuple[Job, Job]]:
    """The same by names in a folder. Our own end of the requests keeps them open until the run is
    over, whether it ever opened them or not."""
    folder.mkdir()
    batches, requests = folder / "batches", folder / "requests"
    for path in (batches, requests):
        os.mkfifo(path)
    reading = os.open(requests, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reading, True)
    ends: dict[int, IO[bytes]] = {
        STDIN: open_raw(reading, "rb"),
        STDOUT: open_raw(os.open(batches, os.O_RDWR), "wb"),
    }
    env = {**job.env, FEED: f"{batches},{requests},-1"}
    held = os.open(requests, os.O_WRONLY)
    try:
        fed = replace(job, env=env, writable=(*job.writable, folder))
        yield fed, replace(feeder, descriptors=ends, env={**feeder.env, MEMORY: "-1"})
    finally:
        os.close(held)
        for file in ends.values():
            file.close()


@dataclass
class BudgetWatch:
    """Asked while a run goes on; says a sentence when it works on for more than `allowed_s` after
    its budget. `by_cpu`: only time in which it really used a processor counts, up to PATIENCE times
    as long, so that a busy machine makes no cheat of an honest run."""

    log: Path  # the feeder's
    allowed_s: float | None  # None: nobody has measured a baseline
    by_cpu: bool
    clock: Callable[[], float] = time.monotonic
    reason: str = ""
    began_s: float | None = None
    first: FirstBatch | None = None
    cpu_s: float = 0.0  # shortly before the end of the budget

    def __call__(self, cpu_seconds: Callable[[], float]) -> str:
        self.began_s = self.began_s or self.clock()
        self.first = self.first or read_first_batch(self.log)
        if self.first is None or (over_s := self.clock() - self.first.ends_s) < -SOON_S:
            return ""
        if over_s <= 0:
            self.cpu_s = cpu_seconds()
            return ""
        allowed_s = self.allowed_s
        if allowed_s is None:
            allowed_s = AFTER_UNKNOWN_S + self.first.grace_s
        is_patient = self.by_cpu and over_s <= PATIENCE * allowed_s
        if over_s > allowed_s and not (is_patient and cpu_seconds() - self.cpu_s <= allowed_s):
            self.reason = (
                f"the run worked on for {over_s:.0f} s after its budget, where "
                f"{allowed_s:.0f} s are allowed"
            )
        return self.reason

    def with_times(self, measured: Measurement, held_s: float = 0.0) -> Measurement:
        """The run with its seconds outside the budget, and those of them after it. One that never
        took a batch was outside all the time. `held_s`: that its first batch was held back, which
        its own seconds do not count."""
        first = self.first or read_first_batch(self.log)
        if first is None:
            return replace(measured, outside_seconds=measured.seconds)
        began_s = first.at_s if self.began_s is None else self.began_s  # over before a first look
        before_s = max(0.0, first.at_s - began_s - held_s)
        after_s = max(0.0, began_s + held_s + measured.seconds - first.ends_s)
        return replace(measured, outside_seconds=before_s + after_s, after_seconds=after_s)


def counts_processor_time(sandbox: Sandbox) -> bool:
    """Whether a run's work shows as processor time: not on an accelerator, nor in a container."""
    return sandbox.name != "container" and sys.platform == "linux" and not mounts.device_files()


@dataclass(frozen=True)
class AfterBudget:
    """What the baseline needed after its budget; `has_grace`: it asked for the original's grace."""

    seconds: float
    has_grace: bool = False

    @property
    def allowed_s(self) -> float:
        if self.has_grace:
            return GRACE_FACTOR * self.seconds + GRACE_MARGIN_S
        return self.seconds + AFTER_MARGIN_S


def read_after_budget(file: Path) -> AfterBudget | None:
    """What was noted of the baseline."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=AfterBudget)
    except (OSError, msgspec.MsgspecError):
        return None


def note_baseline(file: Path, after_s: float, log: Path) -> None:
    """Note what a run of the baseline needed after its budget; `log` is its feeder's. The longest
    of its runs counts."""
    first, before = read_first_batch(log), read_after_budget(file)
    has_grace = first is not None and first.grace_s > 0
    longest_s = max(after_s, before.seconds if before else 0.0)
    replace_file(file, msgspec.json.encode(AfterBudget(longest_s, has_grace)))
