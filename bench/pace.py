"""How many runs an hour a real night makes, one experiment at a time and several at once.

    python bench/pace.py --experiments 8 --jobs 1 2          # pystd-20s: about 15 minutes
    python bench/pace.py --checkouts . OTHER --experiments 8 # this one and another, in turn

Each night is `autoresearch run` of a checkout's own `.venv`, in a fresh folder, and whole: no run
is stopped early. Its pace is that of the moments in which feeders handed out first batches, those
of the baseline excepted. So neither filling nor emptying the machine counts. Run it with the
machine to itself. Prints a line of JSON a night; at the end what it is to the first one."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import fmean
from typing import Any

from autoresearch.researcher.feeding import read_first_batch
from autoresearch.researcher.workspace import Workspace

PROGRAM = "from autoresearch.cli.autoresearch import main; main()"
WHOLE_RUNS = "\n[judge]\nearly_stopping = false\n"


def call(checkout: Path, *words: str) -> None:
    python = checkout / ".venv" / "bin" / "python"
    subprocess.run([python, "-c", PROGRAM, *words], check=True, stdout=sys.stderr, cwd=checkout)


def run_night(checkout: Path, folder: Path, args: argparse.Namespace, jobs: int) -> dict[str, Any]:
    """A night of a checkout, and its pace."""
    call(checkout, "init", str(folder), "--track", args.track)
    with (folder / "autoresearch.toml").open("a", encoding="utf-8") as config:
        config.write(WHOLE_RUNS)
    began = time.monotonic()
    words = ("--agent", args.agent, "--experiments", str(args.experiments), "--jobs", str(jobs))
    call(checkout, "run", str(folder), "--seed", str(args.seed), *words)
    workspace = Workspace(folder)
    records = workspace.ledger.records()
    firsts = sorted(read_starts(workspace))
    every_s = (firsts[-1] - firsts[0]) / (len(firsts) - 1)
    return {
        "checkout": str(checkout), "jobs": jobs, "runs": len(firsts),
        "wall_s": round(time.monotonic() - began, 1), "every_s": round(every_s, 2),
        "runs_an_hour": round(3600 / every_s, 1),
        "kept": sum(record.status == "keep" for record in records) - 1,
        "throughput": round(fmean(r.throughput for r in records if r.throughput), 4),
    }  # fmt: skip


def read_starts(workspace: Workspace) -> list[float]:
    """When each run got its first batch, by the machine's clock; not those of the baseline."""
    base = next(record.id for record in workspace.ledger.records() if record.is_baseline)
    logs = (workspace.private / "runs").glob("*/*/feed.log")
    firsts = [read_first_batch(log) for log in logs if log.parts[-3] != base]
    return [first.at_s for first in firsts if first is not None]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--experiments", type=int, default=8)
    parser.add_argument("--jobs", type=int, nargs="+", default=[1])
    here = Path(__file__).resolve().parent.parent
    parser.add_argument("--checkouts", type=Path, nargs="+", default=[here])
    parser.add_argument("--track", default="pystd-20s")
    parser.add_argument("--agent", default="search")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    first = 0.0
    for jobs in args.jobs:
        for checkout in args.checkouts:
            with tempfile.TemporaryDirectory() as place:
                told = run_night(checkout.resolve(), Path(place) / "night", args, jobs)
            first = first or told["runs_an_hour"]
            print(json.dumps({**told, "ratio": round(told["runs_an_hour"] / first, 3)}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
