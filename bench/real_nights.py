"""Real nights and first runs: what they hold at the end, measured again with fresh seeds.

    python bench/real_nights.py nights --folder F            # mixed, search, random, 25 min each
    python bench/real_nights.py clones --folder F --count 10 # fresh clones of `make run`
    python bench/real_nights.py seeds --folder F --track pystd-5s --count 10
    python bench/real_nights.py show --folder F

`nights` gives every agent its turn in each of three groups, the order another each time. Each part
goes on where it was ended: F holds every end as its train.py, and two files of results. Leave the
machine alone meanwhile. Leaves to others: running by hand (table_runs), intervals (effects).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from autoresearch.git.repo import Repo
from autoresearch.researcher.distill.effects import measure_total
from experiments import read_block
from table_runs import FILE, RunFailed, copy_lab, run_file, start_real_server

ROOT = Path(__file__).resolve().parents[1]
FRESH = 900_001  # the first seed that no night uses
UNCHANGED = "unchanged"


class NightEnd(msgspec.Struct, frozen=True):
    """A night or first run: its name, who edited, what it took, and what its ledger says."""

    name: str
    agent: str
    minutes: float
    experiments: int
    kept: int


class FreshRun(msgspec.Struct, frozen=True):
    """One end, trained with a seed that the night never used."""

    name: str
    seed: int
    val_bpb: float | None = None


Line = TypeVar("Line", bound=msgspec.Struct)


def read_lines(file: Path, kind: type[Line]) -> list[Line]:
    lines = file.read_bytes().splitlines() if file.exists() else []
    return [msgspec.json.decode(line, type=kind) for line in lines]


def add_line(file: Path, line: msgspec.Struct) -> None:
    with file.open("ab") as out:
        out.write(msgspec.json.encode(line) + b"\n")
    print(line, flush=True)


def run_command(command: Sequence[str | Path], environment: dict[str, str] | None = None) -> float:
    """Minutes that it took; what it says goes where ours does."""
    began = time.monotonic()
    subprocess.run(list(map(str, command)), env=environment, check=True)
    return (time.monotonic() - began) / 60


def read_end(experiment: Path, folder: Path, name: str, agent: str, minutes: float) -> NightEnd:
    """What an experiment holds; its train.py, and the unchanged one, are put into the folder."""
    lines = (experiment / "experiments.jsonl").read_bytes().splitlines()
    records = [msgspec.json.decode(line) for line in lines]
    kept = [one["commit"] for one in records if one["status"] == "keep"]
    repo = Repo(experiment)
    first, last = kept[0], repo.resolve(f"autoresearch/{experiment.name}")
    (folder / f"{UNCHANGED}.py").write_bytes(repo.show(first, FILE))
    (folder / f"{name}.py").write_bytes(repo.show(last, FILE))
    return NightEnd(name, agent, round(minutes, 1), len(records) - 1, len(kept) - 1)


def run_nights(args: argparse.Namespace) -> None:
    """Groups of one night an agent."""
    done = {end.name for end in read_lines(args.folder / "ends.jsonl", NightEnd)}
    program = [sys.executable, "-m", "autoresearch.cli.autoresearch"]
    for group in range(args.groups):
        turns = args.agents[group % len(args.agents) :] + args.agents[: group % len(args.agents)]
        for agent in turns:
            name = f"{agent}-{group}"
            if name in done:
                continue
            place = args.folder / name
            run_command(["rm", "-rf", place])
            run_command([*program, "init", place, "--track", args.track])
            hours, seed = f"{args.minutes / 60:.4f}", str(group)
            options = ["--agent", agent, "--hours", hours, "--seed", seed]
            minutes = run_command([*program, "run", place, *options, "--distill-minutes", "0"])
            add_line(args.folder / "ends.jsonl", read_end(place, args.folder, name, agent, minutes))


def run_clones(args: argparse.Namespace) -> None:
    """`make run` in fresh clones of this checkout, with an empty HOME."""
    done = {end.name for end in read_lines(args.folder / "ends.jsonl", NightEnd)}
    for number in range(args.count):
        name = f"clone-{number}"
        if name in done:
            continue
        place = args.folder / name
        run_command(["rm", "-rf", place])
        run_command(["git", "clone", "-q", ROOT, place / "clone"])
        (place / "home").mkdir()
        empty = {"HOME": str(place / "home"), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        minutes = run_command(["make", "-C", place / "clone", "run"], empty)
        experiment = place / "clone" / "runs" / "pystd-20s"
        add_line(args.folder / "ends.jsonl", read_end(experiment, args.folder, name, "", minutes))
        run_command(["rm", "-rf", place / "clone" / ".venv", place / "home"])


def run_seeds(args: argparse.Namespace) -> None:
    """Every end with fresh seeds, one seed of all after the other. Ends that are the unchanged code
    are not run again."""
    runs = read_lines(args.folder / "seeds.jsonl", FreshRun)
    done = {(run.name, run.seed) for run in runs}
    texts = read_texts(args.folder)
    names = [name for name in texts if name == UNCHANGED or texts[name] != texts[UNCHANGED]]
    jobs = [
        (name, FRESH + number)
        for number in range(args.count)
        for name in [*names[number % len(names) :], *names[: number % len(names)]]
    ]
    start_real_server("real-nights")
    for name, seed in jobs:
        if (name, seed) not in done:
            value = train(texts[name], args.track, seed)
            add_line(args.folder / "seeds.jsonl", FreshRun(name, seed, value))


def read_texts(folder: Path) -> dict[str, str]:
    return {file.stem: file.read_text("utf-8") for file in sorted(folder.glob("*.py"))}


def train(text: str, track: str, seed: int) -> float | None:
    """val_bpb of a train.py with all cores and the wall's clock; None where it failed."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            return read_block(run_file(text, copy_lab(Path(folder)), track, seed))["val_bpb"]
        except RunFailed as error:
            print(error)
            return None


def show(args: argparse.Namespace) -> None:
    """True gain of each end over the unchanged code, and of each agent's nights together."""
    ends = read_lines(args.folder / "ends.jsonl", NightEnd)
    values: dict[str, dict[int, float]] = defaultdict(dict)
    for run in read_lines(args.folder / "seeds.jsonl", FreshRun):
        if run.val_bpb is not None:
            values[run.name][run.seed] = run.val_bpb
    texts = read_texts(args.folder)
    of_agent: dict[str, list[float]] = defaultdict(list)
    sure = likely = better = 0
    for end in ends:
        base, its = values[UNCHANGED], values[end.name]
        gains = [base[seed] - its[seed] for seed in sorted(base.keys() & its.keys())]
        said = "not measured"
        if texts[end.name] == texts[UNCHANGED]:
            said = "the unchanged code"
            of_agent[end.agent].append(0.0)
        elif len(gains) > 1:
            found = measure_total(gains)
            said = f"gain {found.gain:+.4f} ({found.low:+.4f} to {found.high:+.4f})"
            better, likely = better + (found.gain > 0), likely + (found.p < 0.05)
            sure += found.low > 0
            of_agent[end.agent].append(found.gain)
        print(
            f"{end.name:12} {end.minutes:5.1f} min, {end.experiments:3} experiments, "
            f"{end.kept} kept: {said}"
        )
    for agent, held in of_agent.items():
        if agent and len(held) > 1:
            found = measure_total(held)
            print(f"{agent:12} mean {found.gain:+.4f} ({found.low:+.4f} to {found.high:+.4f})")
    print(
        f"{better} of {len(ends)} ends are better than the unchanged code; luck alone would do as "
        f"much less than once in 20 times for {likely}, once in 40 for {sure}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts: dict[str, Callable[[argparse.Namespace], None]] = {
        "nights": run_nights, "clones": run_clones, "seeds": run_seeds, "show": show,
    }  # fmt: skip
    parser.add_argument("part", choices=list(parts))
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--track", default="pystd-5s")
    parser.add_argument("--agents", nargs="+", default=["mixed", "search", "random"])
    parser.add_argument("--groups", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=25.0)
    parser.add_argument("--count", type=int, default=10, help="of clones, or of fresh seeds")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    parts[args.part](args)


if __name__ == "__main__":
    main()
