"""A machine lent to a hub: `autoresearch work` gets what is most useful, runs it for real, posts
the verdict, and ends as its owner says."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autoresearch.errors import HubUnavailable, RateLimited
from autoresearch.researcher.verify import volunteer
from autoresearch.researcher.workspace import Workspace
from claimants import BOX, Claimant, make_swarm
from tiny_workspaces import command, noisy

SLOW = "import time\ntime.sleep(20)\n" + noisy(0.9, 0.001)


@pytest.fixture
def swarm(tmp_path: Path, own_hub: Callable[..., Any]) -> tuple[Any, Claimant, Workspace]:
    hub = own_hub()
    return hub, *make_swarm(tmp_path, hub)


def words(verifier: Workspace, hub: Any, *more: str) -> list[str]:
    where = ["work", str(verifier.folder), "--hub", hub.url, "--platform", BOX]
    return [*where, "--sandbox", "none", "--json", *more]


def working(verifier: Workspace, hub: Any, *more: str) -> subprocess.Popen[str]:
    program = "from autoresearch.cli.autoresearch import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", program, *words(verifier, hub, *more)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def until(question: Callable[[], Any], seconds: float = 120) -> Any:
    deadline = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
    return answer


def ask(hub: Any, claimant: Claimant) -> Any:
    """What another volunteer is handed."""
    asked = {"platform": BOX, "track": claimant.track}
    return hub.vouched("other").post("/api/work", asked).json()["lease"]


def test_work_is_done_one_by_one(swarm: tuple[Any, Claimant, Workspace]) -> None:
    """The best claim comes first and is disputed, the honest one after it is reproduced; then
    there is nothing, and another machine's results are nobody's here."""
    hub, claimant, verifier = swarm
    honest, honest_post = claimant.claims(0.91, train=noisy(0.9, 0.001))
    forged, forged_post = claimant.claims(0.4, prepare="LIMIT = 2\n", train=noisy(0.4, 0.001))
    claimant.claims(0.1, platform="another-box", train=noisy(0.1, 0.001))

    told = [command(*words(verifier, hub, "--once")) for _ in range(3)]

    assert [done.returncode for done in told] == [0, 0, 0], told[0].stderr
    first, second, third = (json.loads(done.stdout) for done in told)
    assert (first["not_reproduced"], second["reproduced"]) == (1, 1)
    assert (third["verified"], third["ended"]) == (0, "there is no work for us")
    (disputed,), (confirmed,) = (claimant.hub.replies(post) for post in (forged_post, honest_post))
    assert "not reproduced (changed fixed files: prepare.py)" in disputed.content
    assert confirmed.content.splitlines()[0].endswith("| reproduced")
    (board,) = claimant.hub.leaderboard(platform=BOX)
    assert (board.best.commit, board.best.verified) == (honest[:7], "reproduced")
    assert forged[:7] != board.best.commit and ask(hub, claimant) is None


def test_the_owner_ends_it_and_work_goes_back(
    swarm: tuple[Any, Claimant, Workspace], tmp_path: Path
) -> None:
    """A stop file or Ctrl-C ends the run in progress and the lease: somebody else has it at once.
    A machine with other work asks for none."""
    hub, claimant, verifier = swarm
    runs = verifier.private / "runs"
    claimant.claims(0.91, train=SLOW)
    stop_file = tmp_path / "stop"
    busy = working(verifier, hub, "--max-load", "0", "--hours", "0.001")
    busy_said = json.loads(busy.communicate(timeout=120)[0])
    first = working(verifier, hub, "--stop-file", str(stop_file))
    until(lambda: list(runs.glob("verify-*/*")))
    assert ask(hub, claimant) is None, "one volunteer at a time"
    stop_file.touch()
    stopped, _ = first.communicate(timeout=120)
    lease = ask(hub, claimant)

    assert (busy.returncode, busy_said["verified"]) == (0, 0)
    assert first.returncode == 0 and json.loads(stopped)["ended"] == f"{stop_file} is there"
    assert lease is not None and claimant.hub.replies(lease["result"]["post_id"]) == []

    claimant.claims(0.92, train=SLOW.replace("20", "21"))
    began = len(list(runs.glob("verify-*")))
    second = working(verifier, hub)
    until(lambda: len(list(runs.glob("verify-*"))) > began)
    second.send_signal(signal.SIGINT)
    interrupted, _ = second.communicate(timeout=120)
    told = json.loads(interrupted)
    assert (second.returncode, told["ended"], told["returned"]) == (130, "stopped", 1)
    assert ask(hub, claimant)["result"]["val_bpb"] == 0.92


def test_a_hub_that_is_away_is_named(swarm: tuple[Any, Claimant, Workspace]) -> None:
    """Once: a sentence, and the exit code for no hub."""
    _, _, verifier = swarm
    (verifier.folder / ".agenthub" / "credentials.json").unlink()
    away = ["--hub", "http://127.0.0.1:9", "--once", "--sandbox", "none"]

    told = command("work", str(verifier.folder), *away)

    assert told.returncode == 7 and "no connection" in told.stderr


def test_waits_grow_and_are_spread() -> None:
    """Longer after each failure, never shorter than the hub asks, never for hours; idle waits
    begin with what the hub says."""
    down, full = HubUnavailable("down"), RateLimited("full", 120)
    away = [volunteer.pause_away(failures, down) for failures in (1, 4, 40)]
    idle = [volunteer.pause_idle(count, 60) for count in (1, 3, 40)]

    assert 2 <= away[0] <= 3 and 16 <= away[1] <= 24 and 300 <= away[2] <= 450
    assert 120 <= volunteer.pause_away(1, full) <= 180
    assert volunteer.pause_away(1, RateLimited("for ever", 10**9)) <= 5400
    assert 60 <= idle[0] <= 90 and 240 <= idle[1] <= 360 and 900 <= idle[2] <= 1350
    assert volunteer.pause_idle(1, -5) >= volunteer.PAUSE_S
