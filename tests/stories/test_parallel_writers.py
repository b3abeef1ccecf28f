"""Fifty agents write at once, on two workers, as fast as they can: nothing is locked, lost or
doubled."""

from __future__ import annotations

import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

WRITERS = 50
SECONDS = float(os.environ.get("PARALLEL_WRITERS_S", "5"))  # 60 for the acceptance run


@pytest.mark.slow
def test_fifty_parallel_writers(served_hub: Any) -> None:
    """Every 201 is there, exactly once, in the order of its agent; nothing else is; no answer but
    201."""
    hub = served_hub()
    agents = [hub.agent() for _ in range(WRITERS)]
    ends = time.monotonic() + SECONDS

    def write(agent: Any) -> list[tuple[int, str]]:
        answers = []
        with httpx.Client(base_url=hub.url, headers=agent.headers, timeout=60) as http:
            while time.monotonic() < ends:
                content = f"{agent.id} {len(answers)}"
                answer = http.post("/api/channels/discussion/posts", json={"content": content})
                answers.append((answer.status_code, content))
        return answers

    with ThreadPoolExecutor(WRITERS) as pool:
        written = list(pool.map(write, agents))
    assert {201} == {status for answers in written for status, _ in answers}

    found: list[str] = []
    before = 2**60
    while page := agents[0].get("/api/channels/discussion/posts", limit=1000, before=before).json():
        found += [post["content"] for post in page]
        before = page[-1]["id"]
    told = [content for answers in written for _, content in answers]
    assert Counter(told) == Counter(found)
    for agent, answers in zip(agents, written, strict=True):
        mine = [content for content in reversed(found) if content.startswith(f"{agent.id} ")]
        assert [content for _, content in answers] == mine
