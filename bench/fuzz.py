"""Feeds generated requests to a hub in this process, and generated texts to its parsers.

    python bench/fuzz.py --cases 500000 --seed 1
    python bench/fuzz.py --minutes 30

One request, and one text for one parser, are a case each. A fault is an answer over 500 that was
not meant, an error without a sentence, an exception, or more work than `tests/fuzzing.py`
allows. Prints every fault with its seed and number, and a line of JSON at the
end; exit code 1 where there was one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from fuzzing import PARSERS, Mutator, find_fault, find_parser_fault, running

SHOWN = 20  # faults that are printed
FRESH = 20_000  # cases that one hub gets
SIZES = (10, 100, 1000, 4000)  # characters of a text


async def feed(mutator: Mutator, cases: int, ends: float, folder: Path) -> Counter[str]:
    """Run up to `cases` on a fresh hub; how many of each kind, faults among them."""
    counts: Counter[str] = Counter()
    async with running(folder) as (app, key):
        while counts["requests"] + counts["texts"] < cases and time.monotonic() < ends:
            case = mutator.case(key)
            counts["requests"] += 1
            note(counts, mutator, await find_fault(app, case), repr(case))
            name = mutator.rng.choice(list(PARSERS))
            text = mutator.text(mutator.rng.choice(SIZES))
            counts["texts"] += 1
            note(counts, mutator, find_parser_fault(name, text), f"{name}: {text!r}")
    return counts


def note(counts: Counter[str], mutator: Mutator, fault: str, what: str) -> None:
    if fault:
        counts["faults"] += 1
        if counts["faults"] <= SHOWN:
            print(f"seed {mutator.seed}: {fault} at {what[:600]}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--cases", type=int, default=sys.maxsize)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    started = time.monotonic()
    ends = started + asked.minutes * 60
    total: Counter[str] = Counter()
    seed = asked.seed
    while (left := asked.cases - total["requests"] - total["texts"]) > 0:
        if time.monotonic() >= ends:
            break
        with tempfile.TemporaryDirectory() as folder:
            cases = min(FRESH, left)
            total += asyncio.run(feed(Mutator(seed), cases, ends, Path(folder) / "hub"))
        seed += 1
    took = {"seconds": round(time.monotonic() - started), "seeds": [asked.seed, seed - 1]}
    print(json.dumps({**{name: total[name] for name in ("requests", "texts", "faults")}, **took}))
    return 1 if total["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
