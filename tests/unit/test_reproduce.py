"""Claims about comparing a claimed value with runs of our own: honest ones pass, forged ones do
not, at the rates the docs state."""

from __future__ import annotations

import random
from statistics import fmean

import pytest

from autoresearch.errors import BadInput
from autoresearch.researcher.judging.reproduce import compare

QUIET = [[1.0, 1.001, 0.999]]  # three baseline runs: a noise of 0.001


def test_a_claim_within_the_noise_is_reproduced() -> None:
    """Chance alone makes a value differ."""
    found = compare(0.9, [0.901, 0.9005, 0.9], QUIET)

    assert found.reproduced and found.reason == "" and found.runs == 3


def test_a_claim_far_below_our_mean_is_told_with_numbers() -> None:
    """The reason has what a reader needs: mean, noise, runs, claim."""
    found = compare(0.8, [0.9, 0.901, 0.899], QUIET)

    assert not found.reproduced
    assert found.reason == "measured 0.9000 ± 0.0010 (n=3), claimed 0.8000"


def test_nobody_is_disputed_for_being_modest() -> None:
    """A result that is better here than claimed is reproduced, in either direction of the
    metric."""
    assert compare(1.5, [0.9, 0.901], QUIET).reproduced
    assert compare(0.5, [0.9, 0.901], QUIET, direction="max").reproduced
    assert not compare(1.5, [0.9, 0.901], QUIET, direction="max").reproduced


def test_a_program_without_noise_is_compared_to_the_last_digit() -> None:
    """Where runs do not differ at all, only the rounding of a posted number is allowed."""
    assert compare(0.9, [0.9000005, 0.9000005]).reproduced
    refused = compare(0.89999, [0.9, 0.9])
    assert refused.reason == "measured 0.900000 ± 0.000000 (n=2), claimed 0.899990"


def test_unknown_noise_is_no_verdict() -> None:
    """One run and nothing else tells nothing."""
    with pytest.raises(BadInput, match="--runs 2"):
        compare(0.9, [0.95])
    with pytest.raises(BadInput, match="finite"):
        compare(float("nan"), [0.9, 0.9])


@pytest.mark.parametrize(
    ("best_of", "forged", "low", "high"),
    [(1, 0.0, 0.005, 0.017), (10, 0.0, 0.04, 0.08), (1, 4.0, 0.44, 0.56), (1, 8.0, 0.95, 1.0)],
    ids=["honest", "honest-but-lucky", "forged-by-4-sigma", "forged-by-8-sigma"],
)
def test_the_rates_of_the_documentation(
    best_of: int, forged: float, low: float, high: float
) -> None:
    """Baseline of three runs, three runs of ours, normal noise: how often a claim is disputed."""
    chance = random.Random(1)

    def noise(n: int) -> list[float]:
        return [chance.gauss(0, 1) for _ in range(n)]

    disputed = [
        not compare(min(noise(best_of)) - forged, noise(3), [noise(3)]).reproduced
        for _ in range(4000)
    ]

    assert low < fmean(disputed) < high
