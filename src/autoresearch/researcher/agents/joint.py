"""Proposals over all constants at once, around the best commit: a surrogate of the score says which
constants matter, and where they should go together.

Each constant's curve is drawn from what is known of it (Thompson sampling), once as it is expected;
the constants with the largest gains by it move together, one to eight; what the surrogate expects
to improve most over the best is tried. A night begins with what earlier runs of the same code have
taught, if any. Steps are as long as a constant is known: short at first. Leaves to others: the
model (surrogate), which experiments it sees (settings), writing values (search).
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import fmean
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from autoresearch.researcher.agents.base import Brief
from autoresearch.researcher.agents.constants import Constant, Value
from autoresearch.researcher.agents.learnt import NOTHING, Learnt, LearntConstant
from autoresearch.researcher.agents.search_space import Key, ValueChoice, from_unit, to_unit
from autoresearch.researcher.agents.settings import KnownCode, pending_codes, read_codes
from autoresearch.researcher.agents.surrogate import STEP, Array, Belief, Observed, Surrogate
from autoresearch.researcher.judging.noise import pool_noise
from autoresearch.researcher.judging.values import Record

NEWEST = 160  # experiments that are looked at
GRID = 17  # places of a range at which a curve is drawn
REACH = 0.3  # of a range: how far one step goes at most
TAUGHT = -1.0  # the number of the structure of earlier runs
TIRED = 20  # proposals that were tried before: then any that was not is welcome
TOGETHER = (1, 2, 3, 5, 8)  # constants that move at once
DRAWS = 12  # of all curves, for each proposal
DOUBT = 0.5  # of a taught loss: how far it may be off here, in standard deviations of it
SHOWN_LOSS = 0.5  # of the score, for one nat that a stopped run's training loss was behind


class JointChooser:
    """Values of some constants that promise most together. `learnt`: what to begin with. One object
    serves one brief: asked again, because a proposal was tried before, it only draws anew."""

    def __init__(self, learnt: Learnt = NOTHING) -> None:
        self.learnt = learnt
        self.known: Known | None = None

    def __call__(
        self, constants: Mapping[Key, Constant], brief: Brief, chance: random.Random, attempt: int
    ) -> ValueChoice:
        keys = sorted(constants)
        if attempt >= TIRED:
            return choose_anything(constants, keys, chance)
        generator = np.random.default_rng(chance.randrange(2**32))
        # runs have the other cores, and small matrices need no more
        with find_pools().limit(limits=1):
            if self.known is None:
                self.known = Known.learn(constants, keys, brief, self.learnt)
            points, mean, spread = self.known.draw(generator)
        # a new draw each time: a proposal that was tried before leads to another one
        promise = expected_improvement(mean, spread) * generator.uniform(0.9**attempt, 1, len(mean))
        for place in np.argsort(-promise):
            values = move_values(constants, keys, self.known.here, points[place])
            if any(value != constants[key].value for key, value in values.items()):
                return ValueChoice(values)
        return ValueChoice({})


@cache
def find_pools() -> ThreadpoolController:
    """The threads of numpy's libraries; looking for them is dear."""
    return ThreadpoolController()


@dataclass(frozen=True)
class Known:
    """What the experiments say: a model, the best's point `here` (d,), and for each constant where
    it may go and its curve there."""

    model: Surrogate
    here: Array
    grids: Sequence[Array]
    curves: Sequence[tuple[Array, Any]]

    @classmethod
    def learn(
        cls, constants: Mapping[Key, Constant], keys: Sequence[Key], brief: Brief, learnt: Learnt
    ) -> Known:
        seen, here = observe(constants, keys, brief, learnt)
        model = Surrogate.fit(seen, believed_scale(seen))
        grids = [grid_of(constants[k], at) for k, at in zip(keys, here, strict=True)]
        curves = [factor_curve(model, place, grid) for place, grid in enumerate(grids)]
        return cls(model, here, grids, curves)

    def draw(self, generator: np.random.Generator) -> tuple[Array, Array, Array]:
        """Points (m, d) around the best, and the gain that each promises: mean and standard
        deviation (m,)."""
        points = draw_points(self.grids, self.curves, self.here, generator)
        return points, *self.model.predict_gain(points, self.here, 0.0)


def choose_anything(
    constants: Mapping[Key, Constant], keys: Sequence[Key], chance: random.Random
) -> ValueChoice:
    """One or two constants, anywhere."""
    moved = chance.sample(keys, min(len(keys), chance.choice((1, 2))))
    return ValueChoice({key: from_unit(constants[key], chance.random()) for key in moved})


def move_values(
    constants: Mapping[Key, Constant],
    keys: Sequence[Key],
    here: Array,
    point: Array,
) -> dict[Key, Value]:
    """Of the constants in which a point differs, rounded."""
    return {
        key: from_unit(constants[key], float(share))
        for key, share, before in zip(keys, point, here, strict=True)
        if share != before
    }


def observe(
    constants: Mapping[Key, Constant], keys: Sequence[Key], brief: Brief, learnt: Learnt
) -> tuple[Observed, Array]:
    """What was measured, as points of the unit cube; and the best commit's point."""
    names = [":".join(key) for key in keys]
    now: dict[str, Value] = {
        name: constants[key].value for name, key in zip(names, keys, strict=True)
    }
    codes = read_codes(brief.history, brief.parent, now)
    origin = codes.get(brief.parent) or KnownCode(now, brief.parent)
    sign = 1.0 if brief.direction == "min" else -1.0
    sigma = noise_of(brief.history)
    rows: list[tuple[KnownCode, float, float]] = []
    values = known_values(brief.history, sign)
    for record in brief.history[-NEWEST:]:
        code, before = codes.get(record.commit), values.get(record.parent)
        if code is None:
            continue
        if record.value is not None:
            rows.append((code, sign * record.value, sigma**2 / max(1, len(record.values))))
        elif before is not None:
            loss = guessed_loss(record, sigma)
            rows.append((code, before + loss, (loss / 2) ** 2))
    for code in pending_codes(brief.pending, codes):  # as if it changed nothing: slots spread out
        rows.append((code, values.get(brief.parent, 0.0), sigma**2))
    if not rows:
        rows.append((origin, 0.0, sigma**2))
    structures = {origin.structure: 0.0}
    place = Places([constants[key] for key in keys], names)
    numbers = [structures.setdefault(code.structure, float(len(structures))) for code, _, _ in rows]
    unchanged = place(codes.get(baseline_of(brief), origin))
    known = known_constants(constants, keys, brief.metric, learnt)
    taught = taught_rows(known, unchanged, values.get(baseline_of(brief), 0.0))
    return Observed(
        np.array([place(code) for code, _, _ in rows] + [point for point, _, _ in taught]),
        np.array([value for _, value, _ in [*rows, *taught]]),
        np.array([variance for _, _, variance in [*rows, *taught]]),
        np.array(numbers + [TAUGHT] * len(taught)),
        Belief(
            np.array(unchanged),
            np.array([step_of(constants[key]) for key in keys]),
            {at: (np.array(one.places), np.array(one.losses)) for at, one in known.items()},
        ),
    ), np.array(place(origin))


def known_constants(
    constants: Mapping[Key, Constant], keys: Sequence[Key], metric: str, learnt: Learnt
) -> dict[int, LearntConstant]:
    """The learnt constants, by their place among `keys`; none where this is other code."""
    if not learnt.says({name: one for (_, name), one in constants.items()}, metric):
        return {}
    return {
        place: one
        for place, key in enumerate(keys)
        if (one := learnt.constants.get(key[1])) is not None and one.knows(constants[key])
    }


def taught_rows(
    known: Mapping[int, LearntConstant], unchanged: Sequence[float], level: float
) -> list[tuple[list[float], float, float]]:
    """Points, values and variances of earlier runs whose errors are known. Their level says nothing
    of this machine: they are a structure of their own."""
    rows = [(list(unchanged), level, 0.0)] if any(one.errors for one in known.values()) else []
    for place, one in known.items():
        for share, loss, error in zip(one.places, one.losses, one.errors, strict=False):
            if error > 0:
                point = [*unchanged[:place], share, *unchanged[place + 1 :]]
                rows.append((point, level + loss, error**2 + (DOUBT * loss) ** 2))
    return rows


def baseline_of(brief: Brief) -> str:
    """The commit of the unchanged code."""
    return next((r.commit for r in brief.history if r.is_baseline), brief.parent)


class Places:
    """Each constant's place in its range; what has left the range stands at its end."""

    def __init__(self, constants: Sequence[Constant], names: Sequence[str]) -> None:
        self.constants, self.names = constants, names
        self.known: dict[tuple[str, Value], float] = {}  # most experiments share most values

    def __call__(self, code: KnownCode) -> list[float]:
        return [
            self.find(constant, name, code.settings[name])
            for constant, name in zip(self.constants, self.names, strict=True)
        ]

    def find(self, constant: Constant, name: str, value: Value) -> float:
        if (share := self.known.get((name, value))) is None:
            if constant.kind == "choice" and value not in constant.choices:
                share = to_unit(constant, constant.value)
            else:
                share = to_unit(constant, value)
            self.known[name, value] = share
        return share


def known_values(history: Sequence[Record], sign: float) -> dict[str, float]:
    """The value of every commit that has one, by its newest estimate; lower is better."""
    return {
        r.commit: sign * (r.value if r.estimate is None else r.estimate)
        for r in history
        if r.value is not None
    }


def noise_of(history: Sequence[Record]) -> float:
    """The standard deviation of a run; where nothing ran twice, a thousandth of the value."""
    noise = pool_noise([record.values for record in history])
    if noise.sigma > 0:
        return noise.sigma
    values = [abs(record.value) for record in history if record.value is not None]
    return 1e-3 * fmean(values) if values and fmean(values) > 0 else 1e-3


def guessed_loss(record: Record, sigma: float) -> float:
    """By how much a run without a value was worse: its curve says so, or it crashed."""
    if record.stopped_behind is None:
        return 8 * sigma
    return max(3 * sigma, min(30 * sigma, SHOWN_LOSS * record.stopped_behind))


def believed_scale(seen: Observed) -> float:
    """How much a step of one constant is believed to move the score: about three deviations of the
    noise, as recorded nights have it."""
    return 3 * math.sqrt(float(np.min(seen.variances[seen.structures != TAUGHT])))


# ---------------------------------------------------------------- where to go


def draw_points(
    grids: Sequence[Array],
    curves: Sequence[tuple[Array, Any]],
    here: Array,
    generator: np.random.Generator,
) -> Array:
    """Points around the best: for each draw of all curves, the first as they are expected, the
    constants that gain most by it move to their best places, several together."""
    points = []
    for number in range(DRAWS):
        moves, gains = [], []
        for grid, (mean, root) in zip(grids, curves, strict=True):
            drawn = mean + root @ generator.standard_normal(len(grid)) if number else mean
            best = int(np.argmin(drawn))
            moves.append(grid[best])
            gains.append(drawn[0] - drawn[best])
        order = np.argsort(gains)[::-1]
        for count in TOGETHER:
            point = here.copy()
            for place in order[:count]:
                point[place] = moves[place]
            points.append(point)
    return np.array([point for point in points if not np.array_equal(point, here)] or [here])


def step_of(constant: Constant) -> float:
    """The share of its range that is one step: to the next choice, a doubling, or STEP."""
    if constant.kind == "choice":
        return max(STEP, 1 / (len(constant.choices) - 1))
    if constant.kind == "power":
        doubled = 2 * max(constant.low, 0.5)
        return max(STEP, to_unit(constant, min(doubled, constant.high)))
    return max(STEP, 1 / (constant.high - constant.low)) if constant.kind == "integer" else STEP


def grid_of(constant: Constant, share: float) -> Array:
    """Where a constant may go in one step; its present place comes first."""
    if constant.kind == "choice":
        steps = np.linspace(0, 1, len(constant.choices))
    else:
        steps = np.linspace(max(0.0, share - REACH), min(1.0, share + REACH), GRID)
        steps = steps[np.abs(steps - share) > 1e-9]
    return np.concatenate([[share], steps])


def factor_curve(model: Surrogate, place: int, grid: Array) -> tuple[Array, Any]:
    """A curve's mean on a grid, and a square root of its covariance."""
    mean, covariance = model.curve(place, grid)
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    return mean, vectors * np.sqrt(np.maximum(values, 0))


def expected_improvement(mean: Array, spread: Array) -> Array:
    """Of a gain that is normal."""
    z = mean / spread
    density = np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    below = np.array([0.5 * math.erfc(-x / math.sqrt(2)) for x in z])
    improvement: Array = mean * below + spread * density
    return improvement
