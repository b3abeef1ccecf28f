"""The options that say how isolated a run is, the same for every command that runs somebody's code."""

from __future__ import annotations

import sys
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from autoresearch.errors import BadInput

if TYPE_CHECKING:
    from autoresearch.researcher.sandbox import Sandbox

WARNING = "no sandbox: experiments run with all your rights; only for code you trust"


class SandboxKind(str, Enum):
    auto = "auto"
    bwrap = "bwrap"
    landlock = "landlock"
    container = "container"
    none = "none"


IsolationOption = Annotated[
    SandboxKind,
    typer.Option(
        "--sandbox",
        help="Isolation of runs: auto takes the best that works, container is podman or docker.",
    ),
]
NoSandboxOption = Annotated[
    bool,
    typer.Option(
        "--unsafe-no-sandbox",
        help="Run without isolation, with all your rights: only for code you trust.",
    ),
]


def chosen_sandbox(kind: SandboxKind, unsafe_no_sandbox: bool) -> Sandbox:
    """The sandbox the options ask for. MissingTool where none works here: nothing is run without one unless that was asked for.

    `--sandbox none` and `--unsafe-no-sandbox` are the same."""
    from autoresearch.researcher.sandbox import choose

    if unsafe_no_sandbox and kind not in (SandboxKind.auto, SandboxKind.none):
        raise BadInput(
            f"--sandbox {kind.value} and --unsafe-no-sandbox contradict each other; give one of them"
        )
    name = SandboxKind.none.value if unsafe_no_sandbox else kind.value
    if name == SandboxKind.none.value:
        print(f"autoresearch: {WARNING}", file=sys.stderr)
    return choose(name)
