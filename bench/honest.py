"""Honest edits of train.py through the real runner, sandbox and scorer: how many are refused?

    python bench/honest.py --count 200 --out bench/honest.jsonl   # goes on where calls ended
    python bench/honest.py --count 12                       # a sample, about a minute
    python bench/honest.py --budget-s 4 --out honest.jsonl  # on a machine with other work

A refusal is a run that trained to its end and got no score. Edits that fail while they train (a
loss that is lost, a shape that does not fit) are counted apart: no harness can help them.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from autoresearch.researcher.run_record import read_run_record

TESTS = Path(__file__).resolve().parent.parent / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "stories")]

make_arena = importlib.import_module("test_cheats").make_arena  # the arena of the cheats

import honest_edits  # noqa: E402
import replay  # noqa: E402
from experiments import LAB, hash_code  # noqa: E402
from lab_module import source_of  # noqa: E402

OWN_FAULT = ("failed", "timeout")  # ended before there was anything to score


def all_edits(count: int) -> Iterator[tuple[str, str]]:
    """Those by hand and with the compiler, then proposals of the search up to `count`."""
    edits = [*honest_edits.by_hand(), *honest_edits.compiled()]
    yield from [*edits, *honest_edits.by_search(max(0, count - len(edits)))][:count]


def judge_edits(edits: list[tuple[str, str]], place: Path, args: Any) -> Iterator[dict[str, Any]]:
    """What becomes of each: its name, how the run ended and the sentence about it."""
    arena = make_arena(place, source_of("cpu", COMPILE=0), args.budget_s)
    verifier = replay.make_verifier(arena.workspace, arena.runner, threading.Event())
    for number, (name, text) in enumerate(edits):
        label = f"honest-{os.getpid()}-{number}"
        commit = arena.commit(name, text)
        measured = arena.measure(label, commit)
        row = {"name": name, "outcome": measured.outcome, "reason": measured.reason}
        row["lab"] = hash_code(LAB)
        record = read_run_record(arena.folder_of(label))
        if args.replay and record and measured.value is not None:
            again = replay.replay_once(verifier, commit, record, 1)
            row |= replay.judge_claims(name, measured.value, record, again)
        yield row


def read_results(file: Path | None) -> list[dict[str, Any]]:
    if file is None or not file.exists():
        return []
    rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    return [row for row in rows if row["lab"] == hash_code(LAB)]  # results of other code are others


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--out", type=Path, help="a file of results; known ones are not run again")
    parser.add_argument("--budget-s", type=int, default=1, help="seconds of training; default 1")
    parser.add_argument("--part", default="1/1", help="1/2 and 2/2 share the work and the file")
    parser.add_argument("--replay", action="store_true", help="replay each that was scored")
    args = parser.parse_args()
    results = read_results(args.out)
    known = {result["name"] for result in results}
    edits = list(all_edits(args.count))
    random.Random(1).shuffle(edits)
    part, parts = map(int, args.part.split("/"))
    edits = [edit for edit in edits[part - 1 :: parts] if edit[0] not in known]
    with tempfile.TemporaryDirectory() as folder:
        for result in judge_edits(edits, Path(folder), args):
            results.append(result)
            show_result(result)
            if args.out:
                with args.out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(result) + "\n")
    show_totals(results)


def show_result(result: dict[str, Any]) -> None:
    print(f"{result['outcome']:12} {result['name']}  {result['reason']}", flush=True)
    if "honest" in result:
        print(
            f"    weights equal {result['weights_equal']}, "
            f"honest claim: {result['honest']}, forged "
            f"caught {result['caught']}/{replay.FORGED} {result['replay_reason']}",
            flush=True,
        )


def show_totals(results: list[dict[str, Any]]) -> None:
    endings = Counter(result["outcome"] for result in results)
    refused = sum(n for ending, n in endings.items() if ending not in ("ok", *OWN_FAULT))
    print(f"{len(results)} edits: {dict(endings)}; refused: {refused}")
    if again := [result for result in results if "honest" in result]:
        equal = sum(result["weights_equal"] for result in again)
        caught = sum(result["caught"] for result in again)
        honest = Counter(result["honest"] for result in again)
        print(f"{len(again)} replayed, {equal} of them to the bit; honest claims: {dict(honest)}")
        print(f"forged claims caught by one run: {caught} of {replay.FORGED * len(again)}")


if __name__ == "__main__":
    main()
