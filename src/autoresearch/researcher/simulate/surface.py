"""The score of settings that nobody recorded, from those that somebody did.

A Gaussian process over the gain on the unchanged code: rough curves of single constants, a rough
rest over all, and a loss that grows with the square of the distance. It is another kind of model
than the one that the joint agent has, so that none plays on its own ground. A loss so large that
nobody would keep it counts as its logarithm, or a few of them would bend all. The form is chosen by
left-out settings, and how wrong it is on held-out ones is told. Leaves to others: reading tables
(table), nights (searching).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from autoresearch.errors import BadInput
from autoresearch.researcher.agents.constants import Constant
from autoresearch.researcher.agents.search_space import Key, to_unit
from autoresearch.researcher.simulate.landscape import FEWEST, Landscape
from autoresearch.researcher.simulate.table import (
    DEEP,
    RecordedVariant,
    gain_error,
    measure_gain,
)

Array = np.ndarray[Any, Any]
FOLDS = 5
JOINT_LENGTH = 4.0  # lengths of one constant, summed over all, over which the rest bends
BLIND = 0.8  # of the spread: with a larger error a surface tells hardly anything
JITTER = 1e-9


@dataclass(frozen=True)
class KernelForm:
    """`scale`: a constant's curve, in deviations of the noise; `length`: of a range, over which it
    bends; `rest`: variance of what constants do together, in curves."""

    scale: float
    length: float
    rest: float


FORMS = tuple(
    KernelForm(*one)
    for one in product((1.0, 3.0, 10.0, 30.0), (0.3, 1.0, 3.0), (0.0, 0.5, 2.0, 8.0))
)


@dataclass(frozen=True)
class KnownGains:
    """Recorded settings: points (n, d) of the unit cube, gains (n,) over the origin's (d,), the
    variances (n,) of what luck adds to them. `sigma`: of one run."""

    points: Array
    gains: Array
    variances: Array
    origin: Array
    sigma: float

    def select(self, inside: Array) -> KnownGains:
        return KnownGains(
            self.points[inside],
            self.gains[inside],
            self.variances[inside],
            self.origin,
            self.sigma,
        )

    def covariance(self, form: KernelForm, a: Array, b: Array) -> Array:
        """Of the gains of two sets of points. The origin's own gain is none, and known."""
        start = self.origin[None]
        centred = (
            likeness(form, a, b)
            - likeness(form, a, start)
            - likeness(form, start, b)
            + likeness(form, start, start)
        )
        far = np.outer(square_distance(a, start), square_distance(b, start))
        covariance: Array = (form.scale * self.sigma) ** 2 * (centred + far)
        return covariance

    def precision(self, form: KernelForm) -> Array:
        noise = np.diag(self.variances + JITTER * self.sigma**2)
        inverse: Array = np.linalg.inv(self.covariance(form, self.points, self.points) + noise)
        return inverse

    def predict(self, form: KernelForm, points: Array) -> Array:
        across = self.covariance(form, points, self.points)
        predicted: Array = across @ (self.precision(form) @ self.gains)
        return predicted

    def choose_form(self) -> KernelForm:
        """The one that tells each setting best from all others."""
        return min(FORMS, key=self.leave_one_out)

    def leave_one_out(self, form: KernelForm) -> float:
        """The mean square of what each setting is off the guess from all others."""
        precision = self.precision(form)
        return float(np.mean((precision @ self.gains / np.diag(precision)) ** 2))


def likeness(form: KernelForm, a: Array, b: Array) -> Array:
    """How much two sets of points have in common, constant by constant and together."""
    apart = np.abs(a[:, None, :] - b[None, :, :])
    alone = np.exp(-apart / form.length).sum(-1)
    together = np.exp(-apart.sum(-1) / (JOINT_LENGTH * form.length))
    alike: Array = alone + form.rest * together
    return alike


def square_distance(points: Array, start: Array) -> Array:
    distance: Array = ((points - start) ** 2).sum(-1)
    return distance


@dataclass(frozen=True)
class Surface:
    """The gain of every setting. `error` and `spread`: how far held-out settings were off, and
    what they would be off if all were guessed alike."""

    constants: Mapping[Key, Constant]
    keys: tuple[Key, ...]
    known: KnownGains
    form: KernelForm
    weights: Array
    error: float
    spread: float

    def gain(self, point: Sequence[float]) -> float:
        """Over the unchanged setting."""
        here = np.array(point, float)[None]
        return float(self.known.covariance(self.form, here, self.known.points)[0] @ self.weights)

    @property
    def about(self) -> str:
        blind = self.error > BLIND * self.spread
        return (
            f"surface from {len(self.known.gains)} recorded settings: held-out ones are off by "
            f"{self.error:.4f}; all guessed alike they would be off by {self.spread:.4f}"
            f"{': too few settings to compare agents by' if blind else ''}"
        )


def fit_surface(
    variants: Sequence[RecordedVariant], constants: Mapping[Key, Constant], land: Landscape
) -> Surface:
    """`constants`: of the unchanged code; `land`: with the noise of the table."""
    unchanged = variants[0]
    settings = [one for one in variants if one.settings and not one.idea]
    if len(settings) < FEWEST:
        raise BadInput(
            f"this table holds {len(settings)} recorded settings of constants on {land.name}; "
            f"{FEWEST} are the fewest to tell others from"
        )
    keys = tuple(sorted(constants))
    known = KnownGains(
        np.array([place_settings(one, constants, keys) for one in settings]),
        np.array([flatten(measure_gain(one, unchanged)) for one in settings]),
        np.array([gain_error(one, unchanged, land.sigma, land.shared) ** 2 for one in settings]),
        np.array(place_settings(unchanged, constants, keys)),
        land.sigma,
    )
    form = known.choose_form()
    weights = known.precision(form) @ known.gains
    return Surface(constants, keys, known, form, weights, *measure_error(known))


def flatten(gain: float) -> float:
    return gain if gain > 0 else -DEEP * math.log1p(-gain / DEEP)


def place_settings(
    variant: RecordedVariant, constants: Mapping[Key, Constant], keys: Sequence[Key]
) -> list[float]:
    """Where a variant lies in the unit cube."""
    names = {name for _, name in keys}
    if strange := variant.settings.keys() - names:
        raise BadInput(f"this table changes {sorted(strange)[0]}, no constant of its train.py")
    return [
        to_unit(constants[key], variant.settings.get(key[1], constants[key].value)) for key in keys
    ]


def measure_error(known: KnownGains) -> tuple[float, float]:
    """Of settings that neither the guess nor its form knew: by how much they were off, and their
    spread around the mean of the others."""
    fold = np.arange(len(known.gains)) % FOLDS
    off, alike = [], []
    for number in range(FOLDS):
        rest, held = known.select(fold != number), known.select(fold == number)
        off.append(held.gains - rest.predict(rest.choose_form(), held.points))
        alike.append(held.gains - rest.gains.mean())
    return tuple(math.sqrt(float(np.mean(np.concatenate(x) ** 2))) for x in (off, alike))  # type: ignore[return-value]
