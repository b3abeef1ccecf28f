"""Claims about verdicts: tables of numbers, and what the policies cost on noise alone."""

from __future__ import annotations

import math
import random

import pytest

from autoresearch.researcher.judge import Noise, Rules, decide, far_off, pace, pooled, t_quantile

BASE = (1.000, 1.010, 0.990)  # noise 0.01
CONFIRM, GREEDY = Rules("confirm"), Rules("greedy")


@pytest.mark.parametrize(
    ("values", "lines", "action", "word"),
    [
        ((0.80,), 0, "keep", "better"),
        ((1.20,), 0, "discard", "worse"),
        ((1.005,), 0, "discard", "no better"),
        ((0.985,), 0, "repeat", "inside the noise"),
        ((0.985, 0.99), 0, "repeat", "inside the noise"),
        ((0.985, 0.99, 0.998), 0, "discard", "inside the noise"),
        ((0.950, 0.952, 0.951), 0, "keep", "better"),
        ((1.001,), -3, "repeat", "simpler"),
        ((1.001, 1.002), -3, "keep", "simpler"),
        ((1.10,), -3, "discard", "worse"),
        ((math.nan,), 0, "discard", "not finite"),
        ((math.inf,), 0, "discard", "not finite"),
    ],
)
def test_confirm_decides_by_the_noise(values: tuple[float, ...], lines: int, action: str, word: str) -> None:
    """Clear gains are kept, clear losses dropped, what lies in between is run again until the repeats are spent."""
    decision = decide(values, BASE, [BASE], lines, CONFIRM)

    assert (action, True) == (decision.action, word in decision.reason), decision


@pytest.mark.parametrize(
    ("value", "lines", "action"),
    [(0.9999, 0, "keep"), (1.0, 0, "discard"), (1.0, -1, "keep"), (1.1, -9, "discard"), (math.nan, 0, "discard")],
)
def test_greedy_keeps_whatever_is_lower(value: float, lines: int, action: str) -> None:
    """The plain rule looks at one run; equal is kept only where it is shorter."""
    assert action == decide((value,), (1.0,), [], lines, GREEDY).action


@pytest.mark.parametrize(("direction", "action"), [("min", "discard"), ("max", "keep")])
def test_direction_turns_the_verdict(direction: str, action: str) -> None:
    """What is a loss of bits per byte is a gain of accuracy."""
    assert action == decide((1.5,), BASE, [BASE], 0, Rules(direction=direction)).action  # type: ignore[arg-type]


def test_a_metric_without_noise_needs_no_repeats() -> None:
    """Where repeats agree exactly, any gain is real, and equality is equality."""
    exact = (5.0, 5.0, 5.0)

    assert decide((4.999,), exact, [exact], 0, CONFIRM).action == "keep"
    assert decide((5.0,), exact, [exact], 0, CONFIRM).action == "discard"
    assert decide((5.0,), exact, [exact], -1, CONFIRM).action == "keep"


def test_unknown_noise_is_measured_before_a_gain_is_believed() -> None:
    """With a baseline of one run, a first gain is repeated, however large: nobody knows how large luck is."""
    assert decide((0.5,), (1.0,), [(1.0,)], 0, CONFIRM).action == "repeat"
    assert decide((0.5, 0.501), (1.0,), [(1.0,)], 0, CONFIRM).action == "keep"
    assert decide((0.5,), (1.0,), [(1.0,)], 0, Rules(repeats=0)).action == "discard"


def test_the_noise_is_pooled_over_all_repeats() -> None:
    """Every commit that ran more than once tells something of the spread; single runs tell nothing."""
    noise = pooled([(1.0, 1.2), (5.0,), (3.0, 3.2, 3.1)])

    assert noise.dof == 3
    assert math.sqrt((0.02 + 0.02) / 3) == pytest.approx(noise.sigma)
    assert Noise(0.0, 0) == pooled([(1.0,)])


def test_few_samples_need_more_evidence() -> None:
    """The t quantile grows as degrees of freedom vanish (tables: 6.314 at 1, 2.920 at 2, 1.645 at infinity, level 0.05)."""
    assert [pytest.approx(t_quantile(0.05, dof), abs=1e-3) for dof in (1, 2, 100_000)] == [6.314, 2.920, 1.645]


def false_keeps(rules: Rules, rounds: int, seed: int) -> float:
    """How often a change that changes nothing is kept, each time against a fresh baseline of three runs."""
    chance = random.Random(seed)
    kept = 0
    for _ in range(rounds):
        baseline = tuple(chance.gauss(1, 0.01) for _ in range(3))
        values: tuple[float, ...] = ()
        action = "repeat"
        while action == "repeat":
            values = (*values, chance.gauss(1, 0.01))
            action = decide(values, baseline, [baseline], 0, rules).action
        kept += action == "keep"
    return kept / rounds


def test_on_noise_alone_confirm_keeps_less_than_alpha() -> None:
    """The stated error rate holds by simulation (seeded); the greedy rule keeps about half of what changes nothing."""
    assert false_keeps(CONFIRM, 4000, seed=1) <= CONFIRM.alpha
    assert 0.40 < false_keeps(GREEDY, 2000, seed=2) < 0.60


@pytest.mark.parametrize(
    ("paces", "usable", "repeat"),
    [
        ((1.0,), (0,), False),
        ((0.75,), (0,), False),
        ((0.5,), (), True),
        ((0.5, 1.0), (1,), False),
        ((0.5, 0.52), (0, 1), False),
        ((0.2, 0.5), (), True),
        ((0.2, 0.5, 0.05), (1,), False),
        ((None,), (0,), False),
        ((1.0, 0.3), (0,), False),
    ],
)
def test_a_slow_run_is_repeated_and_two_that_agree_are_the_codes_own(
    paces: tuple[float | None, ...], usable: tuple[int, ...], repeat: bool
) -> None:
    """A run far below the reference's throughput is not judged; twice the same low pace is slower code."""
    found = pace(paces, reference=1.0, below=0.7, repeats=2)

    assert (usable, repeat) == (found.usable, found.repeat), found


@pytest.mark.parametrize(
    ("throughput", "word"), [(0.69, "slow"), (0.71, ""), (1.0, ""), (1.42, ""), (1.44, "fast"), (None, "")]
)
def test_far_off_looks_both_ways(throughput: float | None, word: str) -> None:
    """A machine that became faster is as unfair as one that became slower."""
    assert word == far_off(throughput, 1.0, 0.7)
