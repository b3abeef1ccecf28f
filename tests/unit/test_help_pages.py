"""What the programs' help looks like."""

from __future__ import annotations

from click.testing import CliRunner

from autoresearch.cli.autoresearch import app

HEADINGS = [
    "How long:",
    "Who edits:",
    "How results are judged:",
    "Where and in what sandbox runs take place:",
    "A hub to share with:",
    "Other options:",
]


def test_the_options_of_a_run_stand_in_sections() -> None:
    """In the order of a first use, each option under its heading, none twice."""
    text = CliRunner().invoke(app, ["run", "--help"]).output
    lines = text.splitlines()

    assert [line for line in lines if line in HEADINGS] == HEADINGS
    section = text[text.index("How long:") : text.index("Who edits:")]
    assert "--hours" in section and "--experiments" in section
    assert sum(line.startswith("  --hub ") for line in lines) == 1


def test_summaries_of_commands_are_whole() -> None:
    text = CliRunner().invoke(app, ["--help"]).output

    whole = " ".join(text.split())
    assert "edit, commit, run, judge, keep or drop." in whole
    assert "..." not in text.partition("Commands:")[2]
