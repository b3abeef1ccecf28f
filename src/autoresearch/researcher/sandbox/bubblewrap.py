"""The best level: bubblewrap gives a job its own mounts, processes, network, users and names, then
a seccomp filter closes the rest.

The job sees system programs, the running Python and what it names, read-only; its own folders,
writable; nothing else exists. No setuid program of ours, no daemon. bwrap(1) describes the flags;
which of them this version knows is read from its help.
"""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from autoresearch.researcher.sandbox import mounts, seccomp
from autoresearch.researcher.sandbox.job import GB, MB, Confinement, Finished, Job
from autoresearch.researcher.sandbox.supervise import JobEnding, ending_reason, supervise_job

NOBODY = "65534"
# memory that no process shows: so it is bounded; a run's real scratch is its own folder
SHM_BYTES, TMP_BYTES = GB, 256 * MB
SIGNAL_EXIT = range(129, 193)  # bwrap ends with 128 + n where a signal n ended its program
READABLE, WRITABLE = "--ro-bind", "--bind"


@dataclass(frozen=True)
class Bubblewrap:
    """`flags` are those this bwrap knows."""

    program: str
    flags: frozenset[str] = field(repr=False)
    name: str = "bwrap"

    def run(self, job: Job, stop: threading.Event | None = None) -> Finished:
        finished = supervise_job(job, confine_job(job, self.program, self.flags), stop)
        return translate_ending(finished, job)


def find_bubblewrap() -> Bubblewrap | None:
    """The bwrap on PATH with the flags it knows, or None."""
    program = shutil.which("bwrap")
    if program is None:
        return None
    usage = subprocess.run(
        [program, "--help"], capture_output=True, text=True, timeout=30, check=False
    )
    return Bubblewrap(program, frozenset(re.findall(r"--[a-z0-9-]+", usage.stdout + usage.stderr)))


def confine_job(job: Job, program: str, flags: frozenset[str]) -> Confinement:
    machine, filtering, seccomp_words = platform.machine(), b"", []
    if seccomp.is_supported(machine):
        filtering = seccomp.compile_filter(seccomp.inside_namespaces(job.network), machine)
        seccomp_words = ["--seccomp", "{seccomp_fd}"]
    argv = (
        program,
        *isolation_flags(flags),
        *(["--share-net"] if job.network else []),
        *view_flags(job, flags),
        *seccomp_words,
        *("--chdir", str(job.cwd), "--", *job.argv),
    )
    return Confinement(argv, "/", seccomp_fd=filtering)


def isolation_flags(flags: frozenset[str]) -> list[str]:
    """Own everything, no privilege, dies with the warden. The environment is the one bwrap is
    started with: exactly the job's."""
    words = ["--unshare-all", "--unshare-user", "--uid", NOBODY, "--gid", NOBODY]
    words += ["--hostname", "sandbox", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    return [*words, *(["--disable-userns"] if "--disable-userns" in flags else [])]


def view_flags(job: Job, flags: frozenset[str]) -> list[str]:
    """The file system as the job finds it."""
    words = [
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        *memory_folder("/dev/shm", SHM_BYTES, flags),
        *memory_folder("/tmp", TMP_BYTES, flags),
    ]
    for path in mounts.system_folders():
        words += (
            ["--symlink", str(path.readlink()), str(path)]
            if path.is_symlink()
            else mount_flags(READABLE, path)
        )
    for path in mounts.network_files() if job.network else ():
        words += mount_flags(READABLE, path)
    for path in mounts.device_files():
        words += ["--dev-bind-try", str(path), str(path)]
    for path in mounts.sysfs_folders():
        words += mount_flags(READABLE, path)
    # a folder before what lies in it
    for path, how in sorted(list_mounts(job).items(), key=lambda item: len(item[0].parts)):
        words += mount_flags(how, path)
    for path in hidden_paths(job, mounts.system_folders()):
        words += (
            ["--tmpfs", str(path), "--remount-ro", str(path)]
            if path.is_dir()
            else ["--ro-bind", "/dev/null", str(path)]
        )
    # /proc too: where root starts it, the settings in /proc/sys ask for root's number, not for
    # privileges, and bwrap leaves them open
    return [*words, "--remount-ro", "/proc", "--remount-ro", "/dev", "--remount-ro", "/"]


def memory_folder(path: str, size_bytes: int, flags: frozenset[str]) -> list[str]:
    bounded = ["--size", str(size_bytes)] if "--size" in flags else []
    return [*bounded, "--tmpfs", path]


def mount_flags(how: str, path: Path) -> list[str]:
    return [how, str(path), str(path)]


def list_mounts(job: Job) -> dict[Path, str]:
    """The job's own paths, by the name it knows them under and by the one links lead to."""
    asked = dict.fromkeys((job.cwd, *job.readable), READABLE) | dict.fromkeys(
        job.writable, WRITABLE
    )
    named = {path.absolute(): how for path, how in asked.items() if path.exists()}
    real = {path.resolve(): how for path, how in named.items()}
    return {
        **real,
        **{
            path: how
            for path, how in named.items()
            if path == path.resolve() or not inside_link(path)
        },
    }


def inside_link(path: Path) -> bool:
    """Whether a parent of the path is a link: then the real path is enough, and the other could
    not be made."""
    return any(parent.is_symlink() for parent in path.parents)


def hidden_paths(job: Job, folders: Iterable[Path]) -> Iterator[Path]:
    """What has to be covered: hidden paths that would be seen otherwise, in the job's own paths or
    in these folders."""
    seen = [*folders, *list_mounts(job)]
    for path in {p.resolve() for p in job.hidden}:
        if path.exists() and mounts.is_beneath(path, seen):
            yield path


def translate_ending(finished: Finished, job: Job) -> Finished:
    """bwrap's exit codes as the job's: a signal's number, or that the sandbox itself could not be
    made."""
    code = finished.exit_code
    if code is not None and code in SIGNAL_EXIT and finished.reason.startswith("ended with"):
        words = ending_reason(JobEnding(signal=code - 128), job)
        return replace(finished, exit_code=128 - code, reason=words)
    if code == 1 and (trouble := setup_failure(job.log)):
        if trouble.startswith("bwrap: execvp "):
            words = (
                f"{job.argv[0]} could not be started: "
                "it, or the interpreter it names, is not there "
                "for a run; experiment.reads or --reads opens files of yours"
            )
            return replace(finished, exit_code=None, reason=words)
        return replace(finished, exit_code=None, reason=f"the sandbox could not be made: {trouble}")
    return finished


def setup_failure(log: Path) -> str:
    """bwrap's own complaint where the log is nothing else."""
    lines = log.read_bytes()[:500].decode("utf-8", "replace").splitlines() if log.is_file() else []
    return lines[0] if len(lines) == 1 and lines[0].startswith("bwrap: ") else ""
