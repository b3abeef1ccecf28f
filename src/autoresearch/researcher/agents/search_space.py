"""Constants as a search sees them: scales, steps that a person would take, edits in the ledger.

Leaves to others: which value to try (search, controls), finding and writing constants
(constants).
"""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from autoresearch.researcher.agents.base import AgentFailed, Brief, Pending
from autoresearch.researcher.agents.constants import Constant, Value
from autoresearch.researcher.judging.values import Record

JUMP = 3.0  # at most this factor (or this share of a range, below) away from the present value
SHARE = 0.3
Key = tuple[str, str]  # file, constant


class ValueChoice(NamedTuple):
    """Values to write, and what the method wants to find again in `Record.proposal`."""

    values: dict[Key, Value]
    notes: Mapping[str, object] = {}


Chooser = Callable[[Mapping[Key, Constant], Brief, random.Random, int], ValueChoice]


def edits_of(record: Record | Pending) -> dict[str, tuple[Value, Value]]:
    """What a record's proposal changed: constant to (old, new); empty for other agents' records."""
    edit = record.proposal.get("edit")
    return {name: (old, new) for name, (old, new) in edit.items()} if isinstance(edit, dict) else {}


def measure_gain(
    record: Record, values: Mapping[str, float | None], direction: str
) -> float | None:
    """By how much a record is better than its parent; None for a crash or an unknown parent."""
    before = values.get(record.parent)
    if record.is_baseline or record.value is None or before is None:
        return None
    return before - record.value if direction == "min" else record.value - before


def make_distribution(constant: Constant) -> Any:
    """Optuna's picture of a constant's range. Powers of two are searched by their exponent, -1
    standing for 0."""
    import optuna

    d = optuna.distributions
    if constant.kind == "choice":
        return d.CategoricalDistribution(constant.choices)
    if constant.kind == "power":
        return d.IntDistribution(
            power_exponent(constant.low), int(math.log2(max(constant.high, 1)))
        )
    if constant.kind == "integer":
        return d.IntDistribution(math.ceil(constant.low), math.floor(constant.high))
    if constant.kind == "tail":
        return d.FloatDistribution(1 - constant.high, 1 - constant.low, log=True)
    return d.FloatDistribution(constant.low, constant.high, log=constant.kind == "log")


def power_exponent(value: float) -> int:
    return -1 if value < 1 else math.ceil(math.log2(value))


def scale_value(constant: Constant, value: Value) -> Value:
    """A value as `distribution` counts it."""
    if constant.kind == "power":
        return power_exponent(float(value))
    return 1 - float(value) if constant.kind == "tail" else value


def to_unit(constant: Constant, value: Value) -> float:
    """Where a value lies in its range, 0 to 1 on the constant's own scale (logarithms, exponents,
    the place among choices)."""
    if constant.kind == "choice":
        return constant.choices.index(value) / max(1, len(constant.choices) - 1)
    low, high = (bend(constant, bound) for bound in (constant.low, constant.high))
    return min(1.0, max(0.0, (bend(constant, float(value)) - low) / (high - low)))


def from_unit(constant: Constant, share: float, digits: int = 2) -> Value:
    """The value at a share of the range, rounded to as many digits as a person writes."""
    if constant.kind == "choice":
        return constant.choices[round(share * (len(constant.choices) - 1))]
    low, high = (bend(constant, bound) for bound in (constant.low, constant.high))
    bent = low + share * (high - low)
    if constant.kind == "power":
        return 0 if round(bent) < 0 else int(2 ** round(bent))
    if constant.kind == "tail":
        return round(1 - round_digits(math.exp(-bent), digits), 6)
    value = math.exp(bent) if constant.kind == "log" else bent
    bounded = min(max(round_digits(value, digits), constant.low), constant.high)
    return round(value) if isinstance(constant.value, int) else bounded


def bend(constant: Constant, value: float) -> float:
    """A value on the scale on which equal steps are equally large changes."""
    if constant.kind == "power":
        return float(power_exponent(value))
    if constant.kind == "tail":
        return -math.log(1 - value)
    return math.log(value) if constant.kind == "log" else value


def round_digits(value: float, digits: int) -> float:
    return float(f"{value:.{digits - 1}e}")


def round_proposal(constant: Constant, proposed: Value, attempt: int) -> Value:
    """A proposal as the value to write: near the present one, inside the range, rounded (finer
    after many tries)."""
    if constant.kind == "choice":
        return proposed
    if isinstance(proposed, str) or isinstance(constant.value, str):
        raise AgentFailed(f"{constant.name} has a text where a number was expected")
    if constant.kind == "power":
        return power_near(constant, int(proposed))
    if constant.kind == "tail":
        flipped = dataclasses.replace(
            constant,
            kind="log",
            value=1 - constant.value,
            low=1 - constant.high,
            high=1 - constant.low,
        )
        return round(1 - float(round_proposal(flipped, proposed, attempt)), 6)
    low, high = step_limits(constant)
    near = min(max(float(proposed), low), high)
    # half of the allowed way, so that far proposals do not all land on the same edge
    if near != proposed:
        near = (
            math.sqrt(near * constant.value)
            if constant.kind == "log"
            else (near + constant.value) / 2
        )
    # two digits, as people write
    rounded = near if constant.kind == "integer" else float(f"{near:.{1 + attempt // 20}e}")
    bounded = min(max(rounded, constant.low), constant.high)
    return round(bounded) if isinstance(constant.value, int) else bounded


def step_limits(constant: Constant) -> tuple[float, float]:
    """How far one step may go."""
    now = float(constant.value)
    if constant.kind == "log":
        return max(constant.low, now / JUMP), min(constant.high, now * JUMP)
    step = SHARE * (constant.high - constant.low)
    if constant.kind == "integer":
        step = min(max(step, 1.0), max(2.0, abs(now)))
    return max(constant.low, now - step), min(constant.high, now + step)


def power_near(constant: Constant, proposed: int) -> int:
    """A power of two at most two doublings away; 0 where the range begins there and the value is
    at its small end."""
    now = power_exponent(float(constant.value))
    chosen = min(max(proposed, now - 2), now + 2) if now >= 0 else proposed
    return 0 if chosen < 0 else int(2**chosen)
