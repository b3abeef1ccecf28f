"""`autoresearch export`: a night as the runs of an experiment tracker, in files of this machine."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import click

from autoresearch.cli import options
from autoresearch.cli.options import examples, path, text
from autoresearch.errors import Conflict

EPILOG = examples(
    "autoresearch export nightly --to trackio",
    "autoresearch export nightly --to mlflow --out runs/mlflow --project small-models",
)
# nothing is sent, nothing reports home
QUIET = {"WANDB_MODE": "offline", "WANDB_ERROR_REPORTING": "false", "HF_HUB_OFFLINE": "1"}


@click.command(epilog=EPILOG)
@options.directory
@click.option(
    "--to",
    "tracker",
    type=click.Choice(("trackio", "mlflow", "wandb")),
    required=True,
    help="Whose runs.",
)
@text("--project", "The project or experiment they go to.", "autoresearch")
@path("--out", "A new folder; by default one below .autoresearch/export.")
def export(directory: Path, tracker: str, project: str, out: Path | None) -> None:
    """Write every experiment, its training curve and its number as the runs of a tracker. Nothing
    is sent anywhere."""
    folder = out or directory / ".autoresearch" / "export" / tracker
    if folder.exists() and any(folder.iterdir()):
        raise Conflict(f"{folder} is not empty; name a new folder with --out")
    os.environ.update(QUIET)
    os.environ["TRACKIO_DIR"] = str(folder.absolute())  # read when its library is loaded
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    from autoresearch.researcher import export as exports

    exports.check_project(project)
    runs = exports.list_runs(directory)
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.redirect_stdout(sys.stderr):  # their chatter is not our answer
        hint = exports.TRACKERS[tracker](runs, project, folder)
    print(f"{len(runs)} experiments in {folder}")
    print(hint)
