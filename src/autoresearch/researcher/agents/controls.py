"""The controls beside the search agent, as an honest comparison needs them: random search and
CMA-ES over all constants at once.

Both move every constant of every edit, as the published comparisons on this task do (random
search and CMA-ES over all settings; arXiv 2603.24647). CMA-ES is the library `cmaes`; it is told
the branch's history anew for every proposal, so it forgets nothing when killed. Leaves to others:
scales of constants (search_space), writing them (search).
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from typing import Any

from autoresearch.researcher.agents.base import Brief, NothingLeft, Pending
from autoresearch.researcher.agents.constants import Constant
from autoresearch.researcher.agents.search_space import Key, ValueChoice, from_unit, to_unit
from autoresearch.researcher.judging.values import Record

SPREAD = 0.2  # of each range: the first standard deviation of CMA-ES
Point = tuple[float, ...]


def choose_uniformly(
    constants: Mapping[Key, Constant], brief: Brief, chance: random.Random, attempt: int
) -> ValueChoice:
    """Every constant drawn from its whole range, on its own scale."""
    del brief, attempt
    return ValueChoice({key: from_unit(one, chance.random()) for key, one in constants.items()})


def choose_by_cmaes(
    constants: Mapping[Key, Constant], brief: Brief, chance: random.Random, attempt: int
) -> ValueChoice:
    """The next point of CMA-ES, which starts at the unchanged code. Choices without an order stay
    as they are."""
    del chance
    keys = sorted(key for key, one in constants.items() if one.kind != "choice")
    if len(keys) < 2:
        raise NothingLeft("CMA-ES needs two constants that are numbers; take --agent search")
    names = [":".join(key) for key in keys]
    told = [one for one in brief.history if read_point(one, names)]
    start = read_start(told, len(keys)) or tuple(
        to_unit(constants[key], constants[key].value) for key in keys
    )
    size = 4 + int(3 * math.log(len(keys)))
    ours = [one for one in brief.pending if read_point(one, names)]
    generation, place = divmod(len(told), size)
    place += len(ours) + attempt
    optimizer = replay_generations(start, told[: generation * size], names, size, brief)
    point = [optimizer.ask() for _ in range(place + 1)][-1]
    shares = [round(float(share), 4) for share in point]
    values = {
        key: from_unit(constants[key], share, 3) for key, share in zip(keys, shares, strict=True)
    }
    return ValueChoice(
        values, {"start": list(start), "point": dict(zip(names, shares, strict=True))}
    )


def replay_generations(
    start: Sequence[float], told: Sequence[Record], names: Sequence[str], size: int, brief: Brief
) -> Any:
    """CMA-ES after whole generations of experiments, about to draw the next one."""
    import numpy as np
    from cmaes import CMA

    bounds = np.array([[0.0, 1.0]] * len(names))
    seed = random.Random(f"{brief.seed}/{len(told)}").randrange(2**31)
    optimizer = CMA(np.array(start), SPREAD, bounds, seed=seed, population_size=size)
    for first in range(0, len(told), size):
        group = sorted(told[first : first + size], key=lambda one: rank_key(one, brief.direction))
        # only the order counts for CMA-ES, and that is all that a run without a value has
        optimizer.tell([(np.array(read_point(one, names)), i) for i, one in enumerate(group)])
    return optimizer


def rank_key(record: Record, direction: str) -> tuple[float, ...]:
    """Sorts experiments best first: by value, then those stopped early (late ones first), then
    crashes."""
    if record.value is not None:
        return (0, record.value if direction == "min" else -record.value)
    if record.stopped_at is not None and record.stopped_behind is not None:
        return (1, -record.stopped_at, record.stopped_behind)
    return (2,)


def read_point(one: Record | Pending, names: Sequence[str]) -> Point:
    """Where CMA-ES drew an experiment; empty for other agents' and for other constants."""
    point = one.proposal.get("point")
    if not isinstance(point, Mapping) or set(point) != set(names):
        return ()
    return as_point([point[name] for name in names], len(names))


def read_start(told: Sequence[Record], size: int) -> Point:
    """Where the first experiment says that CMA-ES began; empty where there is none."""
    return as_point(told[0].proposal.get("start"), size) if told else ()


def as_point(values: object, size: int) -> Point:
    """The values as a point of the unit cube; empty where they are none."""
    if not isinstance(values, list | tuple) or len(values) != size:
        return ()
    inside = (isinstance(value, float | int) and 0 <= value <= 1 for value in values)
    return tuple(values) if all(inside) else ()
