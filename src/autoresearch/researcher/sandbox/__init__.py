"""Strangers' code on the user's machine: runs a program with nothing in reach but what its job
names, under limits, and leaves nothing behind.

    from autoresearch.researcher.sandbox import Job, Limits, choose_sandbox
    limits = Limits(timeout_s=120)
    job = Job(argv=("python", "train.py"), cwd=..., env={...}, limits=limits, log=...)
    finished = choose_sandbox("auto").run(job)

The levels, what each guarantees and what none does: docs/sandbox.md. The one owner of the
processes of experiments and agents.
"""

from autoresearch.researcher.sandbox.backends import choose_sandbox, probe_backends
from autoresearch.researcher.sandbox.job import Backend, Finished, Job, Limits, Sandbox
from autoresearch.researcher.sandbox.processes import sweep_processes

__all__ = [
    "Backend",
    "Finished",
    "Job",
    "Limits",
    "Sandbox",
    "choose_sandbox",
    "probe_backends",
    "sweep_processes",
]
