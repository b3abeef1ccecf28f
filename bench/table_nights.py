"""Agents on nights of a recorded table: what each holds at the end, beside random and search.

    python bench/table_nights.py --track pystd-12s --hours 2 8 --nights 200 --out nights.jsonl

Everything but the runs is real: the agents' choices, the judge, early stopping. Nights are written
to --out as they end, one seed of all agents after the other, and a later call goes on; it starts
anew where the table or the code of the package changed. `--learnt` gives joint and mixed what
bench/learn.py made of other runs, as `--learnt FILE`. Intervals are 95 %.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import os
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path

import msgspec

from autoresearch.researcher.agents.learnt import NOTHING, parse_learnt
from autoresearch.researcher.config import JudgeTable
from autoresearch.researcher.simulate import compare
from autoresearch.researcher.simulate.landscape import Landscape
from autoresearch.researcher.simulate.recorded_lab import RecordedLab, record_lab
from autoresearch.researcher.simulate.table import read_table, table_landscape

ROOT = Path(__file__).resolve().parents[1]
ARMS = {arm.name: arm for arm in compare.AGENT_ARMS}
IDLE_S = 6.2, 8.5  # start and score of a run on an idle machine; recorded ones were busy


class TableNight(msgspec.Struct, frozen=True):
    """One night. `of`: the table, the code and what was learnt."""

    of: str
    agent: str
    hours: float
    seed: int
    gain: float
    experiments: int
    kept: int


def run_night(task: tuple[str, str, float, int, Landscape, RecordedLab]) -> TableNight:
    of, agent, hours, seed, land, lab = task
    night = compare.one((land, JudgeTable(), ARMS[agent], hours, seed, lab))
    return TableNight(of, agent, hours, seed, night.improvement, night.experiments, night.keeps)


def hash_inputs(table: Path, learnt: Path | None) -> str:
    """Of all that decides what a night finds."""
    code = sorted((ROOT / "src/autoresearch/researcher").rglob("*.py"))
    parts = [file for file in code if {"agents", "judging", "simulate"} & set(file.parts)]
    digest = hashlib.sha256()
    for file in [*parts, table, *([learnt] if learnt else [])]:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def read_nights(file: Path, of: str) -> Iterator[TableNight]:
    for line in file.read_bytes().splitlines() if file.exists() else ():
        night = msgspec.json.decode(line, type=TableNight)
        if night.of == of:
            yield night


def show(nights: list[TableNight]) -> None:
    """A table for each length of night."""
    for hours in sorted({night.hours for night in nights}):
        groups: dict[str, list[TableNight]] = defaultdict(list)
        for night in nights:
            if night.hours == hours:
                groups[night.agent].append(night)
        print(f"\nnights of {hours:g} h: gain x1000 at the end")
        for agent in ARMS:
            if group := groups[agent]:
                print(f"  {agent:8} {describe(group, groups)}")


def describe(group: list[TableNight], groups: dict[str, list[TableNight]]) -> str:
    gains = [night.gain for night in group]
    held = compare.mean(gains)
    parts = [f"{1000 * held.value:7.2f} ({1000 * held.low:.2f} to {1000 * held.high:.2f})"]
    for other in ("random", "search"):
        if others := [night.gain for night in groups[other]]:
            share = compare.ratio(gains, others)
            if math.isnan(share.value):
                parts.append(f"{other} held {1000 * compare.mean(others).value:.2f}: no ratio")
            else:
                parts.append(
                    f"of {other}'s {share.value:5.2f} ({share.low:.2f} to {share.high:.2f})"
                )
    runs = sum(night.experiments for night in group) / len(group)
    kept = sum(night.kept for night in group) / len(group)
    return "  ".join([*parts, f"{runs:5.0f} runs, {kept:.1f} kept, {len(group)} nights"])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", type=Path, default=ROOT / "bench" / "table" / "pystd.jsonl")
    parser.add_argument("--track", default="pystd-12s")
    parser.add_argument("--agents", nargs="+", choices=list(ARMS), default=list(ARMS))
    parser.add_argument("--hours", type=float, nargs="+", default=[2.0])
    parser.add_argument("--nights", type=int, default=20)
    parser.add_argument("--learnt", type=Path)
    parser.add_argument("--out", type=Path, default=Path("table-nights.jsonl"))
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--minutes", type=float, default=1e9, help="begin none after so many")
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # each night has one core

    table = read_table(args.table)
    land = table_landscape(table, args.track)
    land = replace(land, start_s=IDLE_S[0], score_s=IDLE_S[1])
    lab = record_lab(table, land)
    lab = replace(lab, learnt=parse_learnt(args.learnt) if args.learnt else NOTHING)
    print(f"{land.about}; {lab.surface.about}; {len(lab.gains)} ideas")
    of = hash_inputs(args.table, args.learnt) + f" {args.track}"
    nights = list(read_nights(args.out, of))
    done, began = {(n.agent, n.hours, n.seed) for n in nights}, time.monotonic()
    tasks = [
        (of, agent, hours, seed, land, lab)
        for seed in range(args.nights)
        for hours in args.hours
        for agent in args.agents
        if (agent, hours, seed) not in done
    ]
    with ProcessPoolExecutor(args.processes) as pool, args.out.open("ab") as out:
        waiting = {pool.submit(run_night, task) for task in tasks}
        for number, future in enumerate(as_completed(waiting), start=1):
            if not future.cancelled():
                nights.append(future.result())
                out.write(msgspec.json.encode(nights[-1]) + b"\n")
                out.flush()
            spent = time.monotonic() - began
            if spent > 60 * args.minutes:
                for one in waiting:
                    one.cancel()
            elif number % 20 == 0:
                left = spent / number * (len(tasks) - number) / 60
                print(f"{number} of {len(tasks)} nights, {left:.0f} min left", flush=True)
    show(nights)


if __name__ == "__main__":
    main()
