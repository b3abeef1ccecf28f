"""A run starts while the one before is scored, and gets its first batch when that is over: seen by
the times that programs, feeders and scorers write down themselves, on the machine's one clock.

Scorers here wait until the next run asks for its first batch, and then a second more: long enough
for a run that is not held back to get it.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from autoresearch.researcher.agents.base import Brief, Edit
from autoresearch.researcher.agents.scripted import ScriptedAgent
from autoresearch.researcher.executors.local import LocalExecutor
from autoresearch.researcher.executors.slots import Slot
from autoresearch.researcher.feeding import BudgetWatch, read_first_batch
from autoresearch.researcher.judging.values import Measurement
from autoresearch.researcher.run_request import RunRequest
from autoresearch.researcher.sandbox import mounts
from autoresearch.researcher.turns import Turn
from autoresearch.researcher.workspace import Workspace
from tiny_workspaces import TOML, alive, check_books, make, research, runner, script, wait_for

FED = """
[data]
feed = ["python", "feeder.py"]
[score]
command = ["python", "score.py", "{run_dir}/answer"]
[judge]
early_stopping = false
"""
FEEDER = """
import os, sys, time
given = 0
while os.read(0, 1):
    if not given:
        print(f"first batch at {time.monotonic()!r}, budget 0.2, grace 0.0", file=sys.stderr, flush=True)
    os.write(1, b"!")
    given += 1
"""
# what it does is seen in `place`: started, asks, is fed
TRAIN = """
import os, pathlib, random, time
began, place = time.monotonic(), pathlib.Path({place!r})
batches, requests, _ = map(int, os.environ["AUTORESEARCH_FEED"].split(","))

def note(word):
    (place / (word + " " + os.environ["AUTORESEARCH_RUN"])).touch()

def take():
    os.write(requests, b"n")
    if not os.read(batches, 1):
        raise SystemExit("the feeder is gone")

print("started", began)
note("started")
{before}
note("asks")
take()
note("fed")
{after}
take()
value = {value} + random.Random(int(os.environ["AUTORESEARCH_SEED"])).gauss(0, 0.001)
pathlib.Path(os.environ["AUTORESEARCH_RUN_DIR"], "answer").write_text(f"{{value:.6f}}")
# the next run cannot have started yet
before = len(list(place.glob("{until} *")))
pathlib.Path(os.environ["AUTORESEARCH_RUN_DIR"], "before").write_text(str(before))
print(f"val_bpb: {{value:.6f}}")
print("total_seconds:", time.monotonic() - began)
print("trained", time.monotonic())
"""
# waits for the next run, but for scorings of these numbers, which have none beside them
SCORE = """
import os, pathlib, sys, time
place, answer = pathlib.Path({place!r}), pathlib.Path(sys.argv[1])
print("scoring", time.monotonic(), flush=True)

def count(word):
    return len(list(place.glob(word + " *")))

def wait(seconds, is_over=lambda: False):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not is_over() and not (place / "hurry").exists():
        time.sleep(0.01)

(place / ("scoring " + os.environ["AUTORESEARCH_RUN"])).touch()
if count("scoring") in {alone}:
    wait(1)
else:
    before = int(answer.with_name("before").read_text())
    wait(100, lambda: count("{until}") > before)
    wait({stay_s})
print("scored", time.monotonic())
print("val_bpb:", answer.read_text())
"""


@pytest.fixture(autouse=True)
def processors_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine without an accelerator: on one that has them nothing overlaps."""
    monkeypatch.setattr(mounts, "device_files", tuple)


def train(place: Path, value: float, before: str = "", after: str = "", until: str = "asks") -> str:
    words = {"before": before, "after": after, "until": until}
    return TRAIN.format(place=str(place), value=value, **words)


def fed_workspace(
    folder: Path, alone: set[int], until: str = "asks", stay_s: float = 1.0
) -> Workspace:
    """Its scorings wait for what the next run does, but for those of these numbers."""
    place = folder / "place"
    place.mkdir()
    score = SCORE.format(place=str(place), alone=alone, until=until, stay_s=stay_s)
    files = {"feeder.py": FEEDER, "score.py": score}
    return make(folder / "w", train(place, 1.0, until=until), TOML + FED, files)


def ideas(*texts: str) -> list[dict[str, object]]:
    return [{"message": f"idea {n}", "files": {"train.py": t}} for n, t in enumerate(texts)]


@dataclass(frozen=True)
class RunTimes:
    """Of one run, in seconds of the machine's clock; None for what it never came to."""

    name: str
    started: float
    fed: float | None
    trained: float | None
    scoring: float | None
    scored: float | None


def read_times(workspace: Workspace) -> list[RunTimes]:
    """Of all runs, in the order in which they started."""

    def moment(folder: Path, file: str, word: str) -> float | None:
        log = folder / file
        found = re.search(rf"^{word} (\S+)$", log.read_text(), re.M) if log.exists() else None
        return float(found[1]) if found else None

    times = []
    for folder in (workspace.private / "runs").glob("*/*"):
        first, started = read_first_batch(folder / "feed.log"), moment(folder, "run.log", "started")
        assert started is not None, folder
        trained = moment(folder, "run.log", "trained")
        scores = (moment(folder, "score.log", word) for word in ("scoring", "scored"))
        name = f"{folder.parent.name}/{folder.name}"
        times.append(RunTimes(name, started, first and first.at_s, trained, *scores))
    return sorted(times, key=lambda run: run.started)


def check_nothing_beside_training(runs: Sequence[RunTimes]) -> None:
    """Between its first batch and its end no run has a scoring, a start or a training beside it."""
    for one in runs:
        for other in runs:
            if one is not other and one.fed is not None and one.trained is not None:
                assert not one.fed < other.started < one.trained, (one, other)
                for moment in (other.fed, other.scoring, other.scored):
                    assert moment is None or not one.fed < moment < one.trained, (one, other)


class Noting(ScriptedAgent):
    """Writes down how many experiments were settled, and how many open, when it was asked."""

    def __init__(self, steps: list[dict[str, object]], name: str = "scripted") -> None:
        super().__init__(steps)
        self.name, self.knew = name, list[tuple[int, int]]()

    def edit(self, worktree: Path, brief: Brief) -> Edit:
        self.knew.append((len(brief.history), len(brief.pending)))
        return super().edit(worktree, brief)


def test_the_next_run_starts_beside_a_scoring_and_trains_after_it(tmp_path: Path) -> None:
    """Of the baseline from its second run on, whose start finds the first one's compiler cache;
    then each experiment is proposed and started while the one before is scored."""
    workspace = fed_workspace(tmp_path, {1, 3, 5})
    agent = Noting(ideas(train(tmp_path / "place", 2.0), train(tmp_path / "place", 3.0)))

    research(workspace, agent, experiments=2)

    runs = read_times(workspace)
    assert [run.name for run in runs] == ["0001/1", "0001/2", "0001/3", "0002/1", "0003/1"]
    check_nothing_beside_training(runs)
    for before, after in pairwise(runs[1:]):
        if after.name != "0002/1":  # the baseline has its verdict before there is a candidate
            assert before.trained and before.scored and after.fed
            assert before.trained < after.started < before.scored < after.fed
    assert runs[0].scored and runs[0].scored < runs[1].started
    assert agent.knew == [(1, 0), (1, 1)]
    check_books(workspace, 2)


def test_an_agent_that_makes_much_of_verdicts_is_asked_after_them(tmp_path: Path) -> None:
    """A model or a coding agent sees what became of its last experiment."""
    workspace = fed_workspace(tmp_path, {1, 3, 4, 5})
    texts = ideas(train(tmp_path / "place", 2.0), train(tmp_path / "place", 3.0))
    agent = Noting(texts, name="command")

    research(workspace, agent, experiments=2)

    *_, first, second = read_times(workspace)
    assert agent.knew == [(1, 0), (2, 0)]
    assert first.scored and first.scored < second.started


def test_a_run_that_dies_passes_its_turn_on(tmp_path: Path) -> None:
    """One that ends while it is held back, in silence or after it has asked, and one that ends in
    its training: the next one waits for the scoring before them, and for no more."""
    workspace = fed_workspace(tmp_path, {1, 3, 6}, until="started")
    mortal = partial(train, tmp_path / "place", until="started")
    texts = (
        mortal(value=2.0),
        mortal(value=2.0, before="raise SystemExit('dies at once')"),
        mortal(value=3.0),
        mortal(value=2.0, before="os.write(requests, b'n')\nraise SystemExit('dies asking')"),
        mortal(value=3.0, after="raise SystemExit('dies in training')"),
        mortal(value=4.0),
    )
    agent = Noting(ideas(*texts))

    research(workspace, agent, experiments=6)

    check_nothing_beside_training(read_times(workspace))
    statuses = ["discard", "crash", "discard", "crash", "crash", "discard"]
    records = {record.description: record for record in workspace.ledger.records()[1:]}
    assert [records[f"idea {n}"].status for n in range(6)] == statuses
    assert agent.knew[:2] == [(1, 0), (1, 1)]  # the second was asked for beside the first's scoring
    assert agent.knew[-1] == (6, 0)  # what ends without a scoring is known at once
    check_books(workspace, 6)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_a_stop_while_one_is_scored_and_one_held_back(tmp_path: Path, sent: int) -> None:
    """Ctrl-C and kill -9: neither counts, nothing is left running, and the same command goes on
    with both."""
    place = tmp_path / "place"
    workspace = fed_workspace(tmp_path, {1}, stay_s=3600)
    file = script(tmp_path / "ideas.jsonl", ideas(train(place, 2.0), train(place, 3.0)))
    words = ("run", str(workspace.folder), "--agent", "scripted", "--script", str(file))
    program = (
        "from autoresearch.researcher.sandbox import mounts; mounts.device_files = tuple\n"
        "from autoresearch.cli.autoresearch import main; main()"
    )
    command = [sys.executable, "-c", program, *words, "--sandbox", "none", "--baseline-runs", "1"]
    environment = {"PATH": "/usr/bin:/bin", "AUTORESEARCH_CACHE": str(tmp_path / "cache")}

    with (tmp_path / "out.txt").open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=environment)
        wait_for(lambda: len(list(place.glob("asks *"))) == 3 or process.poll() is not None)
        process.send_signal(sent)
        process.wait(100)
    said = (tmp_path / "out.txt").read_text()
    wait_for(lambda: not alive(workspace.folder))
    assert [r.description for r in workspace.ledger.records()] == ["baseline"], said
    assert len(list(place.glob("fed *"))) == 2  # the held one got nothing

    (place / "hurry").touch()
    again = subprocess.run(command, capture_output=True, text=True, timeout=200, env=environment)
    assert again.returncode == 0, again.stderr
    check_books(workspace, 2)


def test_each_lane_waits_for_its_own_scoring(tmp_path: Path) -> None:
    """With two lanes, one of which is scored for as long as we like: the run behind it is held
    back, and two runs pass in the other lane."""
    workspace, place = fed_workspace(tmp_path, {2, 3, 4}, stay_s=3600), tmp_path / "place"
    executor = LocalExecutor(runner(workspace), [Slot()] * 2)

    def submit(number: int) -> Future[Measurement]:
        folder = workspace.private / "runs" / "0001" / str(number)
        return executor.submit(RunRequest(workspace.repo.head(), 1, f"lane-{number}", folder, 600))

    first = submit(1)
    wait_for(lambda: (place / "scoring lane-1").exists())
    beside = submit(2)
    wait_for(lambda: (place / "asks lane-2").exists())
    behind = submit(3)
    assert beside.result(100).outcome == "ok"
    after = submit(4)
    assert after.result(100).outcome == "ok"
    wait_for(lambda: (place / "asks lane-3").exists())
    assert not (first.done() or behind.done() or (place / "fed lane-3").exists())
    (place / "hurry").touch()
    assert {first.result(100).outcome, behind.result(100).outcome} == {"ok"}
    executor.close()


def test_seconds_held_back_are_not_the_runs_own(tmp_path: Path) -> None:
    """Held back for longer than its time limit, a run ends well, and nothing that is told of it
    has these seconds: not its own, nor those outside the clock, nor what it says of itself, nor
    what others had of the machine."""
    workspace = fed_workspace(tmp_path, {1})
    before, requested = threading.Event(), tmp_path / "place"
    turn = Turn(before, lambda: None, Future())
    own = replace(runner(workspace), turn=turn)
    place = workspace.private / "runs" / "0001" / "1"
    limit_s, found = 10.0, list[Measurement]()
    request = RunRequest(workspace.repo.head(), 1, "held-back", place, limit_s)
    thread = threading.Thread(target=lambda: found.append(own.measure(request)))

    thread.start()
    wait_for(lambda: any(requested.glob("asks *")))
    burn(limit_s + 2.0)
    assert not list(requested.glob("fed *"))
    before.set()
    thread.join(100)

    (measured,) = found
    assert measured.outcome == "ok", measured
    assert turn.held_s() > limit_s and turn.trained.done()
    assert measured.seconds < limit_s and measured.total_seconds is not None
    assert measured.outside_seconds is not None and measured.outside_seconds < limit_s
    assert measured.total_seconds < limit_s
    (times,) = read_times(workspace)
    assert turn.came_s and times.trained
    # the moment after its turn came is too short to tell
    assert measured.others_share is None or times.trained - turn.came_s > 1.5


def burn(seconds: float) -> None:
    """Work as a scoring does."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def test_what_a_run_needs_after_its_budget_has_no_held_seconds_in_it(tmp_path: Path) -> None:
    """Started at 100, asked at 104, fed at 114 for 10 seconds, over at 125: four seconds before
    the clock, one after it."""
    log = tmp_path / "feed.log"
    log.write_text("first batch at 114.0, budget 10.0, grace 0.0\n", "utf-8")
    watch = BudgetWatch(log, None, by_cpu=False, clock=lambda: 125.0, began_s=100.0)

    measured = watch.with_times(Measurement("ok", "", 1, seconds=15.0), held_s=10.0)

    assert (measured.outside_seconds, measured.after_seconds) == (5.0, 1.0)
