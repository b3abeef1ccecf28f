"""Claims about what is put before the judge: which runs count, against which value of the parent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from autoresearch.researcher.config import Config
from autoresearch.researcher.journal import Attempt
from autoresearch.researcher.judging.evidence import (
    Incumbent,
    baseline_finding,
    incumbent,
    next_seed,
    refreshed,
    run_seed,
    weigh,
)
from autoresearch.researcher.judging.judge import Run, runs_of
from autoresearch.researcher.judging.values import Measurement
from tiny_workspaces import record

CONFIG = msgspec.convert(
    {
        "experiment": {"free": ["train.py"], "command": ["python", "train.py"]},
        "judge": {"alpha": 0.2},
    },
    Config,
)
BASE = record(
    commit="b" * 40, is_baseline=True, values=(1.0, 1.01, 0.99), value=1.0, throughput=1.0
)


def run(value: float | None, pace: float = 1.0, **more: Any) -> Measurement:
    outcome = "ok" if value is not None else "failed"
    return Measurement(
        outcome,
        "" if value is not None else "broken",
        1,
        value=value,
        tokens_M=10 * pace,
        training_seconds=10.0,
        **more,
    )


def attempt(*runs: Measurement, rechecks: tuple[Measurement, ...] = ()) -> Attempt:
    return Attempt(
        "0002",
        "b" * 40,
        "m",
        "measuring",
        "",
        commit="c" * 40,
        measurements=runs,
        rechecks=rechecks,
    )


@pytest.mark.parametrize(
    ("runs", "rechecks", "action"),
    [
        ((), (), "repeat"),
        ((run(None),), (), "crash"),
        ((run(0.8), run(None)), (), "crash"),
        ((run(0.8),), (), "keep"),
        ((run(1.2),), (), "discard"),
        ((run(0.8, pace=0.3),), (), "repeat"),
        ((run(1.2, pace=0.3), run(1.2, pace=0.3)), (), "recheck"),
        ((run(1.2, pace=0.3), run(1.2, pace=0.3)), (run(1.0, pace=1.0),), "discard"),
        ((run(1.2, pace=0.3), run(1.2, pace=0.3)), (run(1.5, pace=0.3),), "keep"),
        ((run(0.8, pace=2.0),), (), "recheck"),
        ((run(0.8, pace=2.0),), (run(0.8, pace=2.0),), "discard"),
        ((run(0.8, pace=2.0),), (run(None),), "keep"),
    ],
)
def test_what_to_do_next(
    runs: tuple[Measurement, ...], rechecks: tuple[Measurement, ...], action: str
) -> None:
    """Runs on an uneven machine are repeated, its change of speed is checked on the parent, and only then is judged."""
    found = weigh(attempt(*runs, rechecks=rechecks), [BASE], 0, CONFIG, "confirm")

    assert found.action == action, found


def test_the_parent_is_known_by_its_newest_measurement() -> None:
    """A re-run that an earlier attempt asked for is not asked for again."""
    later = record(
        id="0002",
        parent="b" * 40,
        commit="d" * 40,
        status="discard",
        parent_values=(0.9,),
        parent_throughput=2.0,
    )

    assert incumbent([BASE, later], "b" * 40) == Incumbent(runs_of((0.9,), ()), 2.0)
    assert incumbent([BASE], "b" * 40) == Incumbent(runs_of((1.0, 1.01, 0.99), ()), 1.0)


def candidate(*values: float) -> tuple[Measurement, ...]:
    return tuple(run(value) for value in values)


@pytest.mark.parametrize(
    ("values", "rechecks", "action"),
    [
        ((0.987,), (), "recheck"),
        ((0.98,), (1.0,), "repeat"),
        ((0.98,), (1.02,), "repeat"),
        ((0.98,), (0.955,), "discard"),
        ((0.95, 0.955), (1.0,), "keep"),
        ((0.98, 0.99), (1.0,), "discard"),
        ((0.95,), (), "keep"),
    ],
)
def test_candidate_and_best_take_turns(
    values: tuple[float, ...], rechecks: tuple[float, ...], action: str
) -> None:
    """Inside the noise the best runs again before the candidate does, and its own run alone keeps nothing: it is no look."""
    found = weigh(
        attempt(*candidate(*values), rechecks=candidate(*rechecks)), [BASE], 0, CONFIG, "confirm"
    )

    assert found.action == action, found


def test_old_evidence_is_renewed() -> None:
    """After so many measured experiments the best runs again, once, before the next candidate; runs that were stopped do not count."""
    tried = [
        record(id=f"{i:04d}", parent="b" * 40, commit=f"{i:040x}", value=1.1, values=(1.1,))
        for i in range(2, 22)
    ]
    stopped = [record(id="0030", parent="b" * 40, commit="e" * 40, value=None, values=())]

    assert weigh(attempt(), [BASE, *tried, *stopped], 0, CONFIG, "confirm").action == "recheck"
    assert (
        weigh(attempt(rechecks=candidate(1.0)), [BASE, *tried], 0, CONFIG, "confirm").action
        == "repeat"
    )
    assert weigh(attempt(), [BASE, *tried[1:], *stopped], 0, CONFIG, "confirm").action == "repeat"
    assert weigh(attempt(), [BASE, *tried], 0, CONFIG, "greedy").action == "repeat"


def test_a_kept_value_is_met_without_its_luck() -> None:
    """What later candidates are compared with are the runs that stand for the best, not its lucky one alone."""
    found = weigh(attempt(run(0.965)), [BASE], 0, CONFIG, "confirm")
    stands = tuple(run.value for run in found.standing)
    kept = record(
        commit="c" * 40, parent="b" * 40, values=(0.965,), standing=stands, throughput=1.0
    )

    assert (found.action, stands) == ("keep", (*BASE.values, 0.965))
    assert incumbent([BASE, kept], "c" * 40) == Incumbent(runs_of(stands, ()), 1.0)
    assert weigh(attempt(run(0.965)), [BASE], 0, CONFIG, "greedy").standing == ()


def test_a_run_that_was_stopped_early_is_discarded() -> None:
    """Hopeless is not broken: the verdict is discard, with the sentence of what stopped it, and there is no value."""
    found = weigh(
        attempt(Measurement("stopped early", "stopped early at 25 %", 1)),
        [BASE],
        0,
        CONFIG,
        "confirm",
    )

    assert (found.action, found.reason, found.usable) == ("discard", "stopped early at 25 %", ())


def test_a_re_run_at_the_same_speed_adds_evidence() -> None:
    """Only a change of speed makes old values worthless."""
    best = Incumbent((Run(1.0, 7),), 1.0)

    assert refreshed(best, (run(1.1, pace=0.9),), 0.7) == Incumbent((Run(1.0, 7), Run(1.1, 1)), 1.0)
    assert refreshed(best, (run(1.1, pace=0.5),), 0.7) == Incumbent((Run(1.1, 1),), 0.5)


@pytest.mark.parametrize(
    ("paces", "action", "usable"),
    [
        ((1.0, 1.0), "repeat", ()),
        ((1.0, 1.0, 0.9), "keep", (0, 1, 2)),
        ((0.3, 1.0, 1.0), "repeat", ()),
        ((0.3, 1.0, 1.0, 0.95), "keep", (1, 2, 3)),
        ((0.1, 0.2, 0.4, 0.8, 1.6), "keep", (0, 1, 2, 3, 4)),
    ],
)
def test_a_disturbed_baseline_run_is_replaced(
    paces: tuple[float, ...], action: str, usable: tuple[int, ...]
) -> None:
    """The noise is measured on runs that had the same chances; where that cannot be had, all count and it is said."""
    found = baseline_finding([run(1.0, pace=p) for p in paces], wanted=3, below=0.7, repeats=2)

    assert (found.action, found.usable) == (action, usable)


def test_first_runs_are_pairs() -> None:
    """A first run has the seed of the best's first run; after a fresh run of the best, for its evidence was old, that one's, then and
    for those that come later; a run that replaces a disturbed one has the same again."""
    base = record(commit="b" * 40, is_baseline=True, values=(1.0, 1.01), seeds=(11, 12))
    renewed = record(
        id="0009",
        parent="b" * 40,
        commit="d" * 40,
        status="discard",
        seeds=(21,),
        recheck_seeds=(21,),
    )
    in_turn = record(
        id="0010",
        parent="b" * 40,
        commit="e" * 40,
        status="discard",
        seeds=(21, 31),
        recheck_seeds=(31,),
    )
    refused = record(
        id="0012", parent="b" * 40, commit="f" * 40, status="crash", value=None, values=()
    )
    kept_later = record(id="0011", parent="b" * 40, commit="b" * 40, values=(0.9,), seeds=(41,))
    again = attempt(rechecks=(replace(run(1.0), seed=51),))

    assert next_seed(attempt(), [base], 1, False, 0) == 11
    assert next_seed(attempt(), [base, renewed, in_turn], 1, False, 0) == 21
    assert next_seed(attempt(), [base, in_turn, refused], 1, False, 0) == 11
    assert next_seed(attempt(), [base, renewed, kept_later], 1, False, 0) == 41
    assert next_seed(again, [base], 1, False, 0) == 51
    assert next_seed(attempt(replace(run(1.0), seed=61)), [base], 1, False, 0) == 61
    assert next_seed(attempt(), [], 1, False, 0) == run_seed(0, "0002", 1)


def test_later_looks_are_pairs_of_fresh_seeds() -> None:
    """The best's run in turn and the candidate's next have one seed that nothing ran with before, and a run that renews old evidence
    a fresh one."""
    base = record(commit="b" * 40, is_baseline=True, values=(1.0, 1.01), seeds=(11, 12))
    once = attempt(replace(run(0.99), seed=11))

    assert (
        next_seed(once, [base], 2, True, 0)
        == next_seed(once, [base], 2, False, 0)
        == run_seed(0, "0002", 2)
    )
    assert next_seed(attempt(), [base], 1, True, 0) == run_seed(0, "0002", 1)


def test_the_look_says_which_seed_comes_next() -> None:
    """First runs are the first look, also where one has to be run again for it was disturbed; turns are the second."""
    looks = {
        "first": weigh(attempt(), [BASE], 0, CONFIG, "confirm"),
        "disturbed": weigh(attempt(run(0.8, pace=0.3)), [BASE], 0, CONFIG, "confirm"),
        "best in turn": weigh(attempt(*candidate(0.987)), [BASE], 0, CONFIG, "confirm"),
        "in turn": weigh(
            attempt(*candidate(0.98), rechecks=candidate(1.0)), [BASE], 0, CONFIG, "confirm"
        ),
        "faster machine": weigh(attempt(run(0.8, pace=2.0)), [BASE], 0, CONFIG, "confirm"),
    }

    assert {name: (found.action, found.look) for name, found in looks.items()} == {
        "first": ("repeat", 1),
        "disturbed": ("repeat", 1),
        "best in turn": ("recheck", 2),
        "in turn": ("repeat", 2),
        "faster machine": ("recheck", 1),
    }


def test_a_pair_is_judged_by_its_difference() -> None:
    """Candidates that had runs in pairs have told that seeds share luck; a candidate whose seed was unlucky for the best too is kept,
    though its value is worse than the best's mean."""
    lucky, unlucky = 11, 12
    base = record(
        commit="b" * 40,
        is_baseline=True,
        values=(0.98, 1.02, 0.99, 1.01),
        seeds=(lucky, unlucky, 13, 14),
        throughput=1.0,
    )
    tried = [
        record(
            id=f"{i:04d}",
            commit=f"{i:040x}",
            parent="b" * 40,
            status="discard",
            values=(1.08 + i / 1e5, 1.12),
            seeds=(lucky, unlucky),
            rechecks=(1.02,),
            recheck_seeds=(unlucky,),
            parent_values=(0.98, 1.02),
            parent_seeds=(lucky, unlucky),
            parent_throughput=1.0,
        )
        for i in range(3, 15)
    ]  # fmt: skip
    found = weigh(attempt(replace(run(1.005), seed=unlucky)), [base, *tried], 0, CONFIG, "confirm")

    assert found.action == "keep", found
    assert (
        weigh(attempt(replace(run(1.005), seed=99)), [base, *tried], 0, CONFIG, "confirm").action
        == "discard"
    )


def test_seeds_are_not_anybodys_to_choose() -> None:
    """Fresh seeds differ between runs and attempts, and are the same again after a restart."""
    seeds = [run_seed(0, f"{i:04d}", n) for i in range(50) for n in range(1, 5)]

    assert len(set(seeds)) == 200 and all(0 <= s < 2**31 for s in seeds)
    assert run_seed(0, "0001", 1) == run_seed(0, "0001", 1) != run_seed(1, "0001", 1)
