"""What each part of the model is worth: `climbmix` in small, trained with and without the part, in
pairs of one seed.

    python bench/ablation.py --minutes 30             # goes on where the last call ended
    python bench/ablation.py --minutes 30 --seconds 30  # each run as long, on a machine left alone
    python bench/ablation.py --table                  # only print what the file has
    python bench/ablation.py --runs 8 --only "base,smear" --json mine.json

A part is constants of the scale, ideas of the catalogue as users get them, or both. Each run is
train.py's own loop on one thread and on a clock of ours. By steps its end depends on nothing but
the seed, on one kind of processor; by seconds, which are the process's own, on the machine too. A
part whose code changed is run anew. Leaves to others: whether a gain is worth its cost (costs).
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import hashlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from by_steps import build_trainer, load_parts
from experiments import (
    apply_ideas,
    change_constants,
    make_experiment,
    read_results,
    write_results,
)

FILE = Path(__file__).resolve()
SCALE, TRACK, STEPS = "climbmix", "pystd", 200
ROWS = 8192  # of a hashed table: a text of this length shares them as a long one does larger ones
SMALL: dict[str, Any] = {
    "DEPTH": 4, "ASPECT": 24, "HEAD_DIM": 32, "PATTERN": "SSSL", "SHORT_WINDOW": 64,
    "BIGRAM_ROWS": ROWS, "TRIGRAM_ROWS": ROWS, "KEY_SHIFT": 0, "SMEAR": 0, "TOTAL_BATCH": 2048,
    "MICRO_ROWS": 8, "COMPILE": 0,
}  # fmt: skip


@dataclass(frozen=True)
class Part:
    """A change of the base: constants, then ideas of the catalogue by name."""

    settings: dict[str, Any] = field(default_factory=dict)
    ideas: tuple[str, ...] = ()


SHIFTED, SMEARED = {"KEY_SHIFT": 1}, {"SMEAR": 1}
PARTS = {
    "base": Part(),
    "smear": Part(SMEARED),
    "value residual": Part(ideas=("value-residual",)),
    "shifted keys": Part(SHIFTED),
    "no input n-grams": Part({"BIGRAM_ROWS": 0, "TRIGRAM_ROWS": 0}),
    "value n-grams": Part({"VALUE_BIGRAM_ROWS": ROWS, "VALUE_TRIGRAM_ROWS": ROWS}),
    "convolution of 3 taps": Part({"CONV_TAPS": 3}),
    "backout": Part(ideas=("backout",)),
    "QK scale 1.4": Part(ideas=("sharper-attention",)),
    "no value embeddings": Part({"VALUE_EMBEDS": 0}),
    "cosine fall": Part(ideas=("cosine-fall",)),
    "two ahead": Part(ideas=("two-ahead",)),
    "mean of the tail": Part(ideas=("tail-average",)),
    "head gate": Part(ideas=("head-gate",)),
    "shifted keys and smear": Part(SHIFTED | SMEARED),
    "shifted keys and convolution": Part(SHIFTED | {"CONV_TAPS": 3}),
    "shifted keys without input n-grams": Part(SHIFTED | {"BIGRAM_ROWS": 0, "TRIGRAM_ROWS": 0}),
}


# ---------------------------------------------------------------- which runs


def next_runs(results: list[dict[str, Any]], args: argparse.Namespace) -> Iterator[tuple[str, int]]:
    """(part, seed) without a result, a whole set of parts for one seed before the next seed."""
    names = args.only.split(",") if args.only else list(PARTS)
    have = {(r["part"], r["seed"]) for r in results if r["budget"] == name_budget(args)}
    for seed in range(42, 42 + args.seeds):
        yield from ((name, seed) for name in names if (name, seed) not in have)


def name_budget(args: argparse.Namespace) -> str:
    return f"{args.seconds:g} s" if args.seconds else f"{args.steps} steps"


def write_source(part: str) -> str:
    """train.py of a part."""
    source = change_constants(SCALE, SMALL | PARTS[part].settings)
    return apply_ideas(source, PARTS[part].ideas)


def hash_source(part: str) -> str:
    """Of what is computed: comments and layout may change."""
    tree = ast.dump(ast.parse(write_source(part)))
    return hashlib.sha256(tree.encode()).hexdigest()[:12]


# ---------------------------------------------------------------- one run


def run_once(part: str, seed: int, args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """One training run and its score, in a process of its own; ends the bench where it fails."""
    make_experiment(folder, SCALE, {}, {})
    (folder / "train.py").write_text(write_source(part), "utf-8")
    budget = ["--seconds", str(args.seconds), "--steps", str(args.steps)]
    run_python(["prepare.py", "--track", TRACK], folder, seed)
    output = run_python([str(FILE), "--job", *budget], folder, seed)
    numbers: dict[str, Any] = json.loads(output.splitlines()[-1])
    about = {"part": part, "seed": seed, "budget": name_budget(args), "code": hash_source(part)}
    return about | numbers


def run_python(command: list[str], folder: Path, seed: int) -> str:
    more = {"AUTORESEARCH_TRACK": TRACK, "AUTORESEARCH_SEED": str(seed), "OMP_NUM_THREADS": "1"}
    command, env = [sys.executable, *command], os.environ | more
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{command}: {done.stdout[-1500:]}{done.stderr[-1500:]}")
    return done.stdout


class Unprinted:
    """In place of the loop's lines of progress."""

    def update(self, step: int, loss: float) -> None:
        pass


def train_here(args: argparse.Namespace) -> dict[str, Any]:
    """The train.py of this folder, by its own loop until our clock has run out, and its score."""
    parts = prepare, _, train = load_parts()
    trainer = build_trainer(parts, 0)
    loader, tokens = trainer.loader, args.steps * train.TOTAL_BATCH
    began = time.process_time()

    def read_clock() -> float:
        used_s = time.process_time() - began
        used = used_s / args.seconds if args.seconds else loader.tokens / tokens
        return float(used * loader.track.budget_s)

    loader.clock = read_clock
    steps = train.train(trainer, prepare.find_device(), Unprinted())
    step_s = (time.process_time() - began) / steps
    val_bpb = prepare.evaluate_bpb(trainer.model, loader.tokenizer, 32)
    return {"track": loader.track.id, "steps": steps, "step_s": step_s, "val_bpb": val_bpb}


# ---------------------------------------------------------------- the table


def print_table(results: list[dict[str, Any]]) -> None:
    """Each part against the base of the same seed and budget: what it gained, what a step took."""
    for budget in dict.fromkeys(r["budget"] for r in results):
        runs = {(r["part"], r["seed"]): r for r in results if r["budget"] == budget}
        print(f"| part, {budget} each | pairs | val_bpb lower by, median (range) | time a step |")
        print("|---|---:|---:|---:|")
        for part in PARTS:
            seeds = [seed for name, seed in runs if name == part and ("base", seed) in runs]
            if seeds:
                pairs = [(runs["base", seed], runs[part, seed]) for seed in seeds]
                print(f"| {part} | {len(pairs)} | {describe_pairs(part, pairs)} |")
        print()


def describe_pairs(part: str, pairs: list[tuple[dict[str, Any], dict[str, Any]]]) -> str:
    time_ratio = statistics.median(run["step_s"] / base["step_s"] for base, run in pairs)
    scores = [run["val_bpb"] for _, run in pairs]
    gains = [base["val_bpb"] - run["val_bpb"] for base, run in pairs]
    told, sign = (scores, "") if part == "base" else (gains, "+")
    middle, low, high = (f"{x:{sign}.4f}" for x in (statistics.median(told), min(told), max(told)))
    return f"{middle} ({low} to {high}) | {time_ratio:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=1000, help="how many at most")
    parser.add_argument("--minutes", type=float, default=0, help="after which no run begins")
    parser.add_argument("--seeds", type=int, default=3, help="of every part; default 3")
    parser.add_argument("--steps", type=int, default=STEPS, help="of every run")
    parser.add_argument("--seconds", type=float, default=0, help="of every run, in place of steps")
    parser.add_argument("--only", help="parts, with commas between them")
    parser.add_argument("--json", type=Path, default=FILE.with_suffix(".json"))
    parser.add_argument("--table", action="store_true", help="run nothing")
    parser.add_argument("--job", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.job:
        print(json.dumps(train_here(args)))
        return
    ends = time.monotonic() + 60 * (args.minutes or 1e6)
    codes = {part: hash_source(part) for part in PARTS}
    results = [r for r in read_results(args.json) if r["code"] == codes.get(r["part"])]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt):  # ended by hand: the run at hand is lost
        for part, seed in [] if args.table else list(next_runs(results, args))[: args.runs]:
            if time.monotonic() > ends:
                break
            with tempfile.TemporaryDirectory() as root:
                results.append(run_once(part, seed, args, Path(root) / "experiment"))
            write_results(args.json, results)
            print(f"  {part}, seed {seed}: {results[-1]['val_bpb']:.4f}", flush=True)
    print_table(results)


if __name__ == "__main__":
    main()
