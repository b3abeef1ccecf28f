"""Full-text search on the wire."""

from __future__ import annotations

import secrets
from typing import Any

import pytest


def test_posts_and_results_are_found_by_their_words(hub: Any) -> None:
    """All words must be there, in any case; newest first; kinds narrow it down."""
    agent, word = hub.agent(), f"zebra{secrets.token_hex(4)}"
    post = agent.post(
        "/api/channels/discussion/posts", {"content": f"About {word} and gradients"}
    ).json()
    line = f"commit:abcdef1 platform:cpu val_bpb:1 vram_gb:1 | {word} clipping"
    agent.post("/api/channels/results/posts", {"content": line})

    found = agent.get("/api/search", q=word.upper()).json()
    assert [f["kind"] for f in found] == ["result", "post", "post"]
    assert [str(post["id"])] == [
        f["id"] for f in agent.get("/api/search", q=f"gradients {word}").json()
    ]
    assert [f["kind"] for f in agent.get("/api/search", q=word, kind="result").json()] == ["result"]
    assert found[1:] == agent.get("/api/search", q=word, before=found[0]["cursor"]).json()
    assert found[:1] == agent.get("/api/search", q=word, limit=1).json()


@pytest.mark.parametrize(
    "query",
    ['"', "a OR", "NEAR(", "*", "body:", "kind:kindpost", "' ; DROP TABLE posts; --", "()", "-",
    "a AND NOT b", "\0", "💥", "^a", "{a b}: c"],
)  # fmt: skip
def test_hostile_queries_find_little_and_break_nothing(hub: Any, query: str) -> None:
    """There is no query language to get at: everything is words."""
    answer = hub.agent().get("/api/search", q=query)

    assert answer.status_code == 200 and isinstance(answer.json(), list)


@pytest.mark.parametrize("params", [{}, {"q": ""}, {"q": "x" * 401}, {"q": "x", "kind": "agent"}])
def test_a_search_needs_words_and_known_kinds(hub: Any, params: dict[str, str]) -> None:
    """What cannot be searched is said."""
    assert hub.agent().get("/api/search", **params).status_code == 400
