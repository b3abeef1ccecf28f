"""What a recorded table teaches agents to begin a night with: the loss of each constant moved
alone, as the surface over the table's settings guesses it, and the gain of each recorded idea.

    python bench/learn.py TABLE --track pystd-12s --out learnt.json
    autoresearch simulate --table TABLE --track pystd-3s --agents --learnt learnt.json

Guesses lie between what was recorded and no effect, the closer to none the less is known. Leaves to
others: the table (record_table), what agents make of it (learnt).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec
import numpy as np

from autoresearch.researcher.agents.learnt import Learnt, LearntConstant
from autoresearch.researcher.agents.search_space import to_unit
from autoresearch.researcher.simulate.recorded_lab import RecordedLab, record_lab
from autoresearch.researcher.simulate.table import choose_track, read_table, table_landscape

PLACES = 9  # of a range; a choice has as many as it has values


def learn(lab: RecordedLab, about: str) -> Learnt:
    """The surface along each constant, the others unchanged."""
    surface = lab.surface
    origin = [to_unit(surface.constants[key], surface.constants[key].value) for key in surface.keys]
    constants = {}
    for at, key in enumerate(surface.keys):
        one = surface.constants[key]
        places = np.linspace(0, 1, len(one.choices) or PLACES)
        places = np.unique(np.append(places, origin[at]).round(4))
        losses = [-surface.gain([*origin[:at], place, *origin[at + 1 :]]) for place in places]
        constants[key[1]] = LearntConstant(
            value=one.value,
            low=one.low,
            high=one.high,
            places=[float(place) for place in places],
            losses=[round(float(loss), 5) for loss in losses],
        )
    ideas = {name: round(gain, 5) for name, gain in sorted(lab.gains.items()) if gain > 0}
    return Learnt(about=about, constants=constants, ideas=ideas)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table", type=Path)
    parser.add_argument("--track", help="that with the most runs if not given")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    table = read_table(args.table)
    land = table_landscape(table, choose_track(table, args.track))
    lab = record_lab(table, land)
    found = learn(lab, f"{args.table.name}: {land.about}; {lab.surface.about}")
    args.out.write_bytes(msgspec.json.encode(found) + b"\n")
    print(found.about)
    best = sorted((min(one.losses), name) for name, one in found.constants.items())
    print("constants:", ", ".join(f"{name} {-loss:.4f}" for loss, name in best[:12]))
    by_gain = sorted(found.ideas, key=lambda name: -found.ideas[name])
    print("ideas:", ", ".join(f"{name} {found.ideas[name]:.4f}" for name in by_gain[:12]))


if __name__ == "__main__":
    main()
