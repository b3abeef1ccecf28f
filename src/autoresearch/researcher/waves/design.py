"""Which ideas each run of a wave holds, so that every run says something of every idea.

A two-level factorial design: the columns of a Hadamard matrix (scipy's), half of the ideas in each
run, every two ideas apart in half of the runs. So n runs tell each of n - 1 ideas to 2 sigma / √n,
where one at a time would need n times as many (Plackett and Burman 1946; Box, Hunter and Hunter,
chapters 5 and 6). The first run holds none: it is the incumbent. Of ideas that exclude each other
a run holds one, drawn anew for each. Leaves to others: which ideas apply together (driving), the
effects (estimate).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from itertools import combinations

from scipy.linalg import hadamard

Row = tuple[bool, ...]  # which ideas are in
Apart = Collection[tuple[int, int]]  # ideas that exclude each other, the smaller number first


def choose_rows(ideas: int, apart: Apart, seed: int | str) -> tuple[Row, ...]:
    """As many runs as the next power of two above the number of ideas."""
    chance = random.Random(seed)
    runs = count_runs(ideas)
    columns = chance.sample(range(1, runs), ideas)
    signs = hadamard(runs)[:, columns]
    return tuple(part(tuple(bool(sign < 0) for sign in row), apart, chance) for row in signs)


def count_runs(ideas: int) -> int:
    """A power of two, for which the design is known; more than there are ideas."""
    return 1 << ideas.bit_length()


def part(row: Row, apart: Apart, chance: random.Random) -> Row:
    """A row without one of any two ideas that exclude each other."""
    inside = [i for i, is_in in enumerate(row) if is_in]
    chance.shuffle(inside)
    chosen: set[int] = set()
    for i in inside:
        if not any((min(i, j), max(i, j)) in apart for j in chosen):
            chosen.add(i)
    return tuple(i in chosen for i in range(len(row)))


def find_apart(ideas: int, fits: Callable[[Row], bool]) -> frozenset[tuple[int, int]]:
    """The pairs of ideas that do not apply together. `fits`: whether all ideas of a row do."""
    pairs = combinations(range(ideas), 2)
    return frozenset(pair for pair in pairs if not fits(tuple(i in pair for i in range(ideas))))
