"""Early stopping on recorded curves: how often would a winner have been stopped, and how much time
is saved.

    python bench/curves.py                      # replays bench/curves.json.xz and prints the rates with their intervals
    python bench/curves.py --record             # records anew: every variant with seeds 1 to 3, about a minute a run
    python bench/curves.py --record 'FALL 0.9'  # one of them
    python bench/curves.py --as-table curves.jsonl  # for autoresearch simulate --table
    python bench/curves.py --record shipped --real-clock --file mine.json.xz  # with the clock of real runs

Recorded runs are real ones of lab/train.py with one constant changed. Every ordered pair of
variants is a case: the first is the best so far (all its runs), the second the candidate (each of
its runs, beside the best's of the same seed), so that there are winners to stop wrongly although
nothing beats the shipped constants by much. Pairs share runs, so the intervals, which take them
for independent, are too narrow: a second line resamples whole variants. The spread is pooled over
the variants that are neither of the pair.
"""

from __future__ import annotations

import argparse
import json
import lzma
import math
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import msgspec

from autoresearch.researcher.config import JudgeTable
from autoresearch.researcher.judging.curves import (
    MARKS,
    CurvePoint,
    StopRule,
    make_stop_rule,
    smooth_loss,
)
from autoresearch.researcher.judging.noise import pool_noise
from autoresearch.researcher.simulate.compare import share
from autoresearch.researcher.simulate.table import TableHead, TableRun
from experiments import LAB, TOKEN_CLOCK, replace_clock

HERE = Path(__file__).resolve().parent
RECORDED = HERE / "curves.json.xz"
TRACK = "pystd-20s"
START_S, TRAIN_S, SCORE_S = 12.0, 20.0, 12.0  # of a usual run of that track on two cores
# One constant of train.py changed at a time, by factors that a researcher tries.
VARIANTS: dict[str, dict[str, str]] = {
    "shipped": {},
    "MATRIX_LR 0.02": {"MATRIX_LR": "0.02"},
    "MATRIX_LR 0.08": {"MATRIX_LR": "0.08"},
    "EMBED_LR 0.1": {"EMBED_LR": "0.1"},
    "HEAD_LR 0.02": {"HEAD_LR": "0.02"},
    "HEAD_LR 0.003": {"HEAD_LR": "0.003"},
    "TABLE_LR 0.1": {"TABLE_LR": "0.1"},
    "TOTAL_BATCH 2048": {"TOTAL_BATCH": "2048", "MICRO_ROWS": "8"},
    "TOTAL_BATCH 8192": {"TOTAL_BATCH": "8192"},
    "FALL 0.3": {"FALL": "0.3"},
    "FALL 0.9": {"FALL": "0.9"},
    "FINAL_RATE 0.2": {"FINAL_RATE": "0.2"},
    "CONV_TAPS 0": {"CONV_TAPS": "0"},
    "KEY_SHIFT 0": {"KEY_SHIFT": "0"},
    "TRIGRAM_ROWS 0": {"TRIGRAM_ROWS": "0"},
    "MATRIX_DECAY 0.2": {"MATRIX_DECAY": "0.2"},
}


def record_run(name: str, seed: int, real_clock: bool) -> dict[str, Any]:
    """Train one variant once and return its curve and score. The clock goes by tokens where it is
    no real one: other work on the machine leaves no trace."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        shutil.copy(LAB / "prepare.py", place)
        shutil.copytree(LAB / "fixed", place / "fixed")
        env = {**os.environ, "AUTORESEARCH_TRACK": TRACK, "OMP_NUM_THREADS": "1"}
        subprocess.run(
            [sys.executable, "prepare.py", "--track", TRACK],
            cwd=place,
            env=env,
            capture_output=True,
            check=True,
        )
        source = changed((LAB / "train.py").read_text("utf-8"), VARIANTS[name])
        (place / "train.py").write_text(
            source if real_clock else replace_clock(source, TOKEN_CLOCK), "utf-8"
        )
        env |= {"AUTORESEARCH_SEED": str(seed), "AUTORESEARCH_RUN_DIR": str(place / "run")}
        done = subprocess.run(
            [sys.executable, "train.py"],
            cwd=place,
            env=env,
            capture_output=True,
            text=True,
            check=True,
        )
        lines = dict(re.findall(r"^([A-Za-z_]\w*):\s*(\S+)$", done.stdout, re.M))
        points = [
            json.loads(line)
            for line in (place / "run" / "curve.jsonl").read_text("utf-8").splitlines()
        ]
    return {
        "variant": name,
        "seed": seed,
        "value": float(lines["val_bpb"]),
        "steps": int(lines["num_steps"]),
        "tokens_M": float(lines["total_tokens_M"]),
        "points": [[p["progress"], p["loss"]] for p in points],
    }


def changed(source: str, constants: dict[str, str]) -> str:
    """train.py with other values for some constants."""
    for name, value in constants.items():
        source, found = re.subn(rf"^{name} = \S+", f"{name} = {value}", source, flags=re.M)
        assert found == 1, name
    return source


# ---------------------------------------------------------------- replay

CLASSES = ((-1e9, -4), (-4, -2), (-2, -0.5), (-0.5, 0.5), (0.5, 2), (2, 4), (4, 1e9))


@dataclass(frozen=True)
class Case:
    """One candidate's run against one best: its true gain in sigma, and the share of the budget it
    got."""

    best: str
    candidate: str
    gain: float
    got: float


def replay(runs: list[dict[str, Any]], level: float) -> list[Case]:
    """Every run of every variant as a candidate against every other variant."""
    curves, values = by_variant(runs)
    sigma = pool_noise(list(values.values())).sigma
    found = []
    for best, own in curves.items():
        for candidate, tried in curves.items():
            if candidate == best:
                continue
            others = [c for name, c in curves.items() if name not in (best, candidate)]
            gain = (fmean(values[best]) - fmean(values[candidate])) / sigma
            for curve, beside in zip(tried, own, strict=True):
                watch = make_stop_rule(own, others, level, [beside])
                found.append(Case(best, candidate, gain, share_run(watch, curve)))
    return found


def by_variant(
    runs: list[dict[str, Any]],
) -> tuple[dict[str, list[list[CurvePoint]]], dict[str, list[float]]]:
    curves: dict[str, list[list[CurvePoint]]] = {}
    values: dict[str, list[float]] = {}
    for run in sorted(runs, key=lambda run: run["seed"]):  # so that the same place is the same seed
        curves.setdefault(run["variant"], []).append(
            [CurvePoint(*point) for point in run["points"]]
        )
        values.setdefault(run["variant"], []).append(run["value"])
    return curves, values


def share_run(watch: StopRule | None, curve: list[CurvePoint]) -> float:
    """Of the budget, until the watch ends the run."""
    for mark in watch.marks if watch else ():
        if watch and watch.find_stop(
            [point for point in curve if point.progress <= mark.progress + 0.021]
        ):
            return mark.progress
    return 1.0


def resampled(cases: list[Case], low: float, high: float, rounds: int = 400) -> tuple[float, float]:
    """95 % of the stopped share when whole variants are drawn again (bootstrap over variants,
    seeded)."""
    chance = random.Random(0)
    names = sorted({case.best for case in cases})
    inside = [case for case in cases if low <= case.gain < high]
    shares = []
    for _ in range(rounds):
        drawn = Counter(chance.choices(names, k=len(names)))
        weights = [drawn[case.best] * drawn[case.candidate] for case in inside]
        if sum(weights):
            shares.append(
                sum(w for w, case in zip(weights, inside, strict=True) if case.got < 1)
                / sum(weights)
            )
    shares.sort()
    return (
        (shares[int(0.025 * len(shares))], shares[int(0.975 * len(shares))])
        if shares
        else (0.0, 1.0)
    )


def show(runs: list[dict[str, Any]], level: float) -> None:
    curves, values = by_variant(runs)
    noise = pool_noise(list(values.values()))
    print(
        f"{len(runs)} runs of {len(curves)} variants; noise {noise.sigma:.4f} "
        f"({noise.dof} degrees of freedom), of which seeds share "
        f"{seeds_share(values):.2f} of the variance; level {level:g}"
    )
    print(f"marks {', '.join(f'{mark:.0%}' for mark in MARKS)}\n")
    cases = replay(runs, level)
    print("true gain, in sigma   cases  stopped, % (95 %; drawing variants again)   budget used, %")
    for low, high in CLASSES:
        inside = [case for case in cases if low <= case.gain < high]
        stopped = share(sum(case.got < 1 for case in inside), len(inside))
        wide = resampled(cases, low, high)
        name = f"{low:g} to {high:g}".replace("-1e+09 to", "below").replace(
            " to 1e+09", " and more"
        )
        print(
            f"{name:20s}  {len(inside):5d}  {100 * stopped.value:5.1f} "
            f"({100 * stopped.low:.1f} to {100 * stopped.high:.1f}; "
            f"{100 * wide[0]:.0f} to {100 * wide[1]:.0f})".ljust(70)
            + f"{100 * fmean(case.got for case in inside):.0f}"
        )
    near = ", ".join(
        f"{correlation(curves, values, noise.sigma, at):.2f} at {at:.0%}" for at in (0.1, *MARKS)
    )
    print(
        f"\ncorrelation of curves with true gains (means of variants, pairs within 6 sigma): {near}"
    )


def seeds_share(values: dict[str, list[float]]) -> float:
    """Of the variance within variants: what a seed does to all of them alike (two-way analysis of
    variance without interaction)."""
    rows = [[value - fmean(found) for value in found] for found in values.values()]
    of_seeds = [fmean(column) for column in zip(*rows, strict=True)]
    left = sum((value - of_seeds[at]) ** 2 for row in rows for at, value in enumerate(row))
    dof = (len(rows) - 1) * (len(of_seeds) - 1)
    return 1 - left / dof / pool_noise(list(values.values())).sigma ** 2


def correlation(
    curves: dict[str, list[list[CurvePoint]]],
    values: dict[str, list[float]],
    sigma: float,
    at: float,
) -> float:
    """Between differences of curves at a fraction of the budget and differences of scores, over
    all pairs that are near."""
    level = {
        name: fmean([loss for c in found if (loss := smooth_loss(c, at)) is not None])
        for name, found in curves.items()
    }
    worth = {name: fmean(found) for name, found in values.items()}
    pairs = [(worth[a] - worth[b], level[a] - level[b]) for a in curves for b in curves if a < b]
    near = [(gain, early) for gain, early in pairs if abs(gain) < 6 * sigma]
    return sum(g * e for g, e in near) / math.sqrt(
        sum(g * g for g, _ in near) * sum(e * e for _, e in near)
    )


def write_table(runs: list[dict[str, Any]], file: Path) -> None:
    """The runs as a table for `autoresearch simulate --table`. The constants' ranges are those of
    train.py as it is now; the runs are older."""
    source = (LAB / "train.py").read_text("utf-8")
    about = {"lab": "as of bench/curves.json.xz", "clock": "40,000 tokens are a second"}
    head = TableHead(format=1, machine="any", libraries="unknown", source=source, **about)
    names = list(VARIANTS)
    rows = [
        TableRun(
            variant=names.index(run["variant"]),
            track=TRACK,
            seed=run["seed"],
            settings={name: json.loads(v) for name, v in VARIANTS[run["variant"]].items()},
            val_bpb=run["value"],
            steps=run["steps"],
            start_s=START_S,
            train_s=TRAIN_S,
            score_s=SCORE_S,
            points=tuple(map(tuple, run["points"])),
        )
        for run in runs
    ]
    file.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in (head, *rows)))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--record", metavar="VARIANT", nargs="?", const="", help="record anew: one variant, or all"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--levels", type=float, nargs="+", default=[JudgeTable().early_level, 0.3])
    parser.add_argument("--file", type=Path, default=RECORDED)
    parser.add_argument(
        "--real-clock", action="store_true", help="record with wall-clock time instead of tokens"
    )
    parser.add_argument(
        "--as-table", type=Path, metavar="FILE", help="write the runs as a table to simulate on"
    )
    args = parser.parse_args()
    if args.as_table:
        write_table(load(args.file), args.as_table)
        return
    if args.record is None:
        for level in args.levels:
            show(load(args.file), level)
            print()
        return
    for seed in args.seeds:
        for name in [args.record] if args.record else VARIANTS:
            run = record_run(name, seed, args.real_clock)
            print(name, seed, run["value"], run["steps"], flush=True)
            runs = load(args.file) if args.file.exists() else []
            save(args.file, [r for r in runs if (r["variant"], r["seed"]) != (name, seed)] + [run])


def load(file: Path) -> list[dict[str, Any]]:
    return json.loads(lzma.decompress(file.read_bytes()))  # type: ignore[no-any-return]


def save(file: Path, runs: list[dict[str, Any]]) -> None:
    file.write_bytes(lzma.compress(json.dumps(runs, separators=(",", ":")).encode(), preset=9))


if __name__ == "__main__":
    main()
