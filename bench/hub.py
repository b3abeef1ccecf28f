"""Measures a hub: `python bench/hub.py --quick`, or `--sizes 1000,10000,100000 --rounds 3` for the
whole of it.

Fills hubs of several sizes, serves each with `agenthub serve` on loopback, and lets a load client
in a process of its own ask every verb in turn: sizes interleaved, several rounds, the median and
the spread of the rounds. Beside each verb stands the floor (/api/health of the same server), and
beside pushes, fetches and diffs bare `git` subprocesses doing the same work. Stops by itself;
nothing leaves this machine. Load and server share its cores: CPU per request is what compares best
between machines.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

import psutil

from hub_bytes import measure as compare_with_git
from hub_bytes import table as bytes_table
from hub_data import Loaded, fill
from hub_disk import measure_flushes
from hub_git import git_baseline
from hub_server import Server, load, serving
from hub_verbs import FLAT, PUSHERS, VERBS, list_pushes


@dataclass
class Measured:
    """One verb on one size, over all rounds."""

    verb: str
    size: int
    per_s: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    requests: int = 0
    errors: int = 0


# ---------------------------------------------------------------- running


def measure(
    servers: Sequence[Server], verbs: Sequence[str], rounds: int, seconds: float
) -> list[Measured]:
    found = {(verb, s.size): Measured(verb, s.size) for verb in verbs for s in servers}
    rng = random.Random(7)
    for number in range(rounds):
        for verb in verbs:
            maker, cycle = VERBS[verb]
            for server in servers if number % 2 == 0 else list(reversed(servers)):
                told, cpu_us = load(server, maker(server, rng, seconds), seconds, cycle)
                note = found[verb, server.size]
                note.per_s.append(told["requests"] / told["seconds"])
                note.p50_ms.append(told["p50_ms"])
                note.p99_ms.append(told["p99_ms"])
                note.cpu_us.append(cpu_us)
                note.requests += int(told["requests"])
                note.errors += sum(dict(told["errors"]).values())  # type: ignore[call-overload]
                print(
                    f"round {number + 1}: {verb} at {server.size}: {note.per_s[-1]:.0f}/s",
                    file=sys.stderr,
                )
    return list(found.values())


def many_pushes(server: Server, count: int) -> dict[str, float]:
    """One-commit pushes of one client before and after `count` pushes of eight."""
    rng = random.Random(11)

    def hundred() -> tuple[float, float]:
        told, cpu_us = load(server, list_pushes(server, rng, 0, 100, 1), 60, False)
        return told["p50_ms"], cpu_us

    hundred()  # warm
    first, cpu_first = hundred()
    told, _ = load(server, list_pushes(server, rng, 0, count // PUSHERS, PUSHERS), 120, False)
    last, cpu_last = hundred()
    errors = sum(dict(told["errors"]).values())  # type: ignore[call-overload]
    return {
        "pushes": told["requests"], "errors": errors, "per_s": told["requests"] / told["seconds"],
        "first_p50_ms": first, "last_p50_ms": last, "ratio": last / first, "cpu_ratio": cpu_last / cpu_first,
    }  # fmt: skip


# ---------------------------------------------------------------- telling


def table(found: Sequence[Measured]) -> str:
    lines = [
        "| verb | commits | requests/s (spread) | p50 ms | p99 ms | server CPU µs | errors |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for m in found:
        spread = f"{median(m.per_s):,.0f} ({min(m.per_s):,.0f}-{max(m.per_s):,.0f})"
        times = f"{median(m.p50_ms):.2f} | {median(m.p99_ms):.1f} | {median(m.cpu_us):,.0f}"
        lines.append(f"| {m.verb} | {m.size:,} | {spread} | {times} | {m.errors} |")
    return "\n".join(lines)


def scaling(found: Sequence[Measured]) -> list[str]:
    """How much more a verb costs on the largest hub than on the second largest; 1.5 is the
    limit."""
    lines = []
    for verb in FLAT:
        sizes = sorted((m for m in found if m.verb == verb), key=lambda m: m.size)
        if len(sizes) > 1:
            small, large = sizes[-2], sizes[-1]
            cpu, p50 = (
                median(large.cpu_us) / median(small.cpu_us),
                median(large.p50_ms) / median(small.p50_ms),
            )
            lines.append(
                f"{verb}: {large.size:,} against {small.size:,} commits: CPU "
                f"x{cpu:.2f}, p50 x{p50:.2f}"
            )
    return lines


def prepared(
    root: Path, sizes: Sequence[int], posts: int, results: int = 0
) -> list[tuple[Path, Loaded]]:
    """Filled folders, one per size; those that `root` holds from an earlier run are used again."""
    made = []
    for size in sizes:
        folder, notes = root / f"hub-{size}", root / f"hub-{size}.json"
        if not notes.exists():
            shutil.rmtree(folder, ignore_errors=True)
            print(f"filling a hub with {size} commits and {posts} posts", file=sys.stderr)
            notes.write_text(json.dumps(asdict(fill(folder, (size, posts), results))))
        made.append((folder, Loaded(**json.loads(notes.read_text()))))
    return made


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default="1000,10000", help="commits, separated by commas")
    parser.add_argument("--posts", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--only", default="", help="verbs that contain one of these words, separated by commas"
    )
    parser.add_argument("--many-pushes", type=int, default=5000, help="0 leaves this part out")
    parser.add_argument(
        "--no-git", action="store_true", help="leave the comparison with bare git out"
    )
    parser.add_argument("--data", type=Path, help="keep filled hubs here and use them again")
    parser.add_argument("--quick", action="store_true", help="one small hub, one round: a minute")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    return parser.parse_args()


def main() -> None:
    given = options()
    if given.quick:
        given.sizes, given.posts, given.rounds, given.seconds, given.many_pushes = (
            "1000",
            1000,
            1,
            0.5,
            200,
        )
    verbs = [
        verb
        for verb in VERBS
        if not given.only or any(word in verb for word in given.only.split(","))
    ]
    with tempfile.TemporaryDirectory(prefix="bench-hub-") as temporary:
        root = given.data or Path(temporary)
        root.mkdir(parents=True, exist_ok=True)
        told = run(
            prepared(root, [int(size) for size in given.sizes.split(",")], given.posts),
            verbs,
            given,
        )
    print(json.dumps(told) if given.json else told["text"])


def run(
    hubs: Sequence[tuple[Path, Loaded]], verbs: Sequence[str], given: argparse.Namespace
) -> dict[str, object]:
    """Everything that was asked for, on copies of the filled hubs."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-hub-run-")))
        servers = []
        for folder, loaded in hubs:
            shutil.copytree(folder, scratch / folder.name)
            servers.append(
                stack.enter_context(serving(scratch / folder.name, loaded, given.workers))
            )
        found = measure(servers, verbs, given.rounds, given.seconds)
        pushes = many_pushes(servers[-1], given.many_pushes) if given.many_pushes else {}
        flushes = measure_flushes(scratch)
        git = {} if given.no_git else git_baseline(servers[-1].http, servers[-1].loaded, scratch)
    machine = (
        f"{platform.machine()}, {psutil.cpu_count()} cores, Python "
        f"{platform.python_version()}, {given.workers} workers"
    )
    parts = [machine, table(found), *scaling(found), f"the disk: {flushes:,.0f} flushes/s"]
    if pushes:
        parts.append(
            (
                "after {pushes:.0f} pushes (8 clients, {per_s:.0f}/s, {errors} errors): "
                "one push {first_p50_ms:.2f} -> {last_p50_ms:.2f} ms, x{ratio:.2f}, CPU "
                "x{cpu_ratio:.2f}"
            ).format(**pushes)
        )
    parts += [f"bare git, {name}: {ms:.1f} ms" for name, ms in git.items()]
    compared = [] if given.no_git else compare_with_git([len(h.parents) for _, h in hubs])
    parts += [bytes_table(compared)] if compared else []
    return {
        "machine": machine,
        "verbs": [asdict(m) for m in found],
        "pushes": pushes,
        "flushes_per_s": flushes,
        "git_ms": git,
        "compared": [asdict(each) for each in compared],
        "text": "\n\n".join(parts),
    }


if __name__ == "__main__":
    main()
