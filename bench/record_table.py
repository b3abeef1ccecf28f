"""Records a table of real runs of train.py's variants, to replay judges and searchers on.

    python bench/record_table.py --minutes 30             # goes on where earlier calls ended
    python bench/record_table.py --budgets 12 3 --seeds 1 2 --variants 400 --at-once 2
    autoresearch simulate --table bench/table/pystd.jsonl --agents --hours 1

A variant is its number: 0 is the unchanged code, every fourth an idea of the catalogue as long as
there are some, the others move one to eight rates, every second of them one constant that changes
the work of a step besides (to one of a few places: each is compiled once, and its pace measured
once), and some all constants, as a random search does. So each
longer table holds the shorter one. Every REPEATED-th variant runs with all seeds at once, the
others with the first seed on all budgets before any has a second: a table that was cut short knows
its noise, many settings, and what one budget says of the other. What failed is recorded too.

A run has one thread, and its budget counts tokens at the variant's own pace, which is measured once
for what changes the work of a step: a slow variant gets fewer steps, and other work on the machine
leaves hardly a trace. bench/table/README.md describes the file. Leaves to others: one run
(table_runs), what follows (autoresearch simulate).
"""

from __future__ import annotations

import argparse
import hashlib
import platform
import random
import re
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import fmean

import msgspec

from autoresearch.researcher.agents.constants import Constant, Value, replace_values
from autoresearch.researcher.agents.ideas import CatalogueIdea, apply_idea, read_catalogue
from autoresearch.researcher.agents.search import read_constants
from autoresearch.researcher.agents.search_space import Key, from_unit, to_unit
from autoresearch.researcher.simulate.table import TableHead, TableRun, read_table
from experiments import LAB
from table_runs import (
    FILE,
    USUAL_PACE,
    RunFailed,
    find_pace,
    measure_usual,
    record_numbers,
    start_server,
)

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
MOVED = (1, 2, 1, 4, 4, 8, 2, 8)  # rates at once, in turn
STEP = 0.2  # of a range: the standard deviation of a move
ANYWHERE_EVERY, ANYWHERE_AT = 20, 13  # which variants move all constants, anywhere
PLACES = 5  # of a range: where a constant of WORK may go
CLOCK = "tokens at the variant's pace, of the unchanged code 40,000 a second"
# what changes the work of a step; an idea may, too
WORK = {
    "DEPTH", "ASPECT", "HEAD_DIM", "KEY_SHIFT", "CONV_TAPS", "SMEAR", "BIGRAM_ROWS",
    "TRIGRAM_ROWS", "VALUE_EMBEDS", "TOTAL_BATCH", "MICRO_ROWS", "COMPILE",
}  # fmt: skip


Work = tuple[str, tuple[tuple[str, Value], ...]]


def describe_work(idea: str, settings: Mapping[str, Value]) -> Work:
    """What a variant's pace depends on."""
    return idea, tuple(sorted((name, settings[name]) for name in WORK & settings.keys()))


USUAL_WORK = describe_work("", {})


@dataclass(frozen=True)
class Variant:
    number: int
    settings: Mapping[str, Value]
    idea: CatalogueIdea | None = None

    @property
    def work(self) -> Work:
        return describe_work(self.idea.name if self.idea else "", self.settings)


@dataclass(frozen=True)
class RecordingJob:
    """A variant on one track, with some seeds."""

    variant: Variant
    track: str
    seeds: tuple[int, ...]


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
    """Some rates, each a step away from where it is, and perhaps a constant of WORK; or all
    constants, anywhere."""
    chance = random.Random(f"settings {number}")
    rates = [key for key in sorted(constants) if key[1] not in WORK]
    works = [key for key in sorted(constants) if key[1] in WORK]
    if number % ANYWHERE_EVERY == ANYWHERE_AT:
        shares = {key: chance.random() for key in [*rates, *works]}
        return changed_values(constants, shares)
    settings: dict[str, Value] = {}
    while not settings:  # a small step of an integer may lead nowhere
        moved = chance.sample(rates, MOVED[number % len(MOVED)])
        shares = {
            key: chance.random()
            if constants[key].kind == "choice"
            else chance.gauss(to_unit(constants[key], constants[key].value), STEP)
            for key in moved
        }
        settings = changed_values(constants, shares)
    if number // 2 % 2:
        key = works[number // 4 % len(works)]
        places = [at / (PLACES - 1) for at in range(PLACES)]
        others = [one for at in places if (one := changed_values(constants, {key: at}))]
        settings |= chance.choice(others)
    return settings


def changed_values(
    constants: Mapping[Key, Constant], shares: Mapping[Key, float]
) -> dict[str, Value]:
    """The values at shares of their ranges, of constants that have another value now."""
    values = {
        key: from_unit(constants[key], min(1.0, max(0.0, share))) for key, share in shares.items()
    }
    return {key[1]: value for key, value in values.items() if value != constants[key].value}


def plan_jobs(
    source: str, variants: int, seeds: list[int], budgets: list[float]
) -> list[RecordingJob]:
    """In the order in which they are to run."""
    jobs: list[RecordingJob] = []
    chosen = list(choose_variants(source, variants))
    for at, seed in enumerate(seeds):
        for track in map(name_track, budgets):
            for variant in chosen:
                is_repeated = variant.number % REPEATED == 0
                its = (seeds if at == 0 else []) if is_repeated else [seed]
                jobs += [RecordingJob(variant, track, tuple(its))] if its else []
    return jobs


def name_track(budget_s: float) -> str:
    return f"pystd-{budget_s:g}s"


def write_source(source: str, variant: Variant) -> str:
    """train.py as the variant has it."""
    if variant.idea:
        source = (apply_idea(variant.idea, {FILE: source}) or {})[FILE]
    return replace_values(source, variant.settings)


# ---------------------------------------------------------------- the file


def make_head(source: str) -> TableHead:
    return TableHead(
        format=1,
        lab=hash_lab(),
        clock=CLOCK,
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


def open_table(file: Path, source: str) -> list[TableRun]:
    """What a table holds already; a new one gets its head. Runs of other code are another table."""
    head = make_head(source)
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(msgspec.json.encode(head) + b"\n")
    data = file.read_bytes()
    if not data.endswith(b"\n"):  # a call was ended while it wrote
        file.write_bytes(data[: data.rfind(b"\n") + 1])
    table = read_table(file)
    if (table.head.lab, table.head.clock, table.head.libraries) != (
        head.lab, head.clock, head.libraries,
    ):  # fmt: skip
        sys.exit(
            f"{file.name} holds runs of other code, of another clock or of other libraries: give "
            "another --out"
        )
    return list(table.runs)


class Recorder:
    """Adds runs to a table, from several threads."""

    def __init__(self, file: Path, source: str) -> None:
        self.file, self.source, self.writing = file, source, threading.Lock()
        runs = open_table(file, source)
        self.recorded = {(run.variant, run.track, run.seed) for run in runs}
        self.paces = {describe_work(run.idea, run.settings): run.pace for run in runs if run.pace}

    def record(self, job: RecordingJob, usual: float) -> None:
        """What of a job is not recorded yet. `usual`: the unchanged code's pace here."""
        variant = job.variant
        text = write_source(self.source, variant)
        for seed in job.seeds:
            if (variant.number, job.track, seed) in self.recorded:
                continue
            run = TableRun(
                variant=variant.number,
                track=job.track,
                seed=seed,
                settings=dict(variant.settings),
                idea=variant.idea.name if variant.idea else "",
            )
            try:
                pace = self.find_pace(variant, text, usual)
                numbers = {"pace": pace, **record_numbers(text, job.track, seed, pace)}
            except RunFailed as error:
                numbers = {"failure": str(error)}
            self.add(msgspec.structs.replace(run, **numbers))

    def find_pace(self, variant: Variant, text: str, usual: float) -> float:
        """One for all runs of one work. RunFailed where it does not come to a step."""
        if variant.work == USUAL_WORK:
            return USUAL_PACE
        if variant.work not in self.paces:
            self.paces[variant.work] = find_pace(text, usual)
        return self.paces[variant.work]

    def add(self, run: TableRun) -> None:
        with self.writing, self.file.open("ab") as file:
            file.write(msgspec.json.encode(run) + b"\n")
        what = run.idea or run.settings
        print(run.variant, run.track, run.seed, what, run.pace, run.val_bpb or run.failure)
        sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=TABLE)
    parser.add_argument("--variants", type=int, default=400)
    parser.add_argument("--budgets", type=float, nargs="+", default=[12, 3])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--at-once", type=int, default=1)
    parser.add_argument("--minutes", type=float, help="begin with no variant after so many")
    args = parser.parse_args()
    began, source = time.monotonic(), (LAB / FILE).read_text("utf-8")
    recorder = Recorder(args.out, source)
    start_server()
    with ThreadPoolExecutor(args.at_once) as lanes:
        usual = fmean(lanes.map(measure_usual, [source] * args.at_once))

        def record(job: RecordingJob) -> None:
            if not args.minutes or time.monotonic() - began < 60 * args.minutes:
                recorder.record(job, usual)

        for _ in lanes.map(record, plan_jobs(source, args.variants, args.seeds, args.budgets)):
            pass


if __name__ == "__main__":
    main()
