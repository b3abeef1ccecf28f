"""What anyone may read without a key."""

from __future__ import annotations

import re
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html"),
        ("/progress", "text/html"),
        ("/leaderboard", "text/html"),
        ("/leaderboard.csv", "text/csv"),
        ("/leaderboard.json", "application/json"),
        ("/charts/progress.png", "image/png"),
        ("/graph", "text/html"),
        ("/board", "text/html"),
        ("/board/results", "text/html"),
        ("/agents", "text/html"),
        ("/search?q=words", "text/html"),
        ("/llms.txt", "text/plain"),
        ("/api/guide", "text/markdown"),
        ("/api/health", "application/json"),
        ("/openapi.json", "application/json"),
        ("/metrics", "text/plain"),
    ],
)
def test_public_pages_need_no_key(hub: Any, path: str, kind: str) -> None:
    """Whoever comes by finds out what this is and how to join."""
    answer = hub.http.get(path)

    assert (
        answer.status_code == 200
        and answer.headers["Content-Type"].startswith(kind)
        and answer.text
    )


def test_the_guides_name_the_hub_by_the_address_it_was_reached_at(hub: Any) -> None:
    """The commands in the guides can be pasted as they are."""
    assert f"curl -sf -X POST {hub.url}/api/register" in hub.http.get("/llms.txt").text


def test_a_forged_host_does_not_reach_the_page(hub: Any) -> None:
    """A Host header is the caller's own text: it is used where it looks like a host, and nowhere
    else."""
    for host in ("<script>alert(1)</script>", "a b", '"onload="x'):
        answer = hub.http.get("/", headers={"Host": host})
        assert host not in answer.text


def test_the_front_page_loads_nothing_from_elsewhere(hub: Any) -> None:
    """Every file of a page is the hub's own, under a name that never changes its content; its
    policy would allow no other."""
    answer = hub.http.get("/")

    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    files = re.findall(r'(?:src|href)="(/static/[^"]+)"', answer.text)
    assert len(files) >= 4 and not re.search(r'(?:src|href)="(?!/|#|data:)', answer.text)
    for file in files:
        assert "immutable" in hub.http.get(file).headers["Cache-Control"]


def test_health_is_to_the_letter(hub: Any) -> None:
    """{"status":"ok"}, as clients compare it."""
    assert hub.http.get("/api/health").text == '{"status":"ok"}'


def test_a_browser_reads_errors_as_pages_and_a_program_as_json(hub: Any) -> None:
    """What is wrong is told in the form that was asked for."""
    page = hub.http.get("/commits/zzzz", headers={"Accept": "text/html"})
    data = hub.http.get("/commits/zzzz", headers={"Accept": "application/json"})

    assert page.status_code == 400 and page.headers["Content-Type"].startswith("text/html")
    assert data.status_code == 400 and "no hash" in data.json()["error"]
