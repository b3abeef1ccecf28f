"""Records a table of real runs of train.py's variants, to replay judges and searchers on.

    python bench/record_table.py --minutes 30             # goes on where earlier calls ended
    python bench/record_table.py --budgets 3 12 --seeds 1 2 --variants 400 --at-once 2
    autoresearch simulate --table bench/table/pystd.jsonl --agents --hours 1

A variant is its number: 0 is the unchanged code, every fourth an idea of the catalogue as long as
there are some, the others move one to eight constants, or all (as a random search does). So each
longer table holds the shorter one. Every REPEATED-th variant runs with all seeds at once, the
others with the first seed before any has a second: a table that was cut short knows its noise and
many settings. A run has one thread. Its budget counts seconds that its process had of a CPU, or
with `--clock tokens` as many tokens as a usual machine reads in it: that leaves no trace of other
work on the machine, nor of how slow a variant is. What failed is recorded too.
bench/table/README.md describes the file. Leaves to others: where a run gets its torch
(warm_torch), what follows (autoresearch simulate).
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import os
import platform
import random
import re
import runpy
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from autoresearch.researcher import curve_files
from autoresearch.researcher.agents.constants import Constant, Value, replace_values
from autoresearch.researcher.agents.ideas import CatalogueIdea, apply_idea, read_catalogue
from autoresearch.researcher.agents.search import read_constants
from autoresearch.researcher.agents.search_space import Key, from_unit, to_unit
from autoresearch.researcher.simulate.table import TableHead, TableRun, read_table
from experiments import CPU_CLOCK, LAB, TOKEN_CLOCK, read_block, replace_clock

FILE = "train.py"
# what the numbers of a run by hand depend on, besides its text and its libraries
NUMBERS = (
    FILE,
    "fixed/device.py",
    "fixed/loader.py",
    "fixed/packing.py",
    "fixed/evaluation.py",
    "fixed/probes.py",
    "fixed/losses.py",
    "fixed/plausibility.py",
)
TABLE = Path(__file__).resolve().parent / "table" / "pystd.jsonl"
IDEA_EVERY, REPEATED = 4, 10
MOVED = (1, 2, 1, 4, 4, 8, 2, 0)  # constants at once, in turn; 0: all, anywhere
STEP = 0.2  # of a range: the standard deviation of a move
TIMEOUT_S = 900
CACHE = Path(tempfile.gettempdir()) / f"record-table-{os.getuid()}"
SERVER = {  # one thread, also for the compiler, whose work is kept for the next run
    "PYTHONPATH": str(Path(__file__).resolve().parent),  # Pythons before 3.13 do not hand it on
    "TORCHINDUCTOR_CACHE_DIR": str(CACHE),
    "TORCHINDUCTOR_COMPILE_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
CLOCKS = {
    "cpu": ("CPU seconds of the process", CPU_CLOCK),
    "tokens": ("40,000 tokens are a second", TOKEN_CLOCK),
}


@dataclass(frozen=True)
class Variant:
    number: int
    settings: Mapping[str, Value]
    idea: CatalogueIdea | None = None


@dataclass(frozen=True)
class RecordingJob:
    variant: Variant
    track: str
    seed: int
    clock: str

    @property
    def key(self) -> tuple[int, str, int]:
        return self.variant.number, self.track, self.seed


# ---------------------------------------------------------------- what is recorded


def choose_variants(source: str, count: int) -> Iterator[Variant]:
    """The first `count`; each is the same whatever the count."""
    constants = read_constants({FILE: source})
    ideas = sorted(read_catalogue(), key=lambda idea: random.Random(idea.name).random())
    ideas = [idea for idea in ideas if apply_idea(idea, {FILE: source}) is not None]
    yield Variant(0, {})
    for number in range(1, count):
        place, rest = divmod(number, IDEA_EVERY)
        if rest == 0 and place <= len(ideas):
            yield Variant(number, {}, ideas[place - 1])
        else:
            yield Variant(number, draw_settings(constants, number))


def draw_settings(constants: Mapping[Key, Constant], number: int) -> dict[str, Value]:
    """Some constants, each a step away from where it is."""
    chance = random.Random(f"settings {number}")
    count = MOVED[number % len(MOVED)]
    settings: dict[str, Value] = {}
    while not settings:  # a small step of an integer may lead nowhere
        for key in chance.sample(sorted(constants), count or len(constants)):
            one = constants[key]
            now = to_unit(one, one.value)
            share = chance.gauss(now, STEP) if count else chance.random()
            if one.kind == "choice":
                share = chance.random()
            value = from_unit(one, min(1.0, max(0.0, share)))
            if value != one.value:
                settings[key[1]] = value
    return settings


def plan_jobs(args: argparse.Namespace, source: str) -> list[RecordingJob]:
    """In the order in which they are to run; all budgets of a variant and a seed in turn."""
    jobs = [
        RecordingJob(variant, name_track(budget), seed, args.clock)
        for variant in choose_variants(source, args.variants)
        for seed in args.seeds
        for budget in args.budgets
    ]
    later = {seed: at for at, seed in enumerate(args.seeds)}
    return sorted(jobs, key=lambda job: later[job.seed] * (job.variant.number % REPEATED > 0))


def name_track(budget_s: float) -> str:
    return f"pystd-{budget_s:g}s"


# ---------------------------------------------------------------- one run


def write_source(source: str, variant: Variant, clock: str) -> str:
    """train.py as the variant has it, with one of CLOCKS."""
    if variant.idea:
        source = (apply_idea(variant.idea, {FILE: source}) or {})[FILE]
    return replace_clock(replace_values(source, variant.settings), CLOCKS[clock][1])


def record_run(job: RecordingJob, source: str) -> TableRun:
    """Train once, in a folder and a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        place = copy_lab(Path(folder))
        (place / FILE).write_text(write_source(source, job.variant, job.clock), "utf-8")
        own = {"AUTORESEARCH_TRACK": job.track, "AUTORESEARCH_SEED": str(job.seed)}
        process = multiprocessing.get_context("forkserver").Process(
            target=run_train, args=(place, {**own, "AUTORESEARCH_RUN_DIR": str(place / "run")})
        )
        process.start()
        process.join(TIMEOUT_S)
        if process.exitcode is None:
            process.kill()
            process.join()
            block, failure = {}, f"not done after {TIMEOUT_S} s"
        else:
            block = read_block((place / "out").read_text("utf-8")) if not process.exitcode else {}
            failure = name_failure((place / "err").read_text("utf-8"))
        run = TableRun(
            variant=job.variant.number,
            track=job.track,
            seed=job.seed,
            settings=dict(job.variant.settings),
            idea=job.variant.idea.name if job.variant.idea else "",
        )
        numbers = read_numbers(block, place / "run") if block else {"failure": failure}
        return msgspec.structs.replace(run, **numbers)


def copy_lab(place: Path) -> Path:
    shutil.copy(LAB / "prepare.py", place)
    shutil.copytree(LAB / "fixed", place / "fixed", ignore=shutil.ignore_patterns("__pycache__"))
    return place


def run_train(place: Path, environment: Mapping[str, str]) -> None:
    """In a process that was forked with torch imported: what `python train.py` does there."""
    for name, descriptor in (("out", 1), ("err", 2)):
        os.dup2(os.open(place / name, os.O_WRONLY | os.O_CREAT), descriptor)
    os.environ.update(environment)
    os.chdir(place)
    sys.path.insert(0, str(place))
    runpy.run_path(FILE, run_name="__main__")


def prepare_text() -> None:
    """Once for all budgets."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "prepare.py", "--track", "pystd"]
        subprocess.run(command, cwd=copy_lab(Path(folder)), check=True)


def name_failure(errors: str) -> str:
    """The last line that says why, without paths."""
    lines = [line for line in errors.splitlines() if re.match(r"(FAIL: |\w*Error)", line)]
    return re.sub(r"\S*/\S*", "…", lines[-1])[:200] if lines else "no reason"


def read_numbers(block: Mapping[str, float], folder: Path) -> dict[str, Any]:
    """What a run printed, and its curve. Start and score are seconds of the wall's clock."""
    return {
        "val_bpb": block["val_bpb"],
        "steps": int(block["num_steps"]),
        "start_s": block["ready_s"],
        "train_s": block["training_seconds"],
        "score_s": round(block["evaluation_s"], 1),
        "points": tuple(
            (round(point.progress, 3), round(point.loss, 4))
            for point in curve_files.read(folder / curve_files.NAME)
        ),
    }


# ---------------------------------------------------------------- the file


def make_head(source: str, clock: str) -> TableHead:
    return TableHead(
        format=1,
        lab=hash_lab(),
        clock=CLOCKS[clock][0],
        machine=f"{platform.machine()}, {name_cpu()}, one thread a run",
        libraries=f"Python {platform.python_version()}, torch {version('torch')}",
        source=source,
    )


def hash_lab() -> str:
    """Of the lab's code that decides a recorded number."""
    digest = hashlib.sha256()
    for name in NUMBERS:
        digest.update(name.encode() + (LAB / name).read_bytes())
    return digest.hexdigest()[:12]


def name_cpu() -> str:
    try:
        found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.M)
    except OSError:
        found = None
    return found[1] if found else "a CPU that does not say its name"


def open_table(file: Path, source: str, clock: str) -> set[tuple[int, str, int]]:
    """What a table holds already; a new one gets its head. Runs of other code are another table."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(msgspec.json.encode(make_head(source, clock)) + b"\n")
    data = file.read_bytes()
    if not data.endswith(b"\n"):  # a call was ended while it wrote
        file.write_bytes(data[: data.rfind(b"\n") + 1])
    table, head = read_table(file), make_head(source, clock)
    if (table.head.lab, table.head.clock, table.head.libraries) != (
        head.lab,
        head.clock,
        head.libraries,
    ):
        sys.exit(
            f"{file.name} holds runs of other code, of another clock or of other libraries: give "
            "another --out"
        )
    return {(run.variant, run.track, run.seed) for run in table.runs}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=TABLE)
    parser.add_argument("--variants", type=int, default=400)
    parser.add_argument("--budgets", type=float, nargs="+", default=[3, 12])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--clock", choices=list(CLOCKS), default="cpu")
    parser.add_argument("--at-once", type=int, default=1)
    parser.add_argument("--minutes", type=float, help="begin no run after so many")
    args = parser.parse_args()
    began, source = time.monotonic(), (LAB / FILE).read_text("utf-8")
    recorded = open_table(args.out, source, args.clock)
    prepare_text()
    os.environ.update(SERVER)
    multiprocessing.get_context("forkserver").set_forkserver_preload(["__main__", "warm_torch"])
    writing = threading.Lock()

    def record(job: RecordingJob) -> None:
        if args.minutes and time.monotonic() - began > 60 * args.minutes:
            return
        run = record_run(job, source)
        with writing, args.out.open("ab") as file:
            file.write(msgspec.json.encode(run) + b"\n")
        print(*job.key, run.idea or run.settings, run.val_bpb or run.failure, flush=True)

    with ThreadPoolExecutor(args.at_once) as lanes:
        jobs = [job for job in plan_jobs(args, source) if job.key not in recorded]
        for _ in lanes.map(record, jobs):
            pass


if __name__ == "__main__":
    main()
