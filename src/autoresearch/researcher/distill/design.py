"""Which combinations of edits to run, so that few runs tell every edit's effect.

Each pair of runs shares a fresh seed, and its two halves hold complementary edits: the seed's luck
cancels in their difference, and every pair says something of every edit. One edit at a time would
need as many times the runs as there are edits (fractional factorial designs with fold-over; Box,
Hunter and Hunter, Statistics for Experimenters, chapters 5 and 6). Where edits do not apply
without others, the pairs are chosen that tell most (D-optimal, greedily). Leaves to others: which
edits apply together (chain), the effects (effects).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np

Row = tuple[bool, ...]  # which edits are in
Pair = tuple[Row, Row]
POOL = 4  # pairs drawn for each that is chosen
RIDGE = 1e-3  # makes the first choices well defined


def choose_pairs(
    fit: Callable[[Row], Row], edits: int, count: int, seed: int | str
) -> tuple[Pair, ...]:
    """`count` pairs of rows. `fit` takes out of a row the edits that do not apply in it.

    The first pair is all edits against none: its difference is the whole night's."""
    chance = random.Random(seed)
    everything, nothing = (True,) * edits, (False,) * edits
    pool = [(fit(everything), nothing)]
    for _ in range(POOL * count):
        row = tuple(chance.random() < 0.5 for _ in range(edits))
        pool.append((fit(row), fit(tuple(not inside for inside in row))))
    useful = [pair for pair in dict.fromkeys(pool) if pair[0] != pair[1]]
    chosen, known = useful[:1], RIDGE * np.eye(edits)
    while useful and len(chosen) < count:
        known += np.outer(difference(chosen[-1]), difference(chosen[-1]))
        chosen.append(max(useful, key=lambda pair: worth_of(pair, known)))
    return tuple(chosen[:count])


def worth_of(pair: Pair, known: np.ndarray[Any, Any]) -> float:
    """By how much a pair would raise the determinant of what is known (matrix determinant
    lemma)."""
    step = difference(pair)
    return float(step @ np.linalg.solve(known, step))


def difference(pair: Pair) -> np.ndarray[Any, Any]:
    """+1 for each edit that only the first row holds, -1 for the second's; float64 (edits,)."""
    first, second = (np.asarray(row, dtype=float) for row in pair)
    step: np.ndarray[Any, Any] = first - second
    return step
