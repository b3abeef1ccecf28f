"""The level of people who have docker or podman set up: each job in a container without network,
with the running Python mounted in.

The image only has to bring a C library that suits that Python. Containers are children of a
daemon, so they are ended by name, and `timeout` inside ends one whose runner was killed. NVIDIA
cards are passed with `--gpus all` (docker) or CDI (podman).
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import threading
from dataclasses import dataclass, replace

from autoresearch.researcher.sandbox import mounts
from autoresearch.researcher.sandbox.bubblewrap import READABLE, hidden_paths, list_mounts
from autoresearch.researcher.sandbox.job import GB, Confinement, Finished, Job, Limits
from autoresearch.researcher.sandbox.supervise import supervise_job

IMAGE = "debian:stable-slim"
GRACE_S = 10  # the runner's own clock goes first
PROCESSES = 4096
ANSWER_S = 60.0
HARDENED = (
    *["--rm", "--init", "--network", "none", "--read-only", "--cap-drop", "ALL"],
    *["--security-opt", "no-new-privileges", "--ulimit", "core=0", "--tmpfs", "/tmp"],
    *("--shm-size", str(GB)),
)


@dataclass(frozen=True)
class Container:
    engine: str
    name: str = "container"

    def run(self, job: Job, stop: threading.Event | None = None) -> Finished:
        called = f"autoresearch-{secrets.token_hex(8)}"
        try:
            confinement = Confinement(tuple(container_command(job, self.engine, called)), "/")
            # its processes are not ours to count
            return replace(supervise_job(job, confinement, stop), cpu_s=None)
        finally:
            subprocess.run(
                [self.engine, "kill", called], capture_output=True, timeout=ANSWER_S, check=False
            )


def find_container() -> Container | None:
    """The first engine on PATH that answers, or None."""
    for engine in filter(None, map(shutil.which, ("podman", "docker"))):
        answer = subprocess.run(
            [engine, "info"], capture_output=True, timeout=ANSWER_S, check=False
        )
        if answer.returncode == 0:
            return Container(engine)
    return None


def container_command(job: Job, engine: str, called: str) -> list[str]:
    """The engine's command line. Environment values go through its own environment, not its
    arguments, where anyone could read them."""
    words = [engine, "run", *HARDENED, "--name", called, "--workdir", str(job.cwd)]
    words += ["--user", f"{os.getuid()}:{os.getgid()}", *limit_flags(job.limits)]
    if job.stdin or 0 in job.descriptors:
        words += ["--interactive"]
    if job.cores:
        words += ["--cpuset-cpus", ",".join(map(str, job.cores))]
    words += volume_flags(job)
    for variable in job.env:
        words += ["--env", variable]
    if any("nvidia" in device.name for device in mounts.device_files()):
        words += ["--device", "nvidia.com/gpu=all"] if "podman" in engine else ["--gpus", "all"]
    seconds = f"{job.limits.timeout_s + GRACE_S:.0f}"
    return [*words, IMAGE, "timeout", "-s", "KILL", seconds, *job.argv]


def limit_flags(limits: Limits) -> list[str]:
    words = ["--pids-limit", str(limits.processes or PROCESSES)]
    if limits.memory_bytes:
        words += ["--memory", str(limits.memory_bytes), "--memory-swap", str(limits.memory_bytes)]
    return words


def volume_flags(job: Job) -> list[str]:
    """The host's files as the job sees them, and empty places over what is hidden."""
    words: list[str] = []
    for path, how in {
        **dict.fromkeys(mounts.python_folders(), READABLE),
        **list_mounts(job),
    }.items():
        words += ["--volume", f"{path}:{path}{':ro' if how == READABLE else ''}"]
    for path in hidden_paths(job, mounts.python_folders()):
        words += ["--tmpfs", str(path)] if path.is_dir() else ["--volume", f"/dev/null:{path}:ro"]
    return words
