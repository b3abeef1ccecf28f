"""Claims about what a person sees while experiments run."""

from __future__ import annotations

import io
import math
import time
from pathlib import Path

import pytest
from rich.console import Console

from autoresearch.researcher.curve_files import read_newest
from autoresearch.researcher.display import Display, show_duration, show_left
from autoresearch.researcher.judging.curves import CurvePoint
from autoresearch.researcher.machine import machine_name, one_word


def display(terminal: bool) -> tuple[Display, io.StringIO]:
    text = io.StringIO()
    return Display(Console(file=text, force_terminal=terminal, width=100)), text


def test_plain_lines_where_there_is_no_terminal(tmp_path: Path) -> None:
    """A log file gets whole lines without colours or carriage returns, each once."""
    shown, text = display(terminal=False)
    with shown.running("  run 1, seed 7", tmp_path):
        time.sleep(0.05)
    shown.verdict("0002", "keep", "better: 1.0 to 0.9")

    assert text.getvalue() == "  run 1, seed 7\n  keep     better: 1.0 to 0.9\n"


def test_a_bar_follows_the_curve_in_a_terminal(tmp_path: Path) -> None:
    """Progress and loss of the run's own curve are shown while it is written."""
    shown, text = display(terminal=True)
    with shown.running("run 1", tmp_path):
        (tmp_path / "curve.jsonl").write_text('{"progress": 0.5, "loss": 2.125}\n')
        deadline = time.monotonic() + 30
        while "loss 2.125" not in text.getvalue() and time.monotonic() < deadline:
            time.sleep(0.05)

    assert "loss 2.125" in text.getvalue()


def test_many_at_once_are_told_apart(tmp_path: Path) -> None:
    """With several experiments at once every line names its own; in a terminal each has a bar, and
    the last one to end takes them away."""
    shown, text = display(terminal=False)
    shown.many = True
    shown.start_run(("0002", 1), "  run 1, seed 7", tmp_path)
    shown.verdict("0003", "keep", "better")
    assert text.getvalue() == "  0002  run 1, seed 7\n  0003  keep     better\n"

    bars, text = display(terminal=True)
    bars.many = True
    for number in ("0002", "0003"):
        (tmp_path / number).mkdir()
        (tmp_path / number / "curve.jsonl").write_text(
            f'{{"progress": 0.5, "loss": {int(number)}.125}}\n'
        )
        bars.start_run((number, 1), "  run 1", tmp_path / number)
    deadline = time.monotonic() + 30
    while (
        not ("loss 2.125" in text.getvalue() and "loss 3.125" in text.getvalue())
        and time.monotonic() < deadline
    ):
        time.sleep(0.05)
    bars.finish_run(("0002", 1))
    assert bars.bars is not None
    bars.finish_run(("0003", 1))
    assert bars.bars is None and "loss 2.125" in text.getvalue() and "loss 3.125" in text.getvalue()


def test_markup_in_messages_is_text(tmp_path: Path) -> None:
    """A commit message cannot colour or hide anything."""
    shown, text = display(terminal=False)
    shown.say("[red]an idea[/red]")

    assert text.getvalue() == "[red]an idea[/red]\n"


def test_quiet_says_nothing(tmp_path: Path) -> None:
    """With --json standard output is one object."""
    text = io.StringIO()
    shown = Display(Console(file=text), quiet=True)
    shown.say("x")
    shown.verdict("1", "keep", "y")
    with shown.running("z", tmp_path):
        pass

    assert text.getvalue() == ""


@pytest.mark.parametrize(
    ("curve", "point"),
    [
        ("", None),
        ('{"progress": 0.1, "loss": 3.0}\n{"progress": 0.2, "lo', CurvePoint(0.1, 3.0)),
        ('{"progress": 7, "loss": 3.0}\n', CurvePoint(1.0, 3.0)),
        ('{"progress": 0.5}\n', CurvePoint(0.5, math.nan)),
        ('{"progress": 0.5, "loss": NaN}\n', CurvePoint(0.5, math.nan)),
        ('{"progress": NaN}\n', None),
        ("[1, 2]\n", None),
        ("nonsense\n", None),
        ('{"progress": "x"}\n', None),
        ("[" * 4000 + "\n", None),
    ],
)
def test_a_curve_is_untrusted(tmp_path: Path, curve: str, point: CurvePoint | None) -> None:
    """A half-written line, nonsense or nesting without end shows nothing instead of failing."""
    (tmp_path / "curve.jsonl").write_text(curve)

    assert read_newest(tmp_path / "curve.jsonl") == point


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (59, "59 s"), (95, "1 min 35 s"), (3600, "1 h"), (3725, "1 h 2 min")],
)
def test_durations_are_words(seconds: float, text: str) -> None:
    """Two units are enough."""
    assert show_duration(seconds) == text


def test_a_machine_is_one_word() -> None:
    """A platform's name fits the one-line format of the board: no spaces, no trade marks."""
    assert one_word("Intel(R) Xeon(R) CPU @ 2.20GHz 8c") == "Intel-Xeon-8c"
    assert one_word("NVIDIA H200") == "NVIDIA-H200"
    assert one_word("???") == "unknown"
    assert machine_name() and " " not in machine_name() and len(machine_name()) <= 40


def test_a_night_says_how_long_it_goes_on() -> None:
    """From what the experiments so far took, or until the time is over, whichever comes first."""
    assert show_left(1, 4, 60.0, math.inf) == "1 of 4 experiments, about 3 min left"
    assert show_left(2, 4, 60.0, 30.0) == "2 of 4 experiments, about 30 s left"
    assert show_left(1, None, 60.0, 7200.0) == "1 experiment, about 2 h left"
    assert show_left(4, 4, 60.0, math.inf) == show_left(3, None, 60.0, math.inf) == ""
