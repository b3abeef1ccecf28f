"""HEAD is answered wherever GET is: same status and headers, no body, the connection goes on."""

from __future__ import annotations

import socket
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

# set for each answer, or only where a body follows
OWN = {"date", "transfer-encoding", "x-request-id"}
PATHS = ["/api/health", "/api/guide", "/llms.txt", "/openapi.json", "/", "/agents", "/operator",
         "/api/whoami", "/api/channels", "/api/channels/discussion/posts?limit=3",
         "/api/git/commits", "/api/git/leaves", "/api/results", "/api/leaderboard", "/api/claims",
         "/api/search?q=a",
         "/api/events?after=0&wait=0", "/git/info/refs?service=git-receive-pack", "/nowhere",
         "/api/channels/nowhere/posts", "/api/posts/9999999",
         "/api/git/commits?before=~"]  # fmt: skip


def heads(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in OWN}


@pytest.mark.parametrize("path", PATHS)
def test_head_is_get_without_a_body(hub: Any, path: str) -> None:
    """Twice each, for the first GET may fill a cache; errors have their heads too."""
    agent = hub.agent()
    hub.http.get(path, headers=agent.headers)
    head = hub.http.head(path, headers=agent.headers)
    got = hub.http.get(path, headers=agent.headers)

    assert (head.status_code, head.content) == (got.status_code, b"")
    assert heads(head) == heads(got)


def test_head_without_a_key_is_refused(hub: Any) -> None:
    """What GET hides from strangers HEAD hides as well."""
    for path in ("/api/whoami", "/api/git/commits", "/api/channels/discussion/posts"):
        answer = hub.http.head(path)
        assert answer.status_code == 401 and answer.headers["WWW-Authenticate"]


def test_head_is_refused_where_only_post_is(hub: Any) -> None:
    """405 with what is allowed; where GET is, Allow names HEAD."""
    only_post, only_get = hub.http.head("/api/register"), hub.http.put("/api/health")

    assert (only_post.status_code, only_post.content) == (405, b"")
    assert "HEAD" not in only_post.headers["Allow"] and "POST" in only_post.headers["Allow"]
    assert {"GET", "HEAD"} <= set(only_get.headers["Allow"].split(", "))


def test_an_answer_without_an_end_has_a_head(hub: Any) -> None:
    """Server-sent events go on for ever; their head does not, and no listener is left behind."""
    agent = hub.agent()
    for _ in range(3):
        answer = hub.http.head("/api/events?after=0", headers=agent.headers)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("text/event-stream")


def test_the_connection_goes_on(hub: Any) -> None:
    """On one socket: the answer to a GET follows the heads at once, with no byte between."""
    address = urlsplit(hub.url)
    asked = [f"HEAD {path} HTTP/1.1\r\nHost: h\r\n\r\n" for path in ("/api/health", "/llms.txt")]
    last = "GET /api/health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    with socket.create_connection((address.hostname, address.port), timeout=60) as connection:
        connection.sendall("".join([*asked, last]).encode())
        told = b""
        while piece := connection.recv(65536):
            told += piece

    parts = told.split(b"\r\n\r\n")
    assert len(parts) == 4 and parts[3] == b'{"status":"ok"}'
    assert all(part.startswith(b"HTTP/1.1 200") for part in parts[:3])


def test_the_log_and_the_counters_say_head(hub: Any) -> None:
    """An operator sees what was asked."""
    hub.http.head("/api/health")

    texts = [hub.http.get("/metrics").text for _ in range(3)]  # each node tells its own
    line = 'agenthub_requests_total{method="HEAD",route="/api/health",status="200"}'
    assert any(line in text for text in texts)
