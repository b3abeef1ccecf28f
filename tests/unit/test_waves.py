"""Claims about waves: few runs tell many ideas, strong interactions are found, ideas that exclude
each other never meet, and a wave comes where it pays."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import combinations

import msgspec
import pytest

from autoresearch.researcher.config import Config, JudgeTable
from autoresearch.researcher.judging.judge import Case
from autoresearch.researcher.judging.noise import Noise
from autoresearch.researcher.judging.policies import Rules
from autoresearch.researcher.judging.values import Measurement
from autoresearch.researcher.simulate.compare import WAVE_ARMS, compare
from autoresearch.researcher.simulate.landscape import LANDSCAPES
from autoresearch.researcher.simulate.waves import WaveNight
from autoresearch.researcher.waves.design import Row, choose_rows, find_apart
from autoresearch.researcher.waves.estimate import choose_combination, estimate_effects
from autoresearch.researcher.waves.pool import (
    MOST,
    Progress,
    ScreenedIdea,
    choose_wave,
    expect_gain,
    read_pool,
)
from autoresearch.researcher.waves.rows import (
    WaveRun,
    judge_run,
    measured_rows,
    read_run,
)
from tiny_workspaces import record

NOISE = Noise(1.0, 20, 0.6)


def screened(count: int, gain: float = 0.3) -> list[ScreenedIdea]:
    return [ScreenedIdea(f"{i:04d}", f"{i:040x}", "b", f"idea {i}", gain) for i in range(count)]


# ---------------------------------------------------------------- the design


@pytest.mark.parametrize("ideas", [3, 7, 12, 15])
def test_every_idea_is_in_half_of_the_runs_and_apart_from_every_other(ideas: int) -> None:
    """The first run is the incumbent; any two ideas are apart in half of the runs."""
    rows = choose_rows(ideas, (), 0)

    assert len(rows) in (4, 8, 16) and len(rows) > ideas and not any(rows[0])
    for i in range(ideas):
        assert sum(row[i] for row in rows) == len(rows) // 2
    for i, j in combinations(range(ideas), 2):
        assert sum(row[i] != row[j] for row in rows) == len(rows) // 2
    assert choose_rows(ideas, (), 0) == rows


def test_ideas_that_exclude_each_other_never_meet() -> None:
    """Each of them is in some run all the same."""
    apart = find_apart(6, lambda row: not (row[1] and row[4]))
    rows = choose_rows(6, apart, 3)

    assert apart == {(1, 4)}
    assert not any(row[1] and row[4] for row in rows)
    assert any(row[1] for row in rows) and any(row[4] for row in rows)


# ---------------------------------------------------------------- the estimate


def run_all(rows: tuple[Row, ...], truth: list[float], chance: random.Random) -> list[float]:
    return [
        sum(worth for worth, inside in zip(truth, row, strict=True) if inside) + chance.gauss(0, 1)
        for row in rows
    ]


def test_sixteen_runs_tell_fifteen_ideas() -> None:
    """Of ideas that are worth two standard deviations of a run, or minus two, hardly any is taken
    for the other kind, where one run each would mistake one in twelve."""
    chance, wrong = random.Random(1), 0
    for night in range(60):
        truth = [chance.choice([-2.0, 2.0]) for _ in range(15)]
        rows = choose_rows(15, (), night)
        effects = estimate_effects(rows, run_all(rows, truth, chance), 1.0)
        row = choose_combination(effects, ())
        wrong += sum(inside != (worth > 0) for inside, worth in zip(row, truth, strict=True))

    assert wrong / 900 < 0.03


def test_a_screens_value_counts() -> None:
    """What was seen of an idea alone moves its estimate."""
    rows = choose_rows(3, (), 0)
    plain = estimate_effects(rows, [0.0] * 4, 1.0)
    moved = estimate_effects(rows, [0.0] * 4, 1.0, [3.0, None, None], 1.0)

    assert moved.gains[0] > plain.gains[0] + 0.2


def test_two_ideas_that_spoil_each_other_are_not_combined() -> None:
    """Each is worth a lot alone; together they are worth nothing. With all combinations run, one
    of them is chosen."""
    rows = tuple((a, b, c) for a in (False, True) for b in (False, True) for c in (False, True))
    gains = [4.0 * a + 3.5 * b - 7.5 * (a and b) + 1.0 * c for a, b, c in rows]

    row = choose_combination(estimate_effects(rows, gains, 0.2), ())

    assert row == (True, False, True)


def test_what_excludes_each_other_is_not_chosen_together() -> None:
    effects = estimate_effects(choose_rows(3, {(0, 1)}, 0), [0.0, 1.0, 1.0, 1.0], 0.1)

    row = choose_combination(effects, {(0, 1)})

    assert not (row[0] and row[1])


# ---------------------------------------------------------------- whether one comes


def test_a_wave_comes_where_it_pays() -> None:
    """A full pool is a wave where runs have found little so far, and none where they find much;
    `on` takes it anyway, `off` never."""
    pool = screened(MOST + 2)
    slow, quick = Progress(0.5, 100), Progress(50.0, 100)

    assert len(choose_wave(pool, NOISE, slow, "auto")) == MOST
    assert choose_wave(pool, NOISE, quick, "auto") == ()
    assert len(choose_wave(pool, NOISE, quick, "on")) == MOST
    assert choose_wave(pool, NOISE, slow, "off") == ()


def test_the_last_wave_ends_with_the_night() -> None:
    """A pool that is not full waits until the time left is what a wave takes, or nothing else is
    left to do; a wave that would not be ready is not begun."""
    pool = screened(6)

    assert choose_wave(pool, NOISE, Progress(0, 50, left=20.0), "auto") == ()
    assert len(choose_wave(pool, NOISE, Progress(0, 50, left=10.4), "auto")) == 6
    assert choose_wave(pool, NOISE, Progress(0, 50, left=6.0), "auto") == ()
    assert len(choose_wave(pool, NOISE, Progress(0, 50), "auto", is_last=True)) == 6
    assert choose_wave(screened(2), NOISE, Progress(0, 50), "on", is_last=True) == ()


def test_more_promising_ideas_promise_more() -> None:
    assert expect_gain(screened(8, 1.0), NOISE) > expect_gain(screened(8, 0.0), NOISE) > 0


def test_the_pool_is_what_is_neither_kept_nor_clearly_bad() -> None:
    """Ideas inside the noise wait, best first; once a wave had them, they wait no longer. Runs of
    a wave are no ideas."""
    base = record(commit="b" * 40, is_baseline=True, value=1.0, values=(1.0,), parent="")

    def tried(number: int, value: float | None, **fields: object) -> object:
        commit, values = f"{number:040x}", () if value is None else (value,)
        return record(
            id=f"{number:04d}", commit=commit, parent=base.commit, status="discard", value=value,
            values=values, **fields,
        )  # fmt: skip

    run = WaveRun(1, 1, 3, 5, base.commit, ("0004",), ("0004",)).as_proposal()
    history = [
        base,
        tried(2, 1.001),
        tried(3, 0.998),
        tried(4, 0.99),
        tried(5, 1.5),
        tried(6, None),
        tried(7, 0.9, proposal=run),
    ]

    found = read_pool(history, "min", Noise(0.005, 5))  # type: ignore[arg-type]

    assert [idea.id for idea in found] == ["0003", "0002"]
    assert found[0].gain == pytest.approx(0.002)


# ---------------------------------------------------------------- its runs


def test_a_run_of_a_wave_is_read_back_as_it_was_written() -> None:
    """Whatever else stands there is no run of a wave."""
    run = WaveRun(2, 3, 7, 99, "b" * 40, ("0002", "0005"), ("0005",))

    assert read_run(run.as_proposal()) == run and run.inside == (False, True)
    assert read_run({"edit": {}}) is None
    assert read_run({**run.as_proposal(), "ideas": 5}) is None
    assert read_run({**run.as_proposal(), "row": "x"}) is None


def test_another_machines_level_is_no_idea() -> None:
    """A volunteer whose machine measures higher throughout says as much of ideas as ours."""
    truth = [2.0, 0.0, -1.0, 1.0, 0.0, 0.0]
    rows = choose_rows(6, (), 3)
    gains = [sum(t for t, inside in zip(truth, row, strict=True) if inside) for row in rows]
    run_by = ["helper" if number % 3 == 2 else "" for number, _ in enumerate(rows)]
    moved = [gain + 5.0 * bool(name) for gain, name in zip(gains, run_by, strict=True)]
    as_own = estimate_effects(rows, moved, 1.0)
    apart = estimate_effects(rows, moved, 1.0, run_by=run_by)
    far = [max(abs(found.gains - truth)) for found in (as_own, apart)]

    assert far[1] < far[0] / 2 and far[1] < 1.0


def test_a_wave_begins_with_the_incumbent_and_has_one_seed() -> None:
    """Its runs have no verdict; the incumbent's run stands beside the first one's."""
    run = WaveRun(1, 1, 3, 77, "b" * 40, ("0002", "0003"), ("0003",))
    base = record(commit="b" * 40, is_baseline=True, value=1.0, values=(1.0,), parent="")
    case = Case(Rules(), [base], base.commit, base.commit)
    first = judge_run(run, case)
    case = replace(case, rechecks=(Measurement("ok", "", 77, value=1.01),))
    second = judge_run(run, case)
    done = judge_run(run, replace(case, runs=(Measurement("ok", "", 77, value=0.98),)))

    assert (first.action, first.seed) == ("recheck", 77)
    assert (second.action, second.seed) == ("repeat", 77)
    assert done.action == "discard" and done.met.values == (1.0, 1.01)
    row = record(
        id="0009", status="discard", value=0.98, values=(0.98,), rechecks=(1.01,),
        proposal=run.as_proposal(),
    )  # fmt: skip
    assert measured_rows([base, row], 1) == [
        ((False, False), 1.01, ""),
        ((False, True), 0.98, ""),
    ]


# ---------------------------------------------------------------- nights


def test_a_simulated_night_has_the_loops_waves() -> None:
    """Where noise hides gains a night runs waves, in the loop's own records: all runs of a wave
    with one seed, ideas that exclude each other never together, the combination judged on a seed
    that did not choose it."""
    land = replace(LANDSCAPES["even"], good=0.6, null=0.3, sigma=0.002, interaction=0.5, apart=0.2)
    config = msgspec.convert({"experiment": {"free": ["x"], "command": ["x"]}}, Config)
    night = WaveNight(land, config, "confirm", 6, 2, mode="auto")
    night.run()

    runs = [(r, run) for r in night.history if (run := read_run(r.proposal))]
    rows = [(r, run) for r, run in runs if run.row]
    assert night.waves >= 1 and {run.wave for _, run in rows} == set(range(1, night.waves + 1))
    assert all(r.seeds == (run.seed,) and r.status == "discard" for r, run in rows)
    commits = {r.id: r.commit for r in night.history}
    for _, run in rows:
        held = [commits[name] for name in run.held]
        assert not any(night.excludes(a, b) for a, b in combinations(held, 2))
    assert all(run.seed not in r.seeds for r, run in runs if run.row == 0)


def test_waves_cost_nothing_where_they_do_not_pay() -> None:
    """With noise of one median gain none comes: the nights are the same to the last run."""
    usual, auto = compare(LANDSCAPES["even"], JudgeTable(), WAVE_ARMS[:2], 6, 2, seed=2)

    assert auto.improvement_per_hour == usual.improvement_per_hour
