"""What earlier runs have taught about one train.py, as a belief to begin a night with: what moving
each constant alone brings, and each idea.

`learnt.json` comes from real runs that held many moves at once (bench/screen_moves.py); a recorded
table teaches as well (bench/learn.py). It says something of code whose constants are those of then
but for a few that moved since; of a GPU's scale, or of anybody's own project, it says nothing. It
is where a search begins, not what it believes in the end. Leaves to others: the model (surrogate),
proposals (joint, idea_agent).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from importlib.abc import Traversable

import msgspec

from autoresearch.errors import BadInput
from autoresearch.researcher.agents.constants import Constant, Value

NAME = "learnt.json"
SAME = 0.6  # share of the constants that must have their recorded value: a night moves some


class LearntConstant(msgspec.Struct, frozen=True, kw_only=True):
    """`losses` against the unchanged `value`, in the metric, at `places` of its range (0 to 1);
    `errors`: the standard error of each, where it is known."""

    value: Value
    low: float
    high: float
    places: list[float]
    losses: list[float]
    errors: list[float] = []

    def __post_init__(self) -> None:
        is_rising = all(a < b for a, b in zip(self.places, self.places[1:], strict=False))
        if not self.places or len(self.places) != len(self.losses) or not is_rising:
            raise ValueError("places must rise, and each needs its loss")
        if self.errors and len(self.errors) != len(self.losses):
            raise ValueError("each loss needs its error, or none has one")

    def knows(self, constant: Constant) -> bool:
        """Whether it means this constant."""
        return (self.low, self.high) == (constant.low, constant.high)


class Learnt(msgspec.Struct, frozen=True, kw_only=True):
    """`about`: where from. `ideas`: gain of each recorded one."""

    about: str = ""
    metric: str = "val_bpb"
    constants: dict[str, LearntConstant] = {}
    ideas: dict[str, float] = {}

    def says(self, constants: Mapping[str, Constant], metric: str) -> bool:
        """Whether it was learnt on such code."""
        known = [(one, constants.get(name)) for name, one in self.constants.items()]
        same = sum(one.value == other.value for one, other in known if other is not None)
        return bool(known) and metric == self.metric and same >= SAME * len(known)


NOTHING = Learnt()


@lru_cache(maxsize=1)
def read_learnt() -> Learnt:
    """What comes with the program; nothing where that is missing."""
    file = resources.files(__package__).joinpath(NAME)
    return parse_learnt(file) if file.is_file() else NOTHING


def parse_learnt(file: Traversable) -> Learnt:
    """Of a file. BadInput says what is wrong with it."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=Learnt)
    except (OSError, msgspec.MsgspecError) as error:
        raise BadInput(f"{file} is no file of what was learnt: {error}") from error
