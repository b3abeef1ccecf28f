"""Tables of recorded runs as tests make them: what each setting and idea is worth is known."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path

from autoresearch.researcher.simulate.table import RunTable, read_table

ROOT = Path(__file__).parents[1]
NAMES = [f"C{number}" for number in range(6)]
SOURCE = "".join(f"{name} = 0.5  # 0.0 to 1.0\n" for name in NAMES)
HEAD = {
    "format": 1,
    "lab": "0" * 12,
    "clock": "CPU seconds",
    "machine": "x86_64",
    "libraries": "torch",
    "source": SOURCE,
}


def true_gain(settings: Mapping[str, float]) -> float:
    """C0 should be larger, C1 smaller, C2 stay; the others do nothing."""
    c0, c1, c2 = (settings.get(name, 0.5) - 0.5 for name in NAMES[:3])
    return 0.02 * c0 - 0.01 * c1 - 0.08 * c2**2


def make_table(
    file: Path,
    variants: int,
    sigma: float = 0.0005,
    seed: int = 1,
    track: str = "pystd-3s",
    curve: float = 0.0,
) -> Path:
    """Runs of two seeds each, whose luck is the seed's by half. `curve`: by how much the second
    seed's curves are higher."""
    chance = random.Random(seed)
    lines: list[dict[str, object]] = [HEAD]
    of_seed = {s: chance.gauss(0, sigma) for s in (1, 2)}
    for number in range(variants):
        names = chance.sample(NAMES, 1 + number % 3) if number else []
        settings = {name: round(chance.random(), 2) for name in names}
        for s in (1, 2):
            luck = 0.5**0.5 * (of_seed[s] + chance.gauss(0, sigma))
            value = 1.4 - true_gain(settings) + luck
            points = [
                [at / 50, 1.6 + value + curve * (s - 1) + 1 / (1 + at)] for at in range(1, 51)
            ]
            run = {"variant": number, "track": track, "seed": s, "settings": settings}
            times = {"start_s": 5.0, "train_s": 3.0, "score_s": 4.0}
            lines.append({**run, **times, "val_bpb": value, "points": points})
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return file


def make_lab_table(file: Path, gains: Mapping[str, float]) -> RunTable:
    """Of the real train.py: settings that change nothing, and ideas of the catalogue."""
    source = (ROOT / "lab" / "train.py").read_text("utf-8")
    chance = random.Random(2)
    what: list[dict[str, object]] = [{}]
    what += [{"settings": {"FALL": 0.1 * number}} for number in range(1, 10)]
    what += [{"idea": name} for name in gains]
    lines: list[dict[str, object]] = [HEAD | {"source": source}]
    for number, one in enumerate(what):
        for seed in (1, 2):
            value = 1.4 - gains.get(str(one.get("idea")), 0.0) + chance.gauss(0, 0.0005)
            run = {"variant": number, "track": "pystd-3s", "seed": seed, "val_bpb": value}
            lines.append({**run, **one, "start_s": 5.0, "train_s": 3.0, "score_s": 4.0})
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return read_table(file)
