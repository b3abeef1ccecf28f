"""Numbers as people's programs print them: coloured, with units, assigned, in JSON."""

from __future__ import annotations

import pytest

from autoresearch.researcher.config import pattern_mistake
from autoresearch.researcher.measurement import read_run
from autoresearch.researcher.sandbox import Finished

WELL = Finished(0, False, 1.0, "")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("score: 1.5", 1.5),
        ("score=1.5", 1.5),
        ("score = 1.5", 1.5),
        ("score: 93.4%", 93.4),
        ("score: 93.4 %", 93.4),
        ("score: 1,234.5", 1234.5),
        ("score: 12.5 ms", 12.5),
        ("score: 12.5ms", 12.5),
        ("score: 3e-5 s", 3e-5),
        ("score: 812 tokens/s", 812),
        ("score: -1,000,000", -1e6),
        ("\x1b[1;32mscore:\x1b[0m \x1b[33m1.5\x1b[0m", 1.5),
        ('{"score": 1.5, "loss": 2}', 1.5),
        ('working\n{"epoch": 3, "score": 7}\ndone', 7),
    ],
)
def test_a_metric_is_read_as_it_was_meant(text: str, value: float) -> None:
    """The number, whatever stands around it."""
    measured = read_run(text, WELL, "score", 60)
    assert measured.value == pytest.approx(value), measured


@pytest.mark.parametrize(
    "text",
    ["score: none", "score: 1.2.3", "score: 12,34", "score: 5 apples a day", '{"score": true}',
     '{"score": "1.5"}', "score: nan %", '{"score": NaN}', "the score: 5"],
)  # fmt: skip
def test_what_is_no_number_is_not_guessed(text: str) -> None:
    """Such a line is a crash with a sentence, never a value."""
    assert read_run(text, WELL, "score", 60).value is None


def test_a_pattern_finds_what_no_line_names() -> None:
    """Any log can be read; two matches are as wrong as two lines."""
    log = "Result (final) -> 93.4% of 1,000\nscore: 5\n"
    read = read_run(log, WELL, "score", 60, pattern=r"\(final\) -> (\S+)")
    twice = read_run(log + log, WELL, "score", 60, pattern=r"\(final\) -> (\S+)")

    assert (read.value, twice.outcome) == (93.4, "printed twice")


@pytest.mark.parametrize("pattern", ["(", "no group", "(two) (groups)"])
def test_a_pattern_that_finds_no_number_is_refused(pattern: str) -> None:
    """When the configuration is read, not at the end of a run."""
    assert "experiment.pattern" in pattern_mistake(pattern)
