"""The options that say how isolated a run is, the same for every command that runs foreign code."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from autoresearch.cli.options import combine
from autoresearch.errors import BadInput

if TYPE_CHECKING:
    from autoresearch.researcher.sandbox import Sandbox

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
