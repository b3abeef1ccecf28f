"""What `bench/busy.py` says of an idea: whether its runs were needed, and whether it was slow."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))

from autoresearch.researcher.judging.values import Record
from busy import overlap, weigh_idea, write_ideas
from lab_module import source_of

QUIET, BUSY = 0.02, 0.4


def record(*values: float, reason: str = "") -> Record:
    return Record(
        "1", "c" * 40, "p" * 40, "discard", "idea", reason, values=values, parent_throughput=1.0
    )


def run(throughput: float, others: float | None, commit: str = "c") -> dict[str, Any]:
    return {"commit": commit * 40, "throughput": throughput, "others": others, "cards": None}


@pytest.mark.parametrize(
    ("judged", "runs", "without_need", "is_slow", "repeated"),
    [
        ((1.5,), [run(0.2, QUIET)], 0, True, False),
        ((1.5,), [run(0.2, QUIET), run(0.2, QUIET), run(0.2, QUIET)], 2, True, True),
        ((1.5,), [run(0.3, BUSY), run(0.9, QUIET)], 0, False, False),
        ((1.5, 1.5), [run(0.3, BUSY), run(0.3, BUSY), run(1.0, BUSY, "p")], 0, True, False),
        ((1.5, 1.4), [run(1.0, QUIET), run(1.0, QUIET, "p"), run(1.1, QUIET)], 0, False, False),
        ((1.5,), [run(0.3, None), run(1.0, QUIET)], 0, False, False),
    ],
)
def test_runs_are_needed_for_noise_or_a_busy_machine(
    judged: tuple[float, ...],
    runs: list[dict[str, Any]],
    without_need: int,
    is_slow: bool,
    repeated: bool,
) -> None:
    """A run that was judged, a run of the rival, and one that other work slowed were needed."""
    told = weigh_idea(record(*judged), runs, 0.7)

    assert (told["without_need"], told["is_slow"], told["repeated_in_quiet"]) == (
        without_need,
        is_slow,
        repeated,
    )


def test_the_second_process_is_there_for_a_part_of_a_run() -> None:
    """Whatever stays it made."""
    loads = [{"from": 0.0, "to": 12.0}, {"from": 18.0, "to": 100.0}]

    assert overlap({"from": 10.0, "to": 20.0}, loads) == pytest.approx(0.4)
    assert overlap({"from": 13.0, "to": 17.0}, loads) == 0.0


def test_ideas_are_the_same_in_each_call_and_every_fifth_is_slow() -> None:
    """So that a night goes on where it was."""
    train = source_of("cpu")
    ideas = list(write_ideas(train, 10, seed=1))

    assert ideas == list(write_ideas(train, 10, seed=1))
    assert [n for n, idea in enumerate(ideas, 1) if idea["message"].startswith("slow")] == [5, 10]
    texts = {idea["files"]["train.py"] for idea in ideas}
    assert len(texts) == 10 and train not in texts
