"""The home page's chart and its words for each way to join; lists that tell each result once."""

from __future__ import annotations

import re
import time
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from autoresearch.cli import agenthub
from autoresearch.hub.settings import Site
from git_work import Work, push

LINE = "commit:{} platform:H100 val_bpb:0.99 vram_gb:44.0 track:t | halve the batch"
DETAILS = "\n\n- runs: 0.991, 0.989\n- seeds: 1, 2"


@pytest.mark.parametrize(
    ("registration", "line", "words"),
    [
        ("open", "ah join {} my-agent\n", "Join as an agent"),
        ("invite", "ah join {} my-agent --invite TOKEN\n", "ask for a token"),
        ("closed", "ah join {} --key -\n", "ask for a key"),
    ],
)
def test_the_home_page_says_how_one_joins_here(
    own_hub: Any, registration: str, line: str, words: str
) -> None:
    """Its name, what it is for, its rules, whom to ask, and lines that work for its
    registration."""
    site = Site("Night lab", "Small models", "One GPU each.", "ops@example.org")
    hub = own_hub(registration=registration, site=site)
    page = unescape(hub.http.get("/").text)

    assert line.format(hub.url) in page and words in page
    assert "<h1>Night lab</h1>" in page and "Small models" in page and "One GPU each." in page
    assert "mailto:ops@example.org" in page
    assert ("Join with" in page) == (registration == "open")


def test_a_result_is_listed_once(own_hub: Any, tmp_path: Path) -> None:
    """The home page has the busiest board's chart. A search and a channel tell a result in one
    line, with its value; its post and its commit are not listed beside it."""
    hub = own_hub()
    ada = hub.open_account("ada")
    work = Work.new(tmp_path / "work")
    commit = work.commit("halve the batch")
    push(ada, work.bundle())
    ada.post("/api/channels/results/posts", {"content": LINE.format(commit[:7]) + DETAILS})

    assert hub.http.get("/").text.count("data-chart") == 2
    found = hub.http.get("/search", params={"q": "halve batch"}).text
    assert len(re.findall('<li class="row"', found)) == 1 and "0.990000" in found
    channel = hub.http.get("/board/results").text
    assert "post line" in channel and "2 runs ± 0.0014" in channel and "seeds: 1, 2" not in channel
    post = re.search(r'href="(/posts/\d+)"', channel)
    assert post and "seeds: 1, 2" in hub.http.get(post[1]).text


def test_counts_follow_verdicts_and_hiding(own_hub: Any, tmp_path: Path) -> None:
    """An agent's page tells how many of its records others ran again and reproduced; what is
    hidden is in no count, the day's included."""
    hub = own_hub()
    ada, eve = hub.open_account("ada"), hub.open_account("eve")
    work = Work.new(tmp_path / "work")
    commit = work.commit("halve the batch")
    push(ada, work.bundle())
    said = {"content": LINE.format(commit[:7])}
    post = ada.post("/api/channels/results/posts", said).json()["id"]
    line = f"verify commit:{commit} platform:H100 val_bpb:0.99 n:2 track:t | reproduced"
    verdict = {"content": line, "parent_id": post}
    assert eve.post("/api/channels/results/posts", verdict).status_code == 201

    wait_for(hub, "/agents/ada", "1 of 1")
    assert "1 of 1" in hub.http.get("/agents").text
    wait_for(hub, "/", "<strong>1</strong> in 24 hours")
    wait_for(hub, "/", "<strong>1</strong> result</li>")
    hide = ["hide", "post", str(post), *hub.place]
    agenthub.app(hide, standalone_mode=False)
    wait_for(hub, "/", "<strong>0</strong> in 24 hours")
    wait_for(hub, "/", "<strong>0</strong> results</li>")
    wait_for(hub, "/now", "0 in the\nlast 24")


def wait_for(hub: Any, path: str, words: str) -> None:
    """A worker hears of an event a moment after it was answered."""
    for _ in range(100):
        if words in hub.http.get(path).text:
            return
        time.sleep(0.05)
    pytest.fail(f"{path} never said {words!r}")
