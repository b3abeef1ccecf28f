"""`autoresearch watch` beside a real `autoresearch run`: sees it, disturbs nothing, and leaves the
terminal as it was."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tiny_workspaces import Writes, command, make, noisy, research, script

MAIN = [sys.executable, "-c", "from autoresearch.cli.autoresearch import main; main()"]
# a run that writes its curve and goes on until a file says that it may end
CURVED = """\
import json, os, time
place = os.environ["AUTORESEARCH_RUN_DIR"]
with open(place + "/curve.jsonl", "w") as file:
    for i in range(1, 6):
        file.write(json.dumps({"progress": i / 10, "loss": 5 - i / 10}) + "\\n")
while os.path.exists(GATE):
    time.sleep(0.05)
"""


@contextmanager
def going_on(folder: Path, gate: Path, *texts: str) -> Iterator[subprocess.Popen[str]]:
    """A `run` in the middle of its first experiment, until `gate` is gone."""
    ideas = script(
        folder.parent / "ideas.jsonl",
        [{"message": f"idea {i}", "files": {"train.py": t}} for i, t in enumerate(texts)],
    )
    gate.touch()
    arguments = [
        "run",
        str(folder),
        "--agent",
        "scripted",
        "--script",
        str(ideas),
        "--unsafe-no-sandbox",
        "--baseline-runs",
        "2",
    ]
    process = subprocess.Popen(
        [*MAIN, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True
    )
    try:
        yield process
    finally:
        gate.unlink(missing_ok=True)
        process.wait(120)


def gated(gate: Path, value: float) -> str:
    return CURVED.replace("GATE", repr(str(gate))) + noisy(value, 0.001)


def seen(folder: Path, wanted: str) -> dict[str, object]:
    """What `watch --json` tells, as soon as a run has come as far as `wanted`."""
    deadline = time.monotonic() + 120
    while True:
        told = command("watch", str(folder), "--json")
        assert told.returncode == 0, told.stderr
        view: dict[str, object] = json.loads(told.stdout)
        if wanted in told.stdout:
            return view
        assert time.monotonic() < deadline, told.stdout


def test_a_run_is_seen_and_not_disturbed(tmp_path: Path) -> None:
    """Lock held or not, `watch` tells the run in progress with its curve, follows it in lines, and
    writes nothing at all."""
    workspace, gate = make(tmp_path / "w", noisy(1.0, 0.001)), tmp_path / "gate"
    with going_on(
        workspace.folder, gate, gated(gate, 0.9), "raise SystemExit('\x1b[2Jout of memory')\n"
    ) as run:
        view = seen(workspace.folder, '"progress": 0.5')
        before = written(workspace.folder)
        once = command("watch", str(workspace.folder), "--once")
        follower = subprocess.Popen(
            [*MAIN, "watch", str(workspace.folder), "--every", "0.2"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert follower.stdout is not None
        first = follower.stdout.readline()
        untouched = written(workspace.folder) == before
        gate.unlink()
        run.wait(120)
        lines = [follower.stdout.readline()]
        while "research has stopped" not in lines[-1]:
            lines.append(follower.stdout.readline())
        follower.send_signal(signal.SIGINT)
        rest, trouble = follower.communicate(timeout=60)

    assert view["runs"] and untouched
    assert "50%, loss 4.5000" in once.stdout and once.returncode == 0, once.stderr
    assert first.startswith("running") and follower.returncode == 0, trouble
    told = "".join([*lines, rest])
    assert re.search(r"0002  keep .*idea 0: better", told) and re.search(
        r"0003  crash .*out of memory", told
    )
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f]", told)
    assert [r.status for r in workspace.ledger.records()] == ["keep", "keep", "crash"]


def test_a_killed_run_is_told_as_interrupted(tmp_path: Path) -> None:
    """What `kill -9` left lying is not shown as a run that goes on."""
    workspace, gate = make(tmp_path / "w", noisy(1.0, 0.001)), tmp_path / "gate"
    with going_on(workspace.folder, gate, gated(gate, 0.9)) as run:
        seen(workspace.folder, '"progress": 0.5')
        run.kill()
        run.wait(60)
        once = command("watch", str(workspace.folder), "--once")

    assert (
        once.stdout.startswith("not running")
        and "interrupted in experiment 0002 idea 0" in once.stdout
    )
    assert "50%, loss" not in once.stdout


def written(folder: Path) -> dict[str, int]:
    """When each file was last written."""
    return {
        str(f): f.stat().st_mtime_ns
        for f in folder.rglob("*")
        if f.is_file() and ".git/" not in str(f)
    }


@pytest.mark.parametrize("no_color", [False, True])
def test_a_terminal_shows_the_picture_and_gets_itself_back(tmp_path: Path, no_color: bool) -> None:
    """On a terminal: a screen of its own, colours unless NO_COLOR, and after Ctrl-C the old screen
    with the cursor."""
    workspace = make(tmp_path, noisy(1.0, 0.001))
    research(workspace, Writes(), experiments=0)
    env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "CI")} | {
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
    }
    env |= {"COLUMNS": "100", "LINES": "30", **({"NO_COLOR": "1"} if no_color else {})}
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*MAIN, "watch", str(tmp_path)], stdin=theirs, stdout=theirs, stderr=theirs, env=env
    )
    text = read_until(ours, "unchanged code")
    process.send_signal(signal.SIGINT)
    text += read_until(ours, "\x1b[?1049l", "\x1b[?25h")
    ended = process.wait(60)
    os.close(
        theirs
    )  # only now: a terminal whose last writer has gone may say EIO before it has handed everything over
    read_until_closed(ours)

    assert ended == 0, text
    assert "\x1b[?1049h" in text
    assert ("\x1b[1;32m" in text) is not no_color


def read_until(terminal: int, *wanted: str) -> str:
    text, deadline = "", time.monotonic() + 120
    while not all(w in text for w in wanted):
        assert time.monotonic() < deadline, text
        if select.select([terminal], [], [], 1)[0]:
            text += os.read(terminal, 65536).decode("utf-8", "replace")
    return text


def read_until_closed(terminal: int) -> None:
    try:
        while os.read(terminal, 65536):
            pass
    except OSError:  # Linux says EIO where the other end is closed
        pass
    os.close(terminal)


def test_a_folder_that_is_no_experiment_is_a_sentence(tmp_path: Path) -> None:
    """Exit code 2 and what to do."""
    told = command("watch", str(tmp_path))

    assert told.returncode == 2 and "autoresearch init" in told.stderr
