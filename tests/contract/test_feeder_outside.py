"""A run and its feeder share nothing but two pipes and a memory file, at every level of isolation;
and a run that works on after its budget is ended from outside.

Seen: a loader whose clock the run had slowed to a tenth trained ten times the budget and was kept.
Here small programs stand for run and feeder in the real runner and sandbox.
"""

from __future__ import annotations

import dataclasses
import json
import threading
from pathlib import Path

import pytest

from autoresearch.researcher.feeding import BudgetWatch, note_baseline, read_after_budget
from autoresearch.researcher.judging.values import Measurement
from autoresearch.researcher.run_request import RunRequest
from autoresearch.researcher.sandbox import Finished, Job, choose_sandbox
from sandbox_jobs import EVERY_LEVEL, ISOLATED
from tiny_workspaces import TOML, make, marked, runner

FED = """
[data]
feed = ["python", "feeder.py"]
"""
# hands out one letter of a text that it alone can read for every byte that it gets
FEEDER = """
import json, os, sys, time
memory, given = int(os.environ["AUTORESEARCH_MEMORY"]), 0
while os.read(0, 1):
    if not given:
        print(f"first batch at {time.monotonic()!r}, budget 0.2, grace 0.0", file=sys.stderr)
    if memory >= 0:
        os.pwrite(memory, b"abc"[given % 3 :], 0)
        os.write(1, b"!")
    else:
        os.write(1, b"abc"[given % 3 :][:1])
    given += 1
with open(sys.argv[sys.argv.index("--record") + 1], "w") as file:
    json.dump({"given": given, "words": sys.argv[3:]}, file)
"""
RUN = """
import os
batches, requests, memory = os.environ["AUTORESEARCH_FEED"].split(",")
batches = int(batches) if batches.isdigit() else os.open(batches, os.O_RDONLY)
requests = int(requests) if requests.isdigit() else os.open(requests, os.O_WRONLY)
memory = int(memory)

def take():
    os.write(requests, b"n")
    said = os.read(batches, 1)
    return os.pread(memory, 1, 0) if memory >= 0 else said

ATTACK
"""
HONEST = """
text = take() + take() + take()
if text == b"abc":
    print("val_bpb: 1.5")
"""


class LikeAContainer:
    """A sandbox that inherits no descriptors, as a container does not."""

    name = "container"

    def run(self, job: Job, stop: threading.Event | None = None) -> Finished:
        assert not [number for number in job.descriptors if number > 2]
        return choose_sandbox("auto").run(job, stop)


def measure(
    folder: Path, level: str, attack: str, outside_s: float = 0, replay: Path | None = None
) -> tuple[Measurement, Path]:
    """What the runner makes of a run that does this, and the run's folder."""
    toml = f"{TOML}{FED}[limits]\noutside_s = {outside_s}\n"
    files = {"feeder.py": FEEDER}
    workspace = make(folder / "work", RUN.replace("ATTACK", attack), toml, files)
    chosen = LikeAContainer() if level == "named pipes" else choose_sandbox(level)
    using = dataclasses.replace(runner(workspace), sandbox=chosen)
    place = workspace.private / "runs" / "0001" / "1"
    head = workspace.repo.head()
    measured = using.measure(RunRequest(head, 1, "fed-mark", place, 60, replay=replay))
    assert [marked("fed-mark"), marked("fed-mark.feed")] == [[], []]
    return measured, place


@EVERY_LEVEL
def test_a_run_is_fed_from_a_sandbox_beside_it(tmp_path: Path, level: str) -> None:
    """It gets the text letter by letter; the feeder's record lies beside the log when both are
    dead."""
    measured, place = measure(tmp_path, level, HONEST)

    assert (measured.outcome, measured.value) == ("ok", 1.5), measured
    assert json.loads((place / "feed.json").read_text("utf-8"))["given"] == 3
    assert measured.outside_seconds is not None and measured.after_seconds is not None


def test_where_no_descriptor_arrives_the_pipes_have_names(tmp_path: Path) -> None:
    """As in a container: the same text, the same record."""
    measured, place = measure(tmp_path, "named pipes", HONEST)

    assert (measured.outcome, measured.value) == ("ok", 1.5), measured
    assert json.loads((place / "feed.json").read_text("utf-8"))["given"] == 3


@pytest.mark.parametrize("level", ["auto", "named pipes"])
def test_a_run_that_never_asks_leaves_no_feeder_behind(tmp_path: Path, level: str) -> None:
    """All of its time is outside the budget."""
    measured, _ = measure(tmp_path, level, "print('val_bpb: 1.5')")

    assert measured.outcome == "ok"
    assert measured.outside_seconds == measured.seconds


def test_a_replay_names_the_record_and_its_time_does_not_count(tmp_path: Path) -> None:
    """The feeder gets `--replay FILE`."""
    record = tmp_path / "first.json"
    record.write_text("{}", "utf-8")
    measured, place = measure(tmp_path, "auto", HONEST, replay=record)

    words = json.loads((place / "feed.json").read_text("utf-8"))["words"]
    assert (measured.outcome, words) == ("ok", ["--replay", str(record)])
    assert (measured.outside_seconds, measured.after_seconds) == (0.0, None)


SPIES = """
import glob
found = 0
for path in glob.glob("/proc/[0-9]*/cmdline"):
    try:
        found += b"--record" in open(path, "rb").read()
    except OSError:
        pass
take()
print(f"val_bpb: {found}.0")
"""
WRITES = """
import glob
place = os.path.dirname(os.environ["AUTORESEARCH_RUN_DIR"])
for name in ("feed.log", "feed.json", "feed/feed.json", "../../../clock.json"):
    try:
        open(os.path.join(place, name), "a").write("first batch at 0.0, budget 9e9, grace 0.0")
    except OSError:
        pass
take()
print("val_bpb: 0.0")
"""


@ISOLATED
@pytest.mark.parametrize("attack", [SPIES, WRITES])
def test_the_feeder_is_out_of_reach(tmp_path: Path, level: str, attack: str) -> None:
    """Neither its process nor its folder, log, record or the baseline's times."""
    measured, place = measure(tmp_path, level, attack)
    said = [file.read_text("utf-8") for file in (place / "feed.log", place / "feed.json")]

    assert (measured.outcome, measured.value) == ("ok", 0.0), measured
    assert "9e9" not in "".join(said) and json.loads(said[1])["given"] == 1
    assert not (place.parents[2] / "clock.json").exists()


def test_a_run_that_works_on_after_its_budget_is_ended(tmp_path: Path) -> None:
    """Whatever its own clocks say."""
    measured, _ = measure(tmp_path, "auto", "take()\nwhile True: pass", outside_s=1)

    assert measured.outcome == "outside the clock"
    assert "after its budget, where 1 s are allowed" in measured.reason


def watch(folder: Path, by_cpu: bool, allowed_s: float | None = 3) -> tuple[BudgetWatch, list]:
    """Of a run whose first batch went out at 100 and whose budget ended at 110; what the clock
    and the processor say, to be set."""
    log = folder / "feed.log"
    log.write_text("first batch at 100.0, budget 10.0, grace 5.0\n", "utf-8")
    says = [0.0, 0.0]
    return BudgetWatch(log, allowed_s, by_cpu, lambda: says[0]), says


@pytest.mark.parametrize(
    ("by_cpu", "moments", "is_ended"),
    [
        (False, [(109.9, 50), (113, 50)], False),
        (False, [(109.9, 50), (113.1, 50)], True),
        (True, [(109.9, 50), (120, 52)], False),  # a busy machine
        (True, [(109.9, 50), (114, 53.1)], True),
        (True, [(109.9, 50), (125.1, 50)], True),  # patience ends
        (True, [(105, 20), (109.9, 50)], False),
    ],
)
def test_after_the_budget_work_counts_and_waiting_does_not(
    tmp_path: Path, by_cpu: bool, moments: list[tuple[float, float]], is_ended: bool
) -> None:
    """Processor time, where it can be seen; the wall's clock elsewhere, and in the end."""
    asked, says = watch(tmp_path, by_cpu)
    for says[0], says[1] in moments:
        reason = asked(lambda: says[1])

    assert bool(reason) == is_ended


def test_the_baseline_says_what_is_usual(tmp_path: Path) -> None:
    """Its longest run and two seconds; twice as much and twenty where it compiles on the clock,
    in the original's manner; 30 seconds and the grace where nobody measured one."""
    file, log = tmp_path / "clock.json", tmp_path / "feed.log"
    assert read_after_budget(file) is None
    for after_s in (1.0, 1.5, 0.5):
        log.write_text("first batch at 1.0, budget 10.0, grace 0.0\n", "utf-8")
        note_baseline(file, after_s, log)
    usual = read_after_budget(file)
    log.write_text("first batch at 1.0, budget 10.0, grace 60.0\n", "utf-8")
    note_baseline(file, 5.0, log)
    graced = read_after_budget(file)
    unknown, says = watch(tmp_path, by_cpu=False, allowed_s=None)
    says[0] = 144.9
    within = unknown(lambda: 0.0)
    says[0] = 145.1

    assert usual is not None and usual.allowed_s == 3.5
    assert graced is not None and graced.allowed_s == 30.0
    assert (within, bool(unknown(lambda: 0.0))) == ("", True)
