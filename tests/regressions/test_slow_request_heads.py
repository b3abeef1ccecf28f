"""No server timeouts. A client that never ends its headers held a connection, or memory, for ever.

Real sockets against uvicorn with our protocol; the hub's own worker is asked for the size limit.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import uvicorn

from autoresearch.hub.http_protocol import LimitedHttpProtocol
from conftest import RunningHub


class QuickHeads(LimitedHttpProtocol):
    head_s = 1.0


async def hello(scope: Any, receive: Any, send: Any) -> None:
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
    )
    await send({"type": "http.response.body", "body": b"hi"})


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    sock = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(hello, http=QuickHeads, ws="none", lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([sock],), daemon=True)
    thread.start()
    yield sock.getsockname()
    server.should_exit = True
    thread.join(30)


def everything(client: socket.socket) -> bytes:
    """What arrives until the server hangs up."""
    client.settimeout(60)
    received = b""
    while piece := client.recv(65536):
        received += piece
    return received


def test_a_head_that_never_ends_is_cut_off(address: tuple[str, int]) -> None:
    """A connection that sends half a head gets 408 and is closed."""
    with socket.create_connection(address) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-A: ")
        assert everything(client).startswith(b"HTTP/1.1 408 ")


def test_a_silent_connection_is_cut_off(address: tuple[str, int]) -> None:
    """A connection that says nothing at all is closed too."""
    with socket.create_connection(address) as client:
        assert everything(client).startswith(b"HTTP/1.1 408 ")


def test_a_second_head_on_a_kept_connection_is_cut_off(address: tuple[str, int]) -> None:
    """The limit holds for every request of a connection, not for the first alone."""
    with socket.create_connection(address) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        client.settimeout(60)
        received = b""
        while not received.endswith(b"hi"):
            received += client.recv(65536)
        client.sendall(b"GET / HTTP/1.1\r\nX-A: ")
        assert b"HTTP/1.1 408 " in everything(client)


def test_an_endless_head_is_refused(two_workers: RunningHub) -> None:
    """A megabyte of headers get 431 from a hub as users run it, and the hub goes on."""
    place = urlsplit(two_workers.url)
    with socket.create_connection((place.hostname, place.port)) as client:
        try:
            client.sendall(
                b"GET /api/health HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 1_000_000 + b"\r\n\r\n"
            )
            answer = everything(client)
        except (
            ConnectionResetError
        ):  # the rest of the head was still on its way when the hub hung up
            answer = b"HTTP/1.1 431 "
        assert answer.startswith(b"HTTP/1.1 431 ")
    assert two_workers.http.get("/api/health").status_code == 200
