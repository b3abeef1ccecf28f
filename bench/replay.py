"""Whether runs repeat to the bit, whether replays tell honest results from forged ones, and what
that costs beside runs with other seeds.

    python bench/replay.py night --track pystd-12s --experiments 10   # a folder that is kept
    python bench/replay.py night --bits                               # compiled or not, threads

Everything that was measured lies in the folder (ledger, records, replays.json), so a second call
goes on where the first one ended. Each experiment's best run is replayed once. A forged claim is
that experiment's value, less 0.0005 to 0.005, with its record forged to the same value: what
decides it is the same replay, so it is judged without another.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from autoresearch.cli.common import FOR_RUNS, environment, readable
from autoresearch.researcher.display import Display
from autoresearch.researcher.experiment import Runner
from autoresearch.researcher.judging.values import Record
from autoresearch.researcher.machine import machine_name
from autoresearch.researcher.reported import ReportedResult
from autoresearch.researcher.run_record import RunRecord, find_record, read_run_record
from autoresearch.researcher.run_request import RunRequest
from autoresearch.researcher.sandbox import choose_sandbox
from autoresearch.researcher.verify.replay import Replay, judge_replay
from autoresearch.researcher.verify.replayer import Replayer
from autoresearch.researcher.verify.rerun import Notebook, Notes
from autoresearch.researcher.verify.verifier import RUNS, Verifier
from autoresearch.researcher.workspace import Workspace

FORGED = 20  # claims an experiment
GAINS = (0.0005, 0.005)


def make_night(folder: Path, track: str, experiments: int) -> None:
    """An experiment repository with a ledger of so many experiments beside its baseline."""
    program = Path(sys.executable).with_name("autoresearch")
    if not folder.exists():
        subprocess.run([program, "init", folder, "--track", track], check=True)
    missing = experiments - max(0, len(Workspace(folder).ledger.records()) - 1)
    if missing > 0:
        count = str(missing)
        subprocess.run([program, "run", folder, "--experiments", count, "--seed", "1"], check=True)


def open_verifier(folder: Path) -> Verifier:
    workspace, stop = Workspace(folder), threading.Event()
    runner = Runner(workspace, choose_sandbox("auto"), environment(FOR_RUNS), readable(), stop)
    return make_verifier(workspace, runner, stop)


def make_verifier(workspace: Workspace, runner: Runner, stop: threading.Event) -> Verifier:
    display = Display(Console(stderr=True))
    notebook = Notebook(workspace.private / "bench")
    return Verifier(workspace, runner, notebook, display, stop, machine_name())


def replay_once(verifier: Verifier, commit: str, record: RunRecord, number: int) -> Replay:
    reported = ReportedResult(commit, record.score)
    notes = Notes(reported, f"bench-replay-{os.getpid()}", 0, commit)
    return Replayer(verifier).run_again(notes, commit, record, number)


def replay_night(verifier: Verifier, done: Path) -> Iterator[dict[str, Any]]:
    """One row an experiment, those that an earlier call measured first."""
    known = json.loads(done.read_text("utf-8")) if done.exists() else {}
    for entry in verifier.workspace.ledger.records():
        record = find_record(verifier.workspace.folder, entry.logs)
        if record is None:
            continue
        if entry.id not in known:
            again = replay_once(verifier, entry.commit, record, 1)
            known[entry.id] = judge_row(entry, record, again)
            done.write_text(json.dumps(known, indent=1), "utf-8")
        yield {"id": entry.id, **known[entry.id]}


def judge_row(entry: Record, record: RunRecord, again: Replay) -> dict[str, Any]:
    """Honest and forged claims about one experiment, by its one replay, and what it cost."""
    assert entry.value is not None
    return {
        "status": entry.status,
        **judge_claims(entry.id, entry.value, record, again),
        "replay_s": again.run.seconds + again.run.score_seconds,
        "usual_s": (entry.total_seconds or 0.0) + (entry.score_seconds or 0.0),
    }


def judge_claims(name: str, value: float, record: RunRecord, again: Replay) -> dict[str, Any]:
    """What one replay says of the true value and of forged ones."""
    draw = random.Random(name)
    lowered = [round(record.score - draw.uniform(*GAINS), 6) for _ in range(FORGED)]
    forged = [(value, msgspec.structs.replace(record, score=value)) for value in lowered]
    return {
        "weights_equal": again.weights_sha256 == record.weights_sha256,
        "score_off": None if again.run.value is None else again.run.value - record.score,
        "honest": judge_replay(value, record, (again,)).outcome,
        "caught": sum(judge_replay(v, r, (again,)).outcome == "differs" for v, r in forged),
        "replay_reason": again.run.reason,
    }


def measure_bits(verifier: Verifier) -> Iterator[str]:
    """For the baseline's code: compiled or not, on one thread and on two."""
    workspace = verifier.workspace
    for compiling in (0, 1):
        commit = commit_variant(workspace, compiling)
        for threads in (1, 2):
            runner = replace(
                verifier.runner,
                environment={**verifier.runner.environment, "OMP_NUM_THREADS": str(threads)},
            )
            place = workspace.private / "runs" / f"bits-{compiling}-{threads}" / "1"
            record = read_run_record(place)
            if record is None:
                runner.measure(
                    RunRequest(commit, 1, f"bench-bits-{os.getpid()}", place, verifier.timeout_s())
                )
                record = read_run_record(place)
            if record is None:
                yield f"compile {compiling}, threads {threads}: no record; see {place}/run.log"
                continue
            again = replay_once(verifier, commit, record, 1 + 2 * compiling + threads)
            equal = again.weights_sha256 == record.weights_sha256
            off = None if again.run.value is None else again.run.value - record.score
            yield f"compile {compiling}, threads {threads}: weights equal {equal}, score off {off}"


def commit_variant(workspace: Workspace, compiling: int) -> str:
    """The baseline with another COMPILE, under a reference of its own."""
    name = f"refs/autoresearch/bench/compile-{compiling}"
    with workspace.fresh(workspace.repo.head()) as checkout:
        train = checkout.path / "train.py"
        text = train.read_text("utf-8")
        changed = re.sub(r"^COMPILE = \d", f"COMPILE = {compiling}", text, flags=re.M)
        if changed == text:
            return workspace.repo.head()
        train.write_text(changed, "utf-8")
        commit = workspace.commit(checkout, f"COMPILE = {compiling}")
    workspace.repo.set_ref(name, commit)
    return commit


def show_night(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        print(
            f"{row['id']} {row['status']:8} weights equal {row['weights_equal']!s:5} score off "
            f"{row['score_off']} honest: {row['honest']:8} forged caught {row['caught']}/{FORGED}"
        )
    if not rows:
        return
    equal, caught = (sum(bool(row[k]) for row in rows) for k in ("weights_equal", "caught"))
    disputed = sum(row["honest"] == "differs" for row in rows)
    total = sum(row["caught"] for row in rows)
    cost = statistics.median(row["replay_s"] / max(row["usual_s"], 1e-9) for row in rows) / RUNS
    print(f"replayed to the bit: {equal} of {len(rows)}; honest ones disputed: {disputed}")
    print(f"forged claims caught by one run: {total} of {FORGED * len(rows)} (rows: {caught})")
    print(f"cost: {cost:.2f} of {RUNS} runs with other seeds, before any control run")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--track", default="pystd-12s")
    parser.add_argument("--experiments", type=int, default=10)
    parser.add_argument("--bits", action="store_true")
    args = parser.parse_args()
    make_night(args.folder, args.track, 0 if args.bits else args.experiments)
    verifier = open_verifier(args.folder.resolve())
    os.chdir(args.folder)
    with verifier.workspace.lock():
        if args.bits:
            for line in measure_bits(verifier):
                print(line, flush=True)
        else:
            show_night(list(replay_night(verifier, verifier.workspace.private / "replays.json")))


if __name__ == "__main__":
    main()
