"""Acceptance: the hub's pages in a real Chromium, as people use it: by keyboard, without
scripts, on a telephone, in the dark."""

from __future__ import annotations

import re
from collections import Counter
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from browser import NARROW, WIDE, Window, overflow_px, until
from page_list import OPERATOR, pages
from populate import RACES
from watched_hub import post_result

OF_ONE_SHAPE = 6  # addresses that differ in a number or a word
SERIOUS = ("serious", "critical")


def operator_enters(page: Page, hub: Any) -> None:
    page.goto(hub.url + OPERATOR)
    page.fill("input[type=password]", hub.admin_key)
    page.press("input[type=password]", "Enter")
    page.wait_for_selector("h2")


# ---------------------------------------------------------------- whoever looks, and however


def test_everything_can_be_read_without_javascript(window: Window, seen: Any) -> None:
    """Without scripts every page has a heading and its content, and nothing waits for a script to
    appear."""
    hub, lively = seen
    page = window.tab(hub.url.removeprefix("http://"), script=False)
    wanted = {
        "home": ["ada-h100", RACES[0].platform, "curl -s"], "progress": [RACES[0].platform,
        "experiment"], "graph": [lively.commits[-1][:7]], "board-graph": [RACES[0].platform],
        "commit": [lively.commits[-1],
        "train.py", "ah fetch"], "result": ["Replays and reproductions", "MFU", "best then"],
        "results": ["against best then", "baseline"], "every-result": [RACES[1].platform, "GB"],
        "now": ["half the batch", "hopper-h100"],
        "work": ["turing-mac", "What waits", RACES[0].platform],
        "ideas": ["SOFTCAP"],
        "idea": ["softcap of the logits", "tried"],
        "compare": ["σ of the difference", "Changes from the first"],
        "compared-boards": ["of the first", RACES[1].platform],
        "compared-runs": ["ada-h100", "MFU"],
        "board": ["#optimizers"], "channel": ["What moved the needle"],
        "post": ["softcap 15 → 20", "Linear scaling cost me"], "search": ["batch"],
        "agents": ["noether-4090"], "agent": ["ada-h100"], "leaderboard": [RACES[1].platform,
        "baseline"], "boards": [race.platform for race in RACES], "operator": ["Admin key"],
    }  # fmt: skip
    missing = {}
    for name, path in pages(lively).items():
        page.goto(hub.url + path)
        text = page.inner_text("body")
        missing[name] = [words for words in wanted[name] if words not in text] + ["h1"] * (
            page.locator("h1").count() != 1
        )
    assert {name: words for name, words in missing.items() if words} == {}


def test_every_page_fits_a_telephone(window: Window, seen: Any) -> None:
    """From 375 to 2560 px no page scrolls sideways; what is wide scrolls within itself."""
    hub, lively = seen
    page = window.tab(hub.url.removeprefix("http://"))
    operator_enters(page, hub)
    over = {}
    for name, path in pages(lively).items():
        page.goto(hub.url + path)
        for width, height in (WIDE, NARROW, (1440, 900), (2560, 1300)):
            page.set_viewport_size({"width": width, "height": height})
            over[name, width] = overflow_px(page)
    assert {place: px for place, px in over.items() if px > 0} == {}


@pytest.mark.parametrize("size", [(900, 420), (500, 400), (375, 330)])
def test_a_chart_fits_the_frame_that_another_site_gives_it(
    window: Window, seen: Any, size: tuple[int, int]
) -> None:
    """Whole, with nothing to scroll, in a frame of any shape."""
    hub, lively = seen
    board = pages(lively)["progress"].partition("?")[2]
    page = window.open(f"{hub.url}/embed?{board}", size=size)

    assert page.locator("svg.chart:visible").count() == 1
    root = "document.documentElement"
    assert page.evaluate(f"[{root}.scrollWidth, {root}.scrollHeight]") == [*size]


def test_every_link_leads_somewhere(seen: Any) -> None:
    """From the front page on, whatever pages link to or load answers 200; of many addresses of one
    shape a few are asked."""
    hub, lively = seen
    waiting, known, asked, dead = list(pages(lively).values()), set(), Counter(), {}
    while waiting:
        path = waiting.pop().partition("#")[0]
        shape = (path.split("?")[0].split("/")[1], *sorted(dict(parse_qsl(urlsplit(path).query))))
        if path in known or asked[shape] >= OF_ONE_SHAPE:
            continue
        known.add(path)
        asked[shape] += 1
        answer = hub.http.get(path)
        if answer.status_code != 200:
            dead[path] = answer.status_code
        if "html" in answer.headers["content-type"]:
            links = re.findall(r'(?:href|src|data-live-part)="(/[^"]*)"', answer.text)
            waiting += [unescape(link) for link in links]
    assert len(known) > 100
    assert dead == {}


def test_keys_reach_everything(window: Window, seen: Any) -> None:
    """`/` searches, `j` and `k` walk along what is listed, `?` tells the keys."""
    hub, _ = seen
    page = window.open(f"{hub.url}/results", still=True)
    focused = "document.activeElement.getAttribute('href')"
    page.keyboard.press("j")
    first = page.evaluate(focused)
    page.keyboard.press("j")
    assert first.startswith("/results/") and page.evaluate(focused) != first
    page.keyboard.press("k")
    assert page.evaluate(focused) == first
    page.keyboard.press("?")
    assert "search" in page.inner_text("dialog[open]")
    page.keyboard.press("?")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.name") == "q"


def test_every_mark_of_a_chart_is_told_and_opened(window: Window, seen: Any) -> None:
    """Whatever lies over it, the pointer at the middle of a mark shows that mark's words, and a
    click opens it; so does Enter."""
    hub, lively = seen
    page = window.open(hub.url + pages(lively)["progress"])
    marks = page.evaluate(
        """() => [...document.querySelectorAll('.wide .marks a')].map(a => {
          const b = a.getBoundingClientRect();
          return [a.dataset.n, b.x + b.width / 2, b.y + b.height / 2, a.href.baseVal] })"""
    )
    told = []
    for _, x, y, _ in marks:
        page.mouse.move(x, y)
        told.append(page.inner_text(".tip").partition(" ")[0])
    assert told == [f"#{number}" for number, *_ in marks] and len(marks) > 20

    covered = page.evaluate(
        """(marks) => marks.find(([n, x, y]) =>
          document.elementFromPoint(x, y).closest('a')?.dataset.n !== n)""",
        marks,
    )
    _, x, y, path = covered or marks[0]
    page.mouse.click(x, y)
    page.wait_for_url(f"**{path}")
    page.go_back()
    page.locator(".wide .marks a").last.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/results/*")


@pytest.mark.parametrize("width", [375, 1280, 2560])
def test_no_words_of_a_chart_lie_over_each_other(window: Window, seen: Any, width: int) -> None:
    """Measured as drawn: texts touch no other text and no mark, and end within the chart."""
    hub, lively = seen
    page = window.open(hub.url + pages(lively)["progress"], size=(width, 1000))
    for path in (pages(lively)["progress"], pages(lively)["progress"] + "&x=time"):
        page.goto(hub.url + path)
        assert page.evaluate(OVERLAPS) == []


OVERLAPS = """() => {
  const svg = [...document.querySelectorAll("svg[data-chart]")].find(s => s.clientWidth);
  const boxes = (what) => [...svg.querySelectorAll(what)].map(e => [e, e.getBoundingClientRect()]);
  const texts = boxes("text"), around = svg.getBoundingClientRect();
  const touch = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1
    && b.top < a.bottom - 1;
  const name = (e) => e.textContent.trim() || e.getAttribute("aria-label") || e.dataset?.n;
  const bad = texts.filter(([, t]) => t.left < around.left || t.right > around.right
    || t.top < around.top || t.bottom > around.bottom).map(([e]) => name(e) + " is cut");
  texts.forEach(([e, t], i) => {
    for (const [f, u] of [...texts.slice(i + 1), ...boxes(".marks a")])
      if (touch(t, u)) bad.push(name(e) + " over " + name(f));
  });
  return bad }"""


@pytest.mark.slow
def test_axe_finds_nothing_serious_on_any_page(window: Window, seen: Any) -> None:
    """axe-core, wide and light, then narrow and dark: no serious and no critical issue on any
    page."""
    hub, lively = seen
    page = window.tab(hub.url.removeprefix("http://"), still=True)
    operator_enters(page, hub)
    found = {}
    for name, path in [*pages(lively).items(), ("a missing page", "/commits/ffffffff")]:
        window.forgive("404")
        page.goto(hub.url + path)
        found[name, "light"] = issues(page)
        page.emulate_media(color_scheme="dark", reduced_motion="reduce")
        page.set_viewport_size({"width": NARROW[0], "height": NARROW[1]})
        found[name, "dark"] = issues(page, {"runOnly": ["color-contrast"]})
        page.emulate_media(color_scheme="light", reduced_motion="reduce")
        page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
    assert {place: told for place, told in found.items() if told} == {}


def issues(page: Page, options: dict[str, Any] | None = None) -> list[str]:
    told = Axe().run(page, options=options)
    return [
        f"{issue['id']}: {issue['nodes'][0]['html'][:200]} ({len(issue['nodes'])})"
        for issue in told.response["violations"]
        if issue["impact"] in SERIOUS
    ]


def test_dark_is_dark_and_the_reader_decides(window: Window, seen: Any) -> None:
    """Whoever prefers dark gets dark; the switch turns it round, and the next page remembers."""
    hub, _ = seen
    page = window.open(hub.url, dark=True)
    assert brightness(page) < 0.2

    page.click("[data-theme-switch]")
    assert brightness(page) > 0.8

    page.goto(f"{hub.url}/board")
    assert brightness(page) > 0.8


def brightness(page: Page) -> float:
    """Of the page's ground, 0 black to 1 white."""
    channels = page.evaluate(
        "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)"
    )
    return float(sum(channels) / 3 / 255)


def test_nothing_moves_for_those_who_want_it_still(window: Window, seen: Any) -> None:
    """With prefers-reduced-motion nothing is animated, not even what is new."""
    hub, lively = seen
    page = window.open(hub.url, still=True)
    page.wait_for_selector("[data-live]:not(.off):not([hidden])")
    post_result(hub, lively, "arrives quietly")
    until(page, "document.body.innerText.includes('arrives quietly')")

    assert page.evaluate("document.getAnimations().length") == 0


# ---------------------------------------------------------------- keyboard alone


FOCUS = """() => {
  const e = document.activeElement, s = getComputedStyle(e), b = e.getBoundingClientRect();
  const text = e.innerText || e.getAttribute('aria-label') || e.name || '';
  return {tag: e.tagName, text: text.trim().slice(0, 40),
    visible: b.width > 0 && b.height > 0 && b.bottom > 0 && b.top < innerHeight
      && b.right > 0 && b.left < innerWidth,
    marked: s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) > 0} }"""


def test_the_first_tab_offers_to_skip_to_the_content(window: Window, seen: Any) -> None:
    """On every page Tab reaches a visible link that leads past the navigation, and Enter follows
    it."""
    hub, lively = seen
    page = window.tab(hub.url.removeprefix("http://"))
    for path in pages(lively).values():
        page.goto(hub.url + path)
        page.keyboard.press("Tab")
        here = page.evaluate(FOCUS)
        assert "skip" in here["text"].lower() and here["visible"], (path, here)
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.closest('main') !== null"), path


@pytest.mark.parametrize("name", ["home", "progress", "leaderboard"])
def test_tab_walks_through_a_page_with_a_visible_mark(window: Window, seen: Any, name: str) -> None:
    """Sixty steps by Tab: what has the focus is within the window and marked, and nothing traps
    it."""
    hub, lively = seen
    page = window.open(hub.url + pages(lively)[name], still=True)
    stops, trapped = [], 0
    for _ in range(60):
        page.keyboard.press("Tab")
        here = page.evaluate(FOCUS)
        if here["tag"] == "BODY":
            break
        trapped = trapped + 1 if stops and stops[-1] == here else 0
        assert trapped < 3, here
        stops.append(here)
    assert len(stops) > 10
    assert [stop for stop in stops if not (stop["visible"] and stop["marked"])] == []


def test_the_graph_is_walked_by_arrows_and_opened_by_enter(window: Window, seen: Any) -> None:
    """Down and up go along the list, left to a parent, right to a child; Enter opens the commit."""
    hub, lively = seen
    page = window.open(f"{hub.url}/graph", still=True)
    focused = "document.activeElement.dataset.hash"
    newest = page.locator("[data-dag] .commits a").first
    newest.focus()
    first = page.evaluate(focused)
    assert first == lively.commits[-1]

    page.keyboard.press("ArrowDown")
    assert page.evaluate(focused) == lively.commits[-2]
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowLeft")
    parent = page.evaluate(focused)
    assert parent == newest.get_attribute("data-parents")
    page.keyboard.press("ArrowRight")
    assert parent in str(page.evaluate("document.activeElement.dataset.parents"))
    page.keyboard.press("Enter")
    page.wait_for_url("**/commits/*")
