"""Experiments on a Ray cluster of two nodes with real raylets: same books, and a node that dies
while it runs an experiment costs none."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from rich.console import Console

from autoresearch.cli.executor_options import surroundings
from autoresearch.errors import BadInput, MissingTool
from autoresearch.researcher.display import Display
from autoresearch.researcher.executors.ray import RayExecutor, Share, largest_share
from autoresearch.researcher.loop import Loop, Options
from autoresearch.researcher.workspace import Workspace
from tiny_workspaces import Writes, alive, make, noisy, runner

# tells that it has begun, and waits until somebody makes the gate
GATED = """\
import os, pathlib, time
(pathlib.Path({place!r}) / str(os.getpid())).touch()
deadline = time.monotonic() + 200
while not pathlib.Path({gate!r}).exists() and time.monotonic() < deadline:
    time.sleep(0.05)
"""
READS = "assert open('data/own.txt').read() == 'mine'\n"
TOML = """\
[experiment]
free = ["train.py"]
command = ["python", "train.py"]
prepare = ["python", "prepare.py"]
timeout_s = 250
"""
PREPARES = (
    "import os, pathlib\nwith open(os.path.join(os.environ['AUTORESEARCH_CACHE'], "
    "'prepared'), 'a') as f:\n    f.write('x')\n"
)


def wait_for(claim: Callable[[], bool], patience_s: float = 200) -> None:
    deadline = time.monotonic() + patience_s
    while not claim():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Two nodes of one core each; nothing of it is alive afterwards."""
    for name, value in {
        "RAY_USAGE_STATS_ENABLED": "0",
        "AUTORESEARCH_CACHE": str(tmp_path / "cache"),
        "RAY_health_check_period_ms": "500",
        "RAY_health_check_failure_threshold": "3",
    }.items():
        monkeypatch.setenv(name, value)
    from ray.cluster_utils import Cluster

    before = {process.pid for process in psutil.process_iter()}
    size = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
    found: Any = Cluster(initialize_head=True, head_node_args={**size, "include_dashboard": False})
    found.second = found.add_node(**size)
    session = found.head_node.get_session_dir_path()
    yield found
    found.shutdown()
    shutil.rmtree(session, ignore_errors=True)
    left = [
        p
        for p in psutil.process_iter(["name", "cmdline"])
        if p.pid not in before and "raylet" in str(p.info)
    ]
    _, living = psutil.wait_procs(left, timeout=60)
    assert not living


def research(workspace: Workspace, executor: RayExecutor, agent: Writes, experiments: int) -> None:
    alone = executor.runner
    options = Options(
        experiments, baseline_runs=2, platform=executor.platform, slot=executor.share.size
    )
    display = Display(Console(quiet=True), quiet=True)
    with workspace.lock():
        Loop(workspace, agent, alone, options, display, threading.Event(), executor=executor).run()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_lost_nodes_experiment_is_done_elsewhere(tmp_path: Path, cluster: Any) -> None:
    """Two experiments run on two nodes, one node dies: both still get one verdict each, with log
    and curve here; nothing stays behind. They read the user's ignored data over there."""
    place, gate = tmp_path / "place", tmp_path / "gate"
    place.mkdir()
    gated = GATED.format(place=str(place), gate=str(gate))
    files = {"prepare.py": PREPARES, ".gitignore": "data/\n", "data/own.txt": "mine"}
    workspace = make(tmp_path / "w", READS + noisy(1.0, 0.001), TOML, files)
    agent = Writes(*(READS + gated + noisy(value, 0.001) for value in (0.9, 2.0)))
    alone = replace(runner(workspace), links=("data",))
    executor = RayExecutor(alone, 2, 1, cluster.address, surroundings)

    def fate() -> None:
        wait_for(lambda: len(list(place.iterdir())) == 2)
        cluster.remove_node(cluster.second, allow_graceful=False)
        gate.touch()

    dooming = threading.Thread(target=fate)
    dooming.start()
    research(workspace, executor, agent, 2)
    dooming.join()

    records = workspace.ledger.records()
    assert {r.description: r.status for r in records} == {
        "baseline": "keep",
        "idea 1": "keep",
        "idea 2": "discard",
    }
    assert len(list(place.iterdir())) == 3  # two began, one of them twice
    assert all("val_bpb" in (workspace.folder / r.log).read_text() for r in records)
    assert executor.share == Share(1) and records[0].platform.endswith("-1c")
    assert (tmp_path / "cache" / "prepared").read_text() == "xx"  # once at each desk
    assert alive(tmp_path / "cache") == []
    check_verdicts_once(workspace)


def check_verdicts_once(workspace: Workspace) -> None:
    ids = [record.id for record in workspace.ledger.records()]
    assert ids and len(set(ids)) == len(ids)
    assert not list((workspace.private / "worktrees").glob("*"))


def test_without_ray_a_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The extra is named."""
    monkeypatch.setitem(sys.modules, "ray", None)

    with pytest.raises(MissingTool, match=r"pip install .*\[ray\]"):
        RayExecutor(runner(make(tmp_path, noisy())), 1, 1, None, surroundings)


@pytest.mark.parametrize(
    ("nodes", "jobs", "gpus", "expected"),
    [
        ([(8, 0)], 1, 1, Share(8)),
        ([(8, 0), (8, 0)], 4, 1, Share(4)),
        ([(8, 0), (2, 0)], 3, 1, Share(2)),
        ([(16, 4), (16, 4)], 8, 1, Share(4, 1)),
        ([(16, 4), (16, 0)], 2, 2, Share(8, 2)),
    ],
)
def test_a_cluster_is_shared_evenly(
    nodes: list[tuple[int, int]], jobs: int, gpus: int, expected: Share
) -> None:
    """The largest share of which so many fit on the nodes, GPUs included."""
    assert largest_share(nodes, jobs, gpus) == expected


def test_more_jobs_than_the_cluster_holds_are_refused() -> None:
    """The sentence says what the cluster has."""
    with pytest.raises(BadInput, match=r"--jobs 3 does not fit.*2 cores and 0 GPUs on 1 nodes"):
        largest_share([(2, 0)], 3, 1)
