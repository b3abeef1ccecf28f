"""The longest names of real devices on every page that names a board, in a real Chromium: whole,
and nothing lies over anything else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from browser import Window, overflow_px
from conftest import in_process
from git_work import Work, push
from populate import LONG_DEVICES

TRACK = "tinystories-e61b04c2aa"
WORDS = "halve the batch and scale every rate with the square root of it, then fall to zero"
WIDTHS = (375, 1280, 2560)
# texts that are cut or lie over others; those of names must be whole, others may end in an ellipsis
FAULTS = """names => {
  const lines = [], everything = document.documentElement;
  const walk = document.createTreeWalker(everything, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  for (let node; (node = walk.nextNode());) {
    const holder = node.parentElement, text = node.textContent.trim();
    if (!text || holder.closest("option,style,script,title,desc,.skip,.tip,details:not([open])"))
      continue;
    range.selectNodeContents(node);
    for (const box of range.getClientRects()) lines.push({holder, text, box});
  }
  const bad = [], shown = [];
  for (const line of lines) {
    let {left, right, top, bottom} = line.box;
    const name = !line.holder.closest(".what") && names.some(n => line.text.includes(n));
    for (let e = line.holder; e; e = e.parentElement) {
      const style = getComputedStyle(e), b = e.getBoundingClientRect();
      if (style.overflowX === "visible" || e === everything) continue;
      const hides = style.overflowX !== "auto" && style.overflowX !== "scroll";
      if (name && hides && right > b.right + 1) bad.push(line.text + " is cut");
      left = Math.max(left, b.left); right = Math.min(right, b.right);
      top = Math.max(top, b.top); bottom = Math.min(bottom, b.bottom);
    }
    if (right - left > 1 && bottom - top > 1) shown.push({...line, left, right, top, bottom});
  }
  shown.forEach((a, i) => {
    for (const b of shown.slice(i + 1))
      if (a.holder !== b.holder && a.left < b.right - 1 && b.left < a.right - 1
        && a.top < b.bottom - 3 && b.top < a.bottom - 3) bad.push(a.text + " over " + b.text);
  });
  return bad }"""


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, list[str]]]:
    """A hub with a board of each device, and the pages that name them."""
    folder = tmp_path_factory.mktemp("long")
    with in_process(folder / "hub") as hub:
        agent, commit = hub.open_account("noether-of-the-platinum-8481c"), ""
        work = Work.new(folder / "work")
        for number, device in enumerate(LONG_DEVICES * 2):
            commit = work.commit(f"{WORDS} {number}")
            push(agent, work.bundle())
            line = f"commit:{commit} platform:{device} val_bpb:{1.1 - number / 9:.6f} vram_gb:44.0"
            told = {"content": f"{line} track:{TRACK} | {WORDS}\n\nwhat I saw"}
            assert agent.post("/api/channels/results/posts", told).status_code == 201
        yield hub, list_pages(agent, commit)


def list_pages(agent: Any, commit: str) -> list[str]:
    numbers = [told["id"] for told in agent.get("/api/results").json()]
    boards = [f"{quote(device)}%7C{TRACK}" for device in LONG_DEVICES]
    chosen = [f"platform={quote(device)}&track={TRACK}" for device in LONG_DEVICES[:2]]
    return [
        "/", "/boards", "/results", "/graph", "/leaderboard", "/now", "/work", "/board/results",
        "/search?q=batch", "/ideas?q=batch", f"/agents/{agent.id}", f"/commits/{commit}",
        f"/results/{numbers[0]}", f"/compare?a={numbers[0]}&b={numbers[1]}",
        f"/compare/boards?a={boards[0]}&b={boards[1]}",
        *(f"/{page}?{board}" for board in chosen for page in ("progress", "embed", "graph")),
        *(f"/charts/{name}.svg?{board}" for board in chosen for name in ("progress", "badge")),
    ]  # fmt: skip


@pytest.mark.parametrize("width", WIDTHS)
def test_long_names_are_whole_and_cover_nothing(window: Window, named: Any, width: int) -> None:
    hub, paths = named
    page = window.open(hub.url, size=(width, 1000))
    bad = {}
    for path in paths:
        page.goto(hub.url + path)
        bad[path] = page.evaluate(FAULTS, LONG_DEVICES)
        if not path.startswith("/charts"):
            assert overflow_px(page) == 0, path
            if path in ("/", "/boards", "/results"):
                assert all(device in page.inner_text("main") for device in LONG_DEVICES)
    assert {path: found for path, found in bad.items() if found} == {}
