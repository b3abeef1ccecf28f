"""The lab on a GPU: does every line of it run, how fast, and does our scale beat the original's?

    python bench/gpu.py                        # at most nine minutes; a second call goes on
    python bench/gpu.py --limit-s 300 --text text.jsonl.xz   # text of gpu_text.py
    python bench/gpu.py --rehearse             # all of it on a CPU, in small, in a minute or two
    python bench/gpu.py --summary              # only print what --json has

No network is needed: the text is this Python's packages unless --text names another. Jobs run one
by one, the most important first, each in a process of its own. A job is begun only where its usual
time is left, results are written after each, and one that is there of the same code and text is
not run again. A failed job is a result, and is tried again by the next call.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments import hash_code, make_experiment, read_block, read_results, write_results
from gpu_text import open_documents, write_lines
from original import BASELINE, BEST

BENCH = Path(__file__).resolve().parent
# Our scale, the original's two, and ours with hashed tables in the attention's values.
SIDES = ("ours", "best", "baseline", "values")


@dataclass(frozen=True)
class Plan:
    """Sizes of one kind of call: on a GPU, or the rehearsal."""

    budgets_s: dict[str, float]  # of training, by kind of job
    changes: dict[str, dict[str, Any]]  # of a scale's constants, and of ours alone
    tokens: dict[str, tuple[int, int]]  # vocabulary and row length by scale
    text_bytes: dict[str, int]
    memory: tuple[int, float]  # rows that shall not fit, GiB that there are
    steps: int  # of a replay
    seeds: int  # of each side
    spare_s: float  # what a process takes beside its training: start, compiler, evaluation
    compiler: str  # what torch.compile uses


FULL = Plan(
    budgets_s={"smoke": 4, "run": 60, "long": 300},
    changes={"values": {"VALUE_BIGRAM_ROWS": 131072, "VALUE_TRIGRAM_ROWS": 131072}},
    tokens={"climbmix": (8192, 2048), "tinystories": (2048, 512), "cpu": (1024, 256)},
    text_bytes={"climbmix": 200_000_000, "tinystories": 20_000_000, "cpu": 10_000_000},
    memory=(128, 30.0),
    steps=50,
    seeds=3,
    spare_s=20,
    compiler="inductor",
)
TABLES = ("BIGRAM_ROWS", "TRIGRAM_ROWS", "VALUE_BIGRAM_ROWS", "VALUE_TRIGRAM_ROWS")
TINY = {"DEPTH": 2, "ASPECT": 16, "HEAD_DIM": 16, "TOTAL_BATCH": 2048, "MICRO_ROWS": 16}
REHEARSAL = Plan(
    budgets_s={"smoke": 0.5, "run": 1.5, "long": 2},
    changes={
        "climbmix": TINY | {"DEPTH": 3, "SHORT_WINDOW": 32},
        "ours": dict.fromkeys(TABLES[:2], 256),
        "values": dict.fromkeys(TABLES, 256),
        "tinystories": TINY,
        "cpu": {"TOTAL_BATCH": 1024, "MICRO_ROWS": 8},
    },
    tokens={"climbmix": (512, 128), "tinystories": (512, 128), "cpu": (512, 128)},
    text_bytes={"climbmix": 400_000, "tinystories": 400_000, "cpu": 400_000},
    memory=(1024, 1.0),
    steps=6,
    seeds=1,
    spare_s=10,
    compiler="aot_eager",  # all but the C++ compiler, which takes a minute on a busy machine
)


@dataclass(frozen=True)
class Job:
    """One process: where, with which arguments, how long it usually takes."""

    name: str
    experiment: str  # a folder
    command: tuple[str, ...]
    usual_s: float
    budget: str = "smoke"
    seed: int = 42
    about: dict[str, Any] = field(default_factory=dict)  # goes into the result


def list_jobs(plan: Plan, machine: dict[str, Any], rehearsing: bool) -> Iterator[Job]:
    """The most important first: does it run, is it better, then everything else."""
    yield smoke(plan, "ours", compiling=1)
    yield from runs(plan, SIDES, 0)
    for scale in ("tinystories", "cpu"):
        yield smoke(plan, scale, compiling=0 if rehearsing else 1)
    for attention in machine["backends"]:
        yield smoke(plan, "ours", 0, attention)
        if not rehearsing and not machine["attention"].startswith(attention):
            yield smoke(plan, "ours", 1, attention)
    for take in (1, 2):
        yield replay(plan, take, 0 if rehearsing else 1)
    rows, gib = plan.memory
    yield Job(
        "too little memory",
        "ours",
        ("gpu_job.py", "memory", "--rows", str(rows), "--gib", str(gib)),
        plan.spare_s + 5,
    )
    for number in range(1, plan.seeds):
        yield from runs(plan, SIDES[::-1] if number % 2 else SIDES, number)
    long_s = plan.budgets_s["long"]
    yield Job("ours, long", "ours", ("train.py",), long_s + plan.spare_s, "long", 42)


def smoke(plan: Plan, experiment: str, compiling: int, attention: str = "") -> Job:
    named = ("--attention", attention) if attention else ()
    how = "compiled" if compiling else "uncompiled"
    return Job(
        ", ".join(filter(None, ("smoke", experiment, how, attention))),
        experiment,
        ("gpu_job.py", "train", "--compile", str(compiling), "--compiler", plan.compiler, *named),
        plan.budgets_s["smoke"] + plan.spare_s * (2 if compiling else 1),
    )


def runs(plan: Plan, sides: tuple[str, ...], number: int) -> Iterator[Job]:
    """One whole run of each side with one seed."""
    usual_s = plan.budgets_s["run"] + plan.spare_s
    for side in sides:
        name, about = f"run {side}, seed {42 + number}", {"side": side}
        yield Job(name, side, ("train.py",), usual_s, "run", 42 + number, about)


def replay(plan: Plan, take: int, compiling: int) -> Job:
    steps = ("--steps", str(plan.steps), "--compile", str(compiling))
    return Job(f"replay, take {take}", "ours", ("gpu_job.py", "replay", *steps), 2 * plan.spare_s)


# --------------------------------------------------------------------------------------------------
# Experiments and text


class Workplace:
    """Experiment folders, prepared text and caches, in a folder that later calls use again."""

    def __init__(self, folder: Path, plan: Plan, text: Path | None, rehearsing: bool) -> None:
        self.folder, self.plan = folder.resolve(), plan
        self.env = {"AUTORESEARCH_CACHE": str(self.folder / "cache")}
        if rehearsing:  # for products of a few rows: waking other threads takes longer
            self.env["OMP_NUM_THREADS"] = "1"
        shutil.rmtree(self.folder / "experiments", ignore_errors=True)
        small = {"COMPILE": 0} if rehearsing else {}
        changes = plan.changes.get("climbmix", {}) | small
        settings = {
            "ours": ("climbmix", changes | plan.changes.get("ours", {})),
            "best": ("climbmix", BEST | changes),
            "baseline": ("climbmix", BASELINE | changes),
            "values": ("climbmix", changes | plan.changes["values"]),
            "tinystories": ("tinystories", plan.changes.get("tinystories", {})),
            "cpu": ("cpu", plan.changes.get("cpu", {})),
        }
        self.scales = {name: scale for name, (scale, _) in settings.items()}
        for name, (scale, changed) in settings.items():
            make_experiment(self.folder / "experiments" / name, scale, changed, {})
        self.texts = self.write_texts(text)

    def write_texts(self, source: Path | None) -> dict[str, Path]:
        """Lines of JSON by scale; those of an earlier call where the source is the same."""
        texts = {}
        for scale, limit in self.plan.text_bytes.items():
            name = f"{source.name if source else 'packages'}-{limit}.jsonl"
            file = texts[scale] = self.folder / name
            if not file.exists():
                self.folder.mkdir(parents=True, exist_ok=True)
                write_lines(open_documents(source), file.with_suffix(".new"), limit)
                file.with_suffix(".new").rename(file)
        return texts

    def prepare(self, experiment: str, deadline: float) -> dict[str, Any]:
        """The experiment's text and tokens; what another of its scale has is there already."""
        scale, mine = self.scales[experiment], self.folder / "experiments" / experiment / ".track"
        for other, its_scale in self.scales.items():
            its = self.folder / "experiments" / other / ".track"
            if its_scale == scale and its.exists() and not mine.exists():
                shutil.copy(its, mine)
        if mine.exists():
            return {"wall_s": 0.0, "failed": "", "output": ""}
        vocabulary, length = self.plan.tokens[scale]
        command = ("prepare.py", "--track", "custom", "--data", str(self.texts[scale]))
        sizes = ("--vocab-size", str(vocabulary), "--seq-len", str(length))
        return self.run(experiment, (*command, *sizes), deadline, {})

    def run(
        self, experiment: str, command: tuple[str, ...], deadline: float, env: dict[str, str]
    ) -> dict[str, Any]:
        """A program in the experiment's folder, ended with all it started at the deadline."""
        program = str(BENCH / command[0]) if command[0] == "gpu_job.py" else command[0]
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, program, *command[1:]],
            cwd=self.folder / "experiments" / experiment,
            env={**os.environ, **self.env, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            left_s = None if deadline == math.inf else max(5.0, deadline - began)
            output, why = process.communicate(timeout=left_s)[0], ""
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, why = process.communicate()[0], "over its time"
        code = process.returncode
        why = why or (f"exit code {code}" if code else "")
        return {"wall_s": round(time.monotonic() - began, 1), "failed": why, "output": output}

    def mark(self, job: Job) -> str:
        """Of all that a result depends on beside the machine."""
        code = hash_code(self.folder / "experiments" / job.experiment)
        text = self.texts[self.scales[job.experiment]].name
        return f"{code} {text} {self.track(job.budget)} {' '.join(job.command)}"

    def track(self, kind: str) -> str:
        return f"custom-{self.plan.budgets_s[kind]:g}s"


def run_job(place: Workplace, job: Job, deadline: float) -> dict[str, Any]:
    """The job's result: what it printed as numbers, or why it failed and its last lines."""
    env = {
        "AUTORESEARCH_TRACK": place.track(job.budget),
        "AUTORESEARCH_SEED": str(job.seed),
        "AUTORESEARCH_RUN_DIR": "run",
    }
    done = place.run(job.experiment, job.command, deadline, env)
    output = done.pop("output")
    result = {"job": job.name, **job.about, **done}
    if not done["failed"]:
        result |= read_block(output) or read_last_line(output)
        result["notes"] = [
            line for line in output.splitlines() if line.startswith(("attention:", "torch.compile"))
        ]
    if done["failed"]:
        result["output"] = output[-3000:]
    return result


def read_last_line(output: str) -> dict[str, Any]:
    lines = output.strip().splitlines()
    try:
        told = json.loads(lines[-1]) if lines else {}
    except ValueError:
        return {"failed": "no numbers in its output", "output": output[-3000:]}
    return told if isinstance(told, dict) else {}


# --------------------------------------------------------------------------------------------------
# What it comes to


def print_table(results: list[dict[str, Any]]) -> None:
    """One line a job, as Markdown; then what the pairs, the replay and the overhead say."""
    print("\n| job | val_bpb | tokens/s | MFU % | steps | ready s | evaluation s | GiB | wall s |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for result in results:
        print(f"| {result['job']} | {describe_numbers(result)} | {result['wall_s']} |")
    for line in (*compare_sides(results), *compare_replays(results), *describe_memory(results)):
        print(line)


def describe_numbers(result: dict[str, Any]) -> str:
    if result["failed"]:
        return f"failed: {result['failed']} | | | | | |"
    if "val_bpb" not in result:
        return " | | | | | |"
    numbers = (
        f"{result['val_bpb']:.4f}",
        f"{result['tokens_per_s']:,.0f}",
        f"{result['mfu_percent']:.1f}",
        f"{result['num_steps']:.0f}",
        f"{result['ready_s']:.1f}",
        f"{result['evaluation_s']:.1f}",
        f"{result['peak_vram_mb'] / 1024:.1f}",
    )
    return " | ".join(numbers)


def compare_sides(results: list[dict[str, Any]]) -> Iterator[str]:
    """Ours against the original's two, each pair with the same seed."""
    scores: dict[str, dict[str, float]] = {side: {} for side in SIDES}
    for result in results:
        if result.get("side") in scores and "val_bpb" in result:
            scores[result["side"]][result["job"].rpartition(" ")[2]] = result["val_bpb"]
    for side in SIDES[1:]:
        both = sorted(scores["ours"].keys() & scores[side].keys())
        gains = [scores[side][seed] - scores["ours"][seed] for seed in both]
        if gains:
            told = f"{statistics.median(gains):.4f} ({min(gains):.4f} to {max(gains):.4f})"
            yield f"ours is lower than {side} by {told} bits per byte; {len(gains)} pairs"


def compare_replays(results: list[dict[str, Any]]) -> Iterator[str]:
    takes = [r for r in results if r["job"].startswith("replay") and "losses" in r]
    if len(takes) < 2:
        return
    a, b = takes[:2]
    apart = max(abs(x - y) for x, y in zip(a["losses"], b["losses"], strict=True))
    same = a["weights_sha256"] == b["weights_sha256"]
    told = "equal to the bit" if same else f"apart; losses by up to {apart:.6f} nats"
    yield f"the same seed twice, {len(a['losses'])} steps: weights {told}"


def describe_memory(results: list[dict[str, Any]]) -> Iterator[str]:
    for result in results:
        if "rows_taken" in result:
            wanted, taken = result["rows_wanted"], result["rows_taken"]
            yield f"with too little memory: {taken} rows at once in place of {wanted}"


def is_finished(results: list[dict[str, Any]], job: Job, mark: str) -> bool:
    return any(r["job"] == job.name and r["mark"] == mark and not r["failed"] for r in results)


def look_around(place: Workplace, deadline: float) -> dict[str, Any]:
    """What the machine has, by a process of its own; ends the bench where even that fails."""
    done = place.run("ours", ("gpu_job.py", "machine"), deadline, {})
    told = read_last_line(done["output"])
    if done["failed"] or "backends" not in told:
        sys.exit(f"the lab does not start here:\n{done['output'][-3000:]}")
    return told


def bench(args: argparse.Namespace, results: list[dict[str, Any]]) -> None:
    # a rehearsal asks whether everything runs, however slow the machine is
    deadline = time.monotonic() + (args.limit_s or (math.inf if args.rehearse else 530))
    plan = REHEARSAL if args.rehearse else FULL
    place = Workplace(args.folder, plan, args.text, args.rehearse)
    machine = look_around(place, deadline)
    print(json.dumps(machine), flush=True)
    for job in list_jobs(plan, machine, args.rehearse):
        mark = place.mark(job)
        if is_finished(results, job, mark):
            continue
        if time.monotonic() + job.usual_s > deadline:
            print(f"  left for the next call: {job.name}", flush=True)
            continue
        result = place.prepare(job.experiment, deadline)
        if not result["failed"]:
            most_s = math.inf if args.rehearse else 3 * job.usual_s + 30
            result = run_job(place, job, min(deadline, time.monotonic() + most_s))
        results[:] = [r for r in results if r["job"] != job.name]
        results.append({**result, "job": job.name, "mark": mark, "machine": machine})
        write_results(args.json, results)
        print(f"  {job.name}: {describe_numbers(results[-1])}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--limit-s", type=float, help="of the whole call; default 530")
    parser.add_argument("--text", type=Path, help="a packed tar of sources, or lines of gpu_text")
    parser.add_argument("--folder", type=Path, help="for all it needs; default runs/gpu")
    parser.add_argument("--json", type=Path, help="default: results.json in that folder")
    parser.add_argument("--rehearse", action="store_true", help="in small, on any machine")
    parser.add_argument("--summary", action="store_true", help="only print what --json has")
    args = parser.parse_args()
    args.folder = args.folder or Path("runs/gpu-rehearsal" if args.rehearse else "runs/gpu")
    args.json = args.json or args.folder / "results.json"
    results = read_results(args.json)
    if not args.summary:
        bench(args, results)
    print_table(results)
    if args.rehearse and any(result["failed"] for result in results):
        sys.exit("a job of the rehearsal failed")


if __name__ == "__main__":
    main()
