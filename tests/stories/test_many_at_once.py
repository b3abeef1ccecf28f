"""Several experiments at once: they really overlap, each is judged against what is best when its
turn comes, and `kill -9` loses none."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from rich.console import Console

from autoresearch.errors import BadWorkspace
from autoresearch.git.repo import Repo
from autoresearch.researcher.agents.base import Brief, Edit, NothingLeft
from autoresearch.researcher.agents.scripted import ScriptedAgent
from autoresearch.researcher.display import Display
from autoresearch.researcher.executors.local import LocalExecutor
from autoresearch.researcher.executors.slots import Slot
from autoresearch.researcher.experiment import Runner
from autoresearch.researcher.journal import Journal
from autoresearch.researcher.loop import Loop, Options
from autoresearch.researcher.workspace import Workspace
from kills import Effect, Instant, Killed, interrupt
from tiny_workspaces import (
    ENVIRONMENT,
    Writes,
    alive,
    check_books,
    make,
    noisy,
    research,
    script,
    wait_for,
)

# waits until somebody makes the file
GATED = """\
import pathlib, time
deadline = time.monotonic() + 100
while not pathlib.Path({gate!r}).exists() and time.monotonic() < deadline:
    time.sleep(0.02)
"""
# says that it is there, and waits until so many are
MEETING = """\
import os, pathlib, time
place = pathlib.Path({place!r})
(place / str(os.getpid())).touch()
deadline = time.monotonic() + 100
while len(list(place.iterdir())) < {count}:
    if time.monotonic() > deadline:
        raise SystemExit("alone")
    time.sleep(0.02)
"""
LONG = (
    "import os, time\nif os.fork() == 0:\n    time.sleep(300)\n    os._exit(0)\ntime.sleep(0.3)\n"
)


def steps(count: int, slow: str = "") -> list[dict[str, object]]:
    """Gains, losses, crashes and refused edits in turn."""
    made: list[dict[str, object]] = []
    for number in range(count):
        value = (0.9 ** (number + 1), 2.0 + number)[number % 2]
        train = (
            f"raise SystemExit('broken {number}')\n"
            if number % 5 == 3
            else slow + noisy(value, 0.001)
        )
        files = {"prepare.py": f"LIMIT = {number}\n"} if number % 7 == 5 else {"train.py": train}
        made.append({"message": f"idea {number}", "files": files})
    return made


def test_three_run_at_the_same_time(tmp_path: Path) -> None:
    """Experiments that end only when three of them are running all end well."""
    (tmp_path / "place").mkdir()
    meeting = MEETING.format(place=str(tmp_path / "place"), count=3)
    workspace = make(tmp_path / "w", noisy(1.0, 0.001))
    agent = Writes(*(meeting + noisy(value, 0.001) for value in (1.5, 1.6, 1.7)))

    research(workspace, agent, slots=3, experiments=3)

    tried = workspace.ledger.records()[1:]
    assert [r.status for r in tried] == ["discard"] * 3
    assert {r.parent for r in tried} == {workspace.ledger.records()[0].commit}


def test_the_baseline_is_measured_with_neighbours(tmp_path: Path) -> None:
    """All slots are busy while the noise is measured, as they will be later: with four slots, four
    runs at once."""
    (tmp_path / "place").mkdir()
    workspace = make(
        tmp_path / "w", MEETING.format(place=str(tmp_path / "place"), count=4) + noisy(1.0, 0.001)
    )

    research(workspace, Writes(), slots=4, experiments=0)

    base = workspace.ledger.records()[0]
    assert len(base.values) == len(set(base.seeds)) == 4


def test_a_night_with_three_slots_keeps_the_books(tmp_path: Path) -> None:
    """Every idea has one verdict, whatever became of it and in whatever order they ended."""
    workspace = make(tmp_path / "w", noisy(1.0, 0.001))

    summary = research(workspace, ScriptedAgent(steps(14)), slots=3)

    check_books(workspace, 14)
    assert summary.ended == "the script's 14 edits are done" and len(summary.finished) == 14


@pytest.mark.parametrize(("value", "status"), [(0.95, "discard"), (0.8, "keep")])
def test_a_candidate_meets_the_present_best(tmp_path: Path, value: float, status: str) -> None:
    """Kept meanwhile, another commit is the one to beat: better than it, the branch moves over;
    else the reason names both."""
    gates = [tmp_path / "a", tmp_path / "b"]
    workspace = make(tmp_path / "w", noisy(1.0, 0.001))
    texts = [
        GATED.format(gate=str(g)) + noisy(v, 0.001)
        for g, v in zip(gates, (0.9, value), strict=True)
    ]

    def porter() -> None:
        wait_for(lambda: len(Journal(workspace.private / "state.json").state.attempts) == 2)
        gates[0].touch()
        wait_for(lambda: len(workspace.ledger.records()) == 2)
        gates[1].touch()

    opening = threading.Thread(target=porter)
    opening.start()
    summary = research(workspace, Writes(*texts), slots=2, experiments=2)
    opening.join()

    base, first, second = workspace.ledger.records()
    assert (first.status, second.status) == ("keep", status), second.reason
    assert (second.parent, second.rival) == (base.commit, first.commit)
    said = (
        "better than its parent, but not than 0002, kept meanwhile"
        if status == "discard"
        else "kept meanwhile: better"
    )
    assert said in second.reason
    tip = second if status == "keep" else first
    assert workspace.repo.ref(f"refs/heads/{summary.branch}") == tip.commit


def test_experiments_go_on_while_the_agent_thinks(tmp_path: Path) -> None:
    """An edit that takes until another experiment has its verdict holds nothing up."""
    workspace = make(tmp_path / "w", noisy(1.0, 0.001))

    def ponders(worktree: Path) -> None:
        wait_for(lambda: len(workspace.ledger.records()) == 2)
        (worktree / "train.py").write_text(noisy(0.8, 0.001))

    research(workspace, Writes(noisy(0.9, 0.001), ponders), slots=2, experiments=2)

    assert [r.description for r in workspace.ledger.records()] == ["baseline", "idea 1", "idea 2"]


def test_who_has_no_idea_now_is_asked_again_after_a_verdict(tmp_path: Path) -> None:
    """Nothing left on this parent is not the end while another experiment may change the best."""

    class Waits:
        name = "waits"

        def edit(self, worktree: Path, brief: Brief) -> Edit:
            if brief.pending:
                raise NothingLeft("nothing on this parent")
            if len(brief.history) > 2:
                raise NothingLeft("really nothing")
            (worktree / "train.py").write_text(noisy(0.9 ** len(brief.history), 0.001))
            return Edit("an idea")

    workspace = make(tmp_path / "w", noisy(1.0, 0.001))

    summary = research(workspace, Waits(), slots=2)

    assert len(workspace.ledger.records()) == 3 and summary.ended == "really nothing"


def test_a_branch_keeps_to_the_size_of_its_slots(tmp_path: Path) -> None:
    """Results with one core and with two are never compared: another size is refused with the way
    out."""
    workspace = make(tmp_path / "w", noisy(1.0, 0.001))
    research(workspace, Writes(), experiments=0, slot="1 core")

    with pytest.raises(
        BadWorkspace,
        match=r"was measured with 1 core a run and this call gives the whole machine.*--jobs",
    ):
        research(workspace, Writes(), experiments=0)
    research(workspace, Writes(), experiments=0, slot="2 cores", branch="other")

    assert [r.branch for r in workspace.ledger.records()] == ["autoresearch/w", "other"]


def test_a_state_file_of_one_attempt_is_read(tmp_path: Path) -> None:
    """What an older version left open is gone on with."""
    workspace = make(tmp_path / "w", noisy(1.0, 0.001))
    research(workspace, Writes(), experiments=0)
    commit = workspace.repo.head()
    file = workspace.private / "state.json"
    state = json.loads(file.read_text())
    del state["attempts"]
    state["lines"] = {
        b: {"base": v["base"], "fingerprint": v["fingerprint"]} for b, v in state["lines"].items()
    }
    attempt = {
        "id": "0002",
        "parent": commit,
        "mark": "m",
        "phase": "measuring",
        "started_at": "",
        "commit": commit,
    }
    file.write_text(
        json.dumps({**state, "attempt": {**attempt, "description": "left open"}, "next_id": 3})
    )

    research(workspace, Writes(noisy(0.5, 0.001)), experiments=2)

    assert [r.description for r in workspace.ledger.records()] == [
        "baseline",
        "left open",
        "idea 1",
    ]


# ---------------------------------------------------------------- kill -9


def start(workspace: Workspace, ideas: Path) -> subprocess.Popen[bytes]:
    arguments = [
        "run",
        str(workspace.folder),
        "--agent",
        "scripted",
        "--script",
        str(ideas),
        "--sandbox",
        "none",
    ]
    program = "from autoresearch.cli.autoresearch import main; main()"
    environment = {**os.environ, "AUTORESEARCH_CACHE": str(workspace.folder.parent / "cache")}
    with (workspace.folder.parent / "out.txt").open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-c", program, *arguments, "--jobs", "3"],
            stdout=output,
            stderr=output,
            env=environment,
        )


@pytest.mark.slow
def test_kills_with_three_open_lose_nothing(tmp_path: Path) -> None:
    """Killed with -9 while three experiments are open, several times, all of them go on: nothing
    lost, doubled or left running."""
    chance = random.Random(3)
    workspace = make(tmp_path / "w", LONG + noisy(1.0, 0.001))
    ideas = script(tmp_path / "ideas.jsonl", steps(18, LONG))
    seen = 0
    for _ in range(5):
        process = start(workspace, ideas)
        state = Journal(workspace.private / "state.json")
        deadline = time.monotonic() + 20
        while (
            process.poll() is None and len(state.state.attempts) < 3 and time.monotonic() < deadline
        ):
            time.sleep(0.02)
            state = Journal(workspace.private / "state.json")
        time.sleep(chance.uniform(0, 0.4))
        process.kill()
        process.wait()
        seen += len(Journal(workspace.private / "state.json").state.attempts) >= 2
    last = start(workspace, ideas)

    assert last.wait(timeout=200) == 0, (tmp_path / "out.txt").read_text()
    check_books(workspace, 18)
    assert seen >= 2
    assert alive(workspace.folder) == []


EFFECTS: list[Effect] = [(Repo, "git_bytes"), (os, "fsync"), (Path, "replace")]


def instant_research(folder: Path, ideas: int) -> None:
    workspace = Workspace(folder)
    stop = threading.Event()
    alone = Runner(workspace, Instant(), ENVIRONMENT, stop=stop)
    executor = LocalExecutor(alone, [Slot()] * 3)
    display = Display(Console(quiet=True), quiet=True)
    with workspace.lock():
        Loop(
            workspace,
            ScriptedAgent(steps(ideas)),
            alone,
            Options(),
            display,
            stop,
            executor=executor,
        ).run()


@pytest.mark.slow
def test_a_kill_at_any_step_with_three_open_is_mended(tmp_path: Path) -> None:
    """Whatever effect on disk was the loop's last one, the next start makes the books whole."""
    chance = random.Random(11)
    started = time.monotonic()
    tried = killed = 0
    while tried < 6 or (time.monotonic() - started < 8 and tried < 40):
        tried += 1
        folder = tmp_path / f"cut-{tried}"
        make(folder, noisy(1.0, 0.001))
        with pytest.MonkeyPatch.context() as patch:
            interrupt(patch, EFFECTS, chance.randrange(20, 160), tried % 2 == 1)
            try:
                instant_research(folder, 5)
            except Killed:
                killed += 1
        instant_research(folder, 5)
        check_books(Workspace(folder), 5)
    assert killed >= 3
