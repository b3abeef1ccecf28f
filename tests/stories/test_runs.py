"""Every way one run can end, by programs of a few lines: each has a name and a sentence."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from autoresearch.researcher.leftovers import tidy
from tiny_workspaces import TOML, Writes, make, marked, measure, noisy, research

SCORED = TOML + '[score]\ncommand = ["python", "score.py", "{run_dir}/answer.txt"]\n'
SCORER = "import sys\nprint('val_bpb:', open(sys.argv[1]).read())\n"
ANSWERS = (
    "import os\nopen(os.environ['AUTORESEARCH_RUN_DIR'] + '/answer.txt', "
    "'w').write('{scored}')\nprint('val_bpb: {printed}')\n"
)
# a grandchild that leaves its session and outlives its parents
FORKS = (
    "import os, time\n"
    "if os.fork() == 0:\n"
    "    os.setsid()\n"
    "    if os.fork() == 0:\n"
    "        time.sleep(3)\n"
    "        print('val_bpb: 0.1', flush=True)\n"
    "        time.sleep(600)\n"
    "    os._exit(0)\n"
)


def test_a_good_run_tells_value_memory_and_pace(tmp_path: Path) -> None:
    """The block is read as the contract has it: value, memory in GB, tokens per second."""
    block = (
        "print('val_bpb: 1.25')\nprint('peak_vram_mb: 2048.0')\nprint('training_seconds: "
        "10.0')\nprint('total_tokens_M: 5.0')\n"
    )

    run = measure(make(tmp_path, f"print('---')\n{block}"))

    assert (run.outcome, run.value, run.memory_gb, run.throughput) == ("ok", 1.25, 2.0, 0.5)


@pytest.mark.parametrize(
    ("train", "outcome", "words"),
    [
        ("pass", "no metric", "without printing a line `val_bpb"),
        ("print('almost there')", "no metric", "its last words: almost there"),
        ("print('val_bpb: nan')", "not finite", "`val_bpb: nan`"),
        ("print('val_bpb: inf')", "not finite", "no finite number"),
        ("print('val_bpb: good')", "not finite", "no finite number"),
        (
            "print('val_bpb: 1.0')\nprint('val_bpb: 0.9')",
            "printed twice",
            "printed val_bpb 2 times",
        ),
        ("raise ValueError('no such layer')", "failed", "ValueError: no such layer"),
        ("print('val_bpb: 1.0')\nraise SystemExit(3)", "failed", "3"),
        ("import os\nos.kill(os.getpid(), 9)", "failed", ""),
        (
            "open('prepare.py', 'a').write('LIMIT = 9')\nprint('val_bpb: 1.0')",
            "changed fixed files",
            "changed prepare.py",
        ),
        (
            "import os\nos.remove('prepare.py')\nprint('val_bpb: 1.0')",
            "changed fixed files",
            "changed prepare.py",
        ),
        (
            "open('train.py', 'w').write('')\nprint('val_bpb: 1.0')",
            "changed fixed files",
            "changed train.py",
        ),
    ],
)
def test_a_bad_run_has_a_name_and_a_sentence(
    tmp_path: Path, train: str, outcome: str, words: str
) -> None:
    """No number comes of a run that did not end well, and the sentence says what to look at."""
    run = measure(make(tmp_path, train))

    assert (outcome, None, True) == (run.outcome, run.value, words in run.reason), run


def test_a_run_over_the_limit_is_ended(tmp_path: Path) -> None:
    """A run that never ends is stopped at the limit, which the sentence names."""
    run = measure(make(tmp_path, "import time\ntime.sleep(600)"), timeout_s=1)

    assert (run.outcome, run.value, "after 1 s" in run.reason) == ("timeout", None, True)


def test_a_child_left_behind_dies_with_the_run(tmp_path: Path) -> None:
    """What a run forks off does not outlive it and cannot print its number later."""
    run = measure(make(tmp_path, FORKS), mark="left-behind")

    assert run.outcome == "no metric"
    assert marked("left-behind") == []


def test_a_run_cannot_fill_the_disk(tmp_path: Path) -> None:
    """A file over the limit ends the run, and what was written goes with the run's folder."""
    greedy = (
        "import os\nwith open(os.environ['AUTORESEARCH_RUN_DIR'] + '/big', 'wb') as f:\n   "
        " f.write(b'0' * 50_000_000)\nprint('val_bpb: 1')\n"
    )

    workspace = make(tmp_path, greedy, TOML + "[limits]\nfile_gb = 0.01\n")
    run = measure(workspace)

    assert (run.outcome, run.value) == ("failed", None), run
    assert not list(workspace.private.rglob("big"))


def test_untracked_files_are_named_and_gone(tmp_path: Path) -> None:
    """Leftovers do no harm, for the checkout is thrown away; the verdict still tells of them."""
    workspace = make(tmp_path, "open('notes.txt', 'w').write('x')\nprint('val_bpb: 1.0')")

    run = measure(workspace)

    assert (run.outcome, run.left) == ("ok", ("notes.txt",))
    assert [c for c in workspace.repo.changes() if c.kind == "?" and "notes" in c.path] == []


def test_the_harness_reads_progress_lines_as_lines(tmp_path: Path) -> None:
    """Progress written over itself with carriage returns neither hides the metric nor floods the
    reason."""
    train = "for i in range(5000): print(f'step {i}', end='\\r')\nprint()\nprint('val_bpb: 1.5')"

    assert measure(make(tmp_path / "a", train)).value == 1.5
    assert (
        len(
            measure(
                make(tmp_path / "b", train.replace("print('val", "raise SystemExit('FAIL') #"))
            ).reason
        )
        < 500
    )


def test_the_score_is_the_number_that_counts(tmp_path: Path) -> None:
    """What the scorer finds is judged, to its last digit."""
    workspace = make(
        tmp_path, ANSWERS.format(printed="1.2345", scored="1.234567"), SCORED, {"score.py": SCORER}
    )

    assert measure(workspace).value == 1.234567


@pytest.mark.parametrize(
    ("printed", "scored", "outcome"),
    [("0.5", "1.0", "score differs"), ("1.0", "nan", "score failed"), ("1.0", "", "score failed")],
)
def test_a_printed_number_the_score_does_not_bear_out(
    tmp_path: Path, printed: str, scored: str, outcome: str
) -> None:
    """Printing a better number than one scores is a crash, and the sentence names both."""
    run = measure(
        make(tmp_path, ANSWERS.format(printed=printed, scored=scored), SCORED, {"score.py": SCORER})
    )

    assert (outcome, None, True) == (run.outcome, run.value, bool(run.reason))


def test_the_scorer_is_pristine(tmp_path: Path) -> None:
    """A run that rewrites the scorer in its checkout is not scored by it."""
    cheat = "open('score.py', 'w').write('print(\"val_bpb: 0.001\")')\nprint('val_bpb: 0.001')\n"

    run = measure(make(tmp_path, cheat, SCORED, {"score.py": SCORER}))

    assert (run.outcome, run.value) == ("changed fixed files", None)


def test_a_run_sees_nothing_of_our_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys in the user's environment do not reach an experiment; seed, run folder and mark do."""
    monkeypatch.setenv("SECRET_KEY", "canary")
    train = (
        "import os\nprint(sorted(os.environ))\nassert 'SECRET_KEY' not in "
        "os.environ\nprint('val_bpb:', os.environ['AUTORESEARCH_SEED'])"
    )

    assert measure(make(tmp_path, train), seed=7).value == 7


def test_nothing_of_a_run_lives_on(tmp_path: Path) -> None:
    """After a run its log and curve are left, no checkout, no checkpoint, no process."""
    before = {p.pid for p in psutil.Process().children(recursive=True)}
    workspace = make(tmp_path, ANSWERS.format(printed=1, scored=1))

    run = measure(workspace)

    files = sorted(
        p.relative_to(workspace.private).as_posix()
        for p in workspace.private.rglob("*")
        if p.is_file()
    )
    assert files == ["runs/0001/1/run.log"] and run.log == ".autoresearch/runs/0001/1/run.log"
    assert {p.pid for p in psutil.Process().children(recursive=True)} <= before


def test_the_seed_is_the_harness_own(tmp_path: Path) -> None:
    """Two seeds give two values, the same seed the same."""
    workspace = make(tmp_path, noisy())

    assert (
        measure(workspace, seed=1).value
        == measure(workspace, seed=1).value
        != measure(workspace, seed=2).value
    )


@pytest.mark.parametrize(
    "place",
    [
        "os.environ['TORCHINDUCTOR_CACHE_DIR']",
        "os.environ['TMPDIR'] + '/torchinductor_me/precompiled_headers'",
    ],
)
def test_nothing_passes_between_runs_but_the_baselines_cache(tmp_path: Path, place: str) -> None:
    """A run finds the compiler's cache that the baseline's first run left, and the headers that
    torch keeps elsewhere, as its own copy. What a candidate wrote there, kept or dropped, reaches
    no later run: not of another commit, not of the same. (Seen: 220 MB of weights travelled over
    six keeps.)"""
    train = (
        "import os, pathlib\n"
        f"cache = pathlib.Path({place})\n"
        "cache.mkdir(parents=True, exist_ok=True)\n"
        "found = sorted(p.name for p in cache.iterdir())\n"
        "(cache / '{name}').write_text('x')\n"
        "print('found', found)\n"
        "print('val_bpb: {value}')\n"
    )
    workspace = make(tmp_path, train.format(name="base", value=1.0))

    summary = research(
        workspace,
        Writes(
            train.format(name="dropped", value=2.0),
            train.format(name="kept", value=0.5),
            train.format(name="last", value=0.25),
        ),
        experiments=3,
        policy="greedy",
    )

    logs = sorted((workspace.private / "runs").rglob("run.log"))
    found = [log.read_text().splitlines()[0] for log in logs]
    assert [record.status for record in summary.finished] == ["discard", "keep", "keep"]
    assert found[0] == "found []" and set(found[1:]) == {"found ['base']"} and len(found) >= 6
    assert not list((workspace.private / "runs").rglob("cache"))


def test_headers_that_are_links_lead_nowhere(tmp_path: Path) -> None:
    """A run that puts links where torch keeps its headers moves nothing of anybody's, and one that
    forbids all changes there loses its cache and nothing else."""
    outside = tmp_path / "outside" / "precompiled_headers"
    outside.mkdir(parents=True)
    (outside / "mine.h").write_text("x")
    scratch = tmp_path / "run" / "tmp"
    locked = scratch / "torchinductor_c" / "precompiled_headers"
    for folder in (scratch / "cache", scratch / "torchinductor_b", locked):
        folder.mkdir(parents=True)
    (scratch / "cache" / "code.so").write_text("x")
    (scratch / "cache" / "precompiled_headers").symlink_to(outside)
    (scratch / "torchinductor_a").symlink_to(outside.parent)
    (scratch / "torchinductor_b" / "precompiled_headers").symlink_to(outside)
    locked.parent.chmod(0o555)

    tidy(tmp_path / "run")

    assert [path.name for path in outside.iterdir()] == ["mine.h"]
    assert not (tmp_path / "run" / "tmp").exists()
    assert all(not p.is_symlink() for p in (tmp_path / "run").rglob("*"))
