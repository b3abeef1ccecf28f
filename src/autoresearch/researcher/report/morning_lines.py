"""What a night has taught, as lines of a terminal and of a page. Leaves to others: the numbers
(morning), the pictures (forest)."""

from __future__ import annotations

from autoresearch.researcher.judging.amounts import show_change
from autoresearch.researcher.report.morning import KindShare, Morning

HOURS_MIN = 0.1  # a rate of a shorter night says nothing


def describe_morning(morning: Morning) -> list[str]:
    """How sure, what pays, what to try next."""
    lines = [morning.verdict] if morning.verdict else []
    total = morning.total
    if rate := rate_of(total):
        lines.append(f"{rate} an hour: {total.kept} of {total.tried} kept in {total.hours:.1f} h")
    return lines + [f"next: {step}" for step in morning.next_steps]


def rate_of(share: KindShare) -> str:
    """The gain an hour; empty where there were too few minutes for one."""
    return show_change(share.gain / share.hours) if share.hours >= HOURS_MIN else ""
