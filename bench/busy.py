"""A night beside a second process that comes and goes: what each idea cost, and how the machine's
own measure told busy from slow.

    python bench/busy.py DIR                                     # 12 ideas of pystd-5s: 10 min
    python bench/busy.py DIR --track pystd-20s --experiments 40  # most of an hour
    python bench/busy.py OTHER --alone                           # slow code, no second process

The real researcher, sandbox and scorer; every fifth idea trains at a fraction of its parent's
speed. Goes on in DIR where an earlier call ended. Exit code 1 where an idea took more than twice
its share of the runs without need, or a slow idea was repeated on a quiet machine. Run it with the
machine to itself: whatever else works is measured as well, and then no run is a quiet one.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from statistics import fmean
from typing import Any

from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from autoresearch.cli.run import prepare
from autoresearch.cli.sandbox_options import choose_sandbox, make_runner
from autoresearch.researcher.agents.constants import find_constants, replace_values
from autoresearch.researcher.agents.scripted import ScriptedAgent
from autoresearch.researcher.display import Display
from autoresearch.researcher.executors.local import LocalExecutor
from autoresearch.researcher.executors.slots import Slot
from autoresearch.researcher.judging.throughput import compare_speed, is_quiet
from autoresearch.researcher.judging.values import Measurement, Record
from autoresearch.researcher.loop.loop import Loop, Options
from autoresearch.researcher.workspace import Workspace
from honest_edits import draw

SLOW_EVERY = 5
STAYS_S = (5.0, 40.0)  # the second process, and its absence
FORWARD = "        loss = self.loss(x, y)\n"
AGAIN = """\
        with torch.no_grad():
            for _ in range({}):
                self.loss(x, y)
"""


# ------------------------------------------------------------------------------------ the ideas


def write_ideas(train: str, count: int, seed: int) -> Iterator[dict[str, Any]]:
    """So many edits of train.py, for the scripted agent: constants drawn anywhere in their ranges,
    and every fifth one a model that works several times as long for each step."""
    assert FORWARD in train
    chance, constants = (
        random.Random(seed),
        [c for c in find_constants(train) if c.name != "COMPILE"],
    )
    for number in range(1, count + 1):
        if number % SLOW_EVERY == 0:
            name, text = (
                f"slow {number}",
                train.replace(FORWARD, AGAIN.format(8 + number) + FORWARD),
            )
        else:
            values = {c.name: draw(c, chance) for c in chance.sample(constants, 2)}
            name, text = f"constants {values}", replace_values(train, values)
        yield {"message": name, "files": {"train.py": text}}


def open_workspace(folder: Path, track: str) -> Workspace:
    if not folder.exists():
        source = "from autoresearch.cli.autoresearch import main; main()"
        words = ("init", str(folder), "--track", track)
        subprocess.run([sys.executable, "-c", source, *words], check=True)
    workspace = Workspace(folder)
    workspace.private.mkdir(exist_ok=True)
    return workspace


# ------------------------------------------------------------------------------------ the load


def come_and_go(file: Path, seed: int) -> None:
    """Work on one processor for a while, rest for a while; each stay is written down. Ends with the
    process that started it."""
    chance, parent = random.Random(seed), os.getppid()
    while os.getppid() == parent:
        began = time.time()
        ends = time.monotonic() + chance.uniform(*STAYS_S)
        while time.monotonic() < ends and os.getppid() == parent:
            pass
        append(file, {"from": began, "to": time.time()})
        time.sleep(chance.uniform(*STAYS_S))


@contextmanager
def second_process(file: Path, seed: int) -> Iterator[None]:
    other = multiprocessing.Process(target=come_and_go, args=(file, seed), daemon=True)
    other.start()
    try:
        yield
    finally:
        other.kill()
        other.join()


def append(file: Path, row: dict[str, Any]) -> None:
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(row) + "\n")


def read_rows(file: Path) -> list[dict[str, Any]]:
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


class NotingExecutor(LocalExecutor):
    """Writes down each run with what the machine's measure said of it."""

    file: Path

    def carry_out(self, request: Any, *rest: Any) -> Measurement:
        began = time.time()
        measured = super().carry_out(request, *rest)
        row = {
            "idea": request.folder.parent.name, "commit": request.commit, "from": began,
            "to": began + measured.seconds, "outcome": measured.outcome,
            "throughput": measured.throughput, "others": measured.others_share,
            "cards": measured.others_on_cards,
        }  # fmt: skip
        append(self.file, row)
        return measured


# ------------------------------------------------------------------------------------ the night


def run_night(workspace: Workspace, args: argparse.Namespace) -> None:
    stop = threading.Event()
    runner = make_runner(workspace, choose_sandbox("auto", False), (), stop)
    display = Display(Console(stderr=True))
    train = (workspace.folder / "train.py").read_text("utf-8")
    ideas = list(write_ideas(train, args.experiments, args.seed))
    loads = workspace.private / "load.jsonl"
    beside = nullcontext() if args.alone else second_process(loads, args.seed)
    with workspace.lock(), beside:
        prepare(workspace, display.say, stop)
        executor = NotingExecutor(runner, [Slot()])
        executor.file = workspace.private / "busy.jsonl"
        left = args.experiments - sum(not r.is_baseline for r in workspace.ledger.records())
        options = Options(experiments=max(0, left), seed=args.seed, branch="autoresearch/busy")
        agent = ScriptedAgent(ideas)
        Loop(workspace, agent, runner, options, display, stop, executor=executor).run()


# ------------------------------------------------------------------------------------ the report


def overlap(run: dict[str, Any], loads: Iterable[dict[str, Any]]) -> float:
    """The share of a run during which the second process worked."""
    both = (min(run["to"], load["to"]) - max(run["from"], load["from"]) for load in loads)
    seconds = sum(max(0.0, both_s) for both_s in both)
    return float(seconds / max(0.001, run["to"] - run["from"]))


def weigh_idea(record: Record, runs: list[dict[str, Any]], below: float) -> dict[str, Any]:
    """What one idea took, and for what: its judged runs, its rival's, and those that other work
    slowed. What is left was without need."""
    own = [run for run in runs if run["commit"] == record.commit]
    quiet = [is_quiet(run["others"], run["cards"]) for run in own]
    asked = len(record.values) + len(runs) - len(own)
    slowed = min(quiet.count(False), max(0, len(own) - len(record.values)))
    reference = record.parent_throughput
    slow = [compare_speed(run["throughput"], reference, below) == "slow" for run in own]
    return {
        "idea": record.description[:60], "status": record.status, "runs": len(runs),
        "without_need": max(0, len(runs) - asked - slowed) if record.values else 0,
        "is_slow": bool(slow) and all(slow), "quiet_runs": quiet.count(True), "own_runs": len(own),
        "repeated_in_quiet": bool(own) and slow[0] and quiet[0] and len(own) > 1,
        "told_busy": record.contended or "other work had" in record.reason,
        "reason": record.reason,
    }  # fmt: skip


def report(workspace: Workspace) -> dict[str, Any]:
    loads = read_rows(workspace.private / "load.jsonl")
    runs = read_rows(workspace.private / "busy.jsonl")
    below = workspace.config.judge.contended_below
    by_idea: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        by_idea.setdefault(run["idea"], []).append(run)
    records = [r for r in workspace.ledger.records() if not r.is_baseline]
    ideas = [weigh_idea(record, by_idea.get(record.id, []), below) for record in records]
    share = fmean(idea["runs"] for idea in ideas) if ideas else 0.0
    loaded = [overlap(run, loads) for run in runs]
    busy = [not is_quiet(run["others"], run["cards"]) for run in runs]
    beside = [told for told, part in zip(busy, loaded, strict=True) if part >= 0.5]
    alone = [told for told, part in zip(busy, loaded, strict=True) if part == 0.0]
    return {
        "ideas": len(ideas), "runs": len(runs), "runs_an_idea": round(share, 2),
        "most_runs": max((idea["runs"] for idea in ideas), default=0),
        "over_twice": [i for i in ideas if i["runs"] > 2 * share],
        "over_twice_without_need": sum(
            i["runs"] > 2 * share and i["without_need"] > 0 for i in ideas
        ),
        "runs_beside_the_load": len(beside), "of_these_told_busy": sum(beside),
        "runs_without_the_load": len(alone), "of_these_told_quiet": alone.count(False),
        "slow_ideas": sum(i["is_slow"] for i in ideas),
        "slow_in_quiet": sum(i["is_slow"] and i["quiet_runs"] > 0 for i in ideas),
        "slow_repeated_in_quiet": sum(i["repeated_in_quiet"] for i in ideas),
        "slow_told_busy": sum(i["is_slow"] and i["told_busy"] for i in ideas),
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("folder", type=Path, help="made where it is not there; else gone on with")
    parser.add_argument("--track", default="pystd-5s")
    parser.add_argument("--experiments", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--alone", action="store_true", help="without the second process")
    args = parser.parse_args()
    workspace = open_workspace(args.folder.resolve(), args.track)
    run_night(workspace, args)
    told = report(workspace)
    for idea in told["over_twice"]:
        print(f"{idea['runs']} runs: {idea['idea']}: {idea['reason']}")
    print(json.dumps({**told, "over_twice": len(told["over_twice"])}))
    return 1 if told["over_twice_without_need"] or told["slow_repeated_in_quiet"] else 0


if __name__ == "__main__":
    sys.exit(main())
