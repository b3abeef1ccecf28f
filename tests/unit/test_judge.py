"""Claims about verdicts: tables of numbers, and what the policies cost on noise alone."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from statistics import fmean

import pytest

from autoresearch.researcher.judging.noise import (
    Noise,
    estimate_noise,
    pool_noise,
    standard_error,
    t_quantile,
)
from autoresearch.researcher.judging.policies import (
    Decision,
    Rules,
    decide,
    directed_gain,
    level_of_look,
    standing_sample,
)
from autoresearch.researcher.judging.throughput import compare_speed, usable_runs
from autoresearch.researcher.judging.values import Sample

BASE = (1.000, 1.010, 0.990)  # noise 0.01
CONFIRM, GREEDY = Rules("confirm", alpha=0.2), Rules("greedy")


def runs(*values: float) -> Sample:
    """Of seeds that nobody knows."""
    return Sample.from_ledger(values, ())


def seeded(values: dict[int, float]) -> Sample:
    """A value of each seed."""
    return Sample(tuple(values.values()), tuple(values))


def first(sample: Sample, count: int) -> Sample:
    return Sample(sample.values[:count], sample.seeds[:count])


def judged(
    values: Sequence[float],
    best: Sequence[float],
    groups: Sequence[Sequence[float]],
    lines: int,
    rules: Rules,
) -> Decision:
    return decide(runs(*values), runs(*best), estimate_noise([*groups, values], []), lines, rules)


@pytest.mark.parametrize(
    ("values", "lines", "action", "word"),
    [
        ((0.80,), 0, "keep", "better"),
        ((1.20,), 0, "discard", "worse"),
        ((1.005,), 0, "discard", "no better"),
        ((0.987,), 0, "repeat", "inside the noise"),
        ((0.99,), 0, "discard", "inside the noise"),
        ((0.985, 0.99), 0, "discard", "inside the noise"),
        ((0.96, 0.95), 0, "keep", "better"),
        ((0.950, 0.952, 0.951), 0, "keep", "better"),
        ((1.001,), -3, "repeat", "simpler"),
        ((1.001, 1.002), -3, "keep", "simpler"),
        ((1.10,), -3, "discard", "worse"),
        ((math.nan,), 0, "discard", "not finite"),
        ((math.inf,), 0, "discard", "not finite"),
    ],
)
def test_confirm_decides_by_the_noise(
    values: tuple[float, ...], lines: int, action: str, word: str
) -> None:
    """Clear gains are kept, clear losses dropped, what lies in between is run again until the
    repeats are spent."""
    decision = judged(values, BASE, [BASE], lines, CONFIRM)

    assert (action, True) == (decision.action, word in decision.reason), decision


@pytest.mark.parametrize(
    ("value", "lines", "action"),
    [
        (0.9999, 0, "keep"),
        (1.0, 0, "discard"),
        (1.0, -1, "keep"),
        (1.1, -9, "discard"),
        (math.nan, 0, "discard"),
    ],
)
def test_greedy_keeps_whatever_is_lower(value: float, lines: int, action: str) -> None:
    """The plain rule looks at one run; equal is kept only where it is shorter."""
    assert action == judged((value,), (1.0,), [], lines, GREEDY).action


@pytest.mark.parametrize(("direction", "action"), [("min", "discard"), ("max", "keep")])
def test_direction_turns_the_verdict(direction: str, action: str) -> None:
    """What is a loss of bits per byte is a gain of accuracy."""
    assert action == judged((1.5,), BASE, [BASE], 0, Rules(direction=direction)).action  # type: ignore[arg-type]


def test_a_metric_without_noise_needs_no_repeats() -> None:
    """Where repeats agree exactly, any gain is real, and equality is equality."""
    exact = (5.0, 5.0, 5.0)

    assert judged((4.999,), exact, [exact], 0, CONFIRM).action == "keep"
    assert judged((5.0,), exact, [exact], 0, CONFIRM).action == "discard"
    assert judged((5.0,), exact, [exact], -1, CONFIRM).action == "keep"


def test_unknown_noise_is_measured_before_a_gain_is_believed() -> None:
    """With a baseline of one run, a first gain is repeated, however large: nobody knows how large
    luck is."""
    assert judged((0.5,), (1.0,), [(1.0,)], 0, CONFIRM).action == "repeat"
    assert judged((0.5, 0.501), (1.0,), [(1.0,)], 0, CONFIRM).action == "keep"
    assert judged((0.5,), (1.0,), [(1.0,)], 0, Rules(repeats=0)).action == "discard"


def test_the_noise_is_pooled_over_all_repeats() -> None:
    """Every commit that ran more than once tells something of the spread; single runs tell
    nothing."""
    noise = pool_noise([(1.0, 1.2), (5.0,), (3.0, 3.2, 3.1)])

    assert noise.dof == 3
    assert math.sqrt((0.02 + 0.02) / 3) == pytest.approx(noise.sigma)
    assert Noise(0.0, 0) == pool_noise([(1.0,)])


def test_few_samples_need_more_evidence() -> None:
    """The t quantile grows as degrees of freedom vanish (tables: 6.314 at 1, 2.920 at 2, 1.645 at
    infinity, level 0.05)."""
    assert [pytest.approx(t_quantile(0.05, dof), abs=1e-3) for dof in (1, 2, 100_000)] == [
        6.314,
        2.920,
        1.645,
    ]


def test_the_looks_together_spend_alpha() -> None:
    """Each look spends an eighth of what the one before did, however many there are, and all of
    them together alpha."""
    for repeats in (0, 1, 2, 5):
        rules = Rules(repeats=repeats)
        levels = [level_of_look(look, rules) for look in range(1, repeats + 2)]

        assert sum(levels) == pytest.approx(rules.alpha)
        assert all(b == pytest.approx(a / 8) for a, b in itertools.pairwise(levels))


def test_pairs_tell_what_seeds_share() -> None:
    """Where a candidate's runs go up and down with the best's of the same seeds, that luck is the
    seeds'; one doubt of two degrees of freedom against it is outweighed by many pairs. Without
    pairs, or where they tell nothing, nothing is shared."""
    chance = random.Random(4)
    luck = {seed: chance.gauss(0, 0.01) for seed in range(200)}
    best = seeded({s: 1 + luck[s] + chance.gauss(0, 0.005) for s in luck})
    alike = seeded({s: 0.9 + luck[s] + chance.gauss(0, 0.005) for s in luck})
    other = seeded({s: 0.9 + chance.gauss(0, 0.011) for s in luck})
    groups = [best.values]

    assert estimate_noise(groups, [(alike, best)]).shared == pytest.approx(0.8, abs=0.08)
    assert estimate_noise(groups, [(other, best)]).shared < 0.2
    assert estimate_noise(groups, [(first(alike, 2), best)]).shared < 0.4
    assert estimate_noise(groups, [(first(alike, 1), best), (runs(1.0, 2.0), best)]).shared == 0
    assert estimate_noise([(1.0, 1.0)], [(alike, best)]) == Noise(0.0, 1)


def test_the_reason_tells_what_seeds_share() -> None:
    """A person who reads the verdict sees why a small gain was enough."""
    noise = Noise(0.01, 100, shared=0.8)
    reason = decide(seeded({1: 0.985}), seeded({1: 1.0}), noise, 0, CONFIRM).reason

    assert reason.startswith(
        "better: 1.000000 to 0.985000 (gain 0.015000, noise 0.010000, 80% of its "
        "variance the seeds', n=1)"
    )


def test_pairs_weigh_as_least_squares_has_it() -> None:
    """Nothing shared: means. A pair alone: its difference, with an error of sigma * sqrt(2 * (1 -
    shared)), which knows no luck of the seed; further runs of the best help a little."""
    noise = Noise(0.01, 100, shared=0.5)
    candidate, pair, more = seeded({1: 0.98}), seeded({1: 1.0}), seeded({1: 1.0, 2: 1.3})

    assert directed_gain(candidate, more, Noise(0.01, 100), CONFIRM) == pytest.approx(0.17)
    assert standard_error(candidate, more, Noise(0.01, 100)) == pytest.approx(0.01 * math.sqrt(1.5))
    assert directed_gain(candidate, pair, noise, CONFIRM) == pytest.approx(0.02)
    assert directed_gain(candidate, pair, noise, Rules(direction="max")) == pytest.approx(-0.02)
    assert standard_error(candidate, pair, noise) == pytest.approx(0.01)
    assert standard_error(candidate, more, noise) < 0.01
    assert 0.02 < directed_gain(candidate, more, noise, CONFIRM) < 0.17
    assert standard_error(runs(0.98), pair, noise) == pytest.approx(0.01 * math.sqrt(2))


def test_seeds_go_with_values_or_not_at_all() -> None:
    """A ledger of an earlier version names seeds of runs that were not judged: then none is
    known."""
    assert Sample.from_ledger((1.0, 2.0), (7, 8)) == seeded({7: 1.0, 8: 2.0})
    assert Sample.from_ledger((1.0, 2.0), (7, 8, 9)) == Sample((1.0, 2.0), (None, None))
    assert seeded({7: 1.0}).seeds_for_ledger() == (7,)
    assert Sample((1.0, 2.0), (7, None)).seeds_for_ledger() == ()


def false_keeps(rules: Rules, rounds: int, seed: int) -> float:
    """How often a change that changes nothing is kept, each time against a fresh baseline of three
    runs."""
    chance = random.Random(seed)
    kept = 0
    for _ in range(rounds):
        baseline = tuple(chance.gauss(1, 0.01) for _ in range(3))
        values: tuple[float, ...] = ()
        action = "repeat"
        while action == "repeat":
            values = (*values, chance.gauss(1, 0.01))
            action = judged(values, baseline, [baseline], 0, rules).action
        kept += action == "keep"
    return kept / rounds


@pytest.mark.parametrize(
    "rules", [CONFIRM, Rules(alpha=0.05, repeats=2), Rules(alpha=0.2, repeats=0)]
)
def test_on_noise_alone_confirm_keeps_less_than_alpha(rules: Rules) -> None:
    """The stated error rate holds by simulation (seeded), up to three standard errors of the
    simulation itself."""
    rounds = 3000

    assert false_keeps(rules, rounds, seed=1) <= rules.alpha + 3 * math.sqrt(rules.alpha / rounds)


def test_on_noise_alone_greedy_keeps_half() -> None:
    """The plain rule keeps about half of what changes nothing, where the best's value is an honest
    one."""
    assert 0.40 < false_keeps(GREEDY, 2000, seed=2) < 0.60


def test_what_is_kept_is_not_believed_to_the_full() -> None:
    """Runs of the best it replaced stand beside a candidate's own, so that its luck moves the bar
    by its share alone."""
    noise = Noise(0.01, 1000)

    assert standing_sample(runs(0.97), runs(*BASE), noise, CONFIRM) == runs(*BASE, 0.97)
    assert standing_sample(runs(0.97, 0.98), runs(*BASE, 1.02), noise, CONFIRM) == runs(
        0.990, 1.02, 0.97, 0.98
    )


def test_a_gain_that_can_be_no_luck_stands_alone() -> None:
    """Far beyond the noise, or without any, a candidate's own runs are what it is worth."""
    assert standing_sample(runs(0.90), runs(*BASE), Noise(0.01, 1000), CONFIRM) == runs(0.90)
    assert standing_sample(
        runs(1.10), runs(*BASE), Noise(0.01, 1000), Rules(direction="max")
    ) == runs(1.10)
    assert standing_sample(runs(0.98), runs(*BASE), Noise(0.0, 2), CONFIRM) == runs(0.98)


@pytest.mark.parametrize("gain", [0.0, 0.01, 0.02])
def test_the_bar_is_on_the_low_side_of_the_truth(gain: float) -> None:
    """Among candidates of one true gain that were kept, their own means are too good; the bar is
    nearer to the truth where there is no gain, and below it where there is one: never again can
    nothing beat a lucky run."""
    chance, noise, best = random.Random(3), Noise(0.01, 1000), runs(1.0, 1.0, 1.0)
    bar = t_quantile(level_of_look(1, CONFIRM), noise.dof) * 0.01 * math.sqrt(1 + 1 / 3)
    passed = [v for v in (chance.gauss(1 - gain, 0.01) for _ in range(3000)) if 1 - v > bar]
    own = fmean(1 - gain - v for v in passed)
    stands = fmean(1 - gain - standing_sample(runs(v), best, noise, CONFIRM).mean for v in passed)

    assert own > 0.003
    assert stands < own and stands < 0.004


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
    """A run far below the reference's throughput is not judged; twice the same low pace is slower
    code."""
    found = usable_runs(paces, reference=1.0, below=0.7, repeats=2)

    assert (usable, repeat) == (found.indices, found.repeat), found


@pytest.mark.parametrize(
    ("paces", "others", "usable", "repeat"),
    [
        ((0.17,), (0.02,), (0,), False),
        ((0.17,), (0.5,), (), True),
        ((0.17,), (None,), (), True),
        ((0.17, 0.5), (0.9, 0.01), (1,), False),
        ((1.0, 0.3, 0.3, 0.3), (None, None, None, None), (0, 1, 2, 3), False),
        ((1.0, 0.3), (0.0, 0.8), (0,), False),
    ],
)
def test_a_quiet_machine_is_no_excuse(
    paces: tuple[float, ...],
    others: tuple[float | None, ...],
    usable: tuple[int, ...],
    repeat: bool,
) -> None:
    """A slow run that had the machine to itself is judged at once; whatever happens, the runs of
    one idea have an end."""
    found = usable_runs(paces, 1.0, 0.7, 2, others)

    assert (usable, repeat) == (found.indices, found.repeat), found


@pytest.mark.parametrize(
    ("others", "cards", "repeat", "told"),
    [
        (0.02, 0.9, True, "90% of the GPU"),
        (0.5, 0.9, True, "90% of the GPU"),
        (0.5, 0.02, True, "50% of the processors"),
        (None, 0.4, True, "40% of the GPU"),
        (None, 0.0, True, "17% of the parent's"),
        (0.02, 0.05, False, "on a quiet machine"),
        (0.02, None, False, "on a quiet machine"),
    ],
)
def test_a_busy_card_beside_quiet_processors_is_no_quiet_machine(
    others: float | None, cards: float | None, repeat: bool, told: str
) -> None:
    """And is named: whichever of the two had more of other work."""
    found = usable_runs((0.17,), 1.0, 0.7, 2, (others,), (cards,))

    assert found.repeat == repeat and told in found.label


@pytest.mark.parametrize(
    ("throughput", "word"),
    [(0.69, "slow"), (0.71, ""), (1.0, ""), (1.42, ""), (1.44, "fast"), (None, "")],
)
def test_far_off_looks_both_ways(throughput: float | None, word: str) -> None:
    """A machine that became faster is as unfair as one that became slower."""
    assert word == compare_speed(throughput, 1.0, 0.7)
