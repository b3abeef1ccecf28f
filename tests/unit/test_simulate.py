"""Claims about simulated nights: they hold the stated error rate, tell the same twice, and use the
judge's own code."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch.errors import BadInput
from autoresearch.researcher.config import JudgeTable
from autoresearch.researcher.simulate.compare import ARMS, compare, ratio, share
from autoresearch.researcher.simulate.landscape import LANDSCAPES, from_ledger, noise_only
from tiny_workspaces import record

GREEDY, GREEDY_EARLY, CONFIRM, CONFIRM_EARLY = ARMS
EVEN = LANDSCAPES["even"]
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("alpha", [0.05, 0.2])
@pytest.mark.parametrize("arm", [CONFIRM, CONFIRM_EARLY], ids=["confirm", "early"])
def test_on_noise_alone_nights_hold_alpha(alpha: float, arm: object) -> None:
    """Of the candidates of whole nights that change nothing, surely fewer than alpha are kept: the
    best's luck, its re-runs and stopped runs included."""
    found = compare(noise_only(EVEN), JudgeTable(alpha=alpha), [arm], 8, 12, seed=7)[0]  # type: ignore[list-item]

    assert found.false_keeps.high < alpha


@pytest.mark.parametrize("shared", [0.0, 0.9])
def test_alpha_holds_whatever_seeds_share(shared: float) -> None:
    """What seeds share is learned, not assumed: nothing of it, or nearly all, breaks no promise."""
    found = compare(
        replace(noise_only(EVEN), shared=shared), JudgeTable(), [CONFIRM], 8, 12, seed=9
    )[0]

    assert found.false_keeps.high < JudgeTable().alpha


def test_pairs_pay() -> None:
    """Where seeds share most of the luck, comparing pairs misses fewer gains than where they share
    none."""
    alone, pairs = (
        compare(replace(EVEN, shared=shared), JudgeTable(), [CONFIRM], 8, 24, seed=4)[0]
        for shared in (0.0, 0.8)
    )

    assert pairs.missed.high < alone.missed.low


def test_a_drifting_machine_does_not_break_alpha() -> None:
    """A machine that becomes slower or faster through the night, and runs that other work slows
    down, keep nothing by themselves."""
    found = compare(noise_only(LANDSCAPES["drifting"]), JudgeTable(), [CONFIRM], 8, 12, seed=8)[0]

    assert found.false_keeps.high < JudgeTable().alpha


def test_early_stopping_tries_more_and_finds_more() -> None:
    """Where most ideas are clearly worse, ending them early and judging pairs doubles the
    experiments, and surely improves by half as much again as greedy at least."""
    greedy, early = compare(
        LANDSCAPES["scarce"], JudgeTable(), [GREEDY, CONFIRM_EARLY], 12, 48, seed=3
    )

    assert early.experiments_per_hour.low > 2 * greedy.experiments_per_hour.high
    assert early.ratio.low > 1.5
    assert early.false_among_keeps.value < greedy.false_among_keeps.value


def test_the_same_seed_tells_the_same() -> None:
    """A simulation is its seed, whatever the number of processes."""
    once = compare(EVEN, JudgeTable(), [CONFIRM_EARLY], 2, 4, seed=5)

    assert once == compare(EVEN, JudgeTable(), [CONFIRM_EARLY], 2, 4, seed=5, processes=2)
    assert once != compare(EVEN, JudgeTable(), [CONFIRM_EARLY], 2, 4, seed=6)


def test_a_ledger_tells_its_noise_and_gains() -> None:
    """Noise from what ran twice, gains moved towards none by their standard error, time from the
    runs."""
    base = record(
        commit="b" * 40, is_baseline=True, value=1.0, values=(0.999, 1.0, 1.001), parent=""
    )
    tried = [
        record(
            id=f"{i:04d}",
            commit=f"{i:040x}",
            parent="b" * 40,
            status="discard",
            value=v,
            values=(v,),
            total_seconds=40.0,
        )
        for i, v in enumerate([1.0, 1.001, 1.01, 1.02, 0.99, 1.03, 1.0005, 1.05], 2)
    ]
    land = from_ledger([base, *[replace(r, training_seconds=20.0) for r in tried]])

    assert land.sigma == pytest.approx(0.001)
    assert sorted(land.ideas)[0] == pytest.approx(-0.05 + 0.001 * math.sqrt(2))
    assert land.ideas.count(0.0) + land.ideas.count(-0.0) >= 3
    assert (land.run_s, land.start_s + land.score_s) == (20.0, 20.0)


def test_a_thin_ledger_is_refused() -> None:
    """Three experiments tell nothing of a landscape, and it says what would."""
    with pytest.raises(BadInput, match="fewest"):
        from_ledger([record(commit="b" * 40, is_baseline=True, values=(1.0, 1.1), value=1.05)])


def test_intervals_are_those_of_the_books() -> None:
    """Wilson's interval for 0 of 10 (0 to 0.278) and a ratio that lies inside its own."""
    assert share(0, 10).high == pytest.approx(0.2775, abs=1e-3)
    found = ratio([2.0, 2.2, 1.8], [1.0, 1.1, 0.9])
    assert found.value == pytest.approx(2.0)
    assert found.low < 2 < found.high
    assert math.isnan(ratio([1.0, 1.0], [0.0, 0.0]).value)


def test_the_command_prints_a_table_and_json() -> None:
    """`autoresearch simulate` compares four ways to judge; --json carries the same, what is not
    finite as null."""
    command = [
        sys.executable,
        "-m",
        "autoresearch.cli.autoresearch",
        "simulate",
        "--nights",
        "2",
        "--hours",
        "1",
    ]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    data = json.loads(
        subprocess.run([*command, "--noise-only", "--json"], capture_output=True, check=True).stdout
    )

    assert [line.split("  ")[0] for line in text.splitlines()[2:6]] == [arm.name for arm in ARMS]
    assert (data["landscape"]["null"], data["policies"][0]["ratio"]["value"]) == (1.0, 1)
    wrong = subprocess.run(
        [*command, "--landscape", "moon"], capture_output=True, text=True, check=False
    )
    assert (wrong.returncode, "even" in wrong.stderr) == (2, True)


@pytest.mark.slow
def test_the_bench_runs_small() -> None:
    """bench/judging.py prints its tables at a small size."""
    command = [
        sys.executable,
        str(ROOT / "bench" / "judging.py"),
        "--nights",
        "2",
        "--only",
        "scarce",
    ]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert "## scarce, 2 nights of 8 h" in text and "of greedy's" in text
    assert "stated alpha 0.05" in text
