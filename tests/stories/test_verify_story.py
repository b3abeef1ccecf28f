"""Others' results run again: on a real hub, with real runs. An honest one is reproduced, a forged
one disputed, one's own refused."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from autoresearch.client import Hub
from autoresearch.researcher.display import Display
from autoresearch.researcher.verify.board import HubBoard
from autoresearch.researcher.verify.rerun import Notebook, Notes
from autoresearch.researcher.verify.rounds import Rounds
from autoresearch.researcher.verify.verifier import Verifier
from autoresearch.researcher.workspace import Workspace
from claimants import BOX, Claimant, make_swarm
from strange_hub import Asked, Reply, strange_hub, told
from tiny_workspaces import Writes, command, make, noisy, research, runner


@pytest.fixture
def swarm(tmp_path: Path, own_hub: Callable[..., Any]) -> tuple[Any, Claimant, Workspace]:
    """A hub, a claimant, and a verifier's repository with a measured baseline; both start from the
    same root."""
    hub = own_hub()
    return hub, *make_swarm(tmp_path, hub)


HERE = ("--platform", BOX, "--sandbox", "none")


def verify(*args: str) -> Any:
    """As the program says, again where chance left a control run undecided."""
    for _ in range(3):
        told = command("verify", *args, *HERE)
        if "try again" not in told.stdout + told.stderr:
            break
    return told


def verify_everything(verifier: Workspace, hub: Any) -> list[Any]:
    """One command after the other until there is nothing left; what chance left undecided is passed
    over for the next best and comes again."""
    told = []
    for _ in range(8):
        told.append(command("verify", str(verifier.folder), "--hub", hub.url, *HERE))
        out = told[-1].stdout
        if "nothing to verify" in out and "is not decided" not in out:
            return told
    raise AssertionError([run.stdout + run.stderr for run in told])


def records(hub: Any, agent: Any) -> dict[str, Any]:
    (board,) = agent.get("/api/leaderboard", platform=BOX).json()
    return {record["commit"]: record for record in (*board["records"], *board["claims"])}


def test_a_hub_where_results_are_checked(swarm: tuple[Any, Claimant, Workspace]) -> None:
    """The best unverified claim comes first; an honest one is reproduced, a forged one disputed in
    its thread and on the board."""
    hub, claimant, verifier = swarm
    honest, honest_post = claimant.claims(0.91, train=noisy(0.9, 0.001))  # modest: no luck in it
    forged, forged_post = claimant.claims(0.5, train=noisy(0.95, 0.001))
    claimant.claims(0.1, platform="another-box", train=noisy(0.1, 0.001))

    told = verify_everything(verifier, hub)

    tried = [re.findall(r"^(\w{7}) claims", run.stdout, re.MULTILINE) for run in told]
    assert tried[0][0] == forged[:7]
    ends = {
        commits[-1]: run.returncode for commits, run in zip(tried, told, strict=True) if commits
    }
    assert ends == {forged[:7]: 1, honest[:7]: 0}, [run.stdout + run.stderr for run in told]
    (disputed,) = claimant.hub.replies(forged_post)
    assert disputed.content.startswith(f"verify commit:{forged[:7]} platform:{BOX} val_bpb:0.9")
    # digits follow the noise
    assert re.search(
        r"not reproduced \(measured 0\.9[^)]*\)?[^)]*claimed 0\.50+\)", disputed.content
    )
    (confirmed,) = claimant.hub.replies(honest_post)
    assert confirmed.content.splitlines()[0].endswith(f"n:3 track:{claimant.track} | reproduced")
    board = records(hub, claimant.agent)
    assert (board[honest[:7]]["verified"], board[forged[:7]]["verified"]) == (
        "reproduced",
        "disputed",
    )
    assert [board[honest[:7]]["reproduced_by"]] == [[confirmed.agent_id]] != [[claimant.agent.id]]
    assert verifier.repo.changes() == [] and (verifier.folder / ".agenthub").exists()


def test_our_own_fixed_files_decide(swarm: tuple[Any, Claimant, Workspace]) -> None:
    """A commit that brings its own evaluation is disputed by the name of the file, and nothing of
    it is run."""
    hub, claimant, verifier = swarm
    commit, _ = claimant.claims(0.4, prepare="LIMIT = 2\n", train=noisy(0.4, 0.001))

    told = verify(commit[:9], str(verifier.folder), "--hub", hub.url)

    assert (
        told.returncode == 1 and "not reproduced (changed fixed files: prepare.py)" in told.stdout
    ), told.stderr
    assert not list((verifier.private / "runs").glob("verify-*"))


def test_nobody_verifies_their_own(swarm: tuple[Any, Claimant, Workspace]) -> None:
    """Asked to verify with the claimant's own account, the command refuses; a reply written by
    hand does not count."""
    hub, claimant, verifier = swarm
    commit, post_id = claimant.claims(0.91, train=noisy(0.9, 0.001))
    key = {
        "AGENTHUB_URL": hub.url,
        "AGENTHUB_KEY": claimant.agent.key,
        "PATH": "/usr/local/bin:/usr/bin:/bin",
    }

    told = command(
        "verify",
        commit,
        str(verifier.folder),
        "--hub",
        hub.url,
        "--platform",
        BOX,
        "--sandbox",
        "none",
        env=key,
    )
    claimant.hub.reply(
        post_id,
        f"verify commit:{commit[:7]} platform:{BOX} val_bpb:0.9 n:3 "
        f"track:{claimant.track} | reproduced",
    )

    assert told.returncode == 3 and "nobody verifies their own" in told.stderr
    assert records(hub, claimant.agent)[commit[:7]]["verified"] == "unverified"


def test_results_of_another_machine_are_not_ours_to_check(
    swarm: tuple[Any, Claimant, Workspace],
) -> None:
    """Another platform's numbers are not comparable, and saying so is all that happens."""
    hub, claimant, verifier = swarm
    commit, post_id = claimant.claims(0.1, platform="another-box", train=noisy(0.1, 0.001))

    told = verify(commit, str(verifier.folder), "--hub", hub.url)

    assert told.returncode == 2 and "claimed for another-box" in told.stderr
    assert claimant.hub.replies(post_id) == []


def test_a_commit_of_our_own_is_told_on_the_terminal(tmp_path: Path) -> None:
    """Without a hub the ledger's value, or --claimed, is compared with new runs."""
    workspace = make(tmp_path, noisy(1.0, 0.001))
    research(workspace, Writes(noisy(0.9, 0.001)), experiments=1, platform=BOX)
    best = workspace.ledger.records()[-1]

    for _ in range(3):  # one honest claim of a single run in a hundred is called not reproduced
        honest = verify(best.commit[:8], str(tmp_path))
        if honest.returncode == 0:
            break
    forged = verify(best.commit, str(tmp_path), "--claimed", "0.5", "--runs", "2", "--json")
    unknown = command("verify", "HEAD", str(tmp_path), "--platform", "other", "--sandbox", "none")

    assert (honest.returncode, "reproduced: 0." in honest.stdout) == (0, True), honest.stdout
    assert forged.returncode == 1 and json.loads(forged.stdout)["runs"] == 2
    assert unknown.returncode == 2 and "--claimed" in unknown.stderr


# ---------------------------------------------------------------- --watch

SLOW = "import time\ntime.sleep(0.3)\n" + noisy(0.9, 0.001)


def watching(verifier: Workspace, hub: Any) -> subprocess.Popen[str]:
    arguments = [
        "verify",
        str(verifier.folder),
        "--hub",
        hub.url,
        "--watch",
        "--platform",
        BOX,
        "--sandbox",
        "none",
    ]
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from autoresearch.cli.autoresearch import main; main()",
            *arguments,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def until(question: Callable[[], Any], seconds: float = 120) -> Any:
    """The first answer that says something."""
    deadline = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
    return answer


def test_a_watching_verifier_is_killed_and_comes_back(
    swarm: tuple[Any, Claimant, Workspace],
) -> None:
    """What comes is verified as it comes; after `kill -9` in the middle, finished runs count and
    each claim has one reply."""
    hub, claimant, verifier = swarm
    first = watching(verifier, hub)
    until(lambda: (verifier.folder / ".agenthub").exists())
    _, post_id = claimant.claims(0.91, train=SLOW)
    (file,) = until(lambda: list((verifier.private / "verify").glob("*.json")))
    until(lambda: json.loads(file.read_text())["measurements"])

    first.kill()
    first.wait()
    before = json.loads(file.read_text())["measurements"]
    second = watching(verifier, hub)
    until(lambda: claimant.hub.replies(post_id))
    _, later = claimant.claims(0.3, train=noisy(0.8, 0.001))
    until(lambda: claimant.hub.replies(later))
    second.send_signal(signal.SIGINT)
    said, _ = second.communicate(timeout=60)

    assert second.returncode == 130 and "not reproduced" in said, said
    assert json.loads(file.read_text())["measurements"][: len(before)] == before
    assert [len(claimant.hub.replies(p)) for p in (post_id, later)] == [1, 1]
    assert first.stdout is not None
    first.stdout.close()


def rounds(
    verifier: Workspace, hub: Any, agent: Any, track: str, said: list[str], tries: int = 4
) -> Rounds:
    """Going rounds in this process, as `agent`."""
    display = Display(Console(quiet=True), quiet=True)
    display.say = said.append  # type: ignore[method-assign]
    stop = threading.Event()
    notebook = Notebook(verifier.private / "verify")
    judge = Verifier(verifier, runner(verifier, stop), notebook, display, stop, BOX, runs=2)
    return Rounds(judge, HubBoard(Hub(hub.url, agent.key, tries=tries), agent.id, BOX, track), stop)


def test_a_reply_whose_answer_was_lost_is_not_written_again(
    swarm: tuple[Any, Claimant, Workspace],
) -> None:
    """Killed between the reply and the note of it, a verifier finds its reply in the thread; one
    that never arrived is written."""
    hub, claimant, verifier = swarm
    goes = rounds(verifier, hub, hub.agent("verifier"), claimant.track, [])
    posts = [
        claimant.claims(0.91, train=noisy(0.9, 0.001))[1],
        claimant.claims(0.8, train=noisy(0.8, 0.001))[1],
    ]
    while goes.once() is not None:
        pass
    notebook = goes.verifier.notebook
    for file in notebook.folder.glob("*.json"):
        notes = msgspec.json.decode(file.read_bytes(), type=Notes)
        assert notes.posted
        notebook.write(notes, posted=False)

    goes.tell_what_waits()

    assert [len(claimant.hub.replies(p)) for p in posts] == [1, 1]
    assert notebook.unfinished_notes() == []


def test_what_another_says_to_verify_is_left_to_them(
    swarm: tuple[Any, Claimant, Workspace],
) -> None:
    """A lease of another verifier is respected, and its end noticed."""
    hub, claimant, verifier = swarm
    said: list[str] = []
    goes = rounds(verifier, hub, hub.agent("verifier"), claimant.track, said)
    claimant.claims(0.91, train=noisy(0.9, 0.001))
    (result,) = claimant.hub.results(platform=BOX)
    other = rounds(verifier, hub, hub.agent("other"), claimant.track, [])
    lease = other.board.lease(other.board.fetch_reported(verifier.repo, result), 60)
    assert lease is not None

    assert goes.once() is None and "verified by somebody else" in said[-1]
    other.release(lease.id)
    goes.set_aside.clear()
    assert goes.once() is not None


def test_a_busy_machine_disputes_nobody(swarm: tuple[Any, Claimant, Workspace]) -> None:
    """Where our own baseline does not come out as our ledger says, a claim that seems wrong is
    undecided, and nothing is posted."""
    hub, claimant, verifier = swarm
    said: list[str] = []
    baseline = json.loads(verifier.ledger.jsonl.read_text())
    baseline.update(value=0.5, values=[v - 0.5 for v in baseline["values"]])
    verifier.ledger.jsonl.write_text(json.dumps(baseline) + "\n")
    _, post_id = claimant.claims(0.3, train=noisy(0.9, 0.001))
    goes = rounds(verifier, hub, hub.agent("verifier"), claimant.track, said)

    assert goes.once() is None
    assert "our own baseline is worse just now" in said[-1]
    assert claimant.hub.replies(post_id) == [] and goes.verifier.notebook.unfinished_notes() == []


def test_a_hub_that_goes_and_loses_answers_hears_each_verdict_once(
    swarm: tuple[Any, Claimant, Workspace],
) -> None:
    """Watching goes on while the hub is down; a reply that was written though its answer was lost
    is not written again."""
    hub, claimant, verifier = swarm
    agent, said, state = hub.agent("verifier"), [], {"down": True, "lose": True}

    def between(asked: Asked) -> Reply:
        if state["down"]:
            return told(503, {"error": "back soon"})
        content = None if asked.body is None else json.dumps(asked.body).encode()
        answer = hub.http.request(asked.method, asked.path, content=content, headers=agent.headers)
        if asked.method == "POST" and asked.path.endswith("/posts") and state.pop("lose", False):
            return Reply(cut=True)
        return Reply(answer.status_code, answer.content)

    with strange_hub(between) as strange:
        goes = rounds(verifier, strange, agent, claimant.track, said, tries=1)
        watching = threading.Thread(target=goes.forever)
        watching.start()
        until(lambda: any("asking again" in line for line in said))
        _, post_id = claimant.claims(0.91, train=noisy(0.9, 0.001))
        state["down"] = False
        until(lambda: any("may or may not be done" in line for line in said))
        _, later = claimant.claims(0.8, train=noisy(0.8, 0.001))
        until(lambda: claimant.hub.replies(later))
        goes.stop.set()
        watching.join(60)

    assert [len(claimant.hub.replies(p)) for p in (post_id, later)] == [1, 1]
    assert goes.verifier.notebook.unfinished_notes() == [] and not watching.is_alive()


def test_a_hostile_commit_stops_nobody(swarm: tuple[Any, Claimant, Workspace]) -> None:
    """A claim whose commit has no free file, or has other fixed files of another root, is left;
    the next one is verified."""
    hub, claimant, verifier = swarm
    said: list[str] = []
    stranger = make(
        claimant.workspace.folder.parent / "stranger",
        noisy(0.1),
        files={"prepare.py": "LIMIT = 9\n"},
    )
    orphan = Claimant(stranger, hub, claimant.track)
    orphan.claims(0.1, train=noisy(0.2))
    _, good = claimant.claims(0.91, train=noisy(0.9, 0.001))
    goes = rounds(verifier, hub, hub.agent("verifier"), claimant.track, said)

    verdict = goes.once()

    assert verdict is not None and verdict.reported.post_id == good
    assert any("another version of the fixed files" in line for line in said)
