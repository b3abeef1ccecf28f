"""Claims about what agents begin a night with: they start where earlier runs of the same code paid,
give up what does not hold, and make nothing of it on other code."""

from __future__ import annotations

import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from autoresearch.errors import BadInput
from autoresearch.researcher.agents.base import Brief
from autoresearch.researcher.agents.idea_agent import choose_idea
from autoresearch.researcher.agents.ideas import read_catalogue
from autoresearch.researcher.agents.joint import JointChooser
from autoresearch.researcher.agents.learnt import NOTHING, Learnt, LearntConstant, parse_learnt
from autoresearch.researcher.agents.search import read_constants
from autoresearch.researcher.agents.search_space import to_unit
from autoresearch.researcher.config import Config
from autoresearch.researcher.judging.values import Record
from autoresearch.researcher.simulate.landscape import LANDSCAPES
from autoresearch.researcher.simulate.searching import SearchNight
from recorded_tables import make_table

ROOT = Path(__file__).parents[2]
FILE = "train.py"
SOURCE = "\n".join(f"RATE_{letter} = 0.1  # 0.001 to 1.0" for letter in "ABCDEFGHIJ") + "\n"
CONSTANTS = read_constants({FILE: SOURCE})
BRIEF = Brief(2, "p" * 40, (FILE,), "val_bpb", "min", 0)
HERE = to_unit(CONSTANTS[FILE, "RATE_A"], 0.1)
BASELINE = Record("0001", "p" * 40, "", "keep", "baseline", "", is_baseline=True)


def teach(best: float, gain: float, *names: str, error: float = 0.0) -> Learnt:
    """That constants are best at a place of their range, by so much, with or without an error."""
    places, losses = [0.0, HERE, 1.0], [gain, 0.0, gain]
    places.insert(1 if best < HERE else 2, best)
    losses.insert(1 if best < HERE else 2, -gain)
    errors = [error if loss else 0.0 for loss in losses] if error else []
    flat = LearntConstant(value=0.1, low=0.001, high=1.0, places=[0.0, 1.0], losses=[0.0, 0.0])
    taught = msgspec.structs.replace(flat, places=places, losses=losses, errors=errors)
    every = [name for _, name in CONSTANTS]
    return Learnt(constants={name: taught if name in names else flat for name in every})


def test_a_night_begins_where_earlier_runs_paid() -> None:
    """The first proposal moves the taught constants towards their best places."""
    learnt = teach(0.85, 0.05, "RATE_C", "RATE_F")
    for seed in range(10):
        values, _ = JointChooser(learnt)(CONSTANTS, BRIEF, random.Random(seed), 0)
        for name in ("RATE_C", "RATE_F"):
            assert values[FILE, name] > 0.15  # type: ignore[operator]


def test_what_is_known_well_comes_first() -> None:
    """Taught constants move to their best places together, the others stay, whatever the chance."""
    sure = teach(0.55, 0.02, *(moved := ("RATE_C", "RATE_F", "RATE_H")), error=0.003)
    still = LearntConstant(value=0.1, low=0.001, high=1.0, places=[HERE], losses=[0.0])
    others = {name: still for name in sure.constants if name not in moved}
    sure = msgspec.structs.replace(sure, constants={**sure.constants, **others})
    baseline = replace(BASELINE, values=(0.94, 0.95, 0.96), value=0.95, estimate=0.95)
    brief = replace(BRIEF, parent=baseline.commit, history=[baseline])
    for seed in range(10):
        values, _ = JointChooser(sure)(CONSTANTS, brief, random.Random(seed), 0)
        assert {name for _, name in values} == set(moved)
        for (file, name), value in values.items():
            place = to_unit(CONSTANTS[file, name], value)
            assert abs(place - 0.55) < 0.06


def test_what_does_not_hold_is_given_up() -> None:
    """Taught that every constant is best where it is worst, a night still finds gains, and hardly
    less than one that was taught nothing."""
    config = msgspec.convert({"experiment": {"free": ["x"], "command": ["x"]}}, Config)

    def found(learnt: Learnt) -> float:
        nights = [
            SearchNight(
                LANDSCAPES["even"], config, "confirm", 2.0, seed, agents=("joint",),
                constants=CONSTANTS, learnt=learnt,
            ).run()
            for seed in range(4)
        ]  # fmt: skip
        return sum(night.improvement for night in nights)

    every = [name for _, name in CONSTANTS]
    for error in (0.0, 0.002):
        assert found(teach(0.2, 0.004, *every, error=error)) > 0.4 * found(NOTHING) > 0


def test_other_code_is_told_nothing() -> None:
    """A larger scale's constants, a project of one's own and another metric: as if nothing had been
    learnt."""
    learnt = teach(0.85, 0.05, "RATE_C")
    larger = {key: replace(one, value=0.3) for key, one in CONSTANTS.items()}
    own = read_constants({FILE: "SPEED = 3.0  # 1.0 to 9.0\nRATE_C = 0.1  # 0.001 to 1.0\n"})
    accuracy = replace(BRIEF, metric="accuracy")
    for constants, brief in ((larger, BRIEF), (own, BRIEF), (CONSTANTS, accuracy)):
        told, untold = (
            JointChooser(one)(constants, brief, random.Random(1), 0) for one in (learnt, NOTHING)
        )
        assert told == untold


def test_ideas_that_paid_come_first() -> None:
    """By their gain; then the others as ever, and on another code all of them."""
    source = (ROOT / "lab" / FILE).read_text("utf-8")
    known = {
        name: LearntConstant(value=c.value, low=c.low, high=c.high, places=[0.0], losses=[0.0])
        for (_, name), c in read_constants({FILE: source}).items()
    }
    learnt = Learnt(constants=known, ideas={"swiglu": 0.01, "backout": 0.03})
    ideas = read_catalogue()
    assert choose_idea(ideas, {FILE: source}, BRIEF, learnt).name == "backout"
    left = [idea for idea in ideas if idea.name != "backout"]
    assert choose_idea(left, {FILE: source}, BRIEF, learnt).name == "swiglu"
    rest = [idea for idea in left if idea.name != "swiglu"]
    as_ever = choose_idea(rest, {FILE: source}, BRIEF)
    assert choose_idea(rest, {FILE: source}, BRIEF, learnt) == as_ever
    other = msgspec.structs.replace(learnt, metric="accuracy")
    assert choose_idea(ideas, {FILE: source}, BRIEF, other) == choose_idea(
        ideas, {FILE: source}, BRIEF
    )


def test_a_table_teaches(tmp_path: Path) -> None:
    """bench/learn.py: from runs of which C0 should be larger and C1 smaller it learns that."""
    table, out = make_table(tmp_path / "made.jsonl", 120), tmp_path / "learnt.json"
    command = [sys.executable, str(ROOT / "bench" / "learn.py"), str(table), "--out", str(out)]
    subprocess.run(command, capture_output=True, check=True)
    learnt = parse_learnt(out)

    assert learnt.constants["C0"].losses[-1] < -0.005 < 0.005 < learnt.constants["C0"].losses[0]
    assert learnt.constants["C1"].losses[0] < learnt.constants["C1"].losses[-1]
    odd = '{"constants": {"C": {"value": 1, "low": 0, "high": 2, "places": [0], "losses": []}}}'
    errors = odd.replace("[]", '[0], "errors": [0, 1]')
    for text, why in (
        ("{", "truncated"),
        (odd, "each needs its loss"),
        (errors, "each loss needs its error"),
    ):
        out.write_text(text, "utf-8")
        with pytest.raises(BadInput, match=f"no file of what was learnt: .*{why}"):
            parse_learnt(out)


def test_a_factorial_design_teaches(tmp_path: Path) -> None:
    """bench/screen_moves.py: every run tells of all its moves; a constant's good and bad sides are
    told apart, what does nothing is hardly believed in, and a night begins with the good side."""
    runs, out = tmp_path / "moves.jsonl", tmp_path / "learnt.json"
    code = (
        "import sys, random, msgspec; sys.path.insert(0, 'bench'); import screen_moves as m;"
        "chance = random.Random(1); worth = {'VALUE_EMBEDS 1': 0.02, 'EMBED_LR 0.4': -0.03};"
        "runs = [m.ScreenRun('pystd-20s', d, r, moves,"
        "    1.45 - sum(worth.get(x, 0) for x in moves) + chance.gauss(0, 0.005))"
        "    for d, every in enumerate(m.DESIGNS) for r, moves in enumerate(m.choose_rows(every))];"
        "[m.write_source(every) for every in m.DESIGNS];"
        f"open({str(runs)!r}, 'wb').write(b'\\n'.join(map(msgspec.json.encode, runs)) + b'\\n');"
        f"sys.argv = ['', '--out', {str(runs)!r}, '--learnt', {str(out)!r}]; m.main()"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    learnt = parse_learnt(out)
    constants = read_constants({FILE: (ROOT / "lab" / FILE).read_text("utf-8")})

    assert learnt.says({name: one for (_, name), one in constants.items()}, "val_bpb")
    assert learnt.constants["VALUE_EMBEDS"].losses[1] < -0.012
    assert learnt.constants["EMBED_LR"].losses[2] > 0.02
    assert max(map(abs, learnt.constants["ASPECT"].losses)) < 0.005
    for seed in range(5):
        values, _ = JointChooser(learnt)(constants, BRIEF, random.Random(seed), 0)
        assert values[FILE, "VALUE_EMBEDS"] == 1
