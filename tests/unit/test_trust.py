"""The parts that keep a number honest, one by one; tests/stories/test_cheats.py puts them
together."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from autoresearch.errors import BadWorkspace
from autoresearch.researcher import config, leftovers
from autoresearch.researcher.judging.values import Measurement
from autoresearch.researcher.measurement import in_time, read_run
from autoresearch.researcher.sandbox import Finished, choose_sandbox
from lab_module import plausibility, prepare
from sandbox_jobs import EVERY_LEVEL, job
from tiny_workspaces import TOML, make, measure, record

RUN = Measurement("ok", "", seed=1, value=1.0, outside_seconds=12.0, score_seconds=5.0)
LATER = Finished(0, False, 1.0, "")


@EVERY_LEVEL
def test_a_job_reads_its_input_once(tmp_path: Path, level: str) -> None:
    """It comes through a pipe, so a second look finds nothing, and the file itself is not there to
    be opened."""
    (tmp_path / "rows").write_bytes(b"x" * 1_000_000)
    twice = (
        "import os,sys\nprint(len(sys.stdin.buffer.read()), len(os.read(0, 9)), "
        "os.path.isfile('/proc/self/fd/0'))"
    )
    finished = choose_sandbox(level).run(
        dataclasses.replace(job(tmp_path, twice), stdin=tmp_path / "rows")
    )

    assert (finished.reason, (tmp_path / "log").read_text()) == ("", "1000000 0 False\n")


@EVERY_LEVEL
def test_a_job_need_not_read_its_input(tmp_path: Path, level: str) -> None:
    """One that ends without having read it ends as ever; one without input finds it empty."""
    (tmp_path / "rows").write_bytes(b"x" * 1_000_000)

    assert (
        choose_sandbox(level)
        .run(dataclasses.replace(job(tmp_path, "pass"), stdin=tmp_path / "rows"))
        .reason
        == ""
    )
    assert (
        choose_sandbox(level).run(job(tmp_path, "import sys\nassert sys.stdin.read() == ''")).reason
        == ""
    )


@pytest.mark.parametrize(
    ("log", "outcome"),
    [
        ("val_bpb: nan", "ok"),
        ("", "ok"),
        ("val_bpb: 1.5", "ok"),
        ("val_bpb: inf", "not finite"),
        ("val_bpb: nan\nval_bpb: 0.5", "printed twice"),
    ],
)
def test_a_run_that_is_scored_later_may_say_that_it_does_not_know(log: str, outcome: str) -> None:
    """nan or nothing will do where the validation text is hidden; other nonsense still does not."""
    assert read_run(log, LATER, "val_bpb", 60, is_scored_later=True).outcome == outcome
    assert read_run("val_bpb: nan", LATER, "val_bpb", 60).outcome == "not finite"


@pytest.mark.parametrize(
    ("fields", "allowed_s", "words"),
    [
        ({}, 0, ""),
        (
            {"outside_seconds": 41.0},
            0,
            "41 s outside the clock, where 38 s are allowed; the baseline takes 9 s",
        ),
        (
            {"score_seconds": 31.0},
            0,
            "scoring the run's model took 31 s, where 28 s are allowed; the baseline takes 4 s",
        ),
        ({"outside_seconds": 41.0}, 60, ""),
        ({}, 10, "12 s outside the clock, where 10 s are allowed"),
        ({"outside_seconds": None}, 0, ""),
    ],
)
def test_time_outside_the_clock_is_compared_with_the_baselines(
    fields: Any, allowed_s: float, words: str
) -> None:
    """Twice the baseline's and 20 s, unless the configuration says how much; of what is not known
    nothing is said."""
    base = record(is_baseline=True, outside_seconds=9.0, score_seconds=4.0)

    judged = in_time(dataclasses.replace(RUN, **fields), base, allowed_s)

    assert (judged.value is None, words in judged.reason) == (bool(words), True), judged


def test_the_first_baseline_has_nothing_to_be_compared_with() -> None:
    """Before there is one, and with a scorer that names no budget, every time will do."""
    slow = dataclasses.replace(RUN, outside_seconds=1e4, score_seconds=1e4)

    assert in_time(slow, None, 0) == slow
    assert in_time(slow, record(is_baseline=True), 0) == slow


def test_what_is_hidden_is_hidden_from_the_run(tmp_path: Path) -> None:
    """hidden needs a scorer, and patterns stay below the cache."""
    for lines, words in (
        ('[score]\nhidden = ["*/val.bin"]\n', "what only score.command may read"),
        ('[score]\ncommand = ["a"]\nhidden = ["/etc/*"]\n', "patterns below the cache"),
        ('[score]\ncommand = ["a"]\nhidden_too = ["../*"]\n', "patterns below the cache"),
    ):
        (tmp_path / config.NAME).write_text(TOML + lines, "utf-8")
        with pytest.raises(BadWorkspace, match=words):
            config.read(tmp_path)


def test_a_missing_input_is_named(tmp_path: Path) -> None:
    """A scorer whose input was not prepared is not started without it."""
    toml = (
        TOML.replace("[experiment]", '[experiment]\nprepare = ["true", "{input}"]')
        + '[score]\ncommand = ["true"]\n'
    )

    with pytest.raises(BadWorkspace, match=r"score.input is missing"):
        measure(make(tmp_path, "print('val_bpb: 1.0')", toml))


def test_a_large_cache_stays_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a run leaves as compiled code waits for the verdict while it may be that, and is thrown
    away where it is larger than any compiler's."""
    monkeypatch.setattr(leftovers, "CACHE_BYTES", 4_000_000)
    text = (
        "import os, pathlib\np = pathlib.Path(os.environ['XDG_CACHE_HOME'])\n(p / "
        "'x').write_bytes(bytes({size}))\nprint('val_bpb: 1.0')"
    )
    kept = []
    for name, size in (("small", 1_000_000), ("large", 9_000_000)):
        workspace = make(tmp_path / name, text.format(size=size))
        measure(workspace)
        kept.append((workspace.private / "runs" / "0001" / "1" / "cache").exists())

    assert kept == [True, False]


def nats(bits_a_byte: float, rows: int) -> dict[int, float]:
    return dict.fromkeys(range(rows), bits_a_byte * 1000 * math.log(2))


SIZES = torch.full((20, 10), 100)  # 20 rows of 1000 bytes; the last five are fresh


@pytest.mark.parametrize(
    ("val", "fresh", "words"),
    [
        (0.6, 0.6, ""),
        (0.6, 0.64, ""),
        (0.48, 0.62, "knows the validation text"),
        (0.4, 0.4, "below what is possible"),
        (math.nan, 0.6, "below what is possible"),
    ],
)
def test_a_model_that_knows_the_text_is_told_by_text_it_cannot_know(
    val: float, fresh: float, words: str
) -> None:
    """Below the exact entropy, or much nearer to it than on new text of the same kind; an honest
    difference passes."""
    values = nats(val, 15) | {row: fresh * 1000 * math.log(2) for row in range(15, 20)}
    if not words:
        assert plausibility.judged_bpb(
            values, SIZES, 15, plausibility.Limits(0.46, 0.47)
        ) == pytest.approx(val)
        return
    with pytest.raises(prepare.EvaluationError, match=words):
        plausibility.judged_bpb(values, SIZES, 15, plausibility.Limits(0.46, 0.47))


@pytest.mark.parametrize(
    ("val", "second", "words"),
    [(1.2, 1.25, ""), (2.4, 2.6, ""), (1.2, 1.3, "a second text"), (2.4, 2.8, "a second text")],
)
def test_a_model_that_knows_the_text_is_worse_on_a_second_one(
    val: float, second: float, words: str
) -> None:
    """Each as a share of the trigram's score on the same rows; a tenth of the share's square
    between them is refused."""
    limits = plausibility.Limits(trigram=2.0, second_trigram=2.0)
    values = nats(val, 15) | {row: second * 1000 * math.log(2) for row in range(15, 20)}
    if not words:
        assert plausibility.judged_bpb(values, SIZES, 15, limits) == pytest.approx(val)
        return
    with pytest.raises(prepare.EvaluationError, match=words):
        plausibility.judged_bpb(values, SIZES, 15, limits)


def test_without_an_entropy_nothing_is_below_it() -> None:
    """On other tracks only what no text has is impossible."""
    low = plausibility.judged_bpb(nats(0.01, 15), SIZES[:15], 15, plausibility.Limits())

    assert low == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("bpb", "words"), [(0.0, "below what is possible"), (0.59, r"plausible \(0.600000")]
)
def test_a_score_far_below_every_anchor_is_refused(bpb: float, words: str) -> None:
    """Nothing scores zero, nor less than a share of what a static trigram scores."""
    with pytest.raises(prepare.EvaluationError, match=words):
        plausibility.judged_bpb(nats(bpb, 15), SIZES[:15], 15, plausibility.Limits(plausible=0.6))


def test_every_track_has_a_floor_below_its_anchors() -> None:
    """A third of the trigram's score, a tenth on own text; on stories the entropy as well."""
    floors = {}
    for base, anchors in (
        ("pystd", {"trigram_bpb": 1.8}),
        ("custom", {"trigram_bpb": 1.8}),
        ("stories", {"trigram_bpb": 0.69, "entropy_bpb": 0.46}),
    ):
        track = SimpleNamespace(base=base, manifest={"anchors": anchors})
        limits = plausibility.Limits.of(track, None)
        floors[base] = (limits.entropy, pytest.approx(limits.plausible))

    assert floors == {"pystd": (None, 0.6), "custom": (None, 0.18), "stories": (0.46, 0.23)}
