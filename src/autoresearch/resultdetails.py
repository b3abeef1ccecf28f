"""What stands beneath a result line and says more of its runs: lines `- name: value`, read out of
any post, and the curve as it is written. Pure.

Every detail is optional, and a claim like the line itself (docs/wire.md, "Details"). Reading is
liberal in units and strict in meaning: a number that cannot be trusted is left out. The work is
linear in the text, and bounded.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from autoresearch.models import ResultLine
from autoresearch.resultline import LINE_MAX, VALUE_MAX, find_lines

BENEATH_MAX = 100  # lines beneath a result that are looked at
RUNS_MAX, POINTS_MAX = 64, 50
DEFAULT_METRIC = "val_bpb"  # what a value is called where nobody says otherwise
_DETAIL = re.compile(r"[-*] ([a-z]+(?: [a-z]+)?): (.*)", re.ASCII)
_NUMBER = re.compile(r"\d{1,12}(?:\.\d{0,12})?(?:e[+-]?\d{1,2})?", re.ASCII | re.IGNORECASE)
# plain words of at most 40 characters, with a letter among them
_METRIC = re.compile(r"(?=[^a-zA-Z]*[a-zA-Z])[\w./%-](?:[\w./% -]{0,38}[\w./%-])?", re.ASCII)
_HEX = re.compile(r"[0-9a-f]{7,64}", re.ASCII)
Curve = tuple[tuple[float, float], ...]  # progress from 0 to 1, and the training loss there


@dataclass(frozen=True)
class ResultDetails:
    """What a post says of the runs behind one result; empty or None where it does not say."""

    values: tuple[float, ...] = ()  # one per run
    seeds: tuple[int, ...] = ()
    parent: str = ""  # the digits of a commit
    training_s: float | None = None
    total_s: float | None = None
    tokens_m: float | None = None  # millions
    steps: float | None = None
    mfu_percent: float | None = None
    curve: Curve = ()
    metric: str = ""  # what the values are called

    @property
    def spread(self) -> float | None:
        """The standard deviation of the runs."""
        return stdev(self.values) if len(self.values) > 1 else None

    def fits(self, value: float | None) -> bool:
        """Whether these runs have the mean that the line says, but for rounding."""
        if value is None or not self.values:
            return False
        return abs(fmean(self.values) - value) <= 2e-6 * max(1.0, value)


NO_DETAILS = ResultDetails()


def is_detail(line: str) -> bool:
    """Whether a line has the form of a detail, whatever it tells."""
    return _DETAIL.fullmatch(line.strip()) is not None


def read_details(content: str) -> list[ResultDetails]:
    """The details of each result in a post, in its order."""
    found = find_lines(content)
    lines = content.splitlines()
    ends = [number for number, _ in found[1:]] + [len(lines)]
    return [
        _read_block(lines[number + 1 : min(end, number + 1 + BENEATH_MAX)])
        for (number, line), end in zip(found, ends, strict=False)
        if isinstance(line, ResultLine)
    ]


def _read_block(lines: Sequence[str]) -> ResultDetails:
    said: dict[str, str] = {}
    for line in lines:
        match = _DETAIL.match(line[:LINE_MAX])
        if match:
            said.setdefault(match[1], match[2].strip())
    parent = said.get("parent", "").lower()
    metric = said.get("metric", "")
    return ResultDetails(
        values=_read_all(said.get("runs", "")),
        seeds=tuple(int(number) for number in _read_all(said.get("seeds", ""))),
        parent=parent if _HEX.fullmatch(parent) else "",
        training_s=_read_one(said.get("training", "")),
        total_s=_read_one(said.get("in all", "")),
        tokens_m=_read_one(said.get("tokens", "")),
        steps=_read_one(said.get("steps", "")),
        mfu_percent=_read_one(said.get("mfu", "")),
        curve=_read_curve(said.get("curve", "")),
        metric=metric if _METRIC.fullmatch(metric) else "",
    )


def _read_all(text: str) -> tuple[float, ...]:
    """Every number of a list; none where one of them is no number."""
    numbers = [_read_number(part) for part in text.split(",", RUNS_MAX)[:RUNS_MAX]]
    known = [number for number in numbers if number is not None]
    return tuple(known) if len(known) == len(numbers) else ()


def _read_one(text: str) -> float | None:
    """The number before a unit."""
    return _read_number(text.partition(" ")[0])


def _read_number(text: str) -> float | None:
    plain = text.strip()
    if not _NUMBER.fullmatch(plain):
        return None
    number = float(plain)
    return number if math.isfinite(number) and number <= 1e12 else None


def _read_curve(text: str) -> Curve:
    """Points `progress loss` with commas between; those that do not go on are left out."""
    points: list[tuple[float, float]] = []
    for part in text.split(",", POINTS_MAX)[:POINTS_MAX]:
        at, _, loss = part.strip().partition(" ")
        progress, height = _read_number(at), _read_number(loss)
        if progress is None or height is None or progress > 1 or height > VALUE_MAX:
            continue
        if not points or progress > points[-1][0]:
            points.append((progress, height))
    return tuple(points)


def write_curve(points: Sequence[tuple[float, float]]) -> str:
    """At most POINTS_MAX points of a curve, evenly chosen, its last among them."""
    chosen = points
    if len(points) > POINTS_MAX:
        step = (len(points) - 1) / (POINTS_MAX - 1)
        chosen = [points[round(index * step)] for index in range(POINTS_MAX)]
    return ", ".join(f"{progress:.3f} {loss:.4f}" for progress, loss in chosen)
