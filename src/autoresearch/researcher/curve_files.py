"""Training curves on disk: `curve.jsonl` of a run, one point a line, `{"progress": 0 to 1, "loss":
...}`. What it says is untrusted.

Leaves to others: when a curve is hopeless (judging.curves), ending a run (watching).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from autoresearch.researcher.journal import Attempt
from autoresearch.researcher.judging.curves import CurvePoint, StopRule, make_stop_rule
from autoresearch.researcher.judging.values import Record

NAME = "curve.jsonl"
MOST_BYTES, MOST_POINTS = 2**20, 4096
NEWEST = 12  # commits with several curves, from which the spread is estimated
TAIL_BYTES = 4096


def logs_by_commit(history: Sequence[Record]) -> dict[str, dict[str, int | None]]:
    """The logs of each commit's runs, with their seeds."""
    logs: dict[str, dict[str, int | None]] = {}
    for record in history:
        logs.setdefault(record.commit, {}).update(with_seeds(record.logs, record.seeds))
        again = with_seeds(record.recheck_logs, record.recheck_seeds)
        logs.setdefault(record.judged_against, {}).update(again)
    return logs


def stop_rule_for(
    attempt: Attempt, history: Sequence[Record], workspace: Path, level: float, seed: int
) -> StopRule | None:
    """When to stop an attempt's next run, which has this seed: made from the curves that runs of
    the commit to beat left in `workspace`.

    None for a run after the first: a candidate that has to run again is promising.
    """
    if attempt.is_baseline or attempt.measurements:
        return None
    logs = logs_by_commit(history)
    own = {run.log: run.seed for run in attempt.rechecks if run.value is not None}
    logs.setdefault(attempt.judged_against, {}).update(own)
    best = logs.pop(attempt.judged_against)
    repeated = [names for names in logs.values() if len(names) > 1][-NEWEST:]
    return make_stop_rule(
        curves_beside(best, workspace),
        (curves_beside(names, workspace) for names in repeated),
        level,
        curves_beside((name for name, its in best.items() if its == seed), workspace),
    )


def with_seeds(logs: Sequence[str], seeds: Sequence[int]) -> dict[str, int | None]:
    """Each log with the seed of its run, None where the ledger does not name it."""
    return dict(zip(logs, seeds if len(seeds) == len(logs) else [None] * len(logs), strict=True))


def curves_beside(logs: Iterable[str], workspace: Path) -> list[tuple[CurvePoint, ...]]:
    """The curves of these runs, as far as they left one."""
    found = (read((workspace / log).parent / NAME) for log in logs if log)
    return [curve for curve in found if curve]


def read(file: Path) -> tuple[CurvePoint, ...]:
    """The points of a curve, in order. Lines that are no points are left out; a file that is not
    plain, or large, has none."""
    try:
        if file.is_symlink() or not file.is_file() or file.stat().st_size > MOST_BYTES:
            return ()
        text = file.read_bytes().decode("utf-8", "replace")
    except OSError:
        return ()
    points: list[CurvePoint] = []
    for line in text.split("\n")[:MOST_POINTS]:
        point = parse(line)
        if point is not None and (not points or point.progress > points[-1].progress):
            points.append(point)
    return tuple(points)


def parse(line: str) -> CurvePoint | None:
    try:
        data = json.loads(line)
        point = CurvePoint(
            float(data["progress"]), float(data["loss"]), float(data.get("tokens", 0))
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        return None
    return (
        point
        if 0 <= point.progress <= 1 and math.isfinite(point.loss) and point.tokens >= 0
        else None
    )


def read_newest(file: Path) -> CurvePoint | None:
    """The last whole point, its loss nan where it is no number; None while the file is being
    written, or where it is nonsense."""
    try:
        with file.open("rb") as handle:
            handle.seek(max(0, file.stat().st_size - TAIL_BYTES))
            lines = handle.read(TAIL_BYTES).decode("utf-8", "replace").split("\n")[:-1]
        point = json.loads(lines[-1]) if lines else {}
        progress, loss = float(point["progress"]), float(point.get("loss", math.nan))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if not math.isfinite(progress):
        return None
    return CurvePoint(min(max(progress, 0.0), 1.0), loss if math.isfinite(loss) else math.nan)
