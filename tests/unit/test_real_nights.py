"""Claims about bench/real_nights.py: what ends hold is told by fresh seeds, against the unchanged
code with the same seeds, and a failed run or an unchanged end is not lost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
ENDS = (("mixed-0", 9, 3), ("mixed-1", 9, 2), ("search-0", 8, 0), ("search-1", 8, 1))
GAINS = {"mixed-0": (0.02, 0.04), "mixed-1": (0.01, 0.03), "search-1": (-0.004, 0.002)}


def write_folder(folder: Path) -> Path:
    """Two nights of two agents; one of them kept nothing, one run failed."""
    ends, seeds = [], []
    (folder / "unchanged.py").write_text("RATE = 1\n", "utf-8")
    for name, experiments, kept in ENDS:
        text = f"RATE = 2  # {name}\n" if kept else "RATE = 1\n"
        (folder / f"{name}.py").write_text(text, "utf-8")
        agent = name.partition("-")[0]
        ends.append({"name": name, "agent": agent, "minutes": 25.0, "experiments": experiments,
                     "kept": kept})  # fmt: skip
    for seed, luck in ((900_001, 0.05), (900_002, 0.0)):
        seeds.append({"name": "unchanged", "seed": seed, "val_bpb": 1.5 + luck})
        for name, gains in GAINS.items():
            value = 1.5 + luck - gains[seed - 900_001]
            seeds.append({"name": name, "seed": seed, "val_bpb": value})
    seeds += [
        {"name": "mixed-0", "seed": 900_003},  # it failed
        {"name": "unchanged", "seed": 900_003, "val_bpb": 2.0},
    ]
    for file, lines in (("ends.jsonl", ends), ("seeds.jsonl", seeds)):
        (folder / file).write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return folder


def test_gains_are_those_of_the_same_fresh_seeds(tmp_path: Path) -> None:
    folder = write_folder(tmp_path)
    command = [sys.executable, "bench/real_nights.py", "show", "--folder", str(folder)]

    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    lines = dict(line.split(maxsplit=1) for line in said.splitlines()[:4])
    assert "9 experiments, 3 kept: gain +0.0300 (" in lines["mixed-0"]
    assert "gain +0.0200 (" in lines["mixed-1"] and "gain -0.0010 (" in lines["search-1"]
    assert lines["search-0"].endswith("0 kept: the unchanged code")
    *of_agents, count = said.splitlines()[4:]
    assert count.startswith("2 of 4 ends are better than the unchanged code; luck")
    assert count.endswith("less than once in 20 times for 0, once in 40 for 0")
    assert of_agents[0].startswith("mixed") and "mean +0.0250" in of_agents[0]
    assert of_agents[1].startswith("search") and "mean -0.0005" in of_agents[1]
