"""Experiments as jobs that submitit starts, here as processes of this machine: same books, and a
job that is killed costs no experiment."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from autoresearch.cli.executor_options import surroundings
from autoresearch.errors import BadInput, BadWorkspace, MissingTool
from autoresearch.researcher.display import Display
from autoresearch.researcher.executors.slurm import SlurmExecutor, choose_cores, read_parameters
from autoresearch.researcher.experiment import Stopped
from autoresearch.researcher.loop import Loop, Options
from autoresearch.researcher.run_request import RunRequest
from autoresearch.researcher.workspace import Workspace
from tiny_workspaces import TOML, Writes, alive, make, noisy, runner

# the first that comes waits to be killed; whoever comes later does not
WAITS = """\
import os, pathlib, time
place = pathlib.Path({place!r})
if not any(place.iterdir()):
    (place / str(os.getpid())).touch()
    time.sleep(300)
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of these tests alone."""
    monkeypatch.setenv("AUTORESEARCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def wait_for(claim: Callable[[], bool], patience_s: float = 200) -> None:
    deadline = time.monotonic() + patience_s
    while not claim():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def open_executor(workspace: Workspace, jobs: int = 1) -> SlurmExecutor:
    return SlurmExecutor(runner(workspace), jobs, 0, {}, surroundings)


def find_jobs() -> list[psutil.Process]:
    """The processes in which jobs of this test's process work."""
    children = psutil.Process().children(recursive=True)
    return [child for child in children if "submitit.core._submit" in " ".join(arguments(child))]


def arguments(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:  # it has just ended
        return []


def waiting(tmp_path: Path) -> tuple[Workspace, Path]:
    """A workspace whose first run waits, and where it tells that it has begun."""
    place = tmp_path / "place"
    place.mkdir()
    return make(tmp_path / "w", WAITS.format(place=str(place)) + noisy(1.0, 0)), place


def request_of(workspace: Workspace) -> RunRequest:
    folder = workspace.private / "runs" / "0001" / "1"
    return RunRequest(workspace.repo.head(), 1, f"slurm-{os.getpid()}", folder, 60)


def test_two_jobs_at_once_keep_the_same_books(tmp_path: Path) -> None:
    """Each experiment has one verdict, its log is here, and nothing of any job stays."""
    workspace = make(tmp_path / "w", noisy(1.0, 0.001))
    executor = open_executor(workspace, 2)
    options = Options(2, baseline_runs=2, platform=executor.platform, slot=executor.size)
    display = Display(Console(quiet=True), quiet=True)
    agent = Writes(noisy(0.9, 0.001), noisy(2.0, 0.001))
    with workspace.lock():
        stop = threading.Event()
        Loop(workspace, agent, executor.runner, options, display, stop, executor=executor).run()
    executor.close()

    records = workspace.ledger.records()
    assert {r.description: r.status for r in records} == {
        "baseline": "keep",
        "idea 1": "keep",
        "idea 2": "discard",
    }
    assert all("val_bpb" in (workspace.folder / r.log).read_text() for r in records)
    assert list(executor.folder.iterdir()) == []
    assert alive(tmp_path / "cache") == [] and find_jobs() == []


def test_a_killed_job_is_submitted_again(tmp_path: Path) -> None:
    """The machine was lost, as far as anybody knows: the run's number comes from the next job."""
    workspace, place = waiting(tmp_path)
    executor = open_executor(workspace)
    future = executor.submit(request_of(workspace))
    wait_for(lambda: bool(list(place.iterdir())))
    for job in find_jobs():
        job.send_signal(signal.SIGKILL)

    assert future.result(200).value == 1.0
    executor.close()


def test_a_stop_ends_the_job(tmp_path: Path) -> None:
    """The run does not count, and no process of it is left."""
    workspace, place = waiting(tmp_path)
    executor = open_executor(workspace)
    future = executor.submit(request_of(workspace))
    wait_for(lambda: bool(list(place.iterdir())))

    executor.close()

    with pytest.raises(Stopped):
        future.result()
    (run,) = (int(file.name) for file in place.iterdir())
    wait_for(lambda: find_jobs() == [] and not psutil.pid_exists(run))


def test_an_error_over_there_is_the_same_error_here(tmp_path: Path) -> None:
    """What the user has to mend is said in its own words."""
    toml = TOML + 'prepare = ["python", "-c", "raise SystemExit(3)"]\n'
    workspace = make(tmp_path / "w", noisy(), toml)
    executor = open_executor(workspace)

    with pytest.raises(BadWorkspace, match="prepar"):
        executor.submit(request_of(workspace)).result(200)
    executor.close()


def test_without_submitit_a_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The extra is named."""
    monkeypatch.setitem(sys.modules, "submitit", None)

    with pytest.raises(MissingTool, match=r"pip install .*\[slurm\]"):
        open_executor(make(tmp_path, noisy()))


@pytest.mark.parametrize("word", ["partition", "=gpu", "partition=", "a b=1", "--mem=3"])
def test_a_parameter_without_name_or_value_is_refused(word: str) -> None:
    """The sentence shows how it is written."""
    with pytest.raises(BadInput, match="NAME=VALUE"):
        read_parameters((word,))


def test_numbers_are_numbers_and_words_words() -> None:
    """As sbatch takes them."""
    words = ("cpus_per_task=8", "partition=gpu", "time=1:00:00")
    assert read_parameters(words) == {"cpus_per_task": 8, "partition": "gpu", "time": "1:00:00"}


def test_a_parameter_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    """By its name."""
    with pytest.raises(BadInput, match="partitoin"):
        SlurmExecutor(runner(make(tmp_path, noisy())), 1, 0, {"partitoin": "gpu"}, surroundings)


def test_on_slurm_somebody_says_how_many_cores_a_run_has() -> None:
    """Nobody here knows the nodes."""
    assert choose_cores({"cpus_per_task": 8}, 2, False) == 8
    with pytest.raises(BadInput, match="cpus_per_task=8"):
        choose_cores({}, 2, False)
