"""Claims about early stopping: what of a curve is read, when a run is hopeless, and when nothing
can be said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from autoresearch.researcher.curve_files import read, stop_rule_for
from autoresearch.researcher.journal import Attempt
from autoresearch.researcher.judging.curves import CurvePoint, StopRule, make_stop_rule, smooth_loss
from autoresearch.researcher.judging.values import Measurement
from tiny_workspaces import record

BEST = "b" * 40


def curve(
    offset: float = 0.0, until: float = 1.0, tokens: float = 1000.0, first: float = 7.0
) -> tuple[CurvePoint, ...]:
    """A loss that falls from 7 to 3, with an offset that is there from the second point on."""
    steps = [i / 50 for i in range(1, int(50 * until) + 1)]
    return (
        CurvePoint(0.001, first),
        *(CurvePoint(p, 3 + 4 * (1 - p) ** 2 + offset, tokens * p) for p in steps),
    )


def watched(level: float = 0.1) -> StopRule:
    found = make_stop_rule([curve(-0.01), curve(0.0), curve(0.01)], [], level)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("points", "stopped"),
    [
        (curve(0.0), False),
        (curve(-0.5), False),
        (curve(0.5), True),
        (curve(0.5, until=0.2), False),
        (curve(0.5, until=0.3), True),
        (curve(0.5, tokens=100.0), False),
        (curve(0.5, first=14.0), False),
        ((), False),
    ],
    ids=[
        "as good",
        "better",
        "worse",
        "too early",
        "at the first mark",
        "slow machine",
        "another loss",
        "nothing",
    ],
)
def test_a_run_is_hopeless_where_its_curve_is_clearly_above(
    points: tuple[CurvePoint, ...], stopped: bool
) -> None:
    """Above the best's curves by more than their spread, at a mark, with as many tokens, and only
    where the losses are of one kind."""
    early = watched().find_stop(points)

    assert (early is not None) is stopped
    assert early is None or early.reason.startswith("stopped early at 25%")


def test_a_stricter_level_stops_less() -> None:
    """The limit lies further off for a smaller level."""
    assert watched(0.01).marks[0].limit > watched(0.1).marks[0].limit > watched(0.4).marks[0].limit


def test_the_spread_comes_from_all_that_ran_twice() -> None:
    """One curve of the best is enough where other commits tell the spread; two curves alone are
    too few."""
    assert make_stop_rule([curve()], [], 0.1) is None
    assert make_stop_rule([curve(), curve(0.01)], [], 0.1) is None
    assert make_stop_rule([curve()], [[curve(0.2), curve(0.21), curve(0.19)]], 0.1) is not None


def test_a_curve_of_the_same_seed_is_what_to_compare_with() -> None:
    """What saw the same batches says more than a mean of what saw others; the margin is the
    same."""
    best = [curve(-0.01), curve(0.0), curve(0.01)]
    plain, beside = make_stop_rule(best, [], 0.1), make_stop_rule(best, [], 0.1, [best[2]])

    assert plain is not None and beside is not None
    assert beside.marks[0].mean - plain.marks[0].mean == pytest.approx(0.01)
    assert beside.marks[0].limit - plain.marks[0].limit == pytest.approx(0.01)


def test_a_run_behind_in_tokens_is_compared_at_as_many() -> None:
    """On a machine that is a sixth slower for a while the same code has a higher loss at a mark:
    not hopeless, for the best had that loss too when it had as many tokens. What is worse at as
    many tokens is stopped all the same."""
    watch = watched()
    slower = tuple(
        CurvePoint(p.progress, 3 + 4 * (1 - 0.85 * p.progress) ** 2, 0.85 * p.tokens)
        for p in curve()[1:]
    )
    start = curve()[:1]

    assert smooth_loss(slower, 0.25) > watch.marks[0].limit  # type: ignore[operator]
    assert watch.find_stop((*start, *slower)) is None
    assert watch.find_stop(
        (*start, *(point._replace(tokens=1000.0 * point.progress) for point in slower))
    )
    assert watch.find_stop((*start, *(point._replace(loss=point.loss + 0.5) for point in slower)))


@pytest.mark.parametrize(
    ("points", "stopped"),
    [
        (curve(0.5, tokens=100.0), True),
        (curve(0.5, until=0.3, tokens=600.0), True),
        (curve(0.5, until=0.2, tokens=100.0), False),
        (curve(0.0, tokens=100.0), False),
        (curve(-0.5, tokens=10.0), False),
    ],
    ids=["much worse", "at the first mark", "too early", "as good", "better"],
)
def test_a_slow_idea_on_a_quiet_machine_is_judged_by_its_budget(
    points: tuple[CurvePoint, ...], stopped: bool
) -> None:
    """With few tokens by a mark a curve is compared at the same share of the budget, where the
    machine was at rest: that is asked only where it decides, and where it is busy the run goes
    on."""
    asked: list[bool] = []

    def is_quiet() -> bool:
        asked.append(True)
        return True

    early = watched().find_stop(points, is_quiet)

    assert (early is not None) == stopped == bool(asked)
    assert watched().find_stop(points, lambda: False) is None
    assert early is None or "of its tokens, on a quiet machine" in early.reason


def test_losses_are_smoothed_over_a_window() -> None:
    """One step's luck does not decide; a curve that has not reached a mark, or has a hole before
    it, says nothing there."""
    points = (CurvePoint(0.2, 3.0), CurvePoint(0.24, 5.0), CurvePoint(0.25, 4.0))

    assert smooth_loss(points, 0.25) == 4.0
    assert smooth_loss(points, 0.35) is None
    assert smooth_loss((CurvePoint(0.1, 3.0), CurvePoint(0.5, 3.0)), 0.25) is None


def test_what_a_curve_says_is_untrusted(tmp_path: Path) -> None:
    """Nonsense, numbers that are none, a cut last line, points that go back and a file that is no
    plain small one are left out."""
    file = tmp_path / "curve.jsonl"
    good = json.dumps({"progress": 0.1, "loss": 5.0, "tokens": 10})
    lines = [
        good, "[]", "{}", "null", '{"progress": 2, "loss": 1}', '{"progress": 0.2, "loss": NaN}',
        '{"progress": 0.05, "loss": 1}',
        '{"progress": "x", "loss": 1}', "[" * 5000, '{"progress": 0.3, "loss": 4.0, "step": 1}',
        '{"progress": 0.4, "lo',
    ]  # fmt: skip
    file.write_text("\n".join(lines))

    assert read(file) == (CurvePoint(0.1, 5.0, 10.0), CurvePoint(0.3, 4.0))
    assert read(tmp_path / "none") == read(tmp_path) == ()
    (tmp_path / "link").symlink_to(file)
    assert read(tmp_path / "link") == ()
    file.write_text(good * 200_000)
    assert read(file) == ()


def test_a_watch_is_made_of_kept_curves(tmp_path: Path) -> None:
    """The curves beside the logs of the best's runs, its re-runs by others included; only a
    candidate's first run is watched."""
    logs = []
    for number, offset in enumerate((-0.01, 0.0, 0.01), 1):
        folder = tmp_path / str(number)
        folder.mkdir()
        text = "\n".join(
            json.dumps({"progress": p.progress, "loss": p.loss}) for p in curve(offset)
        )
        (folder / "curve.jsonl").write_text(text + "\n")
        logs.append(f"{number}/run.log")
    base = record(
        commit=BEST, is_baseline=True, values=(1.0, 1.0), seeds=(1, 2), logs=tuple(logs[:2])
    )
    later = record(
        id="0002",
        commit="d" * 40,
        parent=BEST,
        status="discard",
        recheck_logs=(logs[2],),
        recheck_seeds=(3,),
    )
    attempt = Attempt("0003", BEST, "m", "measuring", "", commit="c" * 40)
    again = Attempt(
        "0003",
        BEST,
        "m",
        "measuring",
        "",
        commit="c" * 40,
        measurements=(Measurement("ok", "", 1, value=1.0),),
    )

    mean, third = (stop_rule_for(attempt, [base, later], tmp_path, 0.1, seed) for seed in (99, 3))
    assert mean is not None and third is not None
    assert third.marks[0].mean - mean.marks[0].mean == pytest.approx(0.01)
    assert stop_rule_for(attempt, [base], tmp_path, 0.1, 1) is None
    assert stop_rule_for(again, [base, later], tmp_path, 0.1, 1) is None
