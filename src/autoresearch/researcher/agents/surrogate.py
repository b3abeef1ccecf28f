"""A model of the score over constants: a sum of one smooth curve a constant, and a smooth rest.

A Gaussian process with an additive kernel (Duvenaud and others 2011, arXiv 1112.4394). How much
each constant matters is a variance component, fitted by the MM algorithm (Zhou and others 2019,
J. Comput. Graph. Stat. 28:350) towards a common prior: so constants without effect fade, and a
hundred experiments can tell of forty constants. Numbers in, numbers out; lower is better. Leaves to
others: which experiments (settings), which values to try (joint).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
LENGTH = 0.35  # of a range: over which a constant's curve may bend
LEAN = 1.0  # believed loss of one step away from the unchanged code, in a curve's deviations
STEP = 0.3  # of a range, where a constant's own steps are no longer
REST_LENGTH = 1.2  # of the rest's, over all constants together
STEPS = 4  # of the MM algorithm
BELIEF = 1.0  # weight of the prior of each component, as of one observation
JITTER = 1e-8


@dataclass(frozen=True)
class Belief:
    """What is believed of each constant before any experiment: its loss against the unchanged code
    at `origin` (d,). `curves`: shares of the range and losses there, of constants (by their place)
    that earlier runs have taught; somebody chose the others with care. `steps` (d,): the share of
    a range that is one step."""

    origin: Array
    steps: Array
    curves: Mapping[int, tuple[Array, Array]] = field(default_factory=dict)

    def loss(self, place: int, shares: Array, scale: float) -> Array:
        """Of one constant at shares of its range. Beyond what was taught it grows as ever."""
        at = self.origin[place]
        known, losses = self.curves.get(place, (np.array([at]), np.zeros(1)))
        beyond = shares - np.clip(shares, known[0], known[-1])
        lean = scale * LEAN * (beyond / self.steps[place]) ** 2
        curve: Array = lean + np.interp(shares, known, losses) - np.interp(at, known, losses)
        return curve

    def total(self, points: Array, scale: float) -> Array:
        """(n,): of all constants at points (n, d)."""
        losses = [self.loss(place, points[:, place], scale) for place in range(points.shape[1])]
        summed: Array = np.sum(losses, axis=0)
        return summed


@dataclass(frozen=True)
class Observed:
    """Experiments: `points` (n, d) in the unit cube, `values` (n,), `variances` (n,) of their
    noise, `structures` (n,) numbers of the code beside the constants."""

    points: Array
    values: Array
    variances: Array
    structures: Array
    belief: Belief


def curve_kernel(a: Array, b: Array) -> Array:
    """(d, n, m): how alike each constant is in two sets of points."""
    return np.exp(-0.5 * ((a.T[:, :, None] - b.T[:, None, :]) / LENGTH) ** 2)


def rest_kernel(a: Array, b: Array) -> Array:
    """(n, m): how alike all constants together are."""
    squares = ((a[:, None, :] - b[None, :, :]) ** 2).sum(-1)
    alike: Array = np.exp(-0.5 * squares / REST_LENGTH**2)
    return alike


@dataclass(frozen=True)
class Surrogate:
    """A fitted model. `weights` (d + 2,): variance of each constant's curve, of the rest, and of
    the offset of a structure."""

    seen: Observed
    scale: float
    weights: Array
    centre: float
    inverse: Array
    alpha: Array

    @classmethod
    def fit(cls, seen: Observed, scale: float) -> Surrogate:
        """`scale`: the standard deviation of one constant's curve, as it is believed at first."""
        dims = seen.points.shape[1]
        same = (seen.structures[:, None] == seen.structures[None, :]).astype(float)
        kernels = np.concatenate(
            [
                curve_kernel(seen.points, seen.points),
                rest_kernel(seen.points, seen.points)[None],
                same[None],
            ]
        )
        prior = np.full(dims + 2, scale**2)
        prior[-1] *= 16
        weights, noise = prior.copy(), np.diag(seen.variances + JITTER * scale**2)
        lean = seen.belief.total(seen.points, scale)
        centre = float(np.median(seen.values - lean))
        residual = seen.values - lean - centre
        for _ in range(STEPS):
            inverse = np.linalg.inv(np.tensordot(weights, kernels, 1) + noise)
            alpha = inverse @ residual
            explained = kernels @ alpha @ alpha
            spent = kernels.reshape(len(kernels), -1) @ inverse.ravel()  # both are symmetric
            pull = BELIEF / np.maximum(weights, 1e-3 * prior)
            weights = weights * np.sqrt((explained + pull) / (spent + BELIEF / prior))
        inverse = np.linalg.inv(np.tensordot(weights, kernels, 1) + noise)
        return cls(seen, scale, weights, centre, inverse, inverse @ residual)

    def across(self, points: Array, structure: float) -> Array:
        """(n, m): covariance of what was seen with new points of one structure."""
        same = (self.seen.structures == structure).astype(float)[:, None]
        curves = np.tensordot(self.weights[:-2], curve_kernel(self.seen.points, points), 1)
        rest = self.weights[-2] * rest_kernel(self.seen.points, points)
        covariance: Array = curves + rest + self.weights[-1] * same
        return covariance

    def predict_gain(self, points: Array, origin: Array, structure: float) -> tuple[Array, Array]:
        """By how much each point is better than one origin: mean and standard deviation (m,). The
        two share what is not known, so the difference is known better than either."""
        every = np.vstack([origin[None], points])
        across = self.across(every, structure)
        mean = across.T @ self.alpha + self.seen.belief.total(every, self.scale)
        curves = np.tensordot(self.weights[:-2], curve_kernel(every, origin[None]), 1)[:, 0]
        with_origin = curves + self.weights[-2] * rest_kernel(every, origin[None])[:, 0]
        with_origin = with_origin + self.weights[-1]
        total = self.weights.sum()
        solved = self.inverse @ across
        spread = total - np.einsum("nm,nm->m", across, solved)
        shared = with_origin - across[:, 0] @ solved
        variance = spread[1:] + spread[0] - 2 * shared[1:]
        return mean[0] - mean[1:], np.sqrt(np.maximum(variance, 1e-18))

    def curve(self, place: int, shares: Array) -> tuple[Array, Array]:
        """One constant's curve at shares of its range: mean (m,) and covariance (m, m)."""
        here = self.seen.points[:, place]
        weight = self.weights[place]
        across = weight * np.exp(-0.5 * ((here[:, None] - shares[None, :]) / LENGTH) ** 2)
        prior = weight * np.exp(-0.5 * ((shares[:, None] - shares[None, :]) / LENGTH) ** 2)
        mean = across.T @ self.alpha + self.seen.belief.loss(place, shares, self.scale)
        return mean, prior - across.T @ self.inverse @ across
