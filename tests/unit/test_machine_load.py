"""How busy the machine is with other work: measured with real work beside a real run."""

from __future__ import annotations

import multiprocessing
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autoresearch.researcher import machine_load
from autoresearch.researcher.gpus import GpuMonitor
from autoresearch.researcher.machine_load import (
    CpuTimes,
    LoadMeter,
    read_cpu,
    share_of_others,
    share_on_cards,
)
from autoresearch.researcher.run_request import RunRequest
from tiny_workspaces import make, measure, runner

BUSY = """\
import time
end = time.process_time() + 1.0
begun = time.monotonic()
while time.process_time() < end or time.monotonic() < begun + 2.2:
    pass
print("val_bpb: 1.0")
"""


def burn(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


@pytest.mark.parametrize(
    ("worked_s", "own_s", "share"),
    [(8.0, 8.0, 0.0), (20.0, 10.0, 0.5), (20.0, None, None), (3.0, 4.0, 0.0), (90.0, 0.0, 1.0)],
)
def test_what_a_run_used_itself_is_taken_off(
    worked_s: float, own_s: float | None, share: float | None
) -> None:
    """Ten seconds of two processors are twenty; the share never leaves its bounds."""
    before, after = CpuTimes(0.0, 100.0, 2), CpuTimes(10.0, 100.0 + worked_s, 2)
    assert share_of_others(before, after, own_s) == share


def test_a_short_run_says_nothing() -> None:
    """Counters tick too slowly for it."""
    now = read_cpu()
    assert share_of_others(now, read_cpu(), 0.0) is None


def test_a_runs_own_work_is_not_the_machines(tmp_path: Path) -> None:
    """Beside work on every processor a run has others' share measured, and its own not in it."""
    workspace = make(tmp_path, BUSY)
    others = [multiprocessing.Process(target=burn, args=(60,)) for _ in range(os.cpu_count() or 1)]
    for other in others:
        other.start()
    try:
        measured = measure(workspace)
    finally:
        for other in others:
            other.kill()
            other.join()

    assert measured.value == 1.0 and measured.others_share is not None
    assert 0.1 < measured.others_share <= 1.0


def test_whether_a_run_has_the_machine_to_itself_so_far() -> None:
    """Told by the processors' counters, and by what the cards said before it; a moment says
    nothing."""
    now = read_cpu()
    quiet = replace(now, at_s=now.at_s - 1000.0)  # so long nobody worked
    busy = replace(quiet, worked_s=now.worked_s - 500.0 * now.cores)

    load = LoadMeter((), "no-such-run")
    assert not load.is_quiet(None)
    load.since = quiet
    assert load.is_quiet(None) and load.is_quiet(0.05) and not load.is_quiet(0.5)
    load.since = busy
    assert not load.is_quiet(None)


def test_what_was_before_a_fresh_start_does_not_count() -> None:
    """Neither the work of others until then, nor the run's own."""
    load = LoadMeter((), "no-such-run")
    load.since = replace(load.since, at_s=load.since.at_s - 10.0, worked_s=0.0)
    assert load.share(0.0) == 1.0
    load.restart()
    assert load.share(0.0) is None  # a moment says nothing
    load.since = replace(load.since, at_s=load.since.at_s - 10.0)
    load.own_s = 50.0
    assert load.share(50.0) == pytest.approx(0.0, abs=0.1)


class Cards:
    """A driver whose cards are as busy as it is told, in turn, the last for ever."""

    def __init__(self, *percent: tuple[int, ...]) -> None:
        self.percent = list(percent)

    def nvmlDeviceGetCount_v2(self, count: Any) -> int:
        count._obj.value = len(self.percent[0])
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index: int, handle: Any) -> int:
        handle._obj.value = index + 1
        return 0

    def nvmlDeviceGetName(self, handle: Any, name: Any, length: int) -> int:
        return 0

    def nvmlDeviceGetMemoryInfo(self, handle: Any, memory: Any) -> int:
        return 0

    def nvmlDeviceGetUtilizationRates(self, handle: Any, use: Any) -> int:
        use._obj.gpu = self.percent[0][handle.value - 1]
        if handle.value == len(self.percent[0]) and len(self.percent) > 1:
            self.percent.pop(0)
        return 0


def monitor(*percent: tuple[int, ...]) -> GpuMonitor:
    found = GpuMonitor("no-such-library")
    found.nvml = Cards(*percent)
    return found


@pytest.mark.parametrize(
    ("named", "percent", "share"),
    [
        (None, [(90, 0)], 0.9),
        ("1", [(90, 0)], 0.0),
        ("0", [(90, 0)], 0.9),
        ("0,1", [(90, 40), (50, 0), (40, 0)], 0.4),
        (None, [(90,), (3,)], 0.03),  # our own last run, which a card still tells of
        ("", [(90,)], None),
    ],
)
def test_how_busy_a_runs_own_cards_are(
    monkeypatch: pytest.MonkeyPatch, named: str | None, percent: list[Any], share: float | None
) -> None:
    """The busiest of those that it is shown, looked at until it is quiet or stays busy."""
    monkeypatch.setattr(machine_load, "CARD_PAUSE_S", 0.0)
    environment = {} if named is None else {"CUDA_VISIBLE_DEVICES": named}

    assert share_on_cards(environment, monitor(*percent)) == share
    assert share_on_cards(environment, GpuMonitor("no-such-library")) is None


def test_a_run_beside_a_busy_card_says_so(tmp_path: Path) -> None:
    """Busy before it, or only afterwards."""
    workspace = make(tmp_path, "print('val_bpb: 1.0')\n")
    for percent in ([(98,)], [(2,), (70,)]):
        alone = replace(runner(workspace), gpus=monitor(*percent))
        place = workspace.private / "runs" / "1"
        measured = alone.measure(RunRequest(workspace.repo.head(), 1, "load", place, 60))
        assert measured.others_on_cards == percent[-1][0] / 100
