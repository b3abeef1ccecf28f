"""What other sites may show of a hub, and what they may not; what crawlers and browsers ask for."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as xml

import feedparser
import pytest

from conftest import RunningHub
from git_work import push_new

BOARD = {"platform": "<H100> & more", "track": "t-1"}


@pytest.fixture
def filled(own_hub: Callable[..., RunningHub]) -> RunningHub:
    hub = own_hub()
    ada = hub.agent("ada")
    for number in range(3):
        line = f"commit:{push_new(ada)} platform:{BOARD['platform']} val_bpb:1.{9 - number}"
        body = {"content": f"{line} vram_gb:1 track:t-1 | =idea {number}"}
        assert ada.post("/api/channels/results/posts", body).status_code == 201
    return hub


def test_a_chart_may_be_framed_and_nothing_else(filled: RunningHub) -> None:
    """`/embed` alone names other sites as its parents."""
    framed = filled.http.get("/embed", params=BOARD)

    assert "frame-ancestors *" in framed.headers["Content-Security-Policy"]
    assert "unsafe" not in framed.headers["Content-Security-Policy"]
    assert framed.text.count("<svg") == 2 and "&lt;H100&gt;" in framed.text
    for path in ("/", "/progress", "/results/1", "/operator"):
        policy = filled.http.get(path).headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy, path
    assert filled.http.get("/embed", params={"platform": "none"}).status_code == 200


@pytest.mark.parametrize("name", ["progress.svg", "progress.png", "badge.svg"])
def test_pictures_may_be_shown_by_other_sites(filled: RunningHub, name: str) -> None:
    """They are the only files that say so; a page stays its own origin's."""
    answer = filled.http.get(f"/charts/{name}", params=BOARD)

    assert answer.headers.get_list("Cross-Origin-Resource-Policy") == ["cross-origin"]
    page = filled.http.get("/")
    assert page.headers.get_list("Cross-Origin-Resource-Policy") == ["same-origin"]


def test_a_badge_tells_the_best(filled: RunningHub) -> None:
    """As one well-formed picture, whatever the board is called."""
    root = xml.fromstring(filled.http.get("/charts/badge.svg", params=BOARD).text)
    words = "".join(root.itertext())

    assert "1.700000 unverified" in words and "<H100> & more t-1" in words
    empty = filled.http.get("/charts/badge.svg", params={"platform": "none"}).text
    assert "no result yet" in empty


def test_every_result_is_in_the_csv(filled: RunningHub) -> None:
    """Newest first, quoted where a spreadsheet would compute."""
    rows = list(csv.DictReader(io.StringIO(filled.http.get("/results.csv").text)))

    assert [row["val_bpb"] for row in rows] == ["1.7", "1.8", "1.9"]
    assert rows[0]["description"] == "'=idea 2" and rows[0]["leads"] == "True"
    assert len(filled.http.get("/results.csv", params={"agent": "eve"}).text.splitlines()) == 1


def test_an_agent_has_a_feed(filled: RunningHub) -> None:
    """Its results, with pages of their own."""
    reader: Any = filled.agent("reader")
    author = reader.get("/api/results").json()[0]["agent_id"]
    feed = feedparser.parse(filled.http.get("/feed.atom", params={"agent": author}).content)

    assert not feed.bozo and len({entry.id for entry in feed.entries}) == 3
    assert filled.http.get(feed.entries[0].link).status_code == 200


def test_crawlers_and_browsers_find_what_they_ask_for(filled: RunningHub) -> None:
    """An icon, and a map of pages that are all there."""
    assert filled.http.get("/favicon.ico", follow_redirects=True).status_code == 200
    robots = filled.http.get("/robots.txt").text
    assert f"Sitemap: {filled.url}/sitemap.xml" in robots
    places = [place.text for place in xml.fromstring(filled.http.get("/sitemap.xml").text).iter()]
    found = [place.strip() for place in places if place and place.strip()]
    assert any("/results/" in place for place in found)
    assert {filled.http.get(place).status_code for place in found} == {200}


def test_results_are_filtered_and_sorted_by_the_address(filled: RunningHub) -> None:
    """A table that can be linked to."""
    page = filled.http.get("/results", params={**BOARD, "sort": "value"}).text
    body = page.partition("<tbody>")[2]

    assert body.index("1.700000") < body.index("1.800000") < body.index("1.900000")
    assert "-0.100000" in body
    assert "no results like these" in filled.http.get("/results?status=crash").text
    assert filled.http.get("/results?sort=nothing").status_code == 400


def numbers(hub: RunningHub) -> list[int]:
    reader: Any = hub.agent("reader")
    return [result["id"] for result in reader.get("/api/results").json()]


def test_any_two_results_or_commits_are_compared(filled: RunningHub) -> None:
    """By number or by digits; what is not there is a sentence."""
    newest, *_, oldest = numbers(filled)
    page = filled.http.get("/compare", params={"a": oldest, "b": newest}).text

    assert "0.200000 better" in page and "Changes from the first" in page
    reader: Any = filled.agent("again")
    commit = reader.get("/api/git/commits").json()[0]["hash"]
    assert filled.http.get("/compare", params={"a": commit[:10], "b": oldest}).status_code == 200
    assert filled.http.get("/compare", params={"a": "999999999"}).status_code == 404
    assert filled.http.get("/compare", params={"a": "x y"}).status_code == 400
    assert filled.http.get("/compare", params={"agent": "nobody"}).status_code == 200
    boards = {"a": "<H100> & more|t-1", "b": "nothing|"}
    assert "89.47 %" in filled.http.get("/compare/boards", params=boards).text


def test_an_idea_is_found_with_what_came_of_it(filled: RunningHub) -> None:
    """Who tried it, where, and what it gained."""
    page = filled.http.get("/ideas", params={"q": "idea"}).text

    assert "tried 3 times by" in page and "0.100000 better" in page
    assert "nobody has reported" in filled.http.get("/ideas?q=nothing").text
    assert 'q=idea"' in filled.http.get("/ideas").text


def test_what_runs_now_is_shown(filled: RunningHub) -> None:
    """Claims, who was here last, and results an hour."""
    claimer: Any = filled.agent("claimer")
    assert claimer.post("/api/claims", {"text": "wider & deeper"}).status_code == 201
    page = filled.http.get("/now").text

    assert "wider &amp; deeper" in page and "3 in the\nlast 24" in page and "ada" in page


def test_a_thread_is_shown_whole(filled: RunningHub) -> None:
    """Answers to answers too, each under what it answers; lists tell how many there are."""
    ada: Any = filled.agent("talker")
    parent, ids = None, []
    for number in range(8):
        body = {"content": f"word {number}", "parent_id": parent}
        parent = ada.post("/api/channels/discussion/posts", body).json()["id"]
        ids.append(parent)
    page = filled.http.get(f"/posts/{ids[0]}").text

    assert "7 replies" in page and all(f'id="post-{number}"' in page for number in ids)
    assert "depth6" in page
    assert "1\n reply" in filled.http.get("/board/discussion").text
