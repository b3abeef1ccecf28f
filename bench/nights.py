"""The command line of benchmarks over simulated nights. Leaves to them what is simulated."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence


def read_options(about: str | None, nights: int, **choices: Sequence[str]) -> argparse.Namespace:
    """The options that all of them have, and lists to choose from; says what is run."""
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--nights", type=int, default=nights)
    parser.add_argument("--hours", type=float, default=8.0)
    parser.add_argument("--seed", type=int, default=0)
    for name, names in choices.items():
        parser.add_argument(f"--{name}", nargs="+", default=list(names))
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    print(f"{args.nights} nights of {args.hours:g} h each, seed {args.seed}")
    return args
