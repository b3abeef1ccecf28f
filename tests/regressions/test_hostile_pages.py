"""Whatever strangers write, the pages show it as text: nothing of it runs, loads, moves the reader
or breaks a page, in a real Chromium."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Page

from browser import CANARY, NARROW, WIDE, Window, overflow_px
from conftest import in_process
from git_work import bundled, commit, oid, push, tree
from hostile import BREAKOUT, FILES, MESSAGES, POSTS, RESULTS, RTL, RUN, SCRIPT, TRACKER, ZERO_WIDTH

BLOB, TREE, COMMIT = 3, 2, 1
TALL_PX = 60_000  # a list that is longer than this is no list any more
SWEEP = """() => { const bad = [];
  const media = /^(iframe|object|embed|base|frame|applet|math|video|audio|img)$/i;
  const active = /^(form|input|style|svg|textarea|select)$/i;
  const ours = (e) => e.matches('form.inline *, form.inline, .spark, .reach');
  for (const e of document.querySelectorAll('*')) {
    for (const a of e.attributes) {
      if (/^on/i.test(a.name) || a.name === 'style') bad.push(`${e.tagName} ${a.name}`);
      if (/^(href|src|action|formaction|data|xlink:href|poster|srcset)$/i.test(a.name)) {
        const url = new URL(a.value, location.href);
        const value = a.value.slice(0, 60), data = url.protocol === 'data:';
        if (!/^(http|https|mailto|data):$/.test(url.protocol))
          bad.push(`${e.tagName} ${a.name}=${value}`);
        if (e.tagName !== 'A' && !data && url.origin !== location.origin)
          bad.push(`${e.tagName} loads ${value}`);
        if (data && !(e.tagName === 'LINK' && e.rel === 'icon'))
          bad.push(`${e.tagName} ${a.name} data:`);
      }
    }
    if (media.test(e.tagName)) bad.push(e.tagName);
    if (e.tagName === 'META' && e.httpEquiv) bad.push('META http-equiv');
  }
  for (const e of document.querySelectorAll('.text *, .row *, .commits *, td *')) {
    if (active.test(e.tagName) && !ours(e)) bad.push(`content ${e.tagName}`);
    if (e.id && !/^(post|result)-/.test(e.id)) bad.push(`content id ${e.id}`);
  }
  return [...new Set(bad)]; }"""


@dataclass
class Zoo:
    """A hub with all of it."""

    hub: Any
    keeper: Any
    posts: dict[str, int] = field(default_factory=dict)
    commits: dict[str, str] = field(default_factory=dict)

    def paths(self) -> dict[str, str]:
        """Every page that shows any of it, and pages that are asked for by hostile addresses."""
        words = quote(f"{BREAKOUT}{{{{7*7}}}}", safe="")
        return {
            "home": "/", "progress": "/progress?platform=gpu&track=", "graph": "/graph",
            "board": "/board", "results": "/board/results", "discussion": "/board/discussion",
            "agents": "/agents", "agent": f"/agents/{self.keeper.id}",
            "leaderboard": "/leaderboard", "found": "/search?q=script",
            "search": f"/search?q={words}",
            "filter": f"/leaderboard?platform={words}&track={words}",
            "no board": f"/progress?platform={words}&track={words}&x={words}",
            "no agent": f"/agents/{words}", "no channel": f"/board/{words}",
            "no commit": f"/commits/{words}", "no page": f"/{words}",
            "focus": f"/graph?focus={words[:30]}",
            "chart": "/charts/progress.svg?platform=gpu&track=",
            "table": "/results?platform=gpu&track=&sort=value", "now": "/now", "ideas": "/ideas",
            "work": "/work",
            "idea": f"/ideas?q={words}", "compare": f"/compare?a={words}&b=1",
            "compared": "/compare?a=1&b=2", "runs": f"/compare?agent={self.keeper.id}",
            "no boards": f"/compare/boards?a={words}&b={words}",
            "boards": "/compare/boards?a=gpu|&b=gpu|", "frame": "/embed?platform=gpu&track=",
            **{f"result {number}": f"/results/{number}" for number in range(1, 9)},
            **{f"post: {name}": f"/posts/{post}" for name, post in self.posts.items()},
            **{f"commit: {name}": f"/commits/{digits}" for name, digits in self.commits.items()},
        }  # fmt: skip


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zoo]:
    """Everything of hostile.py in one hub, by the interface and by git."""
    with in_process(tmp_path_factory.mktemp("zoo") / "hub") as hub:
        made = Zoo(hub, hub.agent("keeper"))
        made.keeper.post("/api/channels", {"name": "zoo", "description": f"{BREAKOUT}{RTL}"})
        for name, text in POSTS.items():
            made.posts[name] = posted(
                made.keeper, "discussion", f"zoo-{name.replace(' ', '-')}\n\n{text}"
            )
        for name, text in RESULTS.items():
            made.posts[f"result {name}"] = posted(made.keeper, "results", text)
        made.keeper.post("/api/claims", {"text": BREAKOUT})
        for name, message in MESSAGES.items():
            made.commits[name] = pushed(made.keeper, message, {"train.py": f"# {name}\n".encode()})
        trojan = {name: data for name, data in FILES.items() if name.startswith(RTL)}
        made.commits["trojan"] = pushed(made.keeper, "trojan", trojan, made.commits["ansi"])
        made.commits["files"] = pushed(made.keeper, "files", FILES, made.commits["ansi"])
        for name, name_hash in made.commits.items():
            posted(
                made.keeper,
                "results",
                f"commit:{name_hash[:7]} platform:gpu val_bpb:1.4 vram_gb:1 | {name} {SCRIPT}",
            )
        handed = hub.vouched("volunteer").post("/api/work", {"platform": "gpu"}).json()
        assert handed["lease"]["result"]["description"]
        yield made


def posted(keeper: Any, channel: str, text: str) -> int:
    answer = keeper.post(f"/api/channels/{channel}/posts", {"content": text})
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def pushed(keeper: Any, message: str, files: dict[str, bytes], *parents: str) -> str:
    """Push a commit of `files`; its hash."""
    blobs = [(BLOB, data) for data in files.values()]
    entries = sorted((name.encode(), oid(BLOB, data)) for name, data in files.items())
    top = tree(*((b"100644", name, of) for name, of in entries))
    made = commit(oid(TREE, top), *map(bytes.fromhex, parents), message=message.encode())
    answer = push(keeper, bundled([*blobs, (TREE, top), (COMMIT, made)], prerequisites=parents))
    assert answer.status_code == 201, answer.text
    return oid(COMMIT, made).hex()


@pytest.mark.slow
def test_no_page_obeys_what_strangers_wrote(window: Window, zoo: Zoo) -> None:
    """On every page: nothing ran, no dialog, no request elsewhere (the window fails on those), no
    element or attribute that could."""
    window.forgive("status of 40[04]")
    page = window.tab(zoo.hub.url.removeprefix("http://"))
    found = {}
    for name, path in zoo.paths().items():
        page.goto(zoo.hub.url + path, wait_until="load")
        assert page.url.startswith(zoo.hub.url), f"{name} moved the reader to {page.url}"
        found[name] = [
            *page.evaluate(SWEEP),
            *(["ran"] if page.evaluate(f"window.{CANARY}") else []),
        ]
    page.wait_for_timeout(300)  # what a page would do a moment later
    assert {name: bad for name, bad in found.items() if bad} == {}


@pytest.mark.slow
def test_no_page_is_broken_by_what_strangers_wrote(window: Window, zoo: Zoo) -> None:
    """On every page, wide and narrow: nothing scrolls sideways, navigation and footer are there,
    and lists stay lists."""
    window.forgive("status of 40[04]")
    page = window.tab(zoo.hub.url.removeprefix("http://"))
    broken = {}
    for name, path in zoo.paths().items():
        if name in ("chart", "frame"):
            continue  # without our header, for other sites
        page.goto(zoo.hub.url + path, wait_until="load")
        told = [
            f"{size[0]} px: {px} px too wide"
            for size in (WIDE, NARROW)
            if (px := overflow_at(page, size)) > 0
        ]
        told += [
            f"{what} missing"
            for what in ("header nav", "main h1", "footer")
            if not page.locator(what).first.is_visible()
        ]
        told += [
            f"{tall} px high"
            for tall in [page.evaluate("document.body.scrollHeight")]
            if tall > TALL_PX and "/posts/" not in path
        ]
        broken[name] = told
    assert {name: told for name, told in broken.items() if told} == {}


def overflow_at(page: Page, size: tuple[int, int]) -> int:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    return overflow_px(page)


def test_every_text_can_still_be_read(window: Window, zoo: Zoo) -> None:
    """Each post shows its own word on its page, markup is shown as it was typed, templates are not
    evaluated."""
    page = window.tab(zoo.hub.url.removeprefix("http://"))
    unread = []
    for name in POSTS:
        page.goto(f"{zoo.hub.url}/posts/{zoo.posts[name]}")
        word = page.get_by_text(f"zoo-{name.replace(' ', '-')}").first
        unread += [] if word.is_visible() else [name]
    assert unread == []
    page.goto(f"{zoo.hub.url}/posts/{zoo.posts['script']}")
    assert f"<script>{RUN}</script>" in page.inner_text("main")
    page.goto(f"{zoo.hub.url}/posts/{zoo.posts['template']}")
    assert "{{7+7}} {% include '/etc/passwd' %}" in page.inner_text("main")


def test_code_shows_characters_that_would_turn_it_round(window: Window, zoo: Zoo) -> None:
    """A diff marks bidirectional controls and invisible characters (Trojan Source), file names in
    it too; lists leave them out."""
    page = window.open(f"{zoo.hub.url}/commits/{zoo.commits['trojan']}")
    diff = page.locator("main").text_content() or ""
    assert not set(RTL + ZERO_WIDTH + "\u2066\u2069") & set(diff)
    assert "U+202E" in diff
    for path in ("/", "/leaderboard", "/board", "/graph", f"/agents/{zoo.keeper.id}"):
        page.goto(zoo.hub.url + path)
        assert not {RTL, "\u2066"} & set(
            page.locator(".row, .card, td, .commits").all_text_contents().__str__()
        ), path


def test_a_chart_opened_as_a_document_runs_nothing(window: Window, zoo: Zoo) -> None:
    """An SVG by itself is a document that could run script; ours holds none, and its policy would
    not let it."""
    page = window.open(f"{zoo.hub.url}/charts/progress.svg?platform=gpu&track=")
    answer = zoo.hub.http.get("/charts/progress.svg", params={"platform": "gpu", "track": ""})

    assert answer.headers["Content-Type"].startswith("image/svg+xml")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "script-src" not in policy
    assert page.locator("script").count() == 0 and not page.evaluate(f"window.{CANARY}")


def test_a_spreadsheet_computes_nothing_from_the_csv(zoo: Zoo) -> None:
    """No text cell of leaderboard.csv begins with what a spreadsheet takes for a formula."""
    rows = list(
        csv.DictReader(
            io.StringIO(zoo.hub.http.get("/leaderboard.csv", params={"platform": "=1+1"}).text)
        )
    )

    texts = [
        cell
        for row in rows
        for name, cell in row.items()
        if name not in ("val_bpb", "vram_gb", "gain")
    ]
    assert any("HYPERLINK" in cell for cell in texts)
    assert [cell for cell in texts if cell[:1] in ("=", "+", "-", "@", "\t", "\r")] == []


@pytest.mark.parametrize(
    "agent_id", ["<b>x</b>", "a b", f"{RTL}x", "x\nScript", "", "-x", "x" * 64, "{{7*7}}", "é"]
)
def test_no_agent_is_called_something_hostile(hub: Any, agent_id: str) -> None:
    """Ids are letters, digits, dots and dashes; every other is refused with a sentence."""
    answer = hub.http.post("/api/register", json={"id": agent_id})

    assert answer.status_code == 400 and "id" in answer.json()["error"]


def test_pages_say_what_browsers_must_not_do(zoo: Zoo) -> None:
    """Every page comes with a policy that runs our own files alone, frames nowhere, and guesses no
    types."""
    for path in (
        "/",
        "/graph",
        f"/posts/{zoo.posts['script']}",
        "/nothing",
        "/operator",
        f"/search?q={quote(SCRIPT)}",
    ):
        headers = zoo.hub.http.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert (
            "unsafe" not in policy
            and "default-src 'none'" in policy
            and "frame-ancestors 'none'" in policy
        ), path
        assert (
            headers["X-Content-Type-Options"] == "nosniff"
            and headers["Referrer-Policy"] == "no-referrer"
        ), path
        assert TRACKER not in policy
