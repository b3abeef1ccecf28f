"""Traps of the research loop, each told on top; every one of them happened to somebody's night of
experiments."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from autoresearch.git.repo import Repo
from autoresearch.researcher.ledger import best
from autoresearch.researcher.measurement import measured_timeout_s
from tiny_workspaces import ENVIRONMENT, Writes, kept, make, marked, measure, noisy, research


def test_a_failed_attempt_of_three_commits_leaves_nothing_behind(tmp_path: Path) -> None:
    """C1: "git reset back to where you started" meant HEAD~1, so an idea of three commits (idea,
    typo, typo) stayed in the tree after it had failed, a committed results.tsv was wiped, and
    scratch files survived. The loop records the parent and throws the checkout away."""
    workspace = make(tmp_path, noisy(1.0, 0.001))
    base = workspace.repo.head()

    def three_commits(worktree: Path) -> None:
        inside = Repo(worktree)
        for text in ("broken(", "broken(1", noisy(3.0, 0.001)):
            (worktree / "train.py").write_text(text)
            inside.add(["train.py"])
            inside.commit("typo")

    summary = research(workspace, Writes(three_commits), experiments=1)

    last = workspace.ledger.records()[-1]
    assert last.status == "discard" and base == workspace.repo.resolve(summary.branch)
    assert workspace.repo.commits(base, last.commit) == [
        last.commit
    ]  # one commit, on the recorded parent
    assert noisy(1.0, 0.001) == (tmp_path / "train.py").read_text()
    assert len(workspace.ledger.tsv.read_text().splitlines()) == 3
    assert workspace.repo.changes() == []


def test_a_crash_is_never_the_best(tmp_path: Path) -> None:
    """A crash was written as 0.000000, and min(val_bpb) over the table made it the best result of
    the night."""
    workspace = make(tmp_path, noisy(1.0, 0.001))

    summary = research(
        workspace, Writes("raise SystemExit('boom')\n", noisy(0.9, 0.001)), experiments=2
    )

    crash, good = workspace.ledger.records()[1:]
    found = best(workspace.ledger.records())
    assert (crash.status, crash.value, crash.values) == ("crash", None, ())
    assert "\t0.000000\t0.0\tcrash\t" in workspace.ledger.tsv.read_text()
    assert (
        found is not None
        and found.commit == good.commit
        and [good.commit] == kept(workspace, summary.branch)
    )


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e999"])
def test_not_a_number_is_never_kept(tmp_path: Path, value: str) -> None:
    """C3, E2: NaN passed every `<` and became the best for ever. It has no value at all."""
    workspace = make(tmp_path, noisy(1.0, 0.001))

    research(workspace, Writes(f"print('val_bpb: {value}')\n"), experiments=1, policy="greedy")

    assert (workspace.ledger.records()[-1].status, workspace.ledger.records()[-1].value) == (
        "crash",
        None,
    )


def test_discarded_commits_survive_garbage_collection(tmp_path: Path) -> None:
    """The table named hashes of discarded commits that git had long collected, and a baseline
    called "baseline"."""
    workspace = make(tmp_path, noisy(1.0, 0.001))
    research(workspace, Writes(noisy(2.0, 0.001), "raise SystemExit\n"), experiments=2)

    workspace.repo.git("reflog", "expire", "--expire=now", "--all")
    workspace.repo.git("gc", "-q", "--prune=now")

    hashes = [line.split("\t")[0] for line in workspace.ledger.tsv.read_text().splitlines()[1:]]
    assert [workspace.repo.resolve(short)[:7] for short in hashes] == hashes and len(hashes) == 3


def test_an_earlier_runs_output_is_no_evidence(tmp_path: Path) -> None:
    """The run.log of the run before was read when the next one failed to start, so a crash looked
    like its parent's success."""
    workspace = make(tmp_path, "print('val_bpb: 0.5')\n")
    assert measure(workspace).value == 0.5
    left = workspace.private / "runs" / "0001" / "1" / "out"
    left.mkdir(exist_ok=True)
    (left / "curve.jsonl").write_text('{"progress": 1.0}\n')
    (tmp_path / "autoresearch.toml").write_text(
        (tmp_path / "autoresearch.toml").read_text().replace('"python"', '"no-such-program"')
    )

    run = measure(type(workspace)(tmp_path))

    assert (run.outcome, run.value) == ("failed", None)
    assert not (left / "curve.jsonl").exists()


def test_the_limit_knows_start_up_and_evaluation(tmp_path: Path) -> None:
    """Ten minutes were the limit everywhere, and every run on a laptop (300 s of training, 846 s
    in all) was killed as hung."""
    assert measured_timeout_s(846.0) > 846 * 1.5
    assert measured_timeout_s(0.1) >= 60
    assert measured_timeout_s(None) >= 1800

    workspace = make(
        tmp_path,
        "import time\ntime.sleep(0.4)\n" + noisy(1.0, 0.001),
        toml='[experiment]\nfree = ["train.py"]\ncommand = ["python", "train.py"]\n',
    )
    research(workspace, Writes(), experiments=0)
    assert (workspace.ledger.records()[0].slowest_seconds or 0) >= 0.4


def test_only_our_own_processes_end(tmp_path: Path) -> None:
    """C7: `pkill -f train.py` ended the runs of every other agent on the machine. A run over its
    limit ends alone."""
    stranger = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(120)", "train.py"],
        env={**ENVIRONMENT, "AUTORESEARCH_RUN": "somebody-elses"},
    )
    try:
        run = measure(make(tmp_path, "import time\ntime.sleep(120)\n"), timeout_s=1, mark="ours")

        assert run.outcome == "timeout" and marked("ours") == []
        assert stranger.poll() is None and marked("somebody-elses") == [stranger.pid]
    finally:
        stranger.kill()
        stranger.wait()


def test_a_launcher_does_not_orphan_the_program(tmp_path: Path) -> None:
    """Killing `uv run` left the python below it running, with the GPU's memory. Everything below
    the command ends."""
    launcher = (
        "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'import time; "
        "time.sleep(120)'], start_new_session=True)\n"
    )

    run = measure(make(tmp_path, launcher), timeout_s=1, mark="launched")

    assert run.outcome == "timeout" and marked("launched") == []


def test_a_seed_in_the_code_is_not_an_improvement(tmp_path: Path) -> None:
    """Seed 42 stood in every file, so agents "improved" by changing it. The harness hands out the
    seeds, the same to a candidate's first run and the best's and fresh ones to all further runs: a
    lucky one is not the candidate's to choose, and a candidate that differs only in a seed of its
    own has to be better than luck."""
    source = (
        'SEED = {}\nimport os, random\nnoise = random.Random(f"{{SEED}} '
        '{{os.environ[\'AUTORESEARCH_SEED\']}}").gauss(0, 0.01)\nprint("val_bpb:", 1 + '
        "noise)\n"
    )
    workspace = make(tmp_path, source.format(42))

    research(workspace, Writes(*(source.format(seed) for seed in range(8))), experiments=8)

    records = workspace.ledger.records()
    assert {r.seeds[0] for r in records} == {records[0].seeds[0]}
    later = [seed for r in records for seed in r.seeds[1:]]
    assert len(later) == len(set(later)) >= 2 and records[0].seeds[0] not in later
    assert (
        sum(r.status == "keep" for r in records[1:]) <= 1
    )  # greedy would have kept about a third of them


def test_a_table_written_by_hand_is_kept(tmp_path: Path) -> None:
    """People and agents write rows of their own (`baseline` for a hash, notes); our rows are
    added, theirs stay as they are."""
    workspace = make(tmp_path, noisy(1.0, 0.001))
    (tmp_path / "results.tsv").write_text(
        "commit\tval_bpb\tmemory_gb\tstatus\tdescription\nbaseline\t0.9979\t44.0\tkeep\tby hand\n"
    )

    research(workspace, Writes(), experiments=0)

    lines = (tmp_path / "results.tsv").read_text().splitlines()
    assert lines[1].startswith("baseline\t0.9979") and len(lines) == 3
