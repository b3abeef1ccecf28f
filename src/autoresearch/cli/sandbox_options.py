"""The options that say how isolated a run is, the same for every command that runs foreign code."""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from autoresearch.cli.common import FOR_RUNS, environment, readable, stopped_by_signals
from autoresearch.cli.options import choice, flag, gather
from autoresearch.errors import BadInput

if TYPE_CHECKING:
    from autoresearch.researcher.display import Display
    from autoresearch.researcher.experiment import Runner
    from autoresearch.researcher.sandbox import Sandbox
    from autoresearch.researcher.workspace import Workspace

WARNING = "no sandbox: experiments run with all your rights; only for code you trust"
KINDS = ("auto", "bwrap", "landlock", "container", "none")


@dataclass(frozen=True)
class SandboxOptions:
    """What the options say of how isolated runs are, called as they are."""

    sandbox: str = "auto"
    unsafe_no_sandbox: bool = False
    reads: tuple[Path, ...] = ()


class RunSetup(NamedTuple):
    """What carries runs out, what tells of them, and what ends them: Ctrl-C and SIGTERM."""

    runner: Runner
    display: Display
    stop: threading.Event


sandbox_options = gather(
    SandboxOptions,
    "isolation",
    choice(
        "--sandbox",
        KINDS,
        "Isolation of runs: auto takes the best that works, container is podman or docker.",
        default="auto",
    ),
    flag(
        "--unsafe-no-sandbox",
        "Run without isolation, with all your rights: only for code you trust.",
    ),
    click.option(
        "--reads",
        multiple=True,
        type=click.Path(exists=True, path_type=Path),
        help="Of your files outside the repository: what runs may read (repeatable).",
    ),
)


def choose_sandbox(kind: str, unsafe_no_sandbox: bool) -> Sandbox:
    """The sandbox the options ask for. MissingTool where none works here: nothing runs without one
    unless that was asked for. `--sandbox none` and `--unsafe-no-sandbox` are the same."""
    from autoresearch.researcher.sandbox import choose_sandbox

    if unsafe_no_sandbox and kind not in ("auto", "none"):
        raise BadInput(
            f"--sandbox {kind} and --unsafe-no-sandbox contradict each other; give one of them"
        )
    name = "none" if unsafe_no_sandbox else kind
    if name == "none":
        print(f"autoresearch: {WARNING}", file=sys.stderr)
    return choose_sandbox(name)


def set_up_runs(workspace: Workspace, isolation: SandboxOptions, in_json: bool) -> RunSetup:
    """What a command that runs foreign code begins with. MissingTool as `choose_sandbox`."""
    from rich.console import Console

    from autoresearch.researcher.display import Display

    chosen = choose_sandbox(isolation.sandbox, isolation.unsafe_no_sandbox)
    stop = stopped_by_signals()
    display = Display(Console(stderr=in_json), quiet=in_json)
    return RunSetup(make_runner(workspace, chosen, isolation.reads, stop), display, stop)


def make_runner(
    workspace: Workspace, sandbox: Sandbox, reads: tuple[Path, ...], stop: threading.Event
) -> Runner:
    """What carries runs out here: they see the prepared data, and of the user's own files what
    the configuration and the options open."""
    from autoresearch.researcher.executors.slots import limit_threads
    from autoresearch.researcher.experiment import Runner
    from autoresearch.researcher.own_files import find_own_files

    seen = environment(FOR_RUNS)
    seen |= limit_threads(seen)
    granted = (*reads, Path("/")) if sandbox.name == "none" else reads  # then all is open
    own = find_own_files(workspace, granted, seen.get("PATH", os.defpath))
    opened = (*readable(), *own.paths)
    return Runner(workspace, sandbox, seen, opened, stop, links=own.links, variables=own.variables)
