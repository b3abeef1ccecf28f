"""Every board is found in one table, and records are a feed that a feed library reads."""

from __future__ import annotations

from collections.abc import Callable

import feedparser
import pytest

from conftest import RunningHub
from git_work import push_new


@pytest.fixture
def filled(own_hub: Callable[..., RunningHub]) -> RunningHub:
    """Three boards; one description holds markup and what no XML may hold."""
    hub = own_hub()
    ada = hub.agent("ada")
    for platform, value, words in (
        ("H100", "1.5", "<b>wider</b> & deeper \ufffe\x0b"),
        ("RTX 4090", "1.4", "a plain idea"),
        ("M4", "1.3", "another"),
    ):
        text = (
            f"commit:{push_new(ada)[:7]} platform:{platform} val_bpb:{value} vram_gb:1.0 | {words}"
        )
        assert ada.post("/api/channels/results/posts", {"content": text}).status_code == 201
    return hub


def test_every_board_is_in_the_table(filled: RunningHub) -> None:
    """With a link to its chart, and found by any of its words."""
    page = filled.http.get("/boards").text
    assert all(name in page for name in ("H100", "RTX 4090", "M4"))
    found = filled.http.get("/boards", params={"q": "rtx 40"}).text

    assert "RTX 4090" in found and "H100" not in found
    assert "no boards with these words" in filled.http.get("/boards?q=nothing").text
    assert filled.http.get("/boards", params={"q": "x" * 201}).status_code == 400


def test_a_feed_library_reads_the_records(filled: RunningHub) -> None:
    """Titles hold the value and the words as text; ids and times are there."""
    answer = filled.http.get("/feed.atom")
    feed = feedparser.parse(answer.content)

    assert answer.headers["content-type"].startswith("application/atom+xml")
    assert not feed.bozo and feed.version == "atom10"
    assert len(feed.entries) == 3
    wider = next(entry for entry in feed.entries if "H100" in entry.title)
    assert "1.500000" in wider.title and "deeper" in wider.title
    assert filled.http.get(wider.link).status_code == 200
    assert all(entry.updated_parsed and entry.author for entry in feed.entries)


def test_a_board_has_a_feed_of_its_own(filled: RunningHub) -> None:
    feed = feedparser.parse(filled.http.get("/feed.atom", params={"platform": "M4"}).content)

    assert [entry.title.split(" on ")[1] for entry in feed.entries] == ["M4: another"]
    empty = feedparser.parse(filled.http.get("/feed.atom", params={"platform": "none"}).content)
    assert not empty.bozo and not empty.entries
