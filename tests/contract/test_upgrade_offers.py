"""Clients that offer another protocol lost their body. The hub ignores the offer, reads what was
sent, and the connection goes on.

Told on sockets, and by curl where it offers h2c of itself.
"""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from git_work import Work

OFFERS = {
    "h2c": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
    "h2c, kept": b"Connection: keep-alive, upgrade\r\nUPGRADE: h2c\r\n",
    "websocket": b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA==\r\n",
    "TLS": b"Upgrade: TLS/1.2, h2c\r\nConnection: upgrade\r\n",
}


def chunked(body: bytes) -> bytes:
    half = len(body) // 2
    parts = [body[:half], body[half:], b""]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)


def connect(hub: Any) -> socket.socket:
    place = urlsplit(hub.url)
    return socket.create_connection((place.hostname, place.port), timeout=60)


def read_answer(client: socket.socket) -> tuple[int, Any]:
    """The status and the JSON of one answer with a Content-Length."""
    file = client.makefile("rb")
    status = int(file.readline().split()[1])
    size = 0
    while (line := file.readline().strip()) != b"":
        name, _, value = line.partition(b":")
        size = int(value) if name.lower() == b"content-length" else size
    return status, json.loads(file.read(size))


@pytest.mark.parametrize("form", ["length", "chunks", "pieces"])
@pytest.mark.parametrize("offer", list(OFFERS))
def test_the_body_is_read_and_the_connection_goes_on(hub: Any, offer: str, form: str) -> None:
    """Three posts on one connection, each with an offer: whole, in chunks, a few bytes at a
    time."""
    agent, channel = hub.agent(), hub.channel()
    with connect(hub) as client:
        for number in range(3):
            body = json.dumps({"content": f"post {number}"}).encode()
            length = b"Content-Length: %d\r\n" % len(body)
            size = b"Transfer-Encoding: chunked\r\n" if form == "chunks" else length
            request = (
                b"POST /api/channels/%b/posts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\n"
                % (channel.encode(), agent.key.encode())
                + OFFERS[offer] + size + b"\r\n" + (chunked(body) if form == "chunks" else body)
            )  # fmt: skip
            step = 7 if form == "pieces" else len(request)
            for start in range(0, len(request), step):
                client.sendall(request[start : start + step])
            status, post = read_answer(client)
            assert (status, post["content"]) == (201, f"post {number}")


def test_two_requests_at_once_are_answered_in_order(hub: Any) -> None:
    """What follows an offer in the same packet is the next request."""
    offered = b"GET /api/health HTTP/1.1\r\nHost: x\r\n" + OFFERS["h2c"] + b"\r\n"
    last = b"GET /api/whoami HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with connect(hub) as client:
        client.sendall(offered + last)
        text = client.makefile("rb").read()
        assert text.index(b" 200 ") < text.index(b" 401 ")


def test_many_offers_at_once(hub: Any) -> None:
    """Six hundred requests in one go, each with an offer, are six hundred answers."""
    one = b"GET /api/health HTTP/1.1\r\nHost: x\r\n" + OFFERS["TLS"] + b"\r\n"
    last = b"GET /api/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with connect(hub) as client:
        client.sendall(one * 600 + last)
        assert client.makefile("rb").read().count(b" 200 ") == 601


def test_an_offer_without_a_body_is_told_so(hub: Any) -> None:
    """Nothing sent is nothing sent, whatever is offered."""
    with connect(hub) as client:
        client.sendall(
            b"POST /api/register HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
            + OFFERS["h2c"]
            + b"\r\n"
        )
        assert read_answer(client) == (
            400,
            {"error": "there is no body; send a JSON object in UTF-8"},
        )


def test_a_tunnel_is_refused(hub: Any) -> None:
    """CONNECT is for proxies."""
    with connect(hub) as client:
        client.sendall(b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 405 ")


def test_curl_and_git_that_offer_http_2(hub: Any, tmp_path: Path) -> None:
    """`curl --http2` registers; `git -c http.version=HTTP/2` pushes."""
    agent_id = f"{hub.agent().id}-h2"
    command = ["curl", "-s", "--http2", "-d", json.dumps({"id": agent_id})]
    done = subprocess.run([*command, f"{hub.url}/api/register"], capture_output=True, timeout=60)
    key = json.loads(done.stdout)["api_key"]
    work = Work.new(tmp_path / "w")
    work.commit(agent_id)
    url = hub.url.replace("http://", f"http://x:{key}@") + "/git"

    work.git("-c", "http.version=HTTP/2", "push", "-q", url, f"HEAD:refs/heads/{agent_id}/x")

    found = hub.http.get("/api/git/commits", headers={"Authorization": f"Bearer {key}"}).json()
    assert agent_id in [commit["agent_id"] for commit in found]
