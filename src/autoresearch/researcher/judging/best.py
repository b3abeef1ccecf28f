"""The commit that a candidate has to beat, as its newest runs show it.

A re-run at the same speed of the machine adds to its runs; one at another speed replaces them.
Leaves to others: when it is run again (judge).
"""

from __future__ import annotations

from collections.abc import Sequence

from autoresearch.researcher.judging.throughput import compare_speed
from autoresearch.researcher.judging.values import Measurement, Record, Sample

NEWEST = 8  # runs of the best that count: older ones are of another hour of the machine


def find_best(history: Sequence[Record], commit: str) -> Sample:
    """A kept commit by its newest runs: its own, or those that a later experiment asked for."""
    best = Sample()
    for record in history:
        if record.commit == commit and record.status == "keep":
            values, seeds = record.values, record.seeds
            if record.standing:
                values, seeds = record.standing, record.standing_seeds
            best = Sample.from_ledger(values, seeds, record.throughput)
        elif record.judged_against == commit and record.parent_values:
            best = Sample.from_ledger(
                record.parent_values, record.parent_seeds, record.parent_throughput
            )
    return best


def refresh(best: Sample, rechecks: Sequence[Measurement], below: float) -> Sample:
    """The best after its re-runs: they replace its runs where the machine's speed has changed,
    else they add to them."""
    again = Sample.from_runs(rechecks)
    if not again:
        return best
    if compare_speed(again.throughput, best.throughput, below):
        return again
    return best.join(again).newest(NEWEST)


def is_stale(history: Sequence[Record], commit: str, after: int) -> bool:
    """Whether it is time to run a commit again: so many measured experiments have passed since it
    ran last; 0: never."""
    age = 0
    for record in reversed(history):
        again = record.judged_against == commit and record.parent_values
        if record.commit == commit or again:
            break
        age += record.value is not None
    return 0 < after <= age


def describe_recheck(best: Sample, met: Sample) -> str:
    if met == best:
        return ""
    if met.throughput == best.throughput:
        same = "the parent was run again and is as fast as it was"
        return f"{same}: the difference in speed is the code's"
    return "the machine's speed has changed: compared with a re-run of the parent"
