"""How a machine is divided among runs, and that no two runners share a part of it."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from autoresearch.errors import BadInput, Conflict
from autoresearch.researcher.executors.local import LocalExecutor
from autoresearch.researcher.executors.slots import (
    Gpu,
    Plan,
    Slot,
    hold_slots,
    plan_slots,
    usable_cores,
    visible_gpus,
)
from autoresearch.researcher.machine import join_words
from autoresearch.researcher.run_request import RunRequest
from autoresearch.researcher.sandbox import choose_sandbox
from tiny_workspaces import make, runner

INFORMATION = "Model: \t\t NVIDIA H200\nGPU UUID: \t GPU-{uuid}\nDevice Minor: \t {minor}\n"
# prints its own cores, its threads and its GPUs as the metric's neighbours
TELLS = """\
import os
print("cores:", ",".join(map(str, sorted(os.sched_getaffinity(0)))))
print("threads:", os.environ.get("OMP_NUM_THREADS", "unset"))
print("gpus:", os.environ.get("CUDA_VISIBLE_DEVICES", "unset"))
print("val_bpb: 1.0")
"""


@pytest.mark.parametrize(
    ("jobs", "cores", "gpus", "gpus_each", "expected"),
    [
        (1, 8, 0, 1, Plan(1)),
        (3, 8, 0, 1, Plan(3, 2, 0, "2 cores", "2c")),
        (8, 8, 0, 1, Plan(8, 1, 0, "1 core", "1c")),
        (1, 8, 4, 1, Plan(1, 0, 1)),
        (4, 8, 4, 1, Plan(4, 2, 1, "1 GPU, 2 cores", "2c")),
        (2, 8, 4, 2, Plan(2, 4, 2, "2 GPUs, 4 cores", "4c")),
        (1, 8, 4, 2, Plan(1, 0, 2, "2 GPUs")),
    ],
)
def test_a_machine_is_divided_evenly(
    jobs: int, cores: int, gpus: int, gpus_each: int, expected: Plan
) -> None:
    """Whole cores and whole GPUs to each job; one job alone has the machine as it is."""
    assert plan_slots(jobs, cores, gpus, gpus_each) == expected


def test_more_jobs_than_cores_is_told_and_more_than_gpus_refused() -> None:
    """Sharing cores only costs precision; sharing a GPU's memory costs the runs."""
    shared = plan_slots(3, 2, 0)

    assert (shared.cores_each, shared.share) == (
        0,
        "2c-by-3",
    ) and "with --jobs 2 each has one of its own" in shared.warning
    with pytest.raises(
        BadInput, match=r"--jobs 3 needs 3 GPUs and 2 can be seen here; use --jobs 2, or --gpus 0"
    ):
        plan_slots(3, 8, 2)


def test_two_runners_never_hold_the_same(tmp_path: Path) -> None:
    """What one holds the other does without; where too little is left it is told so; what is given
    back is free again."""
    gpus = [Gpu("0", "GPU-a"), Gpu("1", "GPU-b")]
    one, two = plan_slots(2, 4, 2), plan_slots(1, 4, 2)
    with (
        hold_slots(Plan(1, 1, 1), [0, 1], gpus, tmp_path) as first,
        hold_slots(Plan(1, 1, 1), [0, 1], gpus, tmp_path) as second,
    ):
        assert [first[0], second[0]] == [Slot((0,), (gpus[0],)), Slot((1,), (gpus[1],))]
        with (
            pytest.raises(Conflict, match="1 GPUs are needed and 0 of 2 are free"),
            hold_slots(two, [0], gpus, tmp_path),
        ):
            pass
    with hold_slots(one, [0, 1, 2, 3], gpus, tmp_path) as slots:
        assert [slot.cores for slot in slots] == [(0, 1), (2, 3)]


def test_a_killed_runners_locks_are_free(tmp_path: Path) -> None:
    """Locks belong to processes: `kill -9` gives them back."""
    code = (
        "import sys, time\nfrom pathlib import Path\n"
        "from autoresearch.researcher.executors.slots import Plan, hold_slots\n"
        "with hold_slots(Plan(1, 1), [0], [], Path(sys.argv[1])):\n    print('held', "
        "flush=True)\n    time.sleep(600)\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None and other.stdout.readline() == "held\n"
    with pytest.raises(Conflict), hold_slots(Plan(1, 1), [0], [], tmp_path):
        pass
    other.kill()
    other.wait()

    with hold_slots(Plan(1, 1), [0], [], tmp_path) as slots:
        assert slots == [Slot((0,))]


def test_gpus_are_known_by_one_name(tmp_path: Path) -> None:
    """However a runner names a GPU, its lock is the device's own; one whose device file is not
    here is not there."""
    for bus, (uuid, minor) in {
        "0000:01": ("a", 0),
        "0000:02": ("b", 1),
        "0000:03": ("c", 2),
    }.items():
        (tmp_path / "gpus" / bus).mkdir(parents=True)
        (tmp_path / "gpus" / bus / "information").write_text(
            INFORMATION.format(uuid=uuid, minor=minor)
        )
    for minor in (1, 2):
        (tmp_path / f"nvidia{minor}").touch()

    def found(environment: dict[str, str]) -> list[Gpu]:
        return visible_gpus(environment, tmp_path / "gpus", tmp_path)

    assert found({}) == [Gpu("0", "GPU-b"), Gpu("1", "GPU-c")]
    assert found({"CUDA_VISIBLE_DEVICES": "1"}) == [Gpu("1", "GPU-c")]
    assert found({"CUDA_VISIBLE_DEVICES": "GPU-c, MIG-7"}) == [
        Gpu("GPU-c", "GPU-c"),
        Gpu("MIG-7", "MIG-7"),
    ]
    assert found({"CUDA_VISIBLE_DEVICES": ""}) == found({"CUDA_VISIBLE_DEVICES": "-1"}) == []


@pytest.mark.parametrize("sandbox", ["none", "auto"])
def test_a_run_finds_itself_on_its_slots_cores(tmp_path: Path, sandbox: str) -> None:
    """Two runs at once are on different cores, asked from inside, and use as many threads as they
    have cores."""
    cores = usable_cores()
    slots = [Slot((cores[0],), (Gpu("7", "x"),)), Slot((cores[-1],))]
    workspace = make(tmp_path / "w", TELLS)
    alone = dataclasses.replace(runner(workspace), sandbox=choose_sandbox(sandbox))
    executor = LocalExecutor(alone, slots)
    folders = [workspace.private / "runs" / "0001" / str(n) for n in (1, 2)]
    head = workspace.repo.head()
    futures = [
        executor.submit(RunRequest(head, n, f"slots-{n}", folder, 60))
        for n, folder in enumerate(folders)
    ]
    outcomes = [future.result(timeout=120).outcome for future in futures]
    executor.close()

    assert outcomes == ["ok", "ok"]
    told = sorted((folder / "run.log").read_text().splitlines()[:3] for folder in folders)
    assert [line[1] for line in told] == ["threads: 1"] * 2
    assert {line[0] for line in told} == {f"cores: {cores[0]}", f"cores: {cores[-1]}"}
    assert {line[2] for line in told} == {"gpus: 7", "gpus: unset"}
    assert os.sched_getaffinity(0) == set(cores)


def test_a_share_is_part_of_a_machines_name() -> None:
    """A long model is cut, the share never: results of one core and of two are not compared."""
    assert join_words("AMD EPYC 7B13 64-Core Processor", "2c") == "AMD-EPYC-7B13-2c"
    assert join_words("x" * 60, "16c-by-20") == "x" * 30 + "-16c-by-20"
