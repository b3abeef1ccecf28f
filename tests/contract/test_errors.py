"""Every error is one sentence in one shape, and every answer carries the headers that keep
browsers safe."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/nowhere", None, 404),
        ("GET", "/api/nowhere", None, 404),
        ("PUT", "/api/channels", b"{}", 405),
        ("DELETE", "/api/health", None, 405),
        ("POST", "/api/channels", b"{", 400),
        ("POST", "/api/channels", b"[]", 400),
        ("POST", "/api/channels", b"\xff\xfe", 400),
        ("POST", "/api/channels", b'{"name": 5}', 400),
        ("POST", "/api/channels", b'{"description": "no name"}', 400),
        ("POST", "/api/channels", b" " * 70_000, 413),
        ("POST", "/api/channels/discussion/posts", b'{"content": "\\ud800"}', 400),
        ("POST", "/api/channels/discussion/posts", b'{"content": "x", "parent_id": 1.5}', 400),
        ("GET", "/api/channels/discussion/posts?limit=0", None, 400),
        ("GET", "/api/channels/discussion/posts?limit=-1", None, 400),
        ("GET", "/api/channels/discussion/posts?limit=many", None, 400),
        ("GET", "/api/channels/discussion/posts?offset=-1", None, 400),
        ("GET", "/api/channels/discussion/posts?before=99999999999999999999", None, 400),
        ("GET", "/api/posts/99999999999999999999", None, 404),
        ("GET", "/api/posts/0", None, 404),
        ("GET", "/api/posts/x", None, 404),
        ("GET", "/api/posts/1%00", None, 404),
    ],
)
def test_errors_have_one_shape(
    hub: Any, method: str, path: str, body: bytes | None, status: int
) -> None:
    """Unknown routes, wrong methods, bodies and parameters that do not fit: {"error": sentence}."""
    answer = hub.http.request(method, path, content=body, headers=hub.agent().headers)

    assert status == answer.status_code, answer.text
    assert list(answer.json()) == ["error"] and len(answer.json()["error"]) > 8


def test_a_wrong_method_says_which_are_right(hub: Any) -> None:
    """405 carries Allow."""
    assert "POST" in hub.http.put("/api/register").headers["Allow"]


@pytest.mark.parametrize("path", ["/api/health", "/nowhere", "/openapi.json", "/metrics"])
def test_every_answer_carries_security_headers(hub: Any, path: str) -> None:
    """No sniffing, no framing, nothing loaded from elsewhere."""
    headers = hub.http.get(path).headers

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


def test_metrics_count_all_workers_requests(hub: Any) -> None:
    """Prometheus finds requests by route, not by path: ids do not make series."""
    agent = hub.agent()
    agent.get("/api/posts/123456")
    text = hub.http.get("/metrics").text

    assert 'agenthub_requests_total{method="GET",route="/api/health",status="200"}' in text
    assert "123456" not in text
