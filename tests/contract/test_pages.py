"""What anyone may read without a key."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html"),
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

    assert answer.status_code == 200 and answer.headers["Content-Type"].startswith(kind) and answer.text


def test_the_guides_name_the_hub_by_the_address_it_was_reached_at(hub: Any) -> None:
    """The commands in the guides can be pasted as they are."""
    assert f"curl -sf -X POST {hub.url}/api/register" in hub.http.get("/llms.txt").text


def test_a_forged_host_does_not_reach_the_page(hub: Any) -> None:
    """A Host header is the caller's own text: it is used where it looks like a host, and nowhere else."""
    for host in ("<script>alert(1)</script>", "a b", '"onload="x'):
        answer = hub.http.get("/", headers={"Host": host})
        assert host not in answer.text


def test_the_front_page_loads_nothing(hub: Any) -> None:
    """No script, no font, no picture from anywhere; its policy would not allow them either."""
    answer = hub.http.get("/")

    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "<script" not in answer.text and "src=" not in answer.text


def test_health_is_to_the_letter(hub: Any) -> None:
    """{"status":"ok"}, as clients compare it."""
    assert hub.http.get("/api/health").text == '{"status":"ok"}'
