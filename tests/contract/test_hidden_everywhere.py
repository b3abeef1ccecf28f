"""What an operator hides is behind every door of the hub: each page, picture, table, feed and
answer is asked before, when they tell, and after, when none may."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from autoresearch.cli import agenthub
from git_work import Work, push

VALUE = "0.123457"
DOORS = (
    "/", "/fragments/home", "/board", "/board/results", "/board/discussion", "/boards", "/now",
    "/work", "/results", "/results.csv", "/ideas", "/agents", "/leaderboard", "/leaderboard.json",
    "/leaderboard.csv", "/progress", "/charts/progress.svg", "/charts/badge.svg", "/embed",
    "/graph", "/feed.atom", "/sitemap.xml", "/compare", "/compare/boards", "/search?q=mangrove",
    "/ideas?q=mangrove", "/api/channels/results/posts", "/api/channels/discussion/posts",
    "/api/results", "/api/leaderboard", "/api/search?q=mangrove", "/api/git/commits",
    "/api/git/leaves", "/api/events?after=0&wait=0",
)  # fmt: skip


def read_doors(agent: Any, more: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for path in (*DOORS, *more):
        yield path, agent.hub.http.get(path, headers=agent.headers).text


def test_what_is_hidden_is_behind_every_door(own_hub: Any, tmp_path: Path) -> None:
    """A post with a result of a device of its own, a post of words, and a commit whose message and
    file say the same word; a commit on top of it stays. `--undo` brings all of it back. The log
    keeps what a hidden result measured, and of its texts the hashes alone."""
    hub = own_hub()
    agent, word = hub.agent(), secrets.token_hex(5)
    work = Work.new(tmp_path / "w")
    bad = work.commit(f"mangrove {word}")
    push(agent, work.bundle())
    good = work.commit("on top")
    push(agent, work.bundle())
    line = f"commit:{bad} platform:X{word} val_bpb:{VALUE} vram_gb:1 | mangrove {word}"
    posts = [
        agent.post(f"/api/channels/{channel}/posts", {"content": text}).json()["id"]
        for channel, text in (("results", line), ("discussion", f"mangrove {word}"))
    ]
    result = agent.get("/api/results").json()[0]["id"]
    details = (
        *(f"/posts/{post}" for post in posts), *(f"/api/posts/{post}" for post in posts),
        f"/results/{result}", f"/commits/{bad}", f"/commits/{good}", f"/agents/{agent.id}",
        f"/compare?a={bad}&b={good}", f"/compare?agent={agent.id}", f"/graph?focus={bad[:12]}",
        f"/feed.atom?agent={agent.id}", f"/results.csv?agent={agent.id}",
        f"/api/git/commits/{bad}", f"/api/git/commits/{good}/lineage",
        f"/api/git/diff/{good}/{bad}",
        f"/api/results?commit={bad[:9]}",
    )  # fmt: skip

    def telling() -> set[str]:
        told = (VALUE, word)
        return {path for path, text in read_doors(agent, details) if any(t in text for t in told)}

    def settles_as(expected: set[str]) -> bool:
        """The operator's program is another process: the hub hears of it at its next look."""
        deadline = time.monotonic() + 60
        while (told := telling()) != expected and time.monotonic() < deadline:
            time.sleep(0.1)
        return told == expected

    before = telling()
    assert {"/", "/results", "/charts/badge.svg", "/embed", f"/commits/{bad}"} <= before
    assert "mangrove" in hub.http.get("/api/log/entries?texts=true").text
    verbs = [["hide", "post", str(post)] for post in posts] + [["hide", "commit", bad]]
    for verb in verbs:
        agenthub.app([*verb, *hub.place], standalone_mode=False)
    assert settles_as(set()), telling()
    assert "mangrove" not in hub.http.get("/api/log/entries?texts=true").text
    for verb in verbs:
        agenthub.app([*verb, "--undo", *hub.place], standalone_mode=False)
    assert settles_as(before), telling() ^ before
