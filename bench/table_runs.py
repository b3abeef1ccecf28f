"""One recorded run: train.py of a variant, trained in a folder and a process of its own.

Every process is forked from one that has torch imported and nothing of a run (warm_torch). A clock
counts seconds of a machine that nobody shares: a variant's tokens a second are measured once,
beside the unchanged code's. Leaves to others: which variants, the file (record_table).
"""

from __future__ import annotations

import multiprocessing
import os
import re
import runpy
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from autoresearch.researcher import curve_files
from experiments import LAB, read_block, replace_clock

FILE = "train.py"
USUAL_PACE = 40_000.0  # tokens a second of the unchanged code, one thread of a usual machine
PACE_TRACK = "pystd-1000s"  # long enough for every variant; its clock stands still
WATCHED_S = 3.0  # of a CPU: steps that are timed, in one look at a variant's pace
ALIKE = 0.05  # of the usual pace: nearer to it is the error of a look, and counts as the usual one
TIMEOUT_S = 900
SERVER = {  # one thread, also for the compiler, whose work is kept for the next run
    "PYTHONPATH": str(Path(__file__).resolve().parent),  # Pythons before 3.13 do not hand it on
    "TORCHINDUCTOR_CACHE_DIR": str(Path(tempfile.gettempdir()) / f"record-table-{os.getuid()}"),
    "TORCHINDUCTOR_COMPILE_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}


class RunFailed(Exception):
    """Why, without paths."""


def prepare_text() -> None:
    """The text of all tracks of pystd, where it is not there yet."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "prepare.py", "--track", "pystd"]
        subprocess.run(command, cwd=copy_lab(Path(folder)), check=True)


def start_server() -> None:
    """What runs are forked from."""
    prepare_text()
    os.environ.update(SERVER)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", "table_runs", "warm_torch"])


def start_real_server(name: str) -> None:
    """What runs with the wall's clock and all cores are forked from. `name`: of the folder with
    compiled code, which later calls find again."""
    prepare_text()
    cache = Path(tempfile.gettempdir()) / f"{name}-{os.getuid()}"
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(cache)
    multiprocessing.get_context("forkserver").set_forkserver_preload(["__main__", "table_runs"])


def record_numbers(text: str, track: str, seed: int, pace: float) -> dict[str, Any]:
    """What a run of a train.py printed, and its curve; or why it failed. Start and score are
    seconds of the wall's clock."""
    text = replace_clock(text, f"lambda self: lambda: self.tokens / {pace!r}")
    with tempfile.TemporaryDirectory() as folder:
        place = copy_lab(Path(folder))
        try:
            block = read_block(run_file(text, place, track, seed))
        except RunFailed as error:
            return {"failure": str(error)}
        points = curve_files.read(place / "run" / curve_files.NAME)
        return {
            "val_bpb": block["val_bpb"],
            "steps": int(block["num_steps"]),
            "start_s": block["ready_s"],
            "train_s": block["training_seconds"],
            "score_s": round(block["evaluation_s"], 1),
            "points": tuple((round(p.progress, 3), round(p.loss, 4)) for p in points),
        }


def find_pace(text: str, usual: float) -> float:
    """Tokens a second of a variant on the usual machine. `usual`: the unchanged code's here."""
    looks = sorted(measure_pace(text) for _ in range(2))
    if looks[0] < 0.97 * looks[1]:  # something else had the machine for the whole of one
        looks.append(measure_pace(text))
    share = max(looks) / usual
    return USUAL_PACE if abs(share - 1) < ALIKE else round(USUAL_PACE * share, 1)


def measure_pace(text: str) -> float:
    """Tokens a second of a CPU, from the quickest of some steps: the others had to share it."""
    batch = re.search(r"^TOTAL_BATCH = (\d+)", text, re.M)
    assert batch, "train.py says TOTAL_BATCH"
    clock = f"lambda self: __import__('table_runs').PaceClock(self, {batch[1]})"
    text = replace_clock(text, clock)
    with tempfile.TemporaryDirectory() as folder:
        place = copy_lab(Path(folder))
        run_file(text, place, PACE_TRACK, 0)
        return float((place / "pace").read_text("utf-8"))


def measure_usual(text: str) -> float:
    """The unchanged code's pace here."""
    return fmean(max(measure_pace(text) for _ in range(2)) for _ in range(2))


class PaceClock:
    """Stands still; ends the process once it has seen enough batches. In the folder `pace`."""

    def __init__(self, loader: Any, step_tokens: int) -> None:
        self.loader, self.step_tokens = loader, step_tokens
        self.seen: list[tuple[int, float]] = []

    def __call__(self) -> float:
        now = time.thread_time()
        if not self.seen or self.loader.tokens > self.seen[-1][0]:
            self.seen.append((self.loader.tokens, now))
        after = {tokens - self.step_tokens: at for tokens, at in self.seen}
        took = [after[tokens] - at for tokens, at in self.seen if tokens in after]
        if took and now - self.seen[0][1] > WATCHED_S:
            Path("pace").write_text(str(self.step_tokens / min(took)), "utf-8")
            os._exit(0)
        return 0.0


# ---------------------------------------------------------------- a process


def run_file(text: str, place: Path, track: str, seed: int) -> str:
    """What `python train.py` prints in a folder of the lab. RunFailed says why it failed."""
    (place / FILE).write_text(text, "utf-8")
    own = {"AUTORESEARCH_TRACK": track, "AUTORESEARCH_SEED": str(seed)}
    process = multiprocessing.get_context("forkserver").Process(
        target=run_forked, args=(place, {**own, "AUTORESEARCH_RUN_DIR": str(place / "run")})
    )
    process.start()
    process.join(TIMEOUT_S)
    if process.exitcode is None:
        process.kill()
        process.join()
        raise RunFailed(f"not done after {TIMEOUT_S} s")
    if process.exitcode:
        raise RunFailed(name_failure((place / "err").read_text("utf-8")))
    return (place / "out").read_text("utf-8")


def run_forked(place: Path, environment: Mapping[str, str]) -> None:
    """In a process that was forked with torch imported."""
    for name, descriptor in (("out", 1), ("err", 2)):
        os.dup2(os.open(place / name, os.O_WRONLY | os.O_CREAT), descriptor)
    os.environ.update(environment)
    os.chdir(place)
    sys.path.insert(0, str(place))
    runpy.run_path(FILE, run_name="__main__")


def copy_lab(place: Path) -> Path:
    shutil.copy(LAB / "prepare.py", place)
    shutil.copytree(LAB / "fixed", place / "fixed", ignore=shutil.ignore_patterns("__pycache__"))
    return place


def name_failure(errors: str) -> str:
    """The last line that says why, without paths."""
    lines = [line for line in errors.splitlines() if re.match(r"(FAIL: |\w*Error)", line)]
    return re.sub(r"\S*/\S*", "…", lines[-1])[:200] if lines else "no reason"
