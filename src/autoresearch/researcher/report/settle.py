"""What a ledger of others leaves open: which direction is better, zeros that stand for no value,
and verdicts where it has none. Reads no files.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from autoresearch.errors import BadInput
from autoresearch.researcher.report.columns import plain_name, usual_way
from autoresearch.researcher.report.rows import Experiment

NEVER_ZERO = re.compile(
    r"(^|_)(bpb|bpc|loss|nll|ppl|perplexity|latency|time|seconds?|secs?|s|ms|us|ns|minutes"
    r"|duration|runtime|bytes|size|kb|mb|gb)(_|$)"
)
NO_RUN = re.compile(
    r"\b(crash|oom|out of memory|time-?out|killed|stopped|abort|fail|error|nan|hung)"
)
REPEAT = re.compile(
    r"\b(with|other|another|second|third|2nd|3rd|again|once more|confirm(ed|ation)?|noise|check"
    r"|same|(seed|run|rep|repeat|re-?run|repetition|trial|take|attempt|retry)s?[ :=#]?\d{0,9})\b"
)


def find_idea(description: str) -> str:
    """A description without what tells its repeats apart: others write the parent's hash beside
    each of its ideas, so that a hash alone does not make two rows runs of the same code."""
    return " ".join(re.findall(r"\w+", REPEAT.sub(" ", description.lower())))


def find_direction(
    metric: str, rows: Sequence[Experiment], has_verdicts: bool
) -> tuple[str, list[str]]:
    """The direction by the metric's name, else by what was kept; and a note in that case."""
    way = usual_way(metric)
    kept = [row.value for row in rows if row.status == "keep" and row.value is not None]
    steps = {b > a for a, b in pairwise(kept) if a != b} if has_verdicts else set()
    scored = {row.value for row in rows if row.value is not None}
    if way or len(scored) < 2:
        return way or "min", []
    if len(steps) != 1:
        raise BadInput(
            f"whether a lower or a higher {metric} is better cannot be told: "
            "say it with --direction min or --direction max"
        )
    way = "max" if steps.pop() else "min"
    better = "higher" if way == "max" else "lower"
    return way, [
        f"{better} {metric} is taken as better, as in the kept rows; else give --direction"
    ]


def settle_rows(
    rows: list[Experiment], metric: str, way: str, has_verdicts: bool
) -> tuple[list[Experiment], list[str]]:
    """The rows without zeros that mean no value; judged by their values where nobody did."""
    values = [row.value for row in rows if row.value]
    worst = all(value > 0 for value in values) if way == "min" else all(v < 0 for v in values)
    if values and worst:
        rows = [without_zero(row, metric) for row in rows]
    if has_verdicts:
        return rows, []
    return judge_rows(rows, way), ["the ledger has no verdicts: each new best counts as kept"]


def without_zero(row: Experiment, metric: str) -> Experiment:
    """A zero that would be the record is one only where the metric can be zero and the row says
    nothing of a run that ended early."""
    if row.value != 0:
        return row
    is_told = NO_RUN.search(row.description.lower()) is not None or row.memory_gb == 0
    if row.status == "keep" and not is_told and not NEVER_ZERO.search(plain_name(metric)):
        return row
    return replace(row, value=None, status="crash" if row.status == "keep" else row.status)


def judge_rows(rows: Sequence[Experiment], way: str) -> list[Experiment]:
    """Each new best as kept, beginning with the first value."""
    judged, best = [], None
    for row in rows:
        is_better = row.value is not None and (
            best is None or (row.value < best if way == "min" else row.value > best)
        )
        best = row.value if is_better else best
        judged.append(replace(row, status="keep") if is_better else row)
    return judged
