"""The agent that needs no model and no network: tunes the constants of the free file, one or two
at a time.

Optuna's TPE proposes values; it is told the branch's history anew for every proposal (gain over
the parent, in units of the noise), so it forgets nothing when killed. A value jumps at most to a
factor of three of the present one, is rounded as a person would, and the same edit is never tried
twice on the same parent. Leaves to others: finding and writing constants (`constants`), running,
judging.
"""

from __future__ import annotations

import dataclasses
import math
import random
import warnings
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from statistics import pstdev
from typing import Any

from autoresearch.researcher.agents.base import AgentFailed, Brief, Edit, NothingLeft, Pending
from autoresearch.researcher.agents.constants import (
    Constant,
    Value,
    find_constants,
    replace_values,
    show_value,
)
from autoresearch.researcher.judging.values import Record

STARTUP_TRIALS = 8  # proposals before TPE trusts what it learned
TRIES = 200
TWO_AT_ONCE = 0.3
JUMP = 3.0  # at most this factor (or this share of a range, below) away from the present value
SHARE = 0.3
Key = tuple[str, str]  # file, constant


class SearchAgent:
    name = "search"

    def edit(self, worktree: Path, brief: Brief) -> Edit:
        """Change one or two constants of the free Python files."""
        sources = read_sources(worktree, brief.free)
        constants = read_constants(sources)
        if not constants:
            raise NothingLeft(
                f"{', '.join(brief.free)} has no constants to tune: names in capitals "
                "with a literal value"
            )
        chosen, texts = propose_values(constants, sources, brief)
        for file, text in texts.items():
            (worktree / file).write_bytes(text.encode("utf-8"))
        old = {key: constants[key].value for key in chosen}
        message = ", ".join(
            f"{constants[k].label} {show_value(old[k])} → {show_value(v)}"
            for k, v in sorted(chosen.items())
        )
        edit = {":".join(k): [old[k], v] for k, v in sorted(chosen.items())}
        return Edit(
            message, {"edit": edit, "from": hash_sources(sources), "source": hash_sources(texts)}
        )


def read_sources(worktree: Path, free: Sequence[str]) -> dict[str, str]:
    """The free Python files, by path. Bytes are kept as they are, line ends too."""
    files = sorted(
        {p for pattern in free for p in worktree.glob(pattern) if p.suffix == ".py" and p.is_file()}
    )
    return {
        file.relative_to(worktree).as_posix(): file.read_bytes().decode("utf-8") for file in files
    }


def read_constants(sources: Mapping[str, str]) -> dict[Key, Constant]:
    """The constants of all files."""
    return {(file, c.name): c for file, text in sources.items() for c in find_constants(text)}


def hash_sources(sources: Mapping[str, str]) -> str:
    return sha256(
        "\0".join(f"{file}\0{text}" for file, text in sorted(sources.items())).encode()
    ).hexdigest()[:16]


def propose_values(
    constants: Mapping[Key, Constant], sources: Mapping[str, str], brief: Brief
) -> tuple[dict[Key, Value], dict[str, str]]:
    """New values for one or two constants, and the sources with them, that were not tried before.
    NothingLeft after many tries."""
    chance = random.Random(f"{brief.seed}/{brief.number}/{brief.parent}")
    known: list[Record | Pending] = [*brief.history, *brief.pending]
    tried = edits_on(brief.parent, known)
    seen = {one.proposal.get(which) for one in known for which in ("from", "source")}
    weights = weigh_constants(constants, brief.history)
    for attempt in range(TRIES):
        study = new_study(chance.randrange(2**31))
        tell_study(study, constants, brief)
        count = 2 if len(constants) > 1 and chance.random() < TWO_AT_ONCE else 1
        names = pick_constants(weights, count, chance)
        trial = study.ask({":".join(key): make_distribution(constants[key]) for key in names})
        chosen = {
            key: round_proposal(constants[key], trial.params[":".join(key)], attempt)
            for key in names
        }
        chosen = {key: value for key, value in chosen.items() if value != constants[key].value}
        if not chosen or frozenset((":".join(k), v) for k, v in chosen.items()) in tried:
            continue
        texts = {
            file: replace_values(text, {k[1]: v for k, v in chosen.items() if k[0] == file})
            for file, text in sources.items()
        }
        if hash_sources(texts) not in seen:
            return chosen, texts
    raise NothingLeft(f"{TRIES} proposals in a row were tried before on commit {brief.parent[:7]}")


def edits_of(record: Record | Pending) -> dict[str, tuple[Value, Value]]:
    """What a record's proposal changed: constant to (old, new); empty for other agents' records."""
    edit = record.proposal.get("edit")
    return {name: (old, new) for name, (old, new) in edit.items()} if isinstance(edit, dict) else {}


def edits_on(parent: str, history: Iterable[Record | Pending]) -> set[frozenset[tuple[str, Value]]]:
    return {
        frozenset((name, new) for name, (_, new) in edits_of(record).items())
        for record in history
        if record.parent == parent
    }


def weigh_constants(
    constants: Mapping[Key, Constant], history: Sequence[Record]
) -> dict[Key, float]:
    """How likely each constant is to be picked: what was tried often and never helped becomes
    rare."""
    tries: dict[str, int] = {}
    kept: dict[str, int] = {}
    for record in history:
        for name in edits_of(record):
            tries[name] = tries.get(name, 0) + 1
            kept[name] = kept.get(name, 0) + (record.status == "keep")
    return {
        key: (2.0 if constant.stated else 1.0)
        * (1 + 2 * kept.get(":".join(key), 0))
        / (1 + tries.get(":".join(key), 0))
        for key, constant in constants.items()
    }


def pick_constants(weights: Mapping[Key, float], count: int, chance: random.Random) -> list[Key]:
    left = dict(weights)
    picked = []
    for _ in range(count):
        key = chance.choices(list(left), list(left.values()))[0]
        picked.append(key)
        del left[key]
    return picked


# ---------------------------------------------------------------- Optuna


def new_study(seed: int) -> Any:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        # what others are trying now counts as a bad value until it has one, so that slots spread
        # out
        sampler = optuna.samplers.TPESampler(
            seed=seed, n_startup_trials=STARTUP_TRIALS, constant_liar=True
        )
    return optuna.create_study(sampler=sampler)


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


def tell_study(study: Any, constants: Mapping[Key, Constant], brief: Brief) -> None:
    """Tell the study every experiment that changed constants of ours; a crash is told as a
    failure, an open one as running."""
    import optuna

    states = optuna.trial.TrialState
    named = {":".join(key): constant for key, constant in constants.items()}
    values = {record.commit: record.value for record in brief.history}
    gains = [
        g
        for g in (measure_gain(r, values, brief.direction) for r in brief.history)
        if g is not None
    ]
    scale = pstdev(gains) if len(gains) > 1 and pstdev(gains) > 0 else 1.0
    known: list[Record | Pending] = [*brief.history, *brief.pending]
    for one in known:
        edit = {name: new for name, (_, new) in edits_of(one).items() if name in named}
        if not edit:
            continue
        won = None if isinstance(one, Pending) else measure_gain(one, values, brief.direction)
        state = (
            states.RUNNING
            if isinstance(one, Pending)
            else states.FAIL
            if won is None
            else states.COMPLETE
        )
        try:
            trial = optuna.trial.create_trial(
                params={name: scale_value(named[name], new) for name, new in edit.items()},
                distributions={name: make_distribution(named[name]) for name in edit},
                value=None if won is None else -won / scale,
                state=state,
            )
        except ValueError:  # the range in the comment has changed since
            continue
        study.add_trial(trial)


def measure_gain(
    record: Record, values: Mapping[str, float | None], direction: str
) -> float | None:
    """By how much a record is better than its parent; None for a crash or an unknown parent."""
    before = values.get(record.parent)
    if record.is_baseline or record.value is None or before is None:
        return None
    return before - record.value if direction == "min" else record.value - before


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
    if (
        near != proposed
    ):  # half of the allowed way, so that far proposals do not all land on the same edge
        near = (
            math.sqrt(near * constant.value)
            if constant.kind == "log"
            else (near + constant.value) / 2
        )
    rounded = (
        near if constant.kind == "integer" else float(f"{near:.{1 + attempt // 20}e}")
    )  # two digits, as people write
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
