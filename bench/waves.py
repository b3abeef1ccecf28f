"""Waves of ideas against the best policy without them, on every landscape: gain an hour. Seeded;
95 % intervals.

    python bench/waves.py                      # the table of docs/judging-details.md
    python bench/waves.py --nights 20 --only even

Every rule is the loop's own (researcher/waves/, researcher/judging/); only ideas and runs are made
up. Beside the landscapes of bench/judging.py stand `even` with more noise, with interactions, and
with ideas that exclude each other.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace

from autoresearch.researcher.config import JudgeTable
from autoresearch.researcher.simulate.compare import WAVE_ARMS, Interval, compare
from autoresearch.researcher.simulate.landscape import LANDSCAPES, Landscape, vary

NOISY = (2, 3, 5)  # of median gains
LOSS = 6  # of sigmas, at the median
TOGETHER = ((0.3, 0.0), (1.0, 0.0), (0.0, 0.3), (1.0, 0.3))  # interaction, apart


def landscapes() -> dict[str, Landscape]:
    """The named ones, and variants of `even`."""
    even = LANDSCAPES["even"]
    noisy = {
        f"noise {times}": vary(
            f"noise {times}",
            f"with noise of {times} median gains",
            sigma=times * even.gain,
            loss=LOSS * times * even.gain,
        )
        for times in NOISY
    }
    base = noisy["noise 3"]
    mixed = {
        (name := f"noise 3, {interaction:g}, {apart:g}"): replace(
            base, name=name, interaction=interaction, apart=apart
        )
        for interaction, apart in TOGETHER
    }
    return {**LANDSCAPES, **noisy, **mixed}


def show_ratio(found: Interval) -> str:
    return f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f})"


def show_gain(found: Interval) -> str:
    return f"{1000 * found.value:.2f} ± {500 * (found.high - found.low):.2f}"


def main() -> None:
    every = landscapes()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nights", type=int, default=400)
    parser.add_argument("--hours", type=float, default=8.0)
    parser.add_argument("--only", choices=list(every), action="append")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    print(f"{args.nights} nights of {args.hours:g} h, gains an hour x 1000\n")
    print(f"| landscape | {' | '.join(arm.name for arm in WAVE_ARMS)} | auto over none | always |")
    print("|---|---|---|---|---|---|")
    for name in args.only or every:
        results = compare(
            every[name], JudgeTable(), WAVE_ARMS, args.hours, args.nights, args.seed,
            args.processes,
        )  # fmt: skip
        gains = [show_gain(result.improvement_per_hour) for result in results]
        ratios = [show_ratio(result.ratio) for result in results[1:]]
        print(f"| {' | '.join([name, *gains, *ratios])} |", flush=True)


if __name__ == "__main__":
    main()
