"""Verifies a reported result by a replay where its record allows, else by runs with other seeds.

Leaves to others: what a replay proves (replay), the statistical way (verifier).
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from autoresearch.files import replace_file
from autoresearch.researcher.feeding import RECORD, read_first_batch
from autoresearch.researcher.judging.reproduce import Comparison
from autoresearch.researcher.reported import ReportedResult
from autoresearch.researcher.run_record import RunRecord, read_run_record
from autoresearch.researcher.run_request import RunRequest
from autoresearch.researcher.sandbox import sweep_processes
from autoresearch.researcher.swarm.track import track_id
from autoresearch.researcher.verify.replay import (
    BOUND,
    Replay,
    ReplayFinding,
    find_contradiction,
    find_obstacle,
    judge_replay,
    read_own_versions,
)
from autoresearch.researcher.verify.rerun import Notes, graft_free_files
from autoresearch.researcher.verify.verifier import Verdict, Verifier

TIMEOUT_FACTOR = 2  # of an ordinary run's: a busy machine is no reason to give up


@dataclass(frozen=True)
class Replayer:
    """A verifier that repeats the reported run itself where it can."""

    verifier: Verifier

    def verify(self, reported: ReportedResult, record: RunRecord | None) -> Verdict:
        """One run decides, else the verifier's runs do."""
        decided = self.replay(reported, record) if record else None
        if record is None:
            self.say("no record of this run came with it: it cannot be replayed")
        return decided or self.verifier.verify(reported)

    def replay(self, reported: ReportedResult, record: RunRecord) -> Verdict | None:
        """What a replay decides; None, and said why, where it decides nothing here."""
        verifier, track = self.verifier, track_id(self.verifier.workspace)
        pristine = verifier.workspace.repo.head()
        if verifier.check_fixed_files(reported, pristine):
            return None  # which the verifier says
        obstacle = find_obstacle(record, track, read_own_versions())
        if obstacle:
            self.say(f"cannot be replayed here: {obstacle}")
            return None
        direction = verifier.workspace.config.experiment.direction
        if why := find_contradiction(reported.value, record, direction):
            return Verdict(reported, "differs", why, 0)
        notes = verifier.notebook.open(reported, pristine)
        sweep_processes(notes.mark)
        commit = graft_free_files(verifier.workspace, pristine, reported.commit)
        replays: tuple[Replay, ...] = (self.run_again(notes, commit, record, 1),)
        finding = judge_replay(reported.value, record, replays, direction)
        if finding.outcome == "again":
            replays = (*replays, self.run_again(notes, commit, record, 2))
            finding = judge_replay(reported.value, record, replays, direction)
        return self.conclude(reported, finding, replays)

    def conclude(
        self, reported: ReportedResult, finding: ReplayFinding, replays: tuple[Replay, ...]
    ) -> Verdict | None:
        value = replays[0].run.value
        if value is None or finding.outcome not in ("replayed", "differs"):
            self.say(f"cannot be replayed here: {finding.reason}")
            return None
        is_equal = finding.outcome == "replayed"
        allowed = BOUND if finding.reason and is_equal else 0.0
        found = Comparison(is_equal, reported.value, value, len(replays), 0.0, allowed)
        reason = "" if is_equal else finding.reason
        return Verdict(reported, finding.outcome, reason, len(replays), found)

    def run_again(self, notes: Notes, commit: str, record: RunRecord, number: int) -> Replay:
        """One repetition, with the record's seed and threads; its own record tells the weights."""
        verifier, stream = self.verifier, record.stream
        name = f"replay-{notes.reported.name}"
        file = verifier.workspace.private / "replays" / f"{name}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, msgspec.json.encode(stream))
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(stream.threads))
        runner = replace(verifier.runner, environment={**verifier.runner.environment, **threads})
        folder = verifier.workspace.private / "runs" / name / str(number)
        with verifier.display.running(f"  replay {number}", folder / "out"):
            timeout_s = TIMEOUT_FACTOR * verifier.timeout_s()
            request = RunRequest(commit, stream.seed, notes.mark, folder, timeout_s, replay=file)
            run = runner.measure(request)
        file.unlink(missing_ok=True)
        return Replay(run, read_weights(folder), training_seconds(folder, run.seconds))

    def say(self, text: str) -> None:
        self.verifier.display.say(f"  {text}")


def training_seconds(folder: Path, seconds: float) -> float:
    """From a run's first batch until its feeder was done; all of its `seconds` where that is not
    known."""
    first = read_first_batch(folder / "feed.log")
    with suppress(OSError):
        if first is not None:
            ago_s = time.time() - (folder / RECORD).stat().st_mtime
            return max(0.1, time.monotonic() - ago_s - first.at_s)
    return seconds


def read_weights(folder: Path) -> str:
    """The hash of the weights that a replay left, or ""."""
    again = read_run_record(folder)
    return again.weights_sha256 if again else ""
