"""Claims about proposals over all constants at once: they learn which constants matter, and stay
within ranges and steps."""

from __future__ import annotations

import random
from dataclasses import replace

import msgspec
import numpy as np

from autoresearch.researcher.agents.base import Brief
from autoresearch.researcher.agents.search import new_chooser, read_constants
from autoresearch.researcher.agents.search_space import to_unit
from autoresearch.researcher.agents.surrogate import Belief, Observed, Surrogate
from autoresearch.researcher.config import Config
from autoresearch.researcher.simulate.landscape import LANDSCAPES
from autoresearch.researcher.simulate.night import Night
from autoresearch.researcher.simulate.searching import SearchNight

SOURCE = "\n".join(f"RATE_{letter} = 0.1  # 0.001 to 1.0" for letter in "ABCDEFGHIJ") + "\n"
CONSTANTS = read_constants({"train.py": SOURCE})
FIRST = Brief(2, "p" * 40, ("train.py",), "val_bpb", "min", 0)


def night(method: str, seed: int, hours: float = 2.0) -> Night:
    config = msgspec.convert({"experiment": {"free": ["x"], "command": ["x"]}}, Config)
    land = LANDSCAPES["even"]
    return SearchNight(
        land, config, "confirm", hours, seed, agents=(method,), constants=CONSTANTS
    ).run()


def test_it_finds_more_than_random_search() -> None:
    """In two hours of four simulated nights, more than twice as much."""
    joint, control = (
        sum(night(method, seed).improvement for seed in range(4)) for method in ("joint", "random")
    )

    assert joint > 2 * max(control, 0.004)


def test_the_model_knows_what_matters() -> None:
    """Of ten constants that all moved, the one that decides has by far the largest share."""
    chance = np.random.default_rng(1)
    points = chance.uniform(0, 1, (60, 10))
    values = 0.01 * (points[:, 3] - 0.7) ** 2 * 10 + chance.normal(0, 0.0005, 60)
    seen = Observed(
        points,
        values,
        np.full(60, 2.5e-7),
        np.zeros(60),
        Belief(np.full(10, 0.5), np.full(10, 0.3)),
    )

    model = Surrogate.fit(seen, 0.0015)

    assert int(np.argmax(model.weights[:10])) == 3
    mean, spread = model.predict_gain(points, np.full(10, 0.5), 0.0)
    assert np.corrcoef(mean, -values)[0, 1] > 0.9 and (spread > 0).all()


def test_a_step_stays_near() -> None:
    """No constant moves by more than about a third of its range at once."""
    values, _ = new_chooser("joint")(CONSTANTS, FIRST, random.Random(3), 0)

    assert values
    for key, value in values.items():
        moved = replace(CONSTANTS[key], value=value)
        assert abs(to_unit(moved, value) - to_unit(CONSTANTS[key], 0.1)) < 0.36


def test_a_choice_is_one_step() -> None:
    """Across the whole range of a choice is no further than to a rate's next value: untaught, some
    nights begin with one."""
    source = "".join(f"USE_{letter} = 0  # one of 0, 1\n" for letter in "ABC") + SOURCE
    constants = read_constants({"train.py": source})
    moved: set[str] = set()
    for seed in range(20):
        values, _ = new_chooser("joint")(constants, FIRST, random.Random(seed), 0)
        moved |= {name for _, name in values}

    assert {"USE_A", "USE_B", "USE_C"} <= moved


def test_what_is_left_is_tried() -> None:
    """Where its model repeats itself, every setting of a small space is still proposed."""
    constants = read_constants(
        {"train.py": "A = 0  # one of 0, 1\nB = 16  # powers of two, 2 to 64\n"}
    )
    found = {
        (values.get(("train.py", "A"), 0), values.get(("train.py", "B"), 16))
        for seed in range(200)
        for values, _ in [new_chooser("joint")(constants, FIRST, random.Random(seed), 30)]
    }

    assert len(found) == 12
