"""For programs that need the user's own surroundings (a coding agent: its network, home and keys):
everything is there but what is hidden.

With bubblewrap: hidden paths are empty, and no process outside can be seen, so that neither a file
nor another process's memory or environment gives away what lies behind. Without it nothing is
hidden. No isolation otherwise; that is for experiments.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from autoresearch.researcher.sandbox import bubblewrap
from autoresearch.researcher.sandbox.backends import try_sandbox
from autoresearch.researcher.sandbox.bubblewrap import Bubblewrap, translate_ending
from autoresearch.researcher.sandbox.job import Confinement, Finished, Job, Sandbox
from autoresearch.researcher.sandbox.plain import Plain
from autoresearch.researcher.sandbox.supervise import supervise_job

# What root would need to take a mount away; nobody else has it.
DROPPED = ("CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_SYS_MODULE", "CAP_SYS_RAWIO")


@dataclass(frozen=True)
class Hiding:
    """`bwrap` is the one that works here."""

    bwrap: Bubblewrap
    name: str = "hiding"

    def run(self, job: Job, stop: threading.Event | None = None) -> Finished:
        return translate_ending(
            supervise_job(job, Confinement(hiding_command(job, self.bwrap.program), "/"), stop), job
        )


def choose_hiding() -> Sandbox:
    """What hides best here: hiding where bubblewrap works, else no isolation at all."""
    found = bubblewrap.find_bubblewrap()
    if found is None or try_sandbox(Hiding(found)):
        return Plain()
    return Hiding(found)


def hiding_command(job: Job, program: str) -> tuple[str, ...]:
    words = [
        program,
        "--dev-bind",
        "/",
        "/",
        "--unshare-pid",
        "--proc",
        "/proc",
        "--die-with-parent",
    ]
    for capability in DROPPED:
        words += ["--cap-drop", capability]
    for path in sorted({p.resolve() for p in job.hidden if p.exists()}):
        covered = ["--tmpfs", str(path)] if path.is_dir() else ["--ro-bind", "/dev/null", str(path)]
        words += covered
    return (*words, "--chdir", str(job.cwd), "--", *job.argv)
