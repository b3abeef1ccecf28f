"""What coding agents say when they cannot work, and what is made of it. The words are those that
the real programs print."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from autoresearch.researcher.agents.base import AgentUnavailable
from autoresearch.researcher.agents.failures import explain_failure, said_lines

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=timezone.utc)
STACK = "\n".join(f"    at async step{n} (file:///usr/lib/cli.js:{n}:7)" for n in range(40))


@pytest.mark.parametrize(
    ("said", "sentence", "after_s"),
    [
        ("API Error: Rate limit reached", "usage limit", 0),
        ("You've hit your limit · resets 1:42pm", "usage limit", 6120),
        ("You've hit your usage limit. Upgrade or try again in 2 hours.", "usage limit", 7200),
        ("ERROR: exceeded retry limit, last status: 429 Too Many Requests", "usage limit", 0),
        (f"Error: RESOURCE_EXHAUSTED. Please retry in 34s.\n{STACK}", "usage limit", 34),
        ("You exceeded your current quota, see billing details. retry in 9s", "usage limit", 9),
        ('API Error: 529 {"error":{"type":"overloaded_error"}}', "overloaded or down", 0),
        ("litellm.ServiceUnavailableError: Service Unavailable", "overloaded or down", 0),
        ("API Error: Connection error.", "does not reach its server", 0),
        ("request to https://x/ failed, reason: getaddrinfo EAI_AGAIN x", "does not reach", 0),
        ("stream error: error sending request for url (http://x/v1)", "does not reach", 0),
        ("litellm.APIConnectionError: [Errno 111] Connection refused", "does not reach", 0),
    ],
)
def test_what_time_heals_is_waited_for(said: str, sentence: str, after_s: float) -> None:
    """Limits, overloads and networks pass; the time that was told is kept, the line is quoted."""
    error = explain_failure("coder", "exit code 1", f"working\n{said}", NOW)

    assert isinstance(error, AgentUnavailable) and sentence in str(error)
    assert (error.after_s, said.splitlines()[0][:20] in str(error)) == (after_s, True)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("Invalid API key · Please run /login", "key is refused"),
        ("Not logged in · Please run /login", "key is refused"),
        ("unexpected status 401 Unauthorized: Missing bearer", "key is refused"),
        ("Please set an Auth method in your settings.json", "key is refused"),
        ("litellm.AuthenticationError: Incorrect API key provided: sk-1", "key is refused"),
        ("Credit balance is too low", "nothing left to spend"),
        ('429 {"error":{"code":"insufficient_quota"}}', "nothing left to spend"),
        ("The model `gpt-9` does not exist or you do not have access", "know the model"),
        ("ProviderModelNotFoundError: x/y", "know the model"),
        ("Not inside a trusted directory and --skip-git-repo-check", "trust the checkout"),
        ("Gemini CLI is not running in a trusted directory.", "trust the checkout"),
        ("cannot be used with root/sudo privileges for security", "work as root"),
        ("error: unknown option '--permission-mode'", "option of its command line"),
        ("I found two ways. Shall I go on with the first one?", "waits for an answer"),
        ("Overwrite opt.py? (y/N)", "waits for an answer"),
    ],
)
def test_what_a_person_has_to_mend_is_said(said: str, sentence: str) -> None:
    """No login, no money, no model, no trust, root, a question: each has its sentence, and none is
    waited for."""
    error = explain_failure("coder", "exit code 1", f"\x1b[31m{said}\x1b[0m\n", NOW)

    assert not isinstance(error, AgentUnavailable)
    assert sentence in str(error) and said[:15] in str(error)


def test_what_the_brief_says_is_no_failure() -> None:
    """Some programs print the brief first; a post in it that reads like a limit is not theirs."""
    post = "| You've hit your limit, resets 1:42pm"
    error = explain_failure("coder", "changed nothing", f"{post}\nDone.", NOW, {post})

    assert not isinstance(error, AgentUnavailable)
    assert str(error).endswith("its last words: Done.")


@pytest.mark.parametrize(
    "said",
    [
        "\x1b[1;31mno\x1b[0m key",
        "\x1b]0;title\x07no key",
        "\x1b]8;;http://x\x1b\\no key\x1b]8;;\x1b\\",
        "\x9b31mno key\x1b(B",
        "\x1b[?25l\x1b[2Kno key\x1b[?25h",
        "\x1b[38;2;1;2;3mno key",
    ],
)
def test_commands_to_a_terminal_go_whole(said: str) -> None:
    """Colours, titles, links and cursors leave no letters behind."""
    assert said_lines(said) == ["no key"]


def test_silence_is_told() -> None:
    """A program that says nothing has no last words."""
    assert "(it said nothing)" in str(explain_failure("coder", "changed nothing", "", NOW))
