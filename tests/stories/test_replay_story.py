"""A reported result is decided by repeating its very run: same batches, same progress, one run.

Small programs stand for run and feeder in the real runner. What the run comes to depends on the
moment of each batch, so no two runs are equal unless one is the replay of the other.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from autoresearch.client import Hub
from autoresearch.git.repo import Repo
from autoresearch.git.sync import push_commits
from autoresearch.models import VerifyLine
from autoresearch.researcher.display import Display
from autoresearch.researcher.reported import ReportedResult
from autoresearch.researcher.run_record import RunRecord, attach_record, read_run_record
from autoresearch.researcher.run_request import RunRequest
from autoresearch.researcher.verify.board import HubBoard, verdict_post
from autoresearch.researcher.verify.replayer import Replayer
from autoresearch.researcher.verify.rerun import Notebook
from autoresearch.researcher.verify.rounds import Rounds
from autoresearch.researcher.verify.verifier import Verdict, Verifier
from autoresearch.researcher.workspace import Workspace
from autoresearch.resultline import read_lines
from tiny_workspaces import TOML, make, runner

BOX, TRACK = "box", "tiny-1"
FED = 'prepare = ["true"]\n[data]\nfeed = ["python", "feeder.py"]\n'
# forty batches at moments that chance draws, or those of a record; then the end
FEEDER = """
import base64, json, os, platform, random, struct, sys, time, zlib
from importlib import metadata
def option(name):
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else ""
told, started, at = [], time.monotonic(), 0
if option("--replay"):
    packed = zlib.decompress(base64.b64decode(json.load(open(option("--replay")))["elapsed_ms"]))
    for (step,) in struct.iter_unpack("<I", packed):
        at += step
        told.append(at)
print(f"first batch at {started!r}, budget 20.0, grace 0.0", file=sys.stderr)
given = []
while os.read(0, 1):
    over = len(given) == (len(told) if told else 40)
    now = 0 if over or not given else given[-1] + random.randrange(1, 500)
    now = told[len(given)] if told and not over else now
    os.write(1, struct.pack("<I", 2**32 - 1 if over else now))
    if over:
        break
    given.append(now)
steps = struct.pack(f"<{len(given)}I", *(b - a for a, b in zip([0, *given], given)))
json.dump({
    "format": "autoresearch-feed-1", "track": "tiny-1", "budget_s": 20.0, "grace_s": 0.0,
    "seed": int(os.environ["AUTORESEARCH_SEED"]), "rows": 1, "seq_len": 8, "device": "cpu",
    "threads": int(os.environ.get("OMP_NUM_THREADS", 3)), "batches": len(given), "ended_ms": 20000,
    "versions": {"torch": metadata.version("torch"), "numpy": metadata.version("numpy"),
                 "machine": platform.machine()},
    "elapsed_ms": base64.b64encode(zlib.compress(steps)).decode()},
    open(option("--record"), "w"))
"""
RUN = """
import json, os, random, struct
batches, requests, _ = map(int, os.environ["AUTORESEARCH_FEED"].split(","))
weight = random.Random(int(os.environ["AUTORESEARCH_SEED"])).random()
while True:
    os.write(requests, b"n")
    moment = struct.unpack("<I", os.read(batches, 4))[0]
    if moment == 2**32 - 1:
        break
    weight = (weight * 1.7 + moment * 1e-7 + EXTRA) % 1
header = json.dumps({"__metadata__": {"run": os.environ["AUTORESEARCH_RUN"]},
                     "w": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}}).encode()
with open(os.environ["AUTORESEARCH_RUN_DIR"] + "/checkpoint.safetensors", "wb") as file:
    file.write(struct.pack("<Q", len(header)) + header + struct.pack("<d", weight))
print(f"val_bpb: {1 + weight * 0.01:.6f}")
"""


class Told(Display):
    """Keeps what was said."""

    def __init__(self) -> None:
        super().__init__(Console(quiet=True), quiet=True)
        self.words: list[str] = []

    def say(self, text: str) -> None:
        self.words.append(text)


def make_verifier(folder: Path, extra: str = "0") -> Verifier:
    toml, files = TOML + FED, {"feeder.py": FEEDER}
    workspace = make(folder / "work", RUN.replace("EXTRA", extra), toml, files)
    workspace.private.mkdir(parents=True, exist_ok=True)
    (workspace.private / "prepare.log").write_text(f"track {TRACK}: prepared\n", "utf-8")
    notebook, stop = Notebook(workspace.private / "verify"), threading.Event()
    return Verifier(workspace, runner(workspace), notebook, Told(), stop, BOX, runs=2)


def run_once(workspace: Workspace, number: int = 1) -> RunRecord:
    """The record that one run of the head left."""
    place = workspace.private / "runs" / "0001" / str(number)
    measured = runner(workspace).measure(
        RunRequest(workspace.repo.head(), 7, "first-mark", place, 60)
    )
    record = read_run_record(place)
    assert record is not None, measured
    assert record.score == measured.value
    return record


def verify(verifier: Verifier, claimed: float, record: RunRecord | None) -> Verdict:
    reported = ReportedResult(verifier.workspace.repo.head(), claimed, track=TRACK)
    return Replayer(verifier).verify(reported, record)


def words(verifier: Verifier) -> str:
    assert isinstance(verifier.display, Told)
    return "\n".join(verifier.display.words)


def test_an_honest_result_replays_to_the_bit(tmp_path: Path) -> None:
    """One run, the same weights and score, with the record's threads; a run that is no replay
    comes to other weights."""
    verifier = make_verifier(tmp_path)
    record, other = run_once(verifier.workspace), run_once(verifier.workspace, 2)

    verdict = verify(verifier, record.score, record)

    assert record.weights_sha256 != other.weights_sha256
    assert (verdict.outcome, verdict.mean, verdict.runs) == ("replayed", record.score, 1)
    (again,) = verifier.workspace.private.glob("runs/replay-*/1")
    repeated = read_run_record(again)
    assert repeated is not None and repeated.stream == record.stream
    notes = verifier.notebook.open(verdict.reported, verifier.workspace.repo.head())
    (line,) = read_lines(verdict_post(verdict, BOX, notes))
    assert isinstance(line, VerifyLine) and (line.reproduced, line.replayed) == (True, True)


@pytest.mark.parametrize("gain", [0.0005, 0.003])
@pytest.mark.parametrize("forges_record", [False, True])
def test_a_forged_value_is_caught_by_one_run_or_none(
    tmp_path: Path, gain: float, forges_record: bool
) -> None:
    """A record that says otherwise needs no run at all; one that was forged with the value is
    repeated once."""
    verifier = make_verifier(tmp_path)
    record = run_once(verifier.workspace)
    claimed = round(record.score - gain, 6)
    if forges_record:
        record = msgspec.structs.replace(record, score=claimed)

    verdict = verify(verifier, claimed, record)

    assert (verdict.outcome, verdict.runs) == ("differs", int(forges_record)), words(verifier)
    assert f"claimed {claimed:.6f}" in verdict.reason


def test_code_that_does_not_repeat_itself_accuses_nobody(tmp_path: Path) -> None:
    """Two replays that differ from each other say nothing of a claim: other seeds decide."""
    verifier = make_verifier(tmp_path, extra="int.from_bytes(os.urandom(4), 'little') / 2**32")
    record = run_once(verifier.workspace)
    record = msgspec.structs.replace(record, score=0.9)

    verdict = verify(verifier, 0.9, record)

    assert not verdict.is_replay and verdict.runs == 2
    assert "this code does not repeat" in words(verifier)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"device": "cuda"}, "runs on cuda are not equal to the bit"),
        ({"track": "other-2"}, "it ran on track other-2, not tiny-1"),
        ({"versions": {"torch": "1.0"}}, "torch is"),
    ],
)
def test_what_cannot_be_replayed_here_is_run_with_other_seeds(
    tmp_path: Path, change: dict[str, object], why: str
) -> None:
    """Named, and then the statistical way decides."""
    verifier = make_verifier(tmp_path)
    record = run_once(verifier.workspace)
    changed = msgspec.structs.replace(record.stream, **change)

    verdict = verify(verifier, 1.02, msgspec.structs.replace(record, stream=changed))

    assert verdict.outcome == "reproduced" and verdict.runs == 2
    assert f"cannot be replayed here: {why}" in words(verifier)


def test_a_record_travels_over_a_hub_and_the_badge_says_replayed(
    tmp_path: Path, own_hub: Callable[..., Any]
) -> None:
    """An honest result and one forged by 0.0005, each with its record beneath the line, are decided
    by one run each."""
    claimant, hub = make_verifier(tmp_path).workspace, own_hub()
    shutil.copytree(claimant.folder, tmp_path / "verifier")
    record, author = run_once(claimant), hub.agent("claimant")
    client = Hub(hub.url, author.key)
    commits = [claimant.repo.head(), commit_twin(claimant)]
    push_commits(claimant.repo, client, commits)
    forged = msgspec.structs.replace(record, score=round(record.score - 0.0005, 6))
    line = f"platform:{BOX} track:{TRACK} vram_gb:1"
    posts = [
        client.post(
            "results",
            f"commit:{commit[:7]} {line} val_bpb:{each.score:.6f} | x\n\n{attach_record(each)}",
        ).id
        for commit, each in zip(commits, (record, forged), strict=True)
    ]

    goes = make_rounds(Workspace(tmp_path / "verifier"), hub)
    verdicts = [goes.once(), goes.once()]

    assert [v and (v.outcome, v.runs) for v in verdicts] == [("differs", 1), ("replayed", 1)]
    (yes,), (no,) = (client.replies(post) for post in posts)
    assert yes.content.startswith("verify method:replay ") and "| reproduced" in yes.content
    assert no.content.startswith("verify method:replay ") and "equal weights" in no.content


def make_rounds(workspace: Workspace, hub: Any) -> Rounds:
    agent = hub.agent("verifier")
    board = HubBoard(Hub(hub.url, agent.key), agent.id, BOX, TRACK)
    notebook, stop = Notebook(workspace.private / "verify"), threading.Event()
    judge = Verifier(workspace, runner(workspace), notebook, Told(), stop, BOX, runs=2)
    return Rounds(judge, board, stop, replays=True)


def commit_twin(workspace: Workspace) -> str:
    """Another commit that does the same."""
    with workspace.fresh(workspace.repo.head()) as checkout:
        train = checkout.path / "train.py"
        train.write_text(train.read_text("utf-8") + "\n# the same\n", "utf-8")
        Repo(checkout.path).add(change.path for change in checkout.changes())
        commit = Repo(checkout.path).commit("twin")
    workspace.repo.set_ref("refs/claims/twin", commit)
    return commit
