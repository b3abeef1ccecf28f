"""Runs a confined command to its end under its limits. Knows nothing of how a level isolates;
starts the warden and watches.

runner ──starts──▶ warden ──forks──▶ the job, and all that it forks
   │ watches time, memory, disk         ▲
   └── a byte, or its own death ────────┘ kills the whole tree
"""

from __future__ import annotations

import base64
import contextlib
import json
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from autoresearch.researcher.sandbox.job import Confinement, Finished, Job, never_held
from autoresearch.researcher.sandbox.processes import sweep_processes
from autoresearch.researcher.sandbox.usage import UsageMonitor, largest_file_bytes, show_size

WARDEN = Path(__file__).with_name("warden.py")
SLEPT_S = 20.0
LAST_WORDS_S = 30.0  # the warden gives up on unkillable processes after 10 s and says so


@dataclass
class AwakeClock:
    """How long a job has run. We look several times a second: where much more lies between two
    looks, the machine slept, or all of us were stopped, and that time is not the job's. Nor are
    the seconds of `held_s`."""

    now: Callable[[], float] = time.monotonic
    held_s: Callable[[], float] = never_held
    counted_s: float = 0.0
    looked_at_s: float = field(init=False)

    def __post_init__(self) -> None:
        self.looked_at_s = self.now()

    def seconds(self) -> float:
        now = self.now()
        passed_s, self.looked_at_s = now - self.looked_at_s, now
        self.counted_s += passed_s if passed_s < SLEPT_S else 0.0
        return max(0.0, self.counted_s - self.held_s())


@dataclass(frozen=True)
class JobEnding:
    """What is known when a job is over: what its warden said, and why we ended it ("" if we did
    not)."""

    exit_code: int | None = None
    signal: int | None = None
    error: str = ""
    stopped_for: str = ""


def supervise_job(
    job: Job, confinement: Confinement, stop: threading.Event | None = None
) -> Finished:
    """Run to the end, or to a limit, or to `stop`; afterwards nothing of the job is alive."""
    clock, limit_s = AwakeClock(held_s=job.held_s), job.limits.timeout_s
    with start_warden(job, confinement) as process:
        watch = UsageMonitor(job, process.pid)
        over = ""
        while not over and not has_answered(
            process, min(watch.pause_s, max(0.0, limit_s - clock.seconds()), 0.1)
        ):
            if clock.seconds() >= limit_s:
                over = over_time(job)
            else:
                over = "stopped" if stop is not None and stop.is_set() else watch.look()
        seconds = clock.seconds()
        said = last_words(process)
    sweep_processes(job.mark)
    ending = JobEnding(said.get("exit"), said.get("signal"), said.get("error", ""), over)
    return Finished(
        exit_code(ending),
        over == over_time(job),
        seconds,
        ending_reason(ending, job),
        bool(said.get("log_cut")),
        said.get("cpu_s"),
    )


def over_time(job: Job) -> str:
    return f"over {job.limits.timeout_s:g} s"


@contextlib.contextmanager
def start_warden(job: Job, confinement: Confinement) -> Iterator[subprocess.Popen[bytes]]:
    """A warden with its job started; leaving the block, however that comes about, kills the job."""
    descriptors = {number: file.fileno() for number, file in job.descriptors.items()}
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-B", str(WARDEN)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/",
        env={},
        pass_fds=tuple(descriptors.values()),
        start_new_session=True,  # Ctrl-C reaches the runner alone, which then stops the job
    )
    for file in job.descriptors.values():  # its own now: where it dies, the other end hears of it
        file.close()
    try:
        assert process.stdin is not None
        process.stdin.write(json.dumps(job_spec(job, confinement, descriptors)).encode() + b"\n")
        process.stdin.flush()
        yield process
    finally:
        last_words(process)


def job_spec(job: Job, confinement: Confinement, descriptors: Mapping[int, int]) -> dict[str, Any]:
    """The job as the warden reads it."""
    return {
        "argv": list(confinement.argv),
        "cwd": confinement.cwd,
        "env": dict(job.env),
        "stdin": str(job.stdin or ""),
        "log": str(job.log),
        "log_bytes": job.limits.log_bytes,
        "rlimits": job_rlimits(job),
        "landlock": landlock_spec(confinement),
        "seccomp": base64.b64encode(confinement.seccomp).decode(),
        "seccomp_fd": base64.b64encode(confinement.seccomp_fd).decode(),
        "drop_privileges": confinement.drop_privileges,
        "cores": list(job.cores),
        "descriptors": list(descriptors.items()),
    }


def landlock_spec(confinement: Confinement) -> dict[str, Any] | None:
    if confinement.landlock is None:
        return None
    return {
        **asdict(confinement.landlock),
        "rules": [[rule.path, rule.access] for rule in confinement.landlock.rules],
    }


def job_rlimits(job: Job) -> dict[str, int]:
    limits = {"RLIMIT_CORE": 0}  # a core file would hold the memory of whatever crashed
    if job.limits.file_bytes is not None:
        limits["RLIMIT_FSIZE"] = job.limits.file_bytes
    if job.limits.address_bytes is not None:
        limits["RLIMIT_AS"] = job.limits.address_bytes
    return limits


def has_answered(process: subprocess.Popen[bytes], timeout_s: float) -> bool:
    """Whether the warden has something to say, waiting for it so long."""
    assert process.stdout is not None
    poll = select.poll()  # select() fails beyond 1024 open files
    poll.register(process.stdout, select.POLLIN | select.POLLHUP)
    return bool(poll.poll(max(1, round(timeout_s * 1000))))


def last_words(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """Tell the warden to end, and return what it says of the job's end; {"error": …} where it
    cannot."""
    if process.returncode is not None:
        return {}
    try:
        out, err = process.communicate(timeout=LAST_WORDS_S)  # closes its input, which means: kill
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
    try:
        said: dict[str, Any] = json.loads(out)
    except ValueError:
        lines = err.decode("utf-8", "replace").strip().splitlines()
        tail = lines[-1] if lines else f"exit code {process.returncode}"
        return {"error": f"the process that guards the run ended: {tail}"}
    return explain_end(said)


def explain_end(said: dict[str, Any]) -> dict[str, Any]:
    """With an `error` where the warden could not do all it was there for."""
    if said.get("left"):
        return {**said, "error": f"processes {said['left']} could not be killed"}
    if said.get("log_error"):
        return {**said, "error": f"its log could not be written: {said['log_error']}"}
    return said


def exit_code(ending: JobEnding) -> int | None:
    return -ending.signal if ending.signal is not None else ending.exit_code


def ending_reason(ending: JobEnding, job: Job) -> str:
    """Why a run counts as failed, in a few words; "" when it ended by itself with code 0."""
    if ending.stopped_for:
        return ending.stopped_for
    if ending.error:
        started = ending.exit_code is not None or ending.signal is not None
        return ending.error if started else f"could not start {job.argv[0]}: {ending.error}"
    limit = job.limits.file_bytes
    if ending.signal == signal.SIGXFSZ or (
        ending.exit_code and limit and largest_file_bytes(job.writable) >= limit
    ):
        return f"wrote a file larger than {show_size(limit or 0)}"
    if ending.signal is not None:
        return f"killed by signal {ending.signal} ({signal_name(ending.signal)})"
    return f"ended with exit code {ending.exit_code}" if ending.exit_code else ""


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "a real-time signal"
