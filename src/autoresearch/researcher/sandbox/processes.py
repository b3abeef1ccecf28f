"""Finding processes by the mark of their run, and ending them. Leaves to others: processes that
are still in a job's tree (`warden`)."""

from __future__ import annotations

import os

import psutil

MARK = "AUTORESEARCH_RUN"
SWEEP_TIMEOUT_S = 5.0


def find_marked(mark: str) -> list[psutil.Process]:
    """Every living process of ours whose environment carries the mark, but not this one."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and carries_mark(process.environ().get(MARK, ""), mark):
                found.append(process)
        except (psutil.Error, OSError):  # gone, another user's, a kernel thread
            continue
    return found


def carries_mark(found: str, mark: str) -> bool:
    """Whether a process belongs to a mark: it carries it, or one of its runs, `<mark>-<number>`."""
    return found == mark or found.startswith(f"{mark}-")


def sweep_processes(mark: str) -> list[int]:
    """Kill every process that carries AUTORESEARCH_RUN=<mark> or <mark>-<number>, with whatever it
    forks meanwhile; returns their ids.

    Never by name: another run's `train.py` is none of our business.
    """
    swept: set[int] = set()
    while mark and (found := [p for p in find_marked(mark) if p.pid not in swept]):
        for process in found:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                pass
        psutil.wait_procs(found, timeout=SWEEP_TIMEOUT_S)
        swept |= {process.pid for process in found}
    return sorted(swept)
