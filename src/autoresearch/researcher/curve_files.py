"""Training curves on disk: `curve.jsonl` of a run, one `{"progress": 0 to 1, "loss": ...}` a line. What it says is untrusted.

Leaves to others: when a curve is hopeless (judging.curves), ending a run (watching).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from autoresearch.researcher.journal import Attempt
from autoresearch.researcher.judging.curves import Point, Watch, watch_over
from autoresearch.researcher.judging.values import Record

NAME = "curve.jsonl"
MOST_BYTES, MOST_POINTS = 2**20, 4096
NEWEST = 12  # commits with several curves that tell the spread


def watch_for(
    attempt: Attempt, history: Sequence[Record], workspace: Path, level: float, seed: int
) -> Watch | None:
    """The watch over an attempt's next run, which has this seed, from the kept curves of the runs of what it is judged against.
    `workspace`: its folder. None for a run after the first: a candidate that has to run again is promising."""
    if attempt.is_baseline or attempt.measurements:
        return None
    logs: dict[str, dict[str, int | None]] = {}
    for record in history:
        logs.setdefault(record.commit, {}).update(with_seeds(record.logs, record.seeds))
        logs.setdefault(record.judged_against, {}).update(
            with_seeds(record.recheck_logs, record.recheck_seeds)
        )
    logs.setdefault(attempt.judged_against, {}).update(
        {run.log: run.seed for run in attempt.rechecks if run.value is not None}
    )
    best = logs.pop(attempt.judged_against)
    repeated = [names for names in logs.values() if len(names) > 1][-NEWEST:]
    return watch_over(
        curves_beside(best, workspace),
        (curves_beside(names, workspace) for names in repeated),
        level,
        curves_beside((name for name, its in best.items() if its == seed), workspace),
    )


def with_seeds(logs: Sequence[str], seeds: Sequence[int]) -> dict[str, int | None]:
    """Each log with the seed of its run, None where the ledger does not tell."""
    return dict(zip(logs, seeds if len(seeds) == len(logs) else [None] * len(logs), strict=True))


def curves_beside(logs: Iterable[str], workspace: Path) -> list[tuple[Point, ...]]:
    """The curves of these runs, as far as they left one."""
    found = (read((workspace / log).parent / NAME) for log in logs if log)
    return [curve for curve in found if curve]


def read(file: Path) -> tuple[Point, ...]:
    """The points of a curve, in order; whatever is no point of a curve is left out, and a file that is no small plain one is none."""
    try:
        if file.is_symlink() or not file.is_file() or file.stat().st_size > MOST_BYTES:
            return ()
        text = file.read_bytes().decode("utf-8", "replace")
    except OSError:
        return ()
    points: list[Point] = []
    for line in text.split("\n")[:MOST_POINTS]:
        point = parse(line)
        if point is not None and (not points or point.progress > points[-1].progress):
            points.append(point)
    return tuple(points)


def parse(line: str) -> Point | None:
    try:
        data = json.loads(line)
        point = Point(float(data["progress"]), float(data["loss"]), float(data.get("tokens", 0)))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        return None
    return (
        point
        if 0 <= point.progress <= 1 and math.isfinite(point.loss) and point.tokens >= 0
        else None
    )
