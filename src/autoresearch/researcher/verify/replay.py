"""Decides a reported result by repeating its very run: same commit, batches, progress and threads.

Equal weights can be no chance, so one run decides, for or against. Where bits may differ honestly
(another processor, code that races) nobody is accused: the caller falls back to runs with other
seeds. The record is a stranger's; what it could gain by lying is bounded by how fast this machine
is. Leaves to others: reading records (run_record), the statistical way (verifier).
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from typing import Literal

from autoresearch.researcher.judging.values import Measurement
from autoresearch.researcher.run_record import RunRecord, describe_processor

ROUNDING = 1e-6  # results have six decimals
# weights that differ, on a like machine, and a score so near: rounding in another order. Beyond
# it a second replay here says whether this code repeats itself at all.
BOUND = 0.0004
# a machine of one class is as fast as another; so much may be other work on ours
SPEED_FACTOR = 4.0
SAME_VERSIONS = ("torch", "numpy", "machine")

Outcome = Literal["replayed", "differs", "again", "cannot"]


@dataclass(frozen=True)
class Replay:
    """One repetition: what it measured, the hash of its weights, and its seconds of training
    proper, on this machine's own clock."""

    run: Measurement
    weights_sha256: str
    seconds: float


@dataclass(frozen=True)
class ReplayFinding:
    """`again`: nothing is decided before a second replay. `cannot`: nor by one; `reason` says
    why."""

    outcome: Outcome
    reason: str = ""


def find_obstacle(record: RunRecord, track: str, versions: Mapping[str, str]) -> str:
    """Why this machine cannot repeat a run, or ""; `versions` are those of a run of ours."""
    stream = record.stream
    if stream.track != track:
        return f"it ran on track {stream.track}, not {track}"
    if stream.device != "cpu":
        return f"runs on {stream.device} are not equal to the bit"
    names = [name for name in SAME_VERSIONS if stream.versions.get(name) != versions.get(name)]
    return ", ".join(
        f"{name} is {versions.get(name, 'not known')} here and was "
        f"{stream.versions.get(name, 'not named')} there"
        for name in names
    )


def find_contradiction(claimed: float, record: RunRecord, direction: str) -> str:
    """Why a claim and its own record cannot both be true, or "": no run needs to show it."""
    if worse_by(record.score, claimed, direction) <= ROUNDING:
        return ""
    return f"its own record scored {record.score:.6f}, claimed {claimed:.6f}"


def judge_replay(
    claimed: float, record: RunRecord, replays: tuple[Replay, ...], direction: str = "min"
) -> ReplayFinding:
    """What one or two replays of a record say of a claim."""
    first = replays[0]
    if first.run.value is None:
        return ReplayFinding("cannot", f"the replay came to no number: {first.run.reason}")
    if reason := find_implausible_speed(record, first.seconds):
        return ReplayFinding("cannot", reason)
    worse = worse_by(first.run.value, claimed, direction)
    figures = f"measured {first.run.value:.6f} in a replay, claimed {claimed:.6f}"
    if first.weights_sha256 == record.weights_sha256:
        if worse <= ROUNDING:
            return ReplayFinding("replayed")
        return ReplayFinding("differs", f"equal weights, {figures}")
    if record.processor != describe_processor():
        return ReplayFinding("cannot", "other weights, on another processor or C library")
    if worse <= BOUND:
        return ReplayFinding("replayed", f"weights differ, the score by less than {BOUND:g}")
    if len(replays) == 1:
        return ReplayFinding("again")
    if replays[1].weights_sha256 == first.weights_sha256:
        return ReplayFinding("differs", f"other weights, {figures}")
    return ReplayFinding("cannot", "two replays here differ as well: this code does not repeat")


def find_implausible_speed(record: RunRecord, seconds: float) -> str:
    """Why nobody on such a machine hands out so many batches in the budget, or ""."""
    tokens = record.stream.tokens
    theirs = tokens / record.stream.budget_s
    ours = tokens / max(seconds, 1e-9)
    if theirs <= SPEED_FACTOR * ours:
        return ""
    return f"implausibly fast: {theirs:,.0f} tokens/s in its record, {ours:,.0f} here"


def worse_by(value: float, claimed: float, direction: str) -> float:
    return value - claimed if direction == "min" else claimed - value


def read_own_versions() -> dict[str, str]:
    """What the feeder names of the Python that runs use here."""
    found = {"machine": platform.machine()}
    for name in ("torch", "numpy"):
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
