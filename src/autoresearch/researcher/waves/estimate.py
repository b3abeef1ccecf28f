"""What each idea of a wave is worth, and which combination of them promises most.

Bayesian least squares: ideas and pairs of ideas have normal priors around nothing, whose widths the
runs themselves tell (the evidence, on a grid). So strong interactions are found where there are
some, and with few runs weak ones stay near nothing. A screen's own value of an idea is one more
observation. Each other machine is a block with a level of its own (Box, Hunter and Hunter, chapter
5): what it measures higher or lower throughout says nothing of any idea. Leaves to others: the runs (driving), the verdict on the combination (judging).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from autoresearch.researcher.waves.design import Apart, Row

Array = np.ndarray[Any, Any]
WIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)  # of effects, in units of a run's noise
BOUND = (0.0, 0.3, 1.0)  # of interactions, in units of that
LEVEL = 3.0  # width of another machine's level, in units of a run's noise
FLAT = 1e3  # width of the incumbent's own value: nothing is believed of it


@dataclass(frozen=True, eq=False)
class WaveEffects:
    """`gains` and `errors`: of each idea by itself, on the incumbent. `pairs[i, j]`: what two ideas
    add to that together."""

    gains: Array
    errors: Array
    pairs: Array

    def predict(self, row: Row) -> float:
        """The gain over the incumbent of a combination."""
        inside = np.asarray(row, dtype=float)
        return float(inside @ self.gains + inside @ self.pairs @ inside / 2)

    def steps(self, row: Row) -> Array:
        """What each idea would add by coming in, or by going out."""
        inside = np.asarray(row, dtype=float)
        found: Array = (1 - 2 * inside) * (self.gains + self.pairs @ inside)
        return found


def estimate_effects(
    rows: Sequence[Row],
    gains: Sequence[float],
    sigma: float,
    screened: Sequence[float | None] = (),
    screen_error: float = np.inf,
    run_by: Sequence[str] = (),
) -> WaveEffects:
    """`gains`: what each run came to, larger is better, from any zero. `sigma`: a run's noise
    within the wave. `screened`: each idea's gain in its screen, with that error. `run_by`: whose
    machine each run was on, empty for ours."""
    inside = np.asarray(rows, dtype=float)
    count, ideas = inside.shape
    others = sorted({name for name in run_by if name})
    blocks = np.array([[name == other for other in others] for name in run_by], dtype=float)
    parts = [np.ones((count, 1)), inside, pair_terms(inside), *([blocks] if others else [])]
    design = np.hstack(parts)
    measured = np.asarray(gains, dtype=float)
    measured = measured - measured.mean()
    noise = np.full(count, sigma)
    solo = [(i, gain) for i, gain in enumerate(screened) if gain is not None]
    if solo:
        extra = np.zeros((len(solo), design.shape[1]))
        extra[range(len(solo)), [1 + i for i, _ in solo]] = 1.0
        design = np.vstack([design, extra])
        measured = np.concatenate([measured, [gain for _, gain in solo]])
        noise = np.concatenate([noise, np.full(len(solo), screen_error)])
    design, measured = design / noise[:, None], measured / noise
    levels = np.full(len(others), LEVEL * sigma)
    priors = [
        np.concatenate([widths(ideas, w * sigma, w * b * sigma, sigma), levels])
        for w, b in product(WIDTHS, BOUND)
    ]
    best = max(priors, key=lambda prior: evidence(design, measured, prior))
    found, spread = solve(design, measured, best)
    pairs = np.zeros((ideas, ideas))
    pairs[np.triu_indices(ideas, 1)] = found[ideas + 1 : len(found) - len(others)]
    return WaveEffects(found[1 : ideas + 1], spread[1 : ideas + 1], pairs + pairs.T)


def pair_terms(inside: Array) -> Array:
    """A column for each two ideas: 1 where a run holds both."""
    left, right = np.triu_indices(inside.shape[1], 1)
    found: Array = inside[:, left] * inside[:, right]
    return found


def widths(ideas: int, effect: float, pair: float, sigma: float) -> Array:
    """Standard deviations of the prior: of the incumbent's value, effects, pairs."""
    parts = [1, ideas, ideas * (ideas - 1) // 2]
    return np.repeat([FLAT * sigma, effect, pair], parts)


def evidence(design: Array, measured: Array, prior: Array) -> float:
    """The logarithm of the probability of what was measured, but for a constant."""
    scaled = design * prior
    covariance = scaled @ scaled.T + np.eye(len(measured))
    _, size = np.linalg.slogdet(covariance)
    return -0.5 * float(size + measured @ np.linalg.solve(covariance, measured))


def solve(design: Array, measured: Array, prior: Array) -> tuple[Array, Array]:
    """Means and standard deviations after the runs."""
    scaled = design * prior
    covariance = scaled @ scaled.T + np.eye(len(measured))
    weights = np.linalg.solve(covariance, scaled).T
    means = prior * (weights @ measured)
    left = 1 - np.einsum("ij,ji->i", weights, scaled)
    return means, prior * np.sqrt(np.maximum(left, 0.0))


def choose_combination(effects: WaveEffects, apart: Apart) -> Row:
    """The combination that promises most of those that apply together: idea by idea, in or out,
    until nothing is gained; from nothing, and from each idea alone."""
    ideas = len(effects.gains)
    starts = [(False,) * ideas, *(tuple(i == j for j in range(ideas)) for i in range(ideas))]
    return max((climb(effects, apart, start) for start in starts), key=effects.predict)


def climb(effects: WaveEffects, apart: Apart, row: Row) -> Row:
    while True:
        steps = effects.steps(row)
        order = (int(i) for i in np.argsort(-steps) if steps[i] > 0)
        near = (tuple(inside != (i == at) for at, inside in enumerate(row)) for i in order)
        step = next((one for one in near if allows(one, apart)), None)
        if step is None:
            return row
        row = step


def allows(row: Row, apart: Apart) -> bool:
    return not any(row[i] and row[j] for i, j in apart)
