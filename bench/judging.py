"""Judging under noise: what each policy improves an hour, keeps wrongly and misses, on simulated
nights. Seeded; 95 % intervals.

    python bench/judging.py                  # every table of docs/judging-details.md, about eight minutes on two cores
    python bench/judging.py --nights 8       # the same, smaller

Every verdict is the loop's own code (researcher/judging/); only ideas and runs are made up. The
landscapes have the noise of a published night (about the median gain) and are described in
researcher/simulate/landscape.py; the policy was tuned on two of them, `even` and `scarce`, and the
model of curves was fitted to recorded ones (bench/curves.py). "greedy, one seed" stands beside the
others for the original, where every run has the same seed: it judges pairs without knowing it, and
tunes to that seed.
"""

from __future__ import annotations

import argparse
import os
import time

from autoresearch.researcher.config import JudgeTable
from autoresearch.researcher.simulate.compare import ARMS, ONE_SEED, compare, table
from autoresearch.researcher.simulate.landscape import LANDSCAPES, Landscape, noise_only

LONG = ("even", "scarce", "published")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--nights",
        type=int,
        default=400,
        help="for each policy on each landscape (half as many of 24 h)",
    )
    parser.add_argument("--only", choices=list(LANDSCAPES), help="one landscape, nights of 8 h")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    started = time.monotonic()
    ratios = []
    for name in [args.only] if args.only else LANDSCAPES:
        ratios.append(section(LANDSCAPES[name], 8, args.nights, args.seed))
    for name in () if args.only else LONG:
        ratios.append(section(LANDSCAPES[name], 24, max(2, args.nights // 2), args.seed + 1))
    print("\n## confirm with early stopping over greedy, improvement an hour\n")
    for line in ratios:
        print(line)
    if not args.only:
        as_far(LANDSCAPES["published"], 8, max(2, args.nights // 2), args.seed + 3)
    alpha_table(args.nights, args.seed + 2)
    print(f"\n{time.monotonic() - started:.0f} s")


def section(land: Landscape, hours: float, nights: int, seed: int) -> str:
    """Print one landscape's table; the line that sums it up."""
    results = compare(
        land,
        JudgeTable(),
        (*ARMS[:1], ONE_SEED, *ARMS[1:]),
        hours,
        nights,
        seed,
        os.cpu_count() or 1,
    )
    print(f"\n## {land.name}, {nights} nights of {hours:g} h: {land.about}\n")
    print("\n".join(table(results)))
    found = results[-1].ratio
    verdict = (
        "2 or more"
        if found.low >= 2
        else "below 2"
        if found.high < 2
        else "2 lies inside the interval"
    )
    return (
        f"{land.name:11s} {hours:2g} h  {found.value:.2f} ({found.low:.2f} to "
        f"{found.high:.2f})  {verdict}"
    )


def as_far(land: Landscape, hours: float, nights: int, seed: int) -> None:
    """Where gains fade, whoever is ahead finds less: there time tells more than improvement an
    hour."""
    processes = os.cpu_count() or 1
    print(f"\n## {land.name}: how far a night comes, improvement x 1000\n")
    for arm, span in (
        (ARMS[3], hours / 2),
        (ARMS[3], hours),
        *((ARMS[0], hours * n / 4) for n in range(4, 11)),
    ):
        found = compare(land, JudgeTable(), [arm], span, nights, seed, processes)[
            0
        ].improvement_per_hour
        print(
            f"{arm.name:17s} {span:4g} h  {1000 * span * found.value:.1f} "
            f"±{500 * span * (found.high - found.low):.1f}"
        )


def alpha_table(nights: int, seed: int) -> None:
    """On noise alone: the share of candidates kept, whatever they say."""
    print(
        "\n## noise alone, nights of 8 h: candidates that change nothing and are kept, "
        "in % of all\n"
    )
    for alpha in (0.05, 0.1, 0.2, JudgeTable().alpha):
        rules = JudgeTable(alpha=alpha)
        for arm in ARMS if alpha == JudgeTable().alpha else ARMS[2:]:
            found = compare(
                noise_only(LANDSCAPES["even"]), rules, [arm], 8, nights, seed, os.cpu_count() or 1
            )[0].false_keeps
            stated = f"stated alpha {alpha:g}" if arm.policy == "confirm" else "no alpha is stated"
            print(
                f"{arm.name:17s} {stated:19s} {100 * found.value:.2f} "
                f"({100 * found.low:.2f} to {100 * found.high:.2f})"
            )


if __name__ == "__main__":
    main()
