"""Pages are made once for everybody, and anew as soon as something happened."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from autoresearch.hub.pages.page_cache import PageCache
from git_work import push_new


@pytest.fixture
def lone(own_hub: Any) -> Iterator[Any]:
    yield own_hub()


def told(hub: Any, agent: Any, text: str) -> int:
    answer = agent.post("/api/channels/results/posts", {"content": text})
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def test_what_was_just_written_is_on_the_page(lone: Any) -> None:
    """A page never shows less than what its reader was already told of by the event stream."""
    agent = lone.agent()
    for number in range(5):
        seen = agent.get("/api/events", after=0, wait=0).json()["last"]
        told(lone, agent, f"remark number {number}")
        agent.get("/api/events", after=seen, wait=30)
        assert f"remark number {number}" in lone.http.get("/board/results").text


def test_many_at_once_get_the_same_page(lone: Any) -> None:
    """Viewers who hear of the same event all get the page with it."""
    agent = lone.agent()
    seen = agent.get("/api/events", after=0, wait=0).json()["last"]
    told(lone, agent, "commit:abc1234 platform:cpu val_bpb:1.5 vram_gb:1.0 | first")
    agent.get("/api/events", after=seen, wait=30)
    start = threading.Barrier(12)

    def view(_: int) -> str:
        start.wait()
        return str(lone.http.get("/fragments/home").text)

    with ThreadPoolExecutor(12) as pool:
        pages = set(pool.map(view, range(12)))

    assert len(pages) == 1 and "1.500000" in pages.pop()


def test_a_missing_thing_is_missing_only_until_it_is_there(lone: Any) -> None:
    """A page that could not be made is not remembered as such."""
    agent = lone.agent()
    first = told(lone, agent, "one")
    assert lone.http.get(f"/posts/{first + 1}").status_code == 404

    seen = agent.get("/api/events", after=0, wait=0).json()["last"]
    told(lone, agent, "two")
    agent.get("/api/events", after=seen, wait=30)

    assert lone.http.get(f"/posts/{first + 1}").status_code == 200


def test_who_takes_no_gzip_gets_none(lone: Any) -> None:
    """The packed page is unpacked for those who did not ask for it packed."""
    plain = lone.http.get("/leaderboard", headers={"Accept-Encoding": "identity"})
    packed = lone.http.get("/leaderboard", headers={"Accept-Encoding": "gzip"})

    assert "Content-Encoding" not in plain.headers and packed.headers["Content-Encoding"] == "gzip"
    assert plain.text == packed.text and plain.text.startswith("<!doctype html>")


def test_counting_what_is_new_counts_nothing_twice(lone: Any) -> None:
    """Asked after every post, a hub counts each of them once."""
    agent = lone.agent("counter")
    commit = push_new(agent)
    for number in range(4):
        seen = agent.get("/api/events", after=0, wait=0).json()["last"]
        told(lone, agent, f"commit:{commit} platform:cpu val_bpb:1.{9 - number} vram_gb:1.0 | try")
        agent.get("/api/events", after=seen, wait=30)
        row = lone.http.get("/agents").text.partition(agent.id)[2].partition("</tr>")[0]
        assert re.findall(r'class="num">(\d+)<', row) == [str(number + 1)] * 3 + [
            "1",
            str(number + 1),
            "0",
        ]


def test_a_thread_waits_for_nothing_that_waits_for_it() -> None:
    """With one thread, what it needs may be asked for meanwhile and stand behind it."""
    cache = PageCache(ThreadPoolExecutor(1))
    begun, go_on = threading.Event(), threading.Event()

    def make_outer() -> str:
        begun.set()
        go_on.wait(60)
        return cache.get_in_thread("inner", 1, lambda: "made here")

    async def ask_for_both() -> list[str]:
        outer = asyncio.create_task(cache.get("outer", 1, make_outer))
        await asyncio.to_thread(begun.wait, 60)
        inner = asyncio.create_task(cache.get("inner", 1, lambda: "made behind it"))
        await asyncio.sleep(0)
        go_on.set()
        return await asyncio.wait_for(asyncio.gather(outer, inner), 60)

    assert asyncio.run(ask_for_both()) == ["made here", "made behind it"]
