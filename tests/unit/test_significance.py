"""What a gain is worth beside the noise of its board."""

from __future__ import annotations

import pytest

from autoresearch.hub.rules.significance import estimate_noise, find_steps, gain_in_sigma
from autoresearch.models import Result


def result(
    value: float, agent: str = "ada", commit: str = "a" * 40, runs: int | None = None,
    sd: float | None = None,
) -> Result:  # fmt: skip
    return Result(
        commit[:7], "gpu", "", value, None, "keep", "", "", "", 1, 1, agent, commit,
        "2026-01-01T00:00:00Z", True, "unverified", runs, sd,
    )  # fmt: skip


def test_noise_comes_from_runs_and_from_repeated_commits() -> None:
    told = result(1.0, runs=3, sd=0.002)
    again = [result(1.0, commit="b" * 40), result(1.002, commit="b" * 40)]

    assert estimate_noise([told]) == pytest.approx(0.002)
    assert estimate_noise(again) == pytest.approx(0.002 / 2**0.5)
    assert estimate_noise([result(1.0), result(0.9, commit="c" * 40)]) is None
    assert estimate_noise([result(1.0, runs=2, sd=0.0)]) is None


def test_one_author_cannot_call_everything_noise() -> None:
    """However many runs they claim: each author counts once, and the lower of two is taken."""
    honest = result(1.0, "ada", runs=3, sd=0.001)
    liar = [result(1.0, "eve", commit=f"{n:040x}", runs=60, sd=50.0) for n in range(20)]

    assert estimate_noise([honest, *liar]) == pytest.approx(0.001)


def test_a_step_is_surely_better_than_the_step_before() -> None:
    """Small gains add up: the third is compared with the first."""
    leaders = [result(value) for value in (1.0, 0.999, 0.9965, 0.99)]

    assert find_steps(leaders, 0.001) == [True, False, True, True]
    assert find_steps(leaders, None) == [True] * 4
    assert gain_in_sigma(leaders[0], leaders[3], 0.001) == pytest.approx(10 / 2**0.5)
