"""A board of another experiment than the lab's calls its values by their own name."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as xml

import feedparser
import msgspec
import pytest

from autoresearch.hub.pages import chart_png
from autoresearch.hub.rules import significance
from autoresearch.hub.settings import NO_SITE
from autoresearch.models import Result
from conftest import RunningHub
from git_work import push_new

SORTING = {"platform": "CPU", "track": "sorting-1"}
USUAL = {"platform": "H100", "track": "t-1"}
SVG = "{http://www.w3.org/2000/svg}"


def report(agent: Any, board: dict[str, str], value: str, beneath: str = "") -> int:
    """Post a result of a commit that is pushed now; its id."""
    where = f"platform:{board['platform']} val_bpb:{value} vram_gb:1 track:{board['track']}"
    body = {"content": f"commit:{push_new(agent)} {where} | idea {value}\n\n{beneath}"}
    answer = agent.post("/api/channels/results/posts", body)
    assert answer.status_code == 201, answer.text
    return int(agent.get("/api/results", limit=1).json()[0]["id"])


@pytest.fixture
def sorting(own_hub: Callable[..., RunningHub]) -> RunningHub:
    """Two results of one board, measured in seconds."""
    hub = own_hub()
    ada = hub.agent("ada")
    for value in ("1.9", "1.7"):
        report(ada, SORTING, value, "- metric: seconds\n- runs: 1, 2")
    return hub


def read(hub: RunningHub, path: str, *words: str, **asked: str) -> str:
    """What stands at `path`, once it says all of `words`: a hub hears of its own news a moment
    after the answer."""
    for _ in range(200):
        answer = hub.http.get(path, params=asked)
        if all(word in answer.text for word in words):
            break
        time.sleep(0.01)
    assert answer.status_code == 200, answer.text
    assert [word for word in words if word not in answer.text] == [], path
    return str(answer.text)


def test_every_page_of_a_board_says_its_own_name(sorting: RunningHub) -> None:
    """Heads, axes, what is read aloud, badge, frame and feed; and nothing there says val_bpb."""
    pages = {
        "/leaderboard": (SORTING, '<th scope="col" class="num">seconds</th>'),
        "/progress": (SORTING, ">seconds, lower is better</text>"),
        "/embed": (SORTING, "best seconds <strong"),
        "/results": (SORTING, ">seconds</a>"),
        "/results/1": ({}, "<span>seconds</span>"),
        "/compare": ({"a": "1", "b": "2"}, '<th scope="row">seconds</th>'),
        "/ideas": ({"q": "idea"}, ">seconds</th>"),
        "/boards": ({}, "<td>seconds</td>"),
        "/compare/boards": ({"a": "CPU|sorting-1"}, "seconds</td>"),
        "/": ({}, '<p class="by">best seconds</p>'),
        "/now": ({}, "1.700000 seconds"),
        "/graph": (SORTING, "1.700000 seconds</span>"),
        "/search": ({"q": "idea"}, "1.700000 seconds"),
        "/board/results": ({}, "1.700000 seconds"),
        f"/agents/{find_author(sorting)}": ({}, "1.700000 seconds"),
        "/charts/badge.svg": (SORTING, "1.700000 seconds unverified"),
    }
    shown = {path: read(sorting, path, words, **asked) for path, (asked, words) in pages.items()}
    feed = feedparser.parse(sorting.http.get("/feed.atom", params=SORTING).content)

    # but for lines of posts, quoted as they were written
    bare = {path: text.replace("val_bpb:", "") for path, text in shown.items()}
    assert [path for path, text in bare.items() if "val_bpb" in text] == []
    assert 'aria-label="2 experiments, best seconds 1.700000 by' in shown["/progress"]
    assert feed.entries[0].title.startswith("1.700000 seconds on CPU")


def find_author(hub: RunningHub) -> str:
    reader: Any = hub.agent("reader")
    return str(reader.get("/api/results").json()[0]["agent_id"])


def test_the_files_of_a_chart_say_it_too(sorting: RunningHub) -> None:
    """The SVG's title, axis and description; the PNG is the one whose axis says so."""
    read(sorting, "/progress", "2 experiments", **SORTING)
    root = xml.fromstring(read(sorting, "/charts/progress.svg", **SORTING))
    titles = [text.text for text in root.iter(f"{SVG}text") if text.get("class") == "title"]
    reader: Any = sorting.agent("reader")
    points = msgspec.convert(reader.get("/api/results").json()[::-1], list[Result])
    noise = significance.estimate_noise(points)
    board = (points, *SORTING.values(), noise, NO_SITE.title)
    png = sorting.http.get("/charts/progress.png", params=SORTING).content

    assert root.findtext(f"{SVG}title") == "seconds on CPU  sorting-1"
    assert "best seconds 1.700000" in str(root.findtext(f"{SVG}desc"))
    assert "seconds, lower is better" in titles
    (axes,) = chart_png.draw_figure(*board, "seconds").axes
    assert axes.get_ylabel() == "seconds, lower is better"
    assert png == chart_png.draw_png(*board, "seconds") != chart_png.draw_png(*board)


def test_the_machine_readable_stays_as_it_is(sorting: RunningHub) -> None:
    """Fields and columns are called val_bpb whatever was measured."""
    reader: Any = sorting.agent("reader")

    assert reader.get("/api/leaderboard").json()[0]["best"]["val_bpb"] == 1.7
    for path in ("/leaderboard.csv", "/results.csv"):
        assert "val_bpb" in read(sorting, path).splitlines()[0]


def test_where_nobody_says_it_the_value_is_val_bpb(own_hub: Callable[..., RunningHub]) -> None:
    """A line alone; and details that name nothing, or nothing that may stand on a page."""
    hub = own_hub()
    agent = hub.agent()
    bad = (
        "<script>alert(1)</script>", "a\u202eb", "seconds<b>", "x" * 41, "42", "=cmd()", "1 | 2",
        "&lt;", "$x$", "élan"
    )  # fmt: skip
    report(agent, USUAL, "1.9")
    for number, name in enumerate(bad):
        report(agent, USUAL, f"1.{80 - number}", f"- metric: {name}\n- steps: 5")

    chart = f"{len(bad) + 1} experiments, best val_bpb 1.710000", ">val_bpb, lower is better</text>"
    read(hub, "/progress", *chart, **USUAL)
    read(hub, "/leaderboard", 'class="num">val_bpb</th>', **USUAL)
    read(hub, "/results", ">val_bpb</a>")
    read(hub, "/compare", '<th scope="row">val_bpb</th>', a="1", b="2")
    read(hub, "/charts/badge.svg", "1.710000 unverified", **USUAL)
    for number in range(1, len(bad) + 2):
        read(hub, f"/results/{number}", "<span>val_bpb</span>")


def test_rows_of_several_boards_say_each_its_own(sorting: RunningHub) -> None:
    """Under a head that is true of all; two results are told apart the same way."""
    other = report(sorting.agent("eve"), USUAL, "0.99")

    read(sorting, "/results", ">value</a>", "<td>seconds</td>", "<td>val_bpb</td>")
    read(sorting, "/boards", "<td>seconds</td>", "<td>val_bpb</td>")
    read(sorting, "/graph", "1.700000 seconds</span>", "0.990000</span>")
    read(sorting, "/results", ">val_bpb</a>", **USUAL)
    heads = '<th scope="row">value</th>', '<th scope="row">metric</th>'
    read(sorting, "/compare", *heads, a="1", b=str(other))


def test_the_newest_best_names_its_board(sorting: RunningHub) -> None:
    """A worse result renames nothing, nor does a best that says nothing; a result's own page says
    what it says of itself."""
    eve = sorting.agent("eve")
    worse = report(eve, SORTING, "2.5", "- metric: bananas")
    report(eve, SORTING, "1.5")

    chart = "4 experiments, best seconds 1.500000", "seconds, lower is better"
    read(sorting, "/progress", *chart, **SORTING)
    read(sorting, f"/results/{worse}", "<span>bananas</span>")


def test_results_of_one_post_have_each_its_name(own_hub: Callable[..., RunningHub]) -> None:
    """The one beneath its own line."""
    hub = own_hub()
    agent = hub.agent()
    line = "commit:{} platform:{} val_bpb:0.5 vram_gb:1 track:x | two\n- metric: {}\n"
    lines = [line.format(push_new(agent), gpu, gpu.lower()) for gpu in ("ONE", "TWO")]
    agent.post("/api/channels/results/posts", {"content": "\n".join(lines)})

    for gpu in ("ONE", "TWO"):
        name = f">{gpu.lower()}, lower is better</text>"
        read(hub, "/progress", name, platform=gpu, track="x")


def test_a_board_that_nothing_leads_has_its_name_as_well(
    own_hub: Callable[..., RunningHub],
) -> None:
    """What waits beside it, or was discarded, says it."""
    hub = own_hub()
    line = "commit:abcdef1 platform:CPU val_bpb:1.5 vram_gb:1 track:sorting-1 | not pushed"
    content = f"{line}\n- metric: val/loss %"
    hub.agent().post("/api/channels/results/posts", {"content": content})

    read(hub, "/leaderboard", 'class="num">val/loss %</th>', **SORTING)
