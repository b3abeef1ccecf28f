"""When an agent may be asked again, in the words of programs and servers."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from autoresearch.researcher.agents.reset_times import find_wait_s

NOON = datetime(2026, 11, 28, 12, 0, tzinfo=timezone(timedelta(hours=1)))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("You've hit your limit · resets 1:42pm", 6120),
        ("limit reached, resets 3pm", 3 * 3600),
        ("You've hit your session limit · resets 3:45pm (Europe/Berlin)", 13500),
        ("resets 13:30 (UTC)", 9000),
        ("resets at 9am", 21 * 3600),
        ("limit reached · resets 11:57am", 0),
        ("resets Nov 30, 1am (UTC)", 38 * 3600),
        ("try again at Nov 29th, 2026 1:05 PM.", 25 * 3600 + 300),
        ("or try again in 3 days 4 hours 9 minutes.", 3 * 86400 + 4 * 3600 + 540),
        ("Your quota will reset after 3h12m5s.", 3 * 3600 + 12 * 60 + 5),
        ("Please retry in 34.5s.", 34.5),
        ("Please try again in 820ms.", 0.82),
        ('"retryDelay": "34s"', 34),
        ("retry-after: 120", 120),
        ('{"retry_after": 1.5}', 1.5),
        ("wait for 5 minutes and 10 seconds", 310),
        ("Claude AI usage limit reached|1795867200", 3600),
        ("resets at 2026-11-28T12:00:00Z", 3600),
        ("quota resets 2026-11-28 14:30:00+02:00", 5400),
    ],
)
def test_told_times_are_read(text: str, seconds: float) -> None:
    """Durations, times of day with and without a zone, dates, ISO and Unix times."""
    assert find_wait_s(text, NOON) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "API Error: Rate limit reached",
        "retrying in 0.2 seconds...",
        "resets 25:99",
        "resets Feb 31, 1am",
        "try again in 4000 days",
        "again and again 5 experiments",
        "reset the 3 matrices",
        "resets 1" + "0" * 5000,
    ],
)
def test_what_is_no_time_is_not_guessed(text: str) -> None:
    """Without a time the wait grows by itself."""
    assert find_wait_s(text, NOON) is None
