"""The lab against what a newcomer would run: the loader against tokenising on the fly, our scale
against the advice for small machines.

    python bench/lab.py                                # loader, feeder, then 3 pairs of 60 s on pystd: about 12 minutes
    python bench/lab.py --pairs 0                      # loader and feeder alone: one minute
    python bench/lab.py --pairs 0 --skip-loader --fed-pairs 8   # training fed from outside: ten minutes
    python bench/lab.py --track stories --pairs 3 --skip-loader
    python bench/lab.py --pairs 1 --json pairs.json    # one more pair, kept with the earlier ones in that file
    python bench/lab.py --scale climbmix --track climbmix --budget-s 300   # on a large GPU

Everything is measured in turn, ours and theirs, because the speed of a shared machine swings more
than most gains. Both train on the same text and are scored on the same bytes; the reference has
its own vocabulary, as advised.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from experiments import LAB, make_experiment, read_block, read_results, write_results
from original import ADVISED, BASELINE

# The scale of ours; the reference's constants and its vocabulary by track. Rows as the track has.
REFERENCES = {
    "climbmix": (BASELINE, {"climbmix": 8192}),
    "cpu": (ADVISED, {"pystd": 4096, "stories": 4096}),
}


Ends = tuple[int, int, int]  # descriptors


def python(folder: Path, *arguments: str, **env: str) -> str:
    return run_python(folder, arguments, env)


def run_python(
    folder: Path, arguments: Sequence[str], env: Mapping[str, str], pass_fds: Collection[int] = ()
) -> str:
    """The program's output; ends the bench with the program's own last lines when it fails."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        pass_fds=pass_fds,
    )
    if done.returncode:
        sys.exit(f"{' '.join(arguments)} failed:\n{done.stdout[-1500:]}{done.stderr[-1500:]}")
    return done.stdout


def measure(folder: Path, track: str, seed: int) -> dict[str, float]:
    """One whole run: the numbers of its block, the anchors of its track."""
    began = time.monotonic()
    out = python(
        folder,
        "train.py",
        AUTORESEARCH_TRACK=track,
        AUTORESEARCH_SEED=str(seed),
        AUTORESEARCH_RUN_DIR="run",
    )
    block = read_block(out)
    block["overhead_s"] = time.monotonic() - began - block["training_seconds"]
    return block


def pairs(args: argparse.Namespace, root: Path) -> Iterator[dict[str, Any]]:
    """{"ours": …, "reference": …} one after the other, each pair in the other order and with
    its own seed."""
    track = args.track if args.budget_s is None else f"{args.track}-{args.budget_s:g}s"
    settings, vocab = REFERENCES[args.scale]
    sides = {
        "ours": make_experiment(root / "ours", args.scale, {}, {}),
        "reference": make_experiment(
            root / "reference", "climbmix", settings, {args.track: vocab[args.track]}
        ),
    }
    for folder in sides.values():
        python(folder, "prepare.py", "--track", track)
    for number in range(args.first, args.first + args.pairs):
        pair = {}
        for name in sorted(sides, reverse=bool(number % 2)):
            pair[name] = measure(sides[name], track, 42 + number)
            print(f"  pair {number} {name:9s} {describe(pair[name])}", flush=True)
        yield {"track": track, "scale": args.scale, "seed": 42 + number, **pair}


def describe(run: dict[str, float]) -> str:
    return (
        f"val_bpb {run['val_bpb']:.4f}  {run['tokens_per_s']:8,.0f} tokens/s  "
        f"{run['num_steps']:5.0f} steps  "
        f"MFU {run['mfu_percent']:.1f} %  start-up and evaluation {run['overhead_s']:.0f} s"
    )


def spread(values: Iterable[float], digits: int = 4) -> str:
    values = list(values)
    return (
        f"{statistics.median(values):,.{digits}f} ({min(values):,.{digits}f} to "
        f"{max(values):,.{digits}f})"
    )


def summarise(done: list[dict[str, Any]]) -> None:
    """Medians and spreads, by track."""
    for track, group in itertools.groupby(
        sorted(done, key=lambda p: p["track"]), key=lambda p: p["track"]
    ):
        runs = list(group)
        print(f"\n{track}, {len(runs)} pairs in turn; median (lowest to highest)")
        for name in ("ours", "reference"):
            side = [p[name] for p in runs]
            print(
                f"  {name:9s} val_bpb {spread(r['val_bpb'] for r in side)}  tokens/s "
                f"{spread((r['tokens_per_s'] for r in side), 0)}"
            )
            if "entropy_bpb" in side[0]:
                print(
                    "            "
                    f"{statistics.median(r['val_bpb'] - r['entropy_bpb'] for r in side):.4f} "
                    "above the text's exact entropy"
                )
        print(
            "  ours is lower by "
            f"{spread(p['reference']['val_bpb'] - p['ours']['val_bpb'] for p in runs)} "
            "bits per byte"
        )


# ---------------------------------------------------------------------------------------------------------------------
# The loader


def on_the_fly(
    texts: list[str], encode: Any, bos: int, rows: int, row_len: int
) -> Iterator[list[list[int]]]:
    """The usual way: tokenise as you go, keep a thousand documents, scan them all for the
    longest that fits, crop the last."""
    source = itertools.cycle(texts)
    buffer: list[list[int]] = []
    while True:
        batch = []
        for _ in range(rows):
            row: list[int] = []
            while len(row) < row_len:
                while len(buffer) < 1000:
                    buffer.append([bos, *encode(next(source))])
                room = row_len - len(row)
                best = max(
                    (i for i, d in enumerate(buffer) if len(d) <= room),
                    key=lambda i: len(buffer[i]),
                    default=None,
                )
                if best is None:
                    best = min(range(len(buffer)), key=lambda i: len(buffer[i]))
                row += buffer.pop(best)[:room]
            batch.append(row)
        yield batch


def tokens_per_s(batches: Iterator[Any], tokens_a_batch: int, seconds: float) -> float:
    next(batches)
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        next(batches)
        count += tokens_a_batch
    return count / (time.perf_counter() - began)


def bench_loader(rounds: int = 3, seconds: float = 3.0) -> None:
    """On pystd: packed rows from the memory map against tokenising and scanning, in turn, one
    thread each."""
    import prepare
    from fixed.loader import packed_batches
    from fixed.pystd import Pystd

    python(LAB, "prepare.py", "--track", "pystd")
    os.environ["AUTORESEARCH_TRACK"] = "pystd"
    track = prepare.load_track()
    tokenizer = prepare.Tokenizer.load(track)
    texts = list(Pystd().documents("train"))
    rows, ours, theirs = 32, [], []
    for number in range(rounds):
        fast = packed_batches(track, tokenizer.bos, rows, seed=number)
        slow = on_the_fly(texts, tokenizer.encode, tokenizer.bos, rows, track.seq_len + 1)
        ours.append(tokens_per_s(fast, rows * track.seq_len, seconds))
        theirs.append(tokens_per_s(slow, rows * track.seq_len, seconds))
    print(f"loader, {rounds} rounds in turn; median (lowest to highest)")
    print(f"  ours       {spread(ours, 0)} tokens/s\n  on the fly {spread(theirs, 0)} tokens/s")
    print(f"  {statistics.median(ours) / statistics.median(theirs):.0f} times as fast")


# ---------------------------------------------------------------------------------------------------------------------
# The feeder


def bench_feeder(rounds: int = 3, seconds: float = 3.0) -> None:
    """On pystd: batches through pipes and a memory file from a feeder on a core of its own. Beside
    the clock's figure stands what processor time allows on two idle cores: a machine that is shared
    shows less by the clock."""
    import prepare

    python(LAB, "prepare.py", "--track", "pystd")
    os.environ["AUTORESEARCH_TRACK"] = "pystd"
    track = prepare.load_track()
    for rows in (16, 32, 128):
        figures = [take_fed(track, rows, seconds) for _ in range(rounds)]
        by_clock, by_processor = zip(*figures, strict=True)
        print(f"feeder, {rows} rows, {rounds} rounds; median (lowest to highest)")
        print(f"  by the clock       {spread(by_clock, 0)} tokens/s")
        print(f"  by processor time  {spread(by_processor, 0)} tokens/s")


def take_fed(track: Any, rows: int, seconds: float) -> tuple[float, float]:
    """(tokens a second by the clock, tokens a processor second of the busier side)"""
    import torch

    from fixed.fed_batches import FedBatches

    with open_feeder() as (feeder, ends):
        os.environ["AUTORESEARCH_FEED"] = ",".join(map(str, ends))
        source = FedBatches(rows, track.seq_len, False, torch.device("cpu"))
        del os.environ["AUTORESEARCH_FEED"]
        source.next()
        process, count = psutil.Process(feeder.pid), 0
        began, ours, its = time.perf_counter(), time.process_time(), sum(process.cpu_times()[:2])
        while time.perf_counter() - began < seconds:
            source.next()
            count += rows * track.seq_len
        took = time.perf_counter() - began
        busier = max(time.process_time() - ours, sum(process.cpu_times()[:2]) - its)
    return count / took, count / busier


@contextmanager
def open_feeder(folder: Path = LAB, **env: str) -> Iterator[tuple[subprocess.Popen[bytes], Ends]]:
    """A feeder on a core of its own, and a run's ends of it: batches, requests, memory."""
    memory = os.memfd_create("batch")
    batches, its_batches = os.pipe()
    its_requests, requests = os.pipe()
    feeder = subprocess.Popen(
        [sys.executable, "-m", "fixed.feeder"],
        cwd=folder,
        env={**os.environ, **env, "AUTORESEARCH_MEMORY": str(memory)},
        stdin=its_requests,
        stdout=its_batches,
        stderr=subprocess.DEVNULL,
        pass_fds=[memory],
    )
    os.close(its_batches)
    os.close(its_requests)
    try:
        yield feeder, (batches, requests, memory)
    finally:
        for end in (requests, batches, memory):
            os.close(end)
        feeder.wait()


def compare_fed_training(pairs: int, track: str = "pystd-20s") -> None:
    """The speed of train.py with batches from a feeder outside, beside the loader in its process:
    whole runs in turn, each pair in the other order."""
    with tempfile.TemporaryDirectory() as root:
        folder = make_experiment(Path(root) / "work", "cpu", {}, {})
        python(folder, "prepare.py", "--track", track)
        speeds: dict[str, list[float]] = {"in process": [], "fed": []}
        for number in range(pairs):
            for name in sorted(speeds, reverse=bool(number % 2)):
                speeds[name].append(train_once(folder, track, name == "fed"))
                print(f"  pair {number} {name:10s} {speeds[name][-1]:8,.0f} tokens/s", flush=True)
    print(f"training on {track}, {pairs} pairs in turn; median (lowest to highest)")
    for name, values in speeds.items():
        print(f"  {name:10s} {spread(values, 0)} tokens/s")
    ratios = [fed / own for own, fed in zip(*speeds.values(), strict=True)]
    print(f"  fed to in process, by pairs: {spread(ratios)}")


def train_once(folder: Path, track: str, fed: bool) -> float:
    """Tokens a second of one run of train.py."""
    env = {"AUTORESEARCH_TRACK": track, "AUTORESEARCH_SEED": "1", "AUTORESEARCH_RUN_DIR": "run"}
    if not fed:
        return read_block(python(folder, "train.py", **env))["tokens_per_s"]
    with open_feeder(folder, **env) as (_, ends):
        feed = ",".join(map(str, ends))
        out = run_python(folder, ["train.py"], {**env, "AUTORESEARCH_FEED": feed}, ends)
    return read_block(out)["tokens_per_s"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--pairs", type=int, default=3, help="ours and the reference, in turn; default 3"
    )
    parser.add_argument(
        "--budget-s", type=float, help="seconds of training; default: the track's own"
    )
    parser.add_argument("--track", default="pystd", help="pystd (default), stories or climbmix")
    parser.add_argument(
        "--scale",
        default="cpu",
        choices=sorted(REFERENCES),
        help="the scale of train.py; default cpu",
    )
    parser.add_argument(
        "--json", type=Path, help="keep the pairs in this file, together with those it already has"
    )
    parser.add_argument("--skip-loader", action="store_true")
    parser.add_argument(
        "--fed-pairs", type=int, default=0, help="training fed from outside and in process, in turn"
    )
    parser.add_argument("--summary", action="store_true", help="only print what --json has")
    args = parser.parse_args()
    done = read_results(args.json)
    args.first = len(done)
    if not args.summary:
        if not args.skip_loader:
            bench_loader()
            bench_feeder()
        if args.fed_pairs:
            compare_fed_training(args.fed_pairs)
        with tempfile.TemporaryDirectory() as root:
            for pair in pairs(args, Path(root)):
                done.append(pair)
                write_results(args.json, done)
            shutil.rmtree(root, ignore_errors=True)
    summarise(done)


if __name__ == "__main__":
    main()
