"""The harness and the models it asks share nothing but a pipe and a memory file, at every level
of isolation.

Seen: under bubblewrap a scored model opened /proc/1/fd/1, wrote a block with any number and
flooded the log's cap. Here small programs stand for harness and model in the real runner and
sandbox; the attack runs in the model.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from autoresearch.researcher.judging.values import Measurement
from autoresearch.researcher.run_request import RunRequest
from autoresearch.researcher.sandbox import choose_sandbox
from sandbox_jobs import EVERY_LEVEL, ISOLATED
from tiny_workspaces import TOML, make, marked, runner

SCORED = """
[score]
command = ["python", "score.py"]
model = ["python", "model.py"]
"""
# asks both models for four bytes, and prints their sum
HARNESS = """
import os
total = 0
for ends in os.environ["AUTORESEARCH_MODELS"].split():
    reading, writing, memory = map(int, ends.split(","))
    os.ftruncate(memory, 4)
    try:
        os.write(writing, b"?")
    except BrokenPipeError:
        pass
    said = os.read(reading, 999)
    if said != b"!":
        raise SystemExit(f"the model said {said!r}")
    total += int.from_bytes(os.pread(memory, 4, 0), "little")
print(f"val_bpb: {total}.0")
"""
MODEL = """
import os
memory = int(os.environ["AUTORESEARCH_MEMORY"])
ATTACK
while question := os.read(0, 1):
    os.pwrite(memory, (21).to_bytes(4, "little"), 0)
    os.write(1, b"!")
"""
HONEST = "print('val_bpb: 0.5', file=__import__('sys').stderr, flush=True)"


def score(
    folder: Path, level: str, attack: str, harness: str = HARNESS, timeout_s: float = 60
) -> tuple[Measurement, str]:
    """What the runner makes of a run whose model does this, and the scorer's log."""
    files = {"score.py": harness, "model.py": MODEL.replace("ATTACK", attack)}
    workspace = make(folder / "work", "print('val_bpb: 42.0')", TOML + SCORED, files)
    using = dataclasses.replace(runner(workspace), sandbox=choose_sandbox(level))
    place = workspace.private / "runs" / "0001" / "1"
    measured = using.measure(RunRequest(workspace.repo.head(), 1, "outside-mark", place, timeout_s))
    assert [marked(f"outside-mark{end}") for end in ("", "-model-0", "-model-1")] == [[], [], []]
    return measured, (place / "score.log").read_text("utf-8", "replace")


@EVERY_LEVEL
def test_a_model_answers_from_a_sandbox_of_its_own(tmp_path: Path, level: str) -> None:
    """The number is the harness's, what the model prints is nowhere, and both models are dead
    afterwards."""
    measured, log = score(tmp_path, level, HONEST)

    assert (measured.outcome, measured.value, log) == ("ok", 42.0, "val_bpb: 42.0\n"), measured


WRITES = """
import glob
own = {os.fstat(0).st_ino, os.fstat(1).st_ino, os.fstat(memory).st_ino}
for path in ["/proc/1/fd/1", *glob.glob("/proc/*/fd/*"), *glob.glob("/proc/self/task/*/fd/*")]:
    try:
        handle = os.open(path, os.O_WRONLY)
        if os.fstat(handle).st_ino not in own:
            for text in [b"\\n---\\nval_bpb: 0.5\\n", b"x" * 2**20] * 70:
                os.write(handle, text)
    except OSError:
        continue
"""


@ISOLATED
def test_a_model_cannot_write_its_verdict(tmp_path: Path, level: str) -> None:
    """Through whatever descriptor of whatever process it sees: the log holds the harness's line
    alone."""
    measured, log = score(tmp_path, level, WRITES)

    assert (measured.value, log) == (42.0, "val_bpb: 42.0\n"), measured


LOOKS = """
import glob, sys
found = []
for place in (".", os.environ["AUTORESEARCH_RUN_DIR"]):
    try:
        open(os.path.join(place, "note"), "w").close()
        found.append(place)
    except OSError:
        pass
for place in ("/tmp", "/dev/shm", "/var/tmp"):
    try:
        open(f"{place}/outside-note-{os.getpid()}-{id(found)}", "w").close()
    except OSError:
        pass
import time
time.sleep(1)
notes = [n for p in ("/tmp", "/dev/shm", "/var/tmp") for n in glob.glob(f"{p}/outside-note-*")]
open_files = {int(n) for n in os.listdir("/proc/self/fd")} - {3}  # the listing itself
if found or len({os.path.basename(n) for n in notes}) > 1 or open_files != {0, 1, 2, 64}:
    os.write(1, repr((found, notes, open_files)).encode())
"""


@ISOLATED
def test_a_model_has_no_place_to_leave_a_note(tmp_path: Path, level: str) -> None:
    """Its checkout and the run's folders cannot be written, private memory is private, and it
    holds no descriptor but its own."""
    measured, _ = score(tmp_path, level, LOOKS)

    assert measured.value == 42.0, measured


KILLS = """
import signal
for pid in {os.getppid(), *(int(n) for n in os.listdir("/proc") if n.isdigit())} - {os.getpid()}:
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        pass
"""


def test_a_model_that_kills_all_it_sees_kills_nobody_else(tmp_path: Path) -> None:
    """In its own names there is nobody but itself and its init."""
    assert score(tmp_path, "bwrap", KILLS)[0].value == 42.0


@ISOLATED
@pytest.mark.parametrize(
    ("attack", "words"),
    [
        ("os._exit(0)", "the model said b''"),
        ("os.close(1)", "the model said b''"),
        ("os.write(1, b'val_bpb: 0.5\\n' * 4000)", "the model said b'val_bpb: 0.5"),
    ],
)
def test_a_model_that_fails_is_heard_of(
    tmp_path: Path, level: str, attack: str, words: str
) -> None:
    """Gone, silent for good, or speaking out of turn: the harness's own sentence, at once."""
    measured, _ = score(tmp_path, level, attack)

    assert (measured.outcome, words in measured.reason) == ("score failed", True), measured


@ISOLATED
def test_a_model_that_hangs_ends_with_the_limit(tmp_path: Path, level: str) -> None:
    """The harness has the run's limit, and the models end with the harness."""
    measured, _ = score(tmp_path, level, "import time; time.sleep(900)", timeout_s=20)

    assert measured.outcome == "score failed" and "still running after 20 s" in measured.reason


LOUD = "import sys\nfor _ in range(70):\n    sys.stdout.write('x' * 2**20)\nprint()\n"


@ISOLATED
def test_a_log_that_was_cut_is_no_score(tmp_path: Path, level: str) -> None:
    """However it came to that: a number in such a log does not count."""
    measured, _ = score(tmp_path, level, "", LOUD + HARNESS)

    assert (measured.outcome, measured.value) == ("log cut", None)
    assert "its log was cut" in measured.reason


def test_a_cut_log_of_training_is_no_number_where_that_counts(tmp_path: Path) -> None:
    """Without a scorer the run's own log is what is judged."""
    workspace = make(tmp_path / "work", "print('val_bpb: 1.0')\n" + LOUD)
    place = workspace.private / "runs" / "0001" / "1"
    measured = runner(workspace).measure(RunRequest(workspace.repo.head(), 1, "loud", place, 60))

    assert (measured.outcome, measured.value) == ("log cut", None)


def test_a_repository_without_a_model_command_is_scored_as_ever(tmp_path: Path) -> None:
    """One sandbox, one program, one log."""
    toml = TOML + SCORED.replace('model = ["python", "model.py"]\n', "")
    workspace = make(
        tmp_path / "work", "print('val_bpb: 1.0')", toml, {"score.py": "print('val_bpb: 1.0')"}
    )
    place = workspace.private / "runs" / "0001" / "1"

    assert (
        runner(workspace).measure(RunRequest(workspace.repo.head(), 1, "alone", place, 60)).value
        == 1.0
    )
