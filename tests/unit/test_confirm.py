"""Claims about confirmed results: the promise of 5 % holds however one stops, also in nights of
noise alone; real gains are confirmed; the luck that a commit was kept with is no evidence."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest

from autoresearch.researcher.judging.confirm import MeanComparison, describe_night, weigh_claims
from autoresearch.researcher.judging.values import Record
from tiny_workspaces import record

BASE = record(commit="b" * 40, values=(1.0, 1.001, 0.999), is_baseline=True)


def kept(number: int, values: tuple[float, ...]) -> Record:
    commit = f"{number:040d}"
    return record(id=f"{number}", commit=commit, parent="b" * 40, values=values, value=values[0])


def again(of: Record, *values: float) -> Record:
    """A later experiment that ran a commit again."""
    return record(
        id=f"{of.id}r", commit="d" * 40, parent=of.commit, status="discard", rechecks=values
    )


def test_a_real_gain_is_confirmed_with_an_interval() -> None:
    first = kept(1, (0.9,))

    claim = weigh_claims([BASE, first, again(first, 0.95, 0.951, 0.949)], "min")[0]

    assert claim.confirmed and claim.runs == 3
    assert claim.gain == pytest.approx(0.05) and 0.04 < claim.low < 0.05 < claim.high < 0.06
    assert "confirmed: the best" in describe_night([claim], first.commit, "distill it")


def test_the_run_that_was_kept_says_nothing() -> None:
    """A lucky value, kept and never run again, is no claim; run again it is what it is."""
    lucky = kept(1, (0.5,))

    assert weigh_claims([BASE, lucky], "min") == ()
    claim = weigh_claims([BASE, lucky, again(lucky, 1.0, 1.001)], "min")[0]
    assert not claim.confirmed and claim.low < 0 < claim.high
    assert "not confirmed" in describe_night([claim], lucky.commit, "distill it")
    assert "did not run again" in describe_night([], lucky.commit, "distill it")


def test_higher_may_be_better() -> None:
    first = kept(1, (1.2,))

    assert weigh_claims([BASE, first, again(first, 1.1, 1.101)], "max")[0].confirmed
    assert not weigh_claims([BASE, first, again(first, 1.1, 1.101)], "min")[0].confirmed


def null_night(chance: random.Random, looks: int) -> list[list[Record]]:
    """A night in which nothing helps, as it looks after each re-run: three kept commits, re-run
    in turn."""
    history = [replace(BASE, values=tuple(chance.gauss(1, 0.001) for _ in range(3)))]
    commits = [kept(n, (0.998,)) for n in range(3)]
    states = []
    for look in range(looks):
        if look < 3:
            history.append(commits[look])
        history.append(again(commits[look % min(look + 1, 3)], chance.gauss(1, 0.001)))
        states.append(list(history))
    return states


def test_five_percent_hold_however_one_stops() -> None:
    """Someone who looks after every run and stops at the first confirmed claim is wrong in at most
    5 of 100 nights of noise alone."""
    chance, wrong = random.Random(1), 0
    nights = 100
    for _ in range(nights):
        wrong += any(
            any(claim.confirmed for claim in weigh_claims(state, "min"))
            for state in null_night(chance, 6)
        )

    assert wrong / nights <= 0.05


def test_intervals_hold_at_every_look() -> None:
    """The true gain leaves the interval at no time in at least 95 of 100 nights."""
    chance, missed = random.Random(2), 0
    for _ in range(60):
        base = [chance.gauss(0, 1) for _ in range(3)]
        runs: list[float] = []
        out = False
        for _ in range(6):
            runs.append(chance.gauss(-2, 1))
            size = len(runs) * 3 / (len(runs) + 3)
            values = [
                *(v - sum(base) / 3 for v in base),
                *(v - sum(runs) / len(runs) for v in runs),
            ]
            degrees = len(runs) + 1
            error = math.sqrt(sum(v * v for v in values) / degrees / size)
            gain = sum(base) / 3 - sum(runs) / len(runs)
            low = MeanComparison(gain, error, degrees, size).lower_bound(0.025)
            high = -MeanComparison(-gain, error, degrees, size).lower_bound(0.025)
            out = out or not low <= 2 <= high
        missed += out

    assert missed / 60 <= 0.05
