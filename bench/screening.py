"""Is a short run a better first look than the first part of a long one? On a recorded table.

    python bench/screening.py bench/table/pystd.jsonl --short pystd-3s --long pystd-12s

Every ordered pair of variants that ran on both tracks is a case, as in bench/curves.py: the first
is the best so far, the second the candidate. Of what learns much worse than the unchanged code any
look tells, and its noise is another: only the others count, `--most` of them by lot. Screening: the candidate runs whole schedules of the
short budget with the best's seed, and of the long one where it came out no worse than so many
deviations of the noise. Early stopping: the long run alone, ended by the judge's rule. Said is
what a case costs beside a whole long run, and which winners are lost. Pairs share runs: few
variants say little.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from statistics import correlation, fmean
from typing import Any

from scipy.stats import spearmanr

from autoresearch.researcher.config import JudgeTable
from autoresearch.researcher.judging.noise import pool_noise
from autoresearch.researcher.simulate.compare import share
from autoresearch.researcher.simulate.table import DEEP, RunTable, TableRun, read_table
from curves import replay

MARGINS = (0.0, 1.0, 2.0, 4.0)  # of the short runs' noise: how far behind is promoted all the same
WINNER = 0.5  # of the long runs' noise: a true gain of less is none
Values = dict[int, dict[int, float]]  # by variant and seed


@dataclass(frozen=True)
class ScreenedCase:
    """`gain`: true, on the long track; `cost`: of a whole long run with start and score."""

    gain: float
    lost: bool
    cost: float


def select_runs(table: RunTable, track: str) -> list[TableRun]:
    return [run for run in table.runs if run.track == track and run.val_bpb is not None]


def read_values(runs: Sequence[TableRun]) -> Values:
    found: Values = {}
    for run in runs:
        found.setdefault(run.variant, {})[run.seed] = run.val_bpb or 0.0
    return found


def sigma_of(values: Values) -> float:
    return pool_noise([tuple(one.values()) for one in values.values()]).sigma


def seconds_of(runs: Sequence[TableRun]) -> tuple[float, float]:
    """Of a run: outside its budget, and in it."""
    return fmean(run.start_s + run.score_s for run in runs), fmean(run.train_s for run in runs)


def screen_pairs(
    short: Values, long: Values, margin: float, first: float
) -> Iterator[ScreenedCase]:
    """Each pair and seed. `first`: what a short run costs, as a share of a long one."""
    limit = margin * sigma_of(short)
    for best, other in permutations(sorted(short.keys() & long.keys()), 2):
        gain = fmean(long[best].values()) - fmean(long[other].values())
        for seed in sorted(short[best].keys() & short[other].keys()):
            promoted = short[best][seed] - short[other][seed] > -limit
            yield ScreenedCase(gain, not promoted, first + promoted)


def stop_pairs(runs: Sequence[TableRun], level: float) -> Iterator[ScreenedCase]:
    """The judge's early stopping on the same variants."""
    outside, inside = seconds_of(runs)
    rows: list[dict[str, Any]] = [
        {"variant": str(r.variant), "seed": r.seed, "value": r.val_bpb, "points": r.points}
        for r in runs
    ]
    sigma = sigma_of(read_values(runs))
    start = fmean(run.start_s for run in runs)
    for case in replay(rows, level):
        lost = case.got < 1
        spent = start + case.got * inside if lost else outside + inside
        yield ScreenedCase(case.gain * sigma, lost, spent / (outside + inside))


def show_cases(name: str, cases: Sequence[ScreenedCase], sigma: float) -> None:
    winners = [case for case in cases if case.gain > WINNER * sigma]
    losers = [case for case in cases if case.gain < -WINNER * sigma]
    lost = share(sum(case.lost for case in winners), len(winners))
    print(
        f"| {name} | {fmean(c.cost for c in losers):.2f} | {fmean(c.cost for c in winners):.2f} | "
        f"{100 * lost.value:.0f} % ({100 * lost.low:.0f} to {100 * lost.high:.0f}) |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table", type=Path)
    parser.add_argument("--short", default="pystd-3s")
    parser.add_argument("--long", default="pystd-12s")
    parser.add_argument("--most", type=int, default=60, help="variants that are compared")
    args = parser.parse_args()
    table = read_table(args.table)
    every = [select_runs(table, track) for track in (args.short, args.long)]
    both = set.intersection(*({run.variant for run in runs} for runs in every))
    scores = {variant: fmean(one.values()) for variant, one in read_values(every[1]).items()}
    usual = sorted(v for v in both if scores[v] < scores[0] + DEEP)
    both = set(random.Random(0).sample(usual, min(len(usual), args.most)))
    of_short, of_long = ([run for run in runs if run.variant in both] for runs in every)
    short, long = read_values(of_short), read_values(of_long)
    sigma = sigma_of(long)
    if len(both) < 4 or not sigma or not sigma_of(short):
        parser.error(f"{len(both)} variants ran on both tracks: 4 with two seeds are the fewest")
    means = [[fmean(one[v].values()) for v in sorted(both)] for one in (short, long)]
    print(
        f"{len(both)} variants on both; noise {sigma_of(short):.4f} and {sigma:.4f}; "
        f"correlation of their scores {correlation(*means):.2f}, "
        f"of ranks {spearmanr(*means).statistic:.2f}\n"
    )
    print("| first look | cost of a worse one | of a better one | better ones lost |")
    print("|---|---|---|---|")
    first = sum(seconds_of(of_short)) / sum(seconds_of(of_long))
    for margin in MARGINS:
        cases = list(screen_pairs(short, long, margin, first))
        show_cases(f"short run, {margin:g} sigma behind at most", cases, sigma)
    for level in (JudgeTable().early_level, 0.3):
        show_cases(f"early stopping, level {level:g}", list(stop_pairs(of_long, level)), sigma)


if __name__ == "__main__":
    main()
