"""What comes next for an open experiment: decided without a git, a file or a process."""

from __future__ import annotations

import dataclasses

import pytest

from autoresearch.models import Status
from autoresearch.researcher.config import Config, ExperimentTable
from autoresearch.researcher.evidence import case_of
from autoresearch.researcher.journal import Attempt
from autoresearch.researcher.judging.judge import Finding
from autoresearch.researcher.judging.values import Measurement
from autoresearch.researcher.loop.steps import (
    NextRun,
    free_number,
    meet_best,
    next_baseline_runs,
    next_step,
)
from tiny_workspaces import record

CONFIG = Config(ExperimentTable(free=["train.py"], command=["x"]))
BASE = record(id="0001", commit="a" * 40, values=(1.0, 1.001, 0.999), value=1.0, is_baseline=True)
KEPT = record(id="0002", commit="b" * 40, parent="a" * 40, values=(0.8,), value=0.8)
CANDIDATE = Attempt("0003", "a" * 40, "m", "measuring", "", commit="c" * 40)


def run(value: float | None, number: int = 1) -> Measurement:
    return Measurement(
        "ok" if value else "failed",
        "" if value else "broke",
        1,
        value=value,
        log=f"runs/0003/{number}/run.log",
    )


def test_the_best_is_met_as_it_is_now() -> None:
    """Another best is a rival and old re-runs say nothing of it; the parent itself never is;
    nothing changes while nothing changed."""
    rechecked = dataclasses.replace(CANDIDATE, rechecks=(run(1.0, 2),))

    met = meet_best(rechecked, KEPT)

    assert (met.rival, met.rechecks, met.judged_against) == (KEPT.commit, (), KEPT.commit)
    assert meet_best(rechecked, BASE) is rechecked and meet_best(met, KEPT) is met
    assert meet_best(met, BASE).rival == ""


@pytest.mark.parametrize(
    ("value", "status", "words"),
    [
        (0.9, "discard", "better than its parent, but not than 0002, kept meanwhile: "),
        (0.6, "keep", "judged against 0002, kept meanwhile: better"),
        (1.2, "discard", "judged against 0002, kept meanwhile: no better"),
        (None, "crash", "broke"),
    ],
)
def test_a_verdict_names_the_rival(value: float | None, status: Status, words: str) -> None:
    """A reader learns that another experiment came in between, and what the parent alone would
    have said."""
    attempt = meet_best(dataclasses.replace(CANDIDATE, measurements=(run(value),)), KEPT)

    step = next_step(attempt, case_of(attempt, [BASE, KEPT], 0, CONFIG, "greedy"))

    assert isinstance(step, Finding) and step.status == status and step.reason.startswith(words), (
        step
    )


def test_the_first_step_is_a_run() -> None:
    """Of the candidate, once; greedy's has a seed of its own."""
    confirm, greedy = (case_of(CANDIDATE, [BASE], 0, CONFIG, p) for p in ("confirm", "greedy"))

    assert next_step(CANDIDATE, confirm) == NextRun("c" * 40, "run 1", look=1)
    assert next_step(CANDIDATE, greedy) == NextRun("c" * 40, "run 1")


def test_a_run_gets_the_first_free_number() -> None:
    """Runs end in any order; a number is a folder and a seed, so none is given twice, those in
    progress included."""
    attempt = dataclasses.replace(CANDIDATE, measurements=(run(1.0, 2),), rechecks=(run(1.0, 4),))

    assert [free_number(attempt), free_number(attempt, [1]), free_number(attempt, [1, 3])] == [
        1,
        3,
        5,
    ]


@pytest.mark.parametrize(("done", "at_once", "begun"), [(0, 1, 1), (0, 4, 3), (1, 4, 2), (2, 4, 1)])
def test_baseline_runs_fill_the_slots(done: int, at_once: int, begun: int) -> None:
    """As many at once as there are slots, no more than wanted; then it is settled."""
    attempt = dataclasses.replace(
        CANDIDATE, is_baseline=True, measurements=tuple(run(1.0, n) for n in range(done))
    )
    full = dataclasses.replace(attempt, measurements=tuple(run(1.0, n) for n in range(3)))

    assert next_baseline_runs(attempt, 3, at_once, CONFIG) == begun
    assert isinstance(next_baseline_runs(full, 3, at_once, CONFIG), Finding)
