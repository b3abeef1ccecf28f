"""A night as the runs of an experiment tracker: each experiment a run with its settings, its
training curve and its number.

Works on local files: nothing is sent anywhere. Texts of agents are cleaned first. Leaves to
others: which tracker (`TRACKERS`), its own way to other machines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from autoresearch.errors import BadInput, MissingTool
from autoresearch.researcher import curve_files
from autoresearch.researcher.judging.curves import CurvePoint
from autoresearch.researcher.judging.values import Record
from autoresearch.researcher.workspace import Workspace
from autoresearch.untrusted import to_line

PACKAGES = {"trackio": "trackio", "mlflow": "mlflow-skinny", "wandb": "wandb"}


@dataclass(frozen=True)
class ExportedRun:
    """One experiment. `facts` are its settings, `numbers` its results by name."""

    name: str
    facts: dict[str, str]
    numbers: dict[str, float]
    curve: tuple[CurvePoint, ...]


def list_runs(folder: Path) -> list[ExportedRun]:
    """Every experiment of a workspace, oldest first. Raises BadWorkspace."""
    workspace = Workspace(folder)
    return [describe_run(workspace, record) for record in workspace.ledger.records()]


def describe_run(workspace: Workspace, record: Record) -> ExportedRun:
    facts = {
        name: to_line(str(getattr(record, name)), 500)
        for name in ("commit", "parent", "status", "description", "reason", "agent", "track",
                     "platform", "branch", "finished_at")
    }  # fmt: skip
    numbers = {
        name: float(value)
        for name in ("memory_gb", "training_seconds", "total_seconds", "tokens_M", "num_steps")
        if (value := getattr(record, name)) is not None
    }
    if record.value is not None:
        numbers[to_line(record.metric, 100)] = record.value
    return ExportedRun(record.id, facts, numbers, read_curve(workspace, record))


def read_curve(workspace: Workspace, record: Record) -> tuple[CurvePoint, ...]:
    """The curve that its last run left; empty where it left none."""
    logs = record.logs or ((record.log,) if record.log else ())
    if not logs:
        return ()
    return tuple(curve_files.read((workspace.folder / logs[-1]).parent / curve_files.NAME))


def list_steps(run: ExportedRun) -> Iterator[tuple[int, dict[str, float]]]:
    """The curve as numbered steps, and the results with the last."""
    for step, point in enumerate(run.curve):
        yield step, {"train_loss": point.loss, "progress": point.progress}
    yield len(run.curve), run.numbers


Writer = Callable[[Sequence[ExportedRun], str, Path], str]


def log_runs(runs: Sequence[ExportedRun], begin: Callable[..., Any]) -> None:
    """Every run, by the way that trackers have in common; `begin` is their `init`."""
    for run in runs:
        made = begin(name=run.name, config=run.facts)
        for step, numbers in list_steps(run):
            made.log(numbers, step=step)
        made.finish()


def write_wandb(runs: Sequence[ExportedRun], project: str, folder: Path) -> str:
    """Offline runs; what brings them to a server, in a sentence."""
    wandb = import_tracker("wandb")
    settings = wandb.Settings(silent=True, x_disable_stats=True, disable_git=True)
    where = {"mode": "offline", "dir": str(folder), "project": project}
    log_runs(runs, partial(wandb.init, settings=settings, **where))
    return f"wandb sync {folder}/wandb/offline-run-* sends them to your server"


def write_trackio(runs: Sequence[ExportedRun], project: str, folder: Path) -> str:
    """A project in trackio's own folder (TRACKIO_DIR)."""
    trackio = import_tracker("trackio")
    quiet = {"auto_log_cpu": False, "auto_log_gpu": False}
    log_runs(runs, partial(trackio.init, project=project, **quiet))
    return f"TRACKIO_DIR={folder} trackio show --project {project} shows them"


def write_mlflow(runs: Sequence[ExportedRun], project: str, folder: Path) -> str:
    """Runs in a folder of files."""
    client = import_tracker("mlflow").MlflowClient(tracking_uri=folder.absolute().as_uri())
    found = client.get_experiment_by_name(project)
    experiment = found.experiment_id if found else client.create_experiment(project)
    for run in runs:
        made = client.create_run(experiment, run_name=run.name).info.run_id
        for name, text in run.facts.items():
            client.log_param(made, name, text or "-")
        for step, numbers in list_steps(run):
            for name, value in numbers.items():
                client.log_metric(made, safe_name(name), value, step=step)
        client.set_terminated(made)
    return f"MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri {folder} shows them"


TRACKERS: dict[str, Writer] = {
    "trackio": write_trackio,
    "mlflow": write_mlflow,
    "wandb": write_wandb,
}


def safe_name(name: str) -> str:
    """A metric's name of the characters that mlflow takes."""
    return "".join(c if c.isalnum() or c in "_-. /" else "_" for c in name) or "metric"


def import_tracker(name: str) -> Any:
    """The tracker's library. Raises MissingTool with what installs it."""
    try:
        return import_module(name)
    except ImportError:
        raise MissingTool(
            f"{name} is not installed; install it with: pip install {PACKAGES[name]}"
        ) from None


def check_project(name: str) -> str:
    """A name that all trackers take. Raises BadInput."""
    if not name or not all(c.isascii() and (c.isalnum() or c in "_-.") for c in name):
        raise BadInput(f"--project {name!r}: letters, digits, '_', '-' and '.' only")
    return name
