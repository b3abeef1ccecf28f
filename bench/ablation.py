"""What each part of the model is worth: a small model of the scale `climbmix`, trained with and
without the part, in pairs of one seed.

    python bench/ablation.py --times         # what a step of each part takes, beside the base's
    python bench/ablation.py --runs 4        # the next four runs that have no result yet
    python bench/ablation.py --table         # only print what the file has
    python bench/ablation.py --runs 8 --only "base,smear" --json mine.json

The base is the default in small. A part is a change of its constants, or an idea of the
researcher's catalogue. Each is trained for the base's steps, and for as many as the base's time
allows it: steps decide in both, so a busy machine changes no result. Only the times want a quiet
one; they are measured in turn. A part whose train.py changed is run anew. Leaves to others: memory
and FLOPs (costs), GPUs (gpu).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from autoresearch.files import replace_file
from autoresearch.researcher.agents.ideas import apply_idea, read_catalogue
from experiments import change_constants, make_experiment

BENCH = Path(__file__).resolve().parent
STEPS, TIMED_STEPS = 200, 12
ROWS = 8192  # of a hashed table: a text of this length shares them as a long one does larger ones
SMALL = {
    "DEPTH": 3, "ASPECT": 32, "HEAD_DIM": 32, "PATTERN": "SL", "SHORT_WINDOW": 32,
    "BIGRAM_ROWS": ROWS, "TRIGRAM_ROWS": ROWS, "TOTAL_BATCH": 1024, "MICRO_ROWS": 4, "COMPILE": 0,
}  # fmt: skip
VALUE_NGRAMS = {"VALUE_BIGRAM_ROWS": ROWS, "VALUE_TRIGRAM_ROWS": ROWS}
NO_INPUT_NGRAMS = {"BIGRAM_ROWS": 0, "TRIGRAM_ROWS": 0}
BASE = "base"
PARTS: dict[str, dict[str, Any]] = {
    BASE: {},
    "no n-grams in the input": NO_INPUT_NGRAMS,
    "no value embeddings": {"VALUE_EMBEDS": 0},
    "n-grams in the values too": VALUE_NGRAMS,
    "n-grams in the values alone": VALUE_NGRAMS | NO_INPUT_NGRAMS,
    "shifted keys": {"KEY_SHIFT": 1},
    "convolution of 3 taps": {"CONV_TAPS": 3},
    "full windows": {"PATTERN": "L"},
}
IDEAS = (
    "smear", "backout", "sharper-attention", "head-gate", "value-residual", "u-net",
    "channel-scalars", "cosine-fall", "tail-average", "cautious-adam",
)  # fmt: skip
Budget = Literal["steps", "seconds"]
Row = dict[str, Any]


@dataclass(frozen=True)
class Run:
    part: str
    seed: int
    budget: Budget

    @property
    def key(self) -> tuple[str, int, str, str]:
        return self.part, self.seed, self.budget, hash_text(train_of(self.part))


@cache
def train_of(part: str) -> str:
    """train.py of a part; ends the bench where the catalogue's idea no longer applies."""
    text = change_constants("climbmix", SMALL | PARTS.get(part, {}))
    if part in PARTS:
        return text
    idea = next(idea for idea in read_catalogue() if idea.name == part)
    changed = apply_idea(idea, {"train.py": text})
    if changed is None:
        sys.exit(f"the idea {part} does not apply to train.py as it is")
    return changed["train.py"]


def read_file(file: Path) -> dict[str, list[Row]]:
    """`runs` and `times`; empty where there is no file."""
    if not file.exists():
        return {"runs": [], "times": []}
    found: dict[str, list[Row]] = json.loads(file.read_text("utf-8"))
    return found


def write_file(file: Path, results: dict[str, list[Row]]) -> None:
    replace_file(file, (json.dumps(results, indent=1) + "\n").encode())


def hash_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def valid(results: list[Row]) -> dict[tuple[str, int, str, str], Row]:
    """Those of the present code, by (part, seed, budget, hash of train.py)."""
    found = {(r["part"], r["seed"], r["budget"], r["code"]): r for r in results}
    names = {*PARTS, *IDEAS}
    return {key: r for key, r in found.items() if key[0] in names and Run(*key[:3]).key == key}


def next_runs(
    results: list[Row], times: dict[str, float], args: argparse.Namespace
) -> Iterator[Run]:
    """Without a result yet: all of one seed before the next, by steps before by seconds. Those by
    seconds whose time is not known come when it is."""
    names = args.only.split(",") if args.only else [*PARTS, *IDEAS]
    have = valid(results)
    budgets: tuple[Budget, ...] = ("steps", "seconds")
    for seed in range(42, 42 + args.seeds):
        for budget in budgets:
            runs = (Run(name, seed, budget) for name in names)
            yield from (
                run
                for run in runs
                if run.key not in have and (budget == "steps" or run.key[-1] in times)
            )


def count_steps(run: Run, times: dict[str, float], steps: int) -> int:
    """How many steps a run has: the base's, or those that fit into the time that these take."""
    if run.budget == "steps" or run.part == BASE:
        return steps
    return max(1, round(steps / times[run.key[-1]]))


# ------------------------------------------------------------------------------------- running


def measure_times(file: Path, rounds: int) -> None:
    """What a step of each part takes beside one of the base, in turn with it; those that are not
    known yet."""
    results = read_file(file)
    known = median_times(results)
    for part in (*PARTS, *IDEAS):
        code = hash_text(train_of(part))
        if part == BASE or code in known:
            continue
        pairs = [[run_job(name, 42, TIMED_STEPS)["step_cpu_s"] for name in (BASE, part)]
                 for _ in range(rounds)]  # fmt: skip
        results["times"].append({"part": part, "code": code, "step_cpu_s": pairs})
        write_file(file, results)
        print(f"  {part}: {median_times(results)[code]:.3f} of the base's time", flush=True)


def run_job(part: str, seed: int, steps: int, *more: str) -> Row:
    """What gpu_job tells of one training run by steps, on one thread so that processor time is
    that of the work; ends the bench where it fails."""
    with tempfile.TemporaryDirectory() as root:
        folder = make_experiment(Path(root) / "experiment", "climbmix", {}, {})
        (folder / "train.py").write_text(train_of(part), "utf-8")
        ours = {"AUTORESEARCH_TRACK": "pystd", "AUTORESEARCH_SEED": str(seed)}
        job = [str(BENCH / "gpu_job.py"), "replay", "--steps", str(steps), *more]
        for command in (["prepare.py", "--track", "pystd"], job):
            done = subprocess.run(
                [sys.executable, *command],
                cwd=folder,
                env={**os.environ, **ours, "OMP_NUM_THREADS": "1"},
                capture_output=True,
                text=True,
            )
            if done.returncode:
                sys.exit(f"{part}: {done.stdout[-1500:]}{done.stderr[-1500:]}")
    found: Row = json.loads(done.stdout.splitlines()[-1])
    return found


def run_once(run: Run, steps: int) -> Row:
    """One training run and its score."""
    found = run_job(run.part, run.seed, steps, "--evaluate")
    return {
        **{"part": run.part, "seed": run.seed, "budget": run.budget, "steps": steps},
        "code": run.key[-1],
        "val_bpb": found["val_bpb"],
        "last_loss": statistics.mean(found["losses"][-20:]),
    }


# ------------------------------------------------------------------------------------- telling


def median_times(results: dict[str, list[Row]]) -> dict[str, float]:
    """What a step takes beside one of the base, by the hash of train.py."""
    return {
        row["code"]: statistics.median(part / base for base, part in row["step_cpu_s"])
        for row in results["times"]
    }


def print_table(results: dict[str, list[Row]]) -> None:
    """Each part against the base of the same seed: what it gained, and what a step took."""
    have, times = valid(results["runs"]), median_times(results)
    print("| part | pairs | lower by, same steps | lower by, same seconds | time a step |")
    print("|---|---:|---:|---:|---:|")
    for part in (*PARTS, *IDEAS):
        gains = {budget: find_gains(have, part, budget) for budget in ("steps", "seconds")}
        if part == BASE or not gains["steps"]:
            continue
        time_a_step = times.get(hash_text(train_of(part)), float("nan"))
        told = " | ".join(describe(gains[budget]) for budget in ("steps", "seconds"))
        print(f"| {part} | {len(gains['steps'])} | {told} | {time_a_step:.2f} |")
    bases = [r["val_bpb"] for r in have.values() if r["part"] == BASE]
    if bases:
        print(f"\nbase: {statistics.median(bases):.4f} ({min(bases):.4f} to {max(bases):.4f})")


def find_pairs(have: dict[Any, Row], part: str, budget: str) -> Iterator[tuple[Row, Row]]:
    bases = {r["seed"]: r for r in have.values() if r["part"] == BASE}
    rows = (r for r in have.values() if (r["part"], r["budget"]) == (part, budget))
    yield from ((bases[r["seed"]], r) for r in rows if r["seed"] in bases)


def find_gains(have: dict[Any, Row], part: str, budget: str) -> list[float]:
    return [b["val_bpb"] - r["val_bpb"] for b, r in find_pairs(have, part, budget)]


def describe(gains: list[float]) -> str:
    if not gains:
        return ""
    return f"{statistics.median(gains):+.4f} ({min(gains):+.4f} to {max(gains):+.4f})"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=0, help="how many at most")
    parser.add_argument("--seeds", type=int, default=3, help="of every part; default 3")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--only", help="parts, with commas between them")
    parser.add_argument("--json", type=Path, default=BENCH / "ablation.json")
    parser.add_argument("--times", action="store_true", help="measure steps; a quiet machine")
    parser.add_argument("--rounds", type=int, default=3, help="of each part's times; default 3")
    parser.add_argument("--table", action="store_true", help="run nothing")
    args = parser.parse_args()
    if args.times:
        measure_times(args.json, args.rounds)
    for _ in range(0 if args.table else args.runs):
        results = read_file(args.json)  # another process may add to it as well
        times = median_times(results)
        run = next(next_runs(results["runs"], times, args), None)
        if run is None:
            break
        steps = count_steps(run, times, args.steps)
        row = run_once(run, steps)
        results = read_file(args.json)
        results["runs"].append(row)
        write_file(args.json, results)
        print(f"  {run.part}, seed {run.seed}, {steps} steps: {row['val_bpb']:.4f}", flush=True)
    print_table(read_file(args.json))


if __name__ == "__main__":
    main()
