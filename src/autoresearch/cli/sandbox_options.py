"""The options that say how isolated a run is, the same for every command that runs foreign code."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autoresearch.cli.common import FOR_RUNS, environment, readable
from autoresearch.cli.options import combine
from autoresearch.errors import BadInput

if TYPE_CHECKING:
    from autoresearch.researcher.experiment import Runner
    from autoresearch.researcher.sandbox import Sandbox
    from autoresearch.researcher.workspace import Workspace

WARNING = "no sandbox: experiments run with all your rights; only for code you trust"
KINDS = ("auto", "bwrap", "landlock", "container", "none")

sandbox_options = combine(
    click.option(
        "--sandbox",
        type=click.Choice(KINDS),
        default="auto",
        help="Isolation of runs: auto takes the best that works, container is podman or docker.",
    ),
    click.option(
        "--unsafe-no-sandbox",
        is_flag=True,
        help="Run without isolation, with all your rights: only for code you trust.",
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
