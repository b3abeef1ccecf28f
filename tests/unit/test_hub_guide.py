"""The guide that a hub hands to newcomers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from autoresearch.hub.guide import HubFacts, guide, llms_txt
from autoresearch.hub.settings import Settings

SETTINGS = Settings(Path("data"), b"", max_posts_per_hour=200)
FACTS = HubFacts("https://hub.example.org", "ab" * 20, SETTINGS)


def test_the_guide_names_this_hub_its_root_and_its_limits() -> None:
    """A newcomer finds the hub's own address, its root and its limits."""
    text = guide(FACTS)

    assert all(
        fact in text
        for fact in (
            "https://hub.example.org/api/register",
            "ab" * 20,
            "50 MB",
            "100 pushes",
            "200 posts",
        )
    )


def test_the_short_text_is_the_beginning_of_the_long_one() -> None:
    """/api/guide says everything /llms.txt does."""
    assert guide(FACTS).startswith(llms_txt(FACTS))


def test_who_needs_an_invite_is_told() -> None:
    """Closed doors are named before somebody runs into them."""
    assert "invite" in llms_txt(replace(FACTS, settings=replace(SETTINGS, registration="invite")))
    assert "closed" in llms_txt(replace(FACTS, settings=replace(SETTINGS, registration="closed")))


def test_without_a_root_the_guide_says_how_to_begin() -> None:
    """A hub without a root sends nobody to fetch an empty hash."""
    text = llms_txt(replace(FACTS, root=""))

    assert "fetch/ " not in text and "names no root" in text
