"""Runs an experiment's own `prepare` command (data, tokenizer) before research starts. It comes
with the fixed files and may use the network, so it runs outside the sandbox; what it prints is
kept in `.autoresearch/prepare.log`.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from autoresearch.errors import BadWorkspace
from autoresearch.researcher import config
from autoresearch.researcher.experiment import INPUT, MASKS, Stopped
from autoresearch.researcher.measurement import last_line, read_log
from autoresearch.researcher.own_text import find_text
from autoresearch.researcher.run_limits import argv
from autoresearch.researcher.sandbox import Job, Limits, choose_sandbox
from autoresearch.researcher.workspace import Workspace

TIMEOUT_S = 12 * 3600.0  # a large download on a slow line


def prepare(workspace: Workspace, environment: Mapping[str, str], stop: threading.Event) -> None:
    """BadWorkspace with the command's own last words where it fails; Stopped where the user asked
    to."""
    log = workspace.private / "prepare.log"
    places = {config.INPUT: workspace.private / INPUT, config.MASKS: workspace.private / MASKS}
    if workspace.config.has_own_text:
        places[config.DATA] = find_text(workspace)
    run_outside(workspace, workspace.config.experiment.prepare, places, environment, stop, log)


def draw_unseen(
    workspace: Workspace, environment: Mapping[str, str], stop: threading.Event, file: Path
) -> None:
    """Write rows of the track's test part. BadWorkspace where the track has none."""
    log, places = workspace.private / "draw.log", {config.UNSEEN: file}
    run_outside(workspace, workspace.config.score.draw, places, environment, stop, log)


def run_outside(
    workspace: Workspace,
    command: Sequence[str],
    places: Mapping[str, Path],
    environment: Mapping[str, str],
    stop: threading.Event,
    log: Path,
) -> None:
    """Run a command of the fixed files outside of every sandbox, its `{names}` filled in."""
    job = Job(
        argv=tuple(fill_in(word, places) for word in argv(command, workspace.private)),
        cwd=workspace.folder,
        env={**environment, **workspace.config.environment},
        limits=Limits(timeout_s=TIMEOUT_S),
        log=log,
    )
    finished = choose_sandbox("none").run(job, stop=stop)
    if stop.is_set():
        raise Stopped
    if finished.exit_code != 0:
        words = last_line(read_log(log)) or finished.reason
        raise BadWorkspace(
            f"preparing failed: {words} (the command: {' '.join(job.argv)}; its log: {log})"
        )


def fill_in(word: str, places: Mapping[str, Path]) -> str:
    """A word of the command with each `{name}` replaced by its file."""
    for name, file in places.items():
        word = word.replace(name, str(file))
    return word
