"""Claims about what is put before the judge: which runs count, against which value of the
parent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from autoresearch.researcher.config import Config
from autoresearch.researcher.evidence import case_of
from autoresearch.researcher.journal import Attempt
from autoresearch.researcher.judging.best import find_best, refresh
from autoresearch.researcher.judging.judge import Finding, judge, judge_baseline, run_seed
from autoresearch.researcher.judging.policies import Policy
from autoresearch.researcher.judging.values import Measurement, Record, Sample
from autoresearch.researcher.loop.steps import NextRun, next_step, seed_of
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


def weigh(attempt: Attempt, history: list[Record], policy: Policy = "confirm") -> Finding:
    return judge(case_of(attempt, history, 0, CONFIG, policy))


def next_seed(attempt: Attempt, history: list[Record]) -> int:
    step = next_step(attempt, case_of(attempt, history, 0, CONFIG, "confirm"))
    assert isinstance(step, NextRun)
    return seed_of(step, 0, attempt.id, 99)


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
    """Runs on an uneven machine are repeated, its change of speed is checked on the parent, and
    only then is judged."""
    found = weigh(attempt(*runs, rechecks=rechecks), [BASE])

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

    assert find_best([BASE, later], "b" * 40) == Sample((0.9,), (None,), 2.0)
    assert find_best([BASE], "b" * 40) == Sample((1.0, 1.01, 0.99), (None,) * 3, 1.0)


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
    """Inside the noise the best runs again before the candidate does, and its own run alone keeps
    nothing: it is no look."""
    found = weigh(attempt(*candidate(*values), rechecks=candidate(*rechecks)), [BASE])

    assert found.action == action, found


def test_old_evidence_is_renewed() -> None:
    """After so many measured experiments the best runs again, once, before the next candidate;
    runs that were stopped do not count."""
    tried = [
        record(id=f"{i:04d}", parent="b" * 40, commit=f"{i:040x}", value=1.1, values=(1.1,))
        for i in range(2, 22)
    ]
    stopped = [record(id="0030", parent="b" * 40, commit="e" * 40, value=None, values=())]

    assert weigh(attempt(), [BASE, *tried, *stopped]).action == "recheck"
    assert weigh(attempt(rechecks=candidate(1.0)), [BASE, *tried]).action == "repeat"
    assert weigh(attempt(), [BASE, *tried[1:], *stopped]).action == "repeat"
    assert weigh(attempt(), [BASE, *tried], "greedy").action == "repeat"


def test_a_kept_value_is_met_without_its_luck() -> None:
    """What later candidates are compared with are the runs that stand for the best, not its lucky
    one alone."""
    found = weigh(attempt(run(0.965)), [BASE])
    stands = found.standing.values
    kept = record(
        commit="c" * 40, parent="b" * 40, values=(0.965,), standing=stands, throughput=1.0
    )

    assert (found.action, stands) == ("keep", (*BASE.values, 0.965))
    assert find_best([BASE, kept], "c" * 40) == Sample.from_ledger(stands, (), 1.0)
    assert weigh(attempt(run(0.965)), [BASE], "greedy").standing == Sample()


def test_a_run_that_was_stopped_early_is_discarded() -> None:
    """Hopeless is not broken: the verdict is discard, with the sentence of what stopped it, and
    there is no value."""
    found = weigh(attempt(Measurement("stopped early", "stopped early at 25 %", 1)), [BASE])

    assert (found.action, found.reason, found.usable) == ("discard", "stopped early at 25 %", ())


def test_a_re_run_at_the_same_speed_adds_evidence() -> None:
    """Only a change of speed makes old values worthless."""
    best = Sample((1.0,), (7,), 1.0)

    assert refresh(best, (run(1.1, pace=0.9),), 0.7) == Sample((1.0, 1.1), (7, 1), 1.0)
    assert refresh(best, (run(1.1, pace=0.5),), 0.7) == Sample((1.1,), (1,), 0.5)


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
    """The noise is measured on runs that had the same chances; where that cannot be had, all count
    and it is said."""
    found = judge_baseline([run(1.0, pace=p) for p in paces], wanted=3, below=0.7, repeats=2)

    assert (found.action, found.usable) == (action, usable)


def test_first_runs_are_pairs() -> None:
    """A first run has the seed of the best's first run; after a fresh run of the best, for its
    evidence was old, that one's, then and for those that come later; a run that replaces a
    disturbed one has the same again."""
    base = replace(BASE, seeds=(11, 12, 13))
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

    disturbed = attempt(replace(run(1.0, pace=0.3), seed=61))

    assert next_seed(attempt(), [base]) == 11
    assert next_seed(attempt(), [base, renewed, in_turn]) == 21
    assert next_seed(attempt(), [base, in_turn, refused]) == 11
    assert next_seed(attempt(), [base, renewed, kept_later]) == 41
    assert next_seed(again, [base]) == 51
    assert next_seed(disturbed, [base]) == 61
    assert next_seed(attempt(), []) == run_seed(0, "0002", 1)


def test_later_looks_are_pairs_of_fresh_seeds() -> None:
    """The best's run in turn and the candidate's next have one seed that nothing ran with before,
    and a run that renews old evidence a fresh one."""
    base = replace(BASE, seeds=(11, 12, 13))
    once = attempt(replace(run(0.987), seed=11))
    in_turn = attempt(replace(run(0.98), seed=11), rechecks=candidate(1.0))
    old = [record(id=f"{i:04d}", parent="b" * 40, commit=f"{i:040x}") for i in range(2, 23)]

    assert weigh(once, [base]).action == "recheck" and weigh(in_turn, [base]).action == "repeat"
    assert next_seed(once, [base]) == next_seed(in_turn, [base]) == run_seed(0, "0002", 2)
    assert weigh(attempt(), [base, *old]).action == "recheck"
    assert next_seed(attempt(), [base, *old]) == run_seed(0, "0002", 1)


def test_the_look_says_which_seed_comes_next() -> None:
    """First runs are the first look, also where one has to be run again for it was disturbed;
    turns are the second."""
    looks = {
        "first": weigh(attempt(), [BASE]),
        "disturbed": weigh(attempt(run(0.8, pace=0.3)), [BASE]),
        "best in turn": weigh(attempt(*candidate(0.987)), [BASE]),
        "in turn": weigh(attempt(*candidate(0.98), rechecks=candidate(1.0)), [BASE]),
        "faster machine": weigh(attempt(run(0.8, pace=2.0)), [BASE]),
    }

    assert {name: (found.action, found.look) for name, found in looks.items()} == {
        "first": ("repeat", 1),
        "disturbed": ("repeat", 1),
        "best in turn": ("recheck", 2),
        "in turn": ("repeat", 2),
        "faster machine": ("recheck", 1),
    }


def test_a_pair_is_judged_by_its_difference() -> None:
    """Candidates that had runs in pairs have told that seeds share luck; a candidate whose seed
    was unlucky for the best too is kept, though its value is worse than the best's mean."""
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
    found = weigh(attempt(replace(run(1.005), seed=unlucky)), [base, *tried])

    assert found.action == "keep", found
    assert weigh(attempt(replace(run(1.005), seed=99)), [base, *tried]).action == "discard"


def test_seeds_are_not_anybodys_to_choose() -> None:
    """Fresh seeds differ between runs and attempts, and are the same again after a restart."""
    seeds = [run_seed(0, f"{i:04d}", n) for i in range(50) for n in range(1, 5)]

    assert len(set(seeds)) == 200 and all(0 <= s < 2**31 for s in seeds)
    assert run_seed(0, "0001", 1) == run_seed(0, "0001", 1) != run_seed(1, "0001", 1)
