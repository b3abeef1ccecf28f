"""What `autoresearch distill` makes of simulated nights: false edits that remain, true ones that
are lost, how often its intervals hold the truth, and how often the test part shows an agent that
only learned the validation text.

    python bench/distill.py                    # every landscape, 1,000 nights of 8 h, 3 minutes
    python bench/distill.py --nights 100 --landscape even

The nights are those of bench/judging.py (confirm with early stopping); their kept edits, whose true
gains are known, go through the design and the estimates of `distill`, with runs made up as there.
For the last column none of a night's gain is there on the test part: how often does its interval
hold 0, and how often is the end "not shown to be better there"?
"""

from __future__ import annotations

import argparse
import random
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace

from autoresearch.researcher.config import Config, ExperimentTable, JudgeTable
from autoresearch.researcher.distill.design import Row, choose_pairs
from autoresearch.researcher.distill.distiller import count_pairs
from autoresearch.researcher.distill.effects import (
    Effect,
    estimate_effects,
    measure_total,
    select_real,
)
from autoresearch.researcher.simulate.landscape import LANDSCAPES, Landscape
from autoresearch.researcher.simulate.night import Simulation

CONFIRMED_BY = 5  # pairs of the end


@dataclass
class Tally:
    """Counts over nights. `covered`: intervals of single edits that hold the truth; `ends`: nights
    whose last interval does; `empty`: intervals on the test part that hold 0 where an agent learned
    nothing else than the validation text, `not_better`: those that do not show more than 0."""

    nights: int = 0
    kept: int = 0
    false_before: int = 0
    left: int = 0
    false_after: int = 0
    true_before: int = 0
    true_after: int = 0
    intervals: int = 0
    covered: int = 0
    told: int = 0
    ends: int = 0
    empty: int = 0
    not_better: int = 0
    runs: int = 0
    nothing_left: int = 0

    def add(self, other: Tally) -> None:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


def distill_night(land: Landscape, seed: int, hours: float) -> Tally:
    """One night and its morning."""
    config = Config(ExperimentTable([], []), judge=JudgeTable())
    gains = Simulation(land, config, "confirm", hours, seed).run().kept_gains
    tally = Tally(1, len(gains), sum(g <= 0 for g in gains))
    tally.true_before = len(gains) - tally.false_before
    if not gains:
        tally.nothing_left = 1
        return tally
    chance = random.Random(f"distill {seed}")

    def gain_of(row: Row, luck_seed: str) -> float:
        luck, _ = land.luck(chance, random.Random(luck_seed))
        return sum(g for g, inside in zip(gains, row, strict=True) if inside) - luck

    pairs = choose_pairs(lambda row: row, len(gains), count_pairs(len(gains)), seed)
    measured = [
        gain_of(a, f"{seed} {i}") - gain_of(b, f"{seed} {i}") for i, (a, b) in enumerate(pairs)
    ]
    effects = estimate_effects(pairs, measured)
    real = select_real(effects)
    left = [g for g, inside in zip(gains, real, strict=True) if inside]
    tally.left, tally.false_after = len(left), sum(g <= 0 for g in left)
    tally.true_after = len(left) - tally.false_after
    tally.intervals = len(gains)
    tally.covered = sum(e.low <= g <= e.high for e, g in zip(effects.edits, gains, strict=True))
    tally.runs = 2 * len(pairs)
    tally.nothing_left = not left
    if left:
        none = (False,) * len(gains)

        def measure_end(row: Row) -> Effect:
            keys = [f"{seed} end {i}" for i in range(CONFIRMED_BY)]
            return measure_total([gain_of(row, key) - gain_of(none, key) for key in keys])

        total, unseen = measure_end(real), measure_end(none)
        tally.told, tally.ends = 1, total.low <= sum(left) <= total.high
        tally.empty, tally.not_better = unseen.low <= 0 <= unseen.high, unseen.low <= 0
        tally.runs += 2 * CONFIRMED_BY
    return tally


def share(part: int, whole: int) -> str:
    return f"{100 * part / whole:5.1f} %" if whole else "      -"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nights", type=int, default=1000)
    parser.add_argument("--hours", type=float, default=8.0)
    noise = replace(LANDSCAPES["even"], name="noise alone", good=0.0, null=1.0)
    every = {**LANDSCAPES, noise.name: noise}
    parser.add_argument("--landscape", choices=sorted(every), action="append")
    options = parser.parse_args()
    lands = {name: every[name] for name in options.landscape or every}
    print(
        "| landscape | kept a night | false before | false after | true ones that stay "
        "| intervals that hold, edits / end | nights that leave nothing | runs "
        "| overfitting: 0 in the test's interval / not shown to be better |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    with ProcessPoolExecutor() as pool:
        for name, land in lands.items():
            tally = Tally()
            jobs = [
                pool.submit(distill_night, land, seed, options.hours)
                for seed in range(options.nights)
            ]
            for job in jobs:
                tally.add(job.result())
            print(
                f"| {name} | {tally.kept / tally.nights:.1f} "
                f"| {share(tally.false_before, tally.kept)} "
                f"| {share(tally.false_after, tally.left)} "
                f"| {share(tally.true_after, tally.true_before)} "
                f"| {share(tally.covered, tally.intervals)} / {share(tally.ends, tally.told)} "
                f"| {share(tally.nothing_left, tally.nights)} | {tally.runs / tally.nights:.0f} "
                f"| {share(tally.empty, tally.told)} / {share(tally.not_better, tally.told)} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
