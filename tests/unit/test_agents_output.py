"""What coding agents print, as the real ones print it: words, commit message, tokens and cost."""

from __future__ import annotations

import json

import pytest

from autoresearch.researcher.agents.output import find_description, read_output

CLAUDE = json.dumps(
    {
        "type": "result", "is_error": False, "total_cost_usd": 0.0024, "num_turns": 3,
        "result": "I set X.\n\nDESCRIPTION: X is 7 now",
        "usage": {"input_tokens": 300, "output_tokens": 60, "server_tool_use": {"n": 0}},
    }
)  # fmt: skip
GEMINI = json.dumps(
    {
        "session_id": "5e", "response": "I set X.\n\nDESCRIPTION: X is 7 now",
        "stats": {"models": {"m": {"tokens": {"prompt": 300, "candidates": 60, "total": 360}}}},
    },
    indent=2,
)  # fmt: skip
OPENCODE = "\n".join(
    json.dumps({"type": kind, "part": part})
    for kind, part in (
        ("step_start", {"type": "step-start"}),
        ("step_finish", {"tokens": {"input": 100, "output": 20}, "cost": 0.01}),
        ("text", {"text": "I set X.\n\nDESCRIPTION: X is 7 now"}),
        ("step_finish", {"tokens": {"input": 200, "output": 40}, "cost": 0.02}),
    )
)
CODEX = "codex\nI set X.\n\nDESCRIPTION: X is 7 now\ntokens used\n12,240\n"
AIDER = """\
DESCRIPTION: X is 7 now
Tokens: 2.1k sent, 145 received. Cost: $0.0068 message, $0.0068 session.
Applied edit to opt.py
Tokens: 1k sent, 5 received. Cost: $0.0012 message, $0.0080 session.
"""


@pytest.mark.parametrize(
    ("said", "bill"),
    [
        (CLAUDE, {"prompt_tokens": 300, "completion_tokens": 60, "cost_usd": 0.0024}),
        (f"Warning: no colours\n{GEMINI}", {"prompt_tokens": 300, "completion_tokens": 60}),
        (OPENCODE, {"prompt_tokens": 300, "completion_tokens": 60, "cost_usd": 0.03}),
        (CODEX, {"tokens": 12240}),
        (AIDER, {"prompt_tokens": 3100, "completion_tokens": 150, "cost_usd": 0.008}),
        ("> DESCRIPTION: X is 7 now", {}),
        ("│ **DESCRIPTION:** X is 7 now      │", {}),
    ],
)
def test_words_and_bill_are_read(said: str, bill: dict[str, float]) -> None:
    """Out of text, one report, or a report a line; boxes and quotes around the words fall away."""
    output = read_output(said)

    assert find_description(output.words) == "X is 7 now"
    assert output.bill.as_notes() == bill


def test_what_is_repeated_is_no_description() -> None:
    """A program that prints the brief, or the command that it runs, does not name the commit so."""
    asked = "DESCRIPTION: what you changed and why it should help"
    said = f'user\n{asked}\ncodex\nDESCRIPTION: mine\necho "DESCRIPTION: not mine"\n{asked}\n'

    assert find_description(said, {asked}) == "mine"
    assert find_description(asked, {asked}) == ""


@pytest.mark.parametrize(
    "said",
    [
        "{", "{}\n{}", '{"result": 5, "usage": [], "total_cost_usd": "much"}', "[" * 9000,
        '{"part": {"tokens": {"input": -5, "output": true}}}', '{"a":' * 3000,
        '{"stats": {"models": {"m": 7}}, "response": null}',
        '{"total_cost_usd": 1e999, "result": ""}',
    ],
)  # fmt: skip
def test_strange_reports_are_no_failure(said: str) -> None:
    """What has another shape is left as it is, and nothing is billed for it."""
    bill = read_output(said).bill
    assert not bill.prompt_tokens and not bill.cost_usd


def test_an_error_in_a_report_is_read() -> None:
    """The words of a failure stand in a report as well."""
    said = json.dumps({"error": {"type": "Error", "message": "Invalid auth method selected."}})
    assert read_output(f"{said}\n").words.strip() == "Invalid auth method selected."
