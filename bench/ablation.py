"""What each part of the model is worth: a small model of the scale `climbmix`, trained for the same
steps with and without the part, in pairs of one seed.

    python bench/ablation.py --runs 4        # the next four runs that have no result yet
    python bench/ablation.py --table         # only print what the file has
    python bench/ablation.py --runs 8 --only "base,value n-grams" --json mine.json

By steps and not by seconds, so that a busy machine changes nothing but the time it takes. A part
whose settings changed is run anew. Leaves to others: whether a gain is worth its cost (costs,
gpu)."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from experiments import hash_code, make_experiment, read_results, write_results
from original import BEST

BENCH = Path(__file__).resolve().parent
STEPS = 200
SMALL = BEST | {
    "DEPTH": 3, "ASPECT": 32, "HEAD_DIM": 32, "PATTERN": "SL", "SHORT_WINDOW": 32,
    "TOTAL_BATCH": 1024, "MICRO_ROWS": 4, "COMPILE": 0,
}  # fmt: skip
ROWS = 8192  # of a hashed table: a text of this length shares them as a long one does larger ones
VALUE_NGRAMS = {"VALUE_BIGRAM_ROWS": ROWS, "VALUE_TRIGRAM_ROWS": ROWS}
INPUT_NGRAMS = {"BIGRAM_ROWS": ROWS, "TRIGRAM_ROWS": ROWS}
PARTS: dict[str, dict[str, Any]] = {
    "base": {},
    "value n-grams": VALUE_NGRAMS,
    "input n-grams": INPUT_NGRAMS,
    "value and input n-grams": VALUE_NGRAMS | INPUT_NGRAMS,
    "value n-grams in place of value embeddings": VALUE_NGRAMS | {"VALUE_EMBEDS": 0},
    "shifted keys": {"KEY_SHIFT": 1},
    "convolution of 3 taps": {"CONV_TAPS": 3},
}


def next_runs(results: list[dict[str, Any]], args: argparse.Namespace) -> Iterator[tuple[str, int]]:
    """(part, seed) without a result, a whole set of parts for one seed before the next seed."""
    names = args.only.split(",") if args.only else list(PARTS)
    have = {(r["part"], r["seed"]) for r in results if has_settings(r)}
    for seed in range(42, 42 + args.seeds):
        yield from ((name, seed) for name in names if (name, seed) not in have)


def has_settings(result: dict[str, Any]) -> bool:
    """Whether a result is of its part as it is now; constants that are gone were off."""
    wanted = settings_of(result["part"])
    return all(result["settings"].get(name) == value for name, value in wanted.items())


def settings_of(part: str) -> dict[str, Any]:
    return SMALL | PARTS.get(part, {})


def run_once(part: str, seed: int, steps: int, folder: Path) -> dict[str, Any]:
    """One training run and its score; ends the bench where it fails."""
    make_experiment(folder, "climbmix", settings_of(part), {})
    env = {**os.environ, "AUTORESEARCH_TRACK": "pystd", "AUTORESEARCH_SEED": str(seed)}
    job = [str(BENCH / "gpu_job.py"), "replay", "--evaluate", "--steps", str(steps)]
    outputs = []
    for command in (["prepare.py", "--track", "pystd"], job):
        done = subprocess.run(
            [sys.executable, *command], cwd=folder, env=env, capture_output=True, text=True
        )
        if done.returncode:
            sys.exit(f"{part}: {done.stdout[-1500:]}{done.stderr[-1500:]}")
        outputs.append(done.stdout)
    told = json.loads(outputs[-1].splitlines()[-1])
    return {
        "part": part,
        "seed": seed,
        "steps": steps,
        "settings": settings_of(part),
        "code": hash_code(folder),
        "val_bpb": told["val_bpb"],
        "last_loss": statistics.mean(told["losses"][-20:]),
        "step_s": told["step_s"],
    }


def print_table(results: list[dict[str, Any]]) -> None:
    """Each part against the base of the same seed: what it gained, and what a step took."""
    scores = {(r["part"], r["seed"]): r for r in results}
    print("| part | pairs | val_bpb lower by, median (lowest to highest) | time a step |")
    print("|---|---:|---:|---:|")
    for part in dict.fromkeys(r["part"] for r in results):
        seeds = [s for p, s in scores if p == part and ("base", s) in scores]
        bases, runs = ([scores[p, s] for s in seeds] for p in ("base", part))
        gains = [b["val_bpb"] - r["val_bpb"] for b, r in zip(bases, runs, strict=True)]
        if not gains:
            continue
        times = [r["step_s"] / b["step_s"] for b, r in zip(bases, runs, strict=True)]
        gain = f"{statistics.median(gains):+.4f} ({min(gains):+.4f} to {max(gains):+.4f})"
        gain = f"{statistics.median(r['val_bpb'] for r in runs):.4f}" if part == "base" else gain
        print(f"| {part} | {len(gains)} | {gain} | {statistics.median(times):.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=0, help="how many at most")
    parser.add_argument("--seeds", type=int, default=3, help="of every part; default 3")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--only", help="parts, with commas between them")
    parser.add_argument("--json", type=Path, default=BENCH / "ablation.json")
    parser.add_argument("--table", action="store_true", help="run nothing")
    args = parser.parse_args()
    results = read_results(args.json)
    for part, seed in [] if args.table else list(next_runs(results, args))[: args.runs]:
        with tempfile.TemporaryDirectory() as root:
            results.append(run_once(part, seed, args.steps, Path(root) / "experiment"))
        write_results(args.json, results)
        print(f"  {part}, seed {seed}: {results[-1]['val_bpb']:.4f}", flush=True)
    print_table(results)


if __name__ == "__main__":
    main()
