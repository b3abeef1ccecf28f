"""Which sandboxes there are, which work here, and which one is taken."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from autoresearch.errors import BadInput, MissingTool
from autoresearch.researcher.sandbox import bubblewrap, container, landlock
from autoresearch.researcher.sandbox.job import Backend, Job, Limits, Sandbox
from autoresearch.researcher.sandbox.plain import Plain

NAMES = ("auto", "bwrap", "landlock", "container", "none")
PROBE_TIMEOUT_S = 30.0
ADVICE = (
    "install bubblewrap (Debian, Ubuntu: sudo apt install bubblewrap; Fedora: sudo dnf "
    "install bubblewrap), or, for code you trust, "
    "ask for no sandbox with --unsafe-no-sandbox"
)
UBUNTU = (
    "; if this is Ubuntu 24.04 or later, docs/sandbox.md tells how to let bwrap make user "
    "namespaces"
)


NO_WINDOWS = (
    "runs are started and ended in ways that Windows does not have; use WSL2, where every level "
    "works"
)


def choose_sandbox(name: str = "auto") -> Sandbox:
    """A sandbox that works here, by name; auto is bwrap, else landlock.

    MissingTool where it does not work, with what to do; BadInput for a name that is none.
    """
    if name not in NAMES:
        raise BadInput(f"there is no sandbox {name!r}; there are {', '.join(NAMES)}")
    if name == "none" and os.name == "posix":
        return Plain()
    if os.name != "posix":
        raise MissingTool(NO_WINDOWS)
    tried = []
    for level in ("bwrap", "landlock") if name == "auto" else (name,):
        sandbox, trouble = MAKERS[level]()
        if sandbox is not None and not trouble:
            return sandbox
        tried.append(f"{level}: {trouble}")
    raise MissingTool(f"no sandbox works here ({'; '.join(tried)}); {ADVICE}")


def probe_backends() -> list[Backend]:
    """Every level as it stands on this machine, the best first; each has really run /bin/true
    where it says that it works."""
    levels = []
    for name, make in MAKERS.items():
        trouble = make()[1]
        levels.append(Backend(name, not trouble, trouble or GUARANTEES[name]))
    return [*levels, Backend("none", os.name == "posix", GUARANTEES["none"])]


GUARANTEES = {
    "bwrap": "own mounts, processes, network and users, and a filter of system calls",
    "landlock": "files and processes kept apart by Landlock, network and kernel by a filter of "
    "system calls; no shared memory",
    "container": "a container without network",
    "none": "limits and clean ending only: for code you trust",
}


def make_bubblewrap() -> tuple[Sandbox | None, str]:
    if not sys.platform.startswith("linux"):
        return None, "bubblewrap needs Linux"
    found = bubblewrap.find_bubblewrap()
    if found is None:
        return None, "bwrap is not installed"
    trouble = try_sandbox(found)
    return found, trouble + (UBUNTU if trouble else "")


def make_landlock() -> tuple[Sandbox | None, str]:
    reason = landlock.why_unsupported()
    if reason:
        return None, reason
    found = landlock.LandlockSandbox(landlock.kernel_abi())
    return found, try_sandbox(found)


def make_container() -> tuple[Sandbox | None, str]:
    found = container.find_container()
    if found is None:
        return None, "neither podman nor docker answers here"
    return found, try_sandbox(found)


MAKERS: dict[str, Callable[[], tuple[Sandbox | None, str]]] = {
    "bwrap": make_bubblewrap,
    "landlock": make_landlock,
    "container": make_container,
}


def try_sandbox(sandbox: Sandbox) -> str:
    """Run /bin/true in it: "" where that works, else why not."""
    with tempfile.TemporaryDirectory(prefix="autoresearch-probe-") as folder:
        place = Path(folder)
        job = Job(
            ("/bin/true",), place, {"PATH": "/usr/bin:/bin"}, Limits(PROBE_TIMEOUT_S), place / "log"
        )
        finished = sandbox.run(job)
        said = (
            (place / "log").read_text("utf-8", "replace").strip().splitlines()
            if finished.reason
            else []
        )
    return ": ".join(filter(None, [finished.reason, *said[:1]]))
