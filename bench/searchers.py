"""Agents that tune constants, compared on simulated nights: what each holds at the end.

    python bench/searchers.py                         # 60 nights of 8 h, all agents and valleys
    python bench/searchers.py --nights 10 --hours 2 --valleys plain

Everything but the runs is real: the agents' choices, the judge, early stopping. The constants are
those of lab/train.py, the noise is about a median gain, a run takes 300 s. Intervals are 95 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import msgspec

from autoresearch.researcher.agents.search import read_constants
from autoresearch.researcher.config import Config
from autoresearch.researcher.simulate.compare import Interval, mean, ratio
from autoresearch.researcher.simulate.landscape import LANDSCAPES
from autoresearch.researcher.simulate.night import Night
from autoresearch.researcher.simulate.recorded_lab import FILE
from autoresearch.researcher.simulate.searching import VALLEYS, SearchNight
from nights import read_options

LAB = Path(__file__).parent.parent / "lab" / "train.py"


def one(task: tuple[str, str, float, int]) -> Night:
    method, valley, hours, seed = task
    config = msgspec.convert({"experiment": {"free": [FILE], "command": ["x"]}}, Config)
    return SearchNight(
        LANDSCAPES["even"],
        config,
        "confirm",
        hours,
        seed,
        agents=(method,),
        constants=read_constants({FILE: LAB.read_text("utf-8")}),
        ground=VALLEYS[valley],
    ).run()


def show(valley: str, methods: Sequence[str], found: dict[str, list[Night]]) -> None:
    """A table: what each holds at the end, and that over the first's."""
    print(f"\n{valley}: {VALLEYS[valley].about}")
    first = [night.improvement for night in found[methods[0]]]
    for method in methods:
        gains = [night.improvement for night in found[method]]
        at_end, runs = mean(gains), mean([float(n.experiments) for n in found[method]])
        share = ratio(gains, first) if method != methods[0] else Interval(1, 1, 1)
        print(
            f"  {method:8} gain x1000 {at_end.value * 1000:6.2f} "
            f"({at_end.low * 1000:.2f} to {at_end.high * 1000:.2f})  of {methods[0]}'s "
            f"{share.value:5.2f} ({share.low:.2f} to {share.high:.2f})  "
            f"{runs.value:4.0f} experiments, "
            f"{sum(n.keeps for n in found[method]) / len(gains):.1f} kept"
        )


def main() -> None:
    methods = ("random", "cmaes", "search", "joint")
    args = read_options(__doc__, 60, methods=methods, valleys=list(VALLEYS))
    with ProcessPoolExecutor(args.processes) as pool:
        for valley in args.valleys:
            tasks = [
                (m, valley, args.hours, args.seed * 1_000_003 + n)
                for m in args.methods
                for n in range(args.nights)
            ]
            nights = list(pool.map(one, tasks))
            found = {
                m: nights[i * args.nights : (i + 1) * args.nights]
                for i, m in enumerate(args.methods)
            }
            show(valley, args.methods, found)


if __name__ == "__main__":
    main()
