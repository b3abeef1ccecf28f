"""How the client behaves when the other side is slow, busy, broken or no hub at all: against real
sockets that answer in raw bytes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from autoresearch.client import Hub
from autoresearch.errors import (
    AutoresearchError,
    BadInput,
    Conflict,
    Forbidden,
    HubUnavailable,
    NotFound,
    RateLimited,
    TooLarge,
    Unauthorized,
)


def reply(status: int, body: str, *headers: str) -> bytes:
    lines = [
        f"HTTP/1.1 {status} X",
        f"Content-Length: {len(body.encode())}",
        "Connection: close",
        *headers,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


OK = reply(200, '{"status":"ok"}')
POST = reply(
    201, '{"id":1,"channel_id":1,"agent_id":"a","parent_id":null,"content":"x","created_at":"t"}'
)


class Peer:
    """Answers the n-th connection with the n-th of `answers` (the last one again and again) and
    keeps what it was asked."""

    def __init__(self, answers: list[bytes]) -> None:
        self.answers = answers
        self.asked: list[bytes] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(10)
                try:
                    self.asked.append(self._request(connection))
                    connection.sendall(self.answers[min(len(self.asked), len(self.answers)) - 1])
                except OSError:
                    pass  # the client went away, as some tests want

    @staticmethod
    def _request(connection: socket.socket) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data:
            data += connection.recv(65536) or b"\r\n\r\n"
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            (
                int(field.split(b":")[1])
                for field in head.split(b"\r\n")
                if field.lower().startswith(b"content-length")
            ),
            0,
        )
        while len(body) < length and (more := connection.recv(65536)):
            body += more
        return head + b"\r\n\r\n" + body

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(10)


@contextmanager
def against(*answers: bytes, **options: Any) -> Iterator[tuple[Hub, Peer]]:
    peer = Peer(list(answers))
    try:
        with Hub(peer.url, "ahk_secret", **options) as hub:
            yield hub, peer
    finally:
        peer.close()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadInput),
        (401, Unauthorized),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (413, TooLarge),
        (422, BadInput),
    ],
)
def test_a_refusal_becomes_the_error_of_its_status(
    status: int, kind: type[AutoresearchError]
) -> None:
    """The hub's sentence arrives as the typed error, after one request."""
    with against(reply(status, '{"error":"why"}')) as (hub, peer):
        with pytest.raises(kind, match="why"):
            hub.whoami()
        assert len(peer.asked) == 1


@pytest.mark.parametrize(
    "broken", [b"", reply(503, '{"error":"full"}'), reply(502, "<html>"), b"garbage\r\n\r\n"]
)
def test_a_read_is_tried_again(broken: bytes) -> None:
    """A read that broke off or met a busy hub is asked again and answered."""
    with against(broken, OK) as (hub, peer):
        assert hub.health()
        assert len(peer.asked) == 2


@pytest.mark.parametrize("broken", [b"", reply(503, '{"error":"full"}'), reply(504, "")])
def test_a_post_whose_answer_was_lost_is_never_written_twice(broken: bytes) -> None:
    """A post that may have been written is not sent again; the error says to look first."""
    with against(broken, POST) as (hub, peer):
        with pytest.raises(HubUnavailable):
            hub.post("results", "x")
        assert len(peer.asked) == 1


def test_a_post_the_hub_refused_for_now_is_tried_again() -> None:
    """429 means that nothing was written: the post is sent again after the time the hub asks
    for."""
    with against(reply(429, '{"error":"slow down"}', "Retry-After: 0"), POST) as (hub, peer):
        assert hub.post("results", "x").id == 1
        assert len(peer.asked) == 2


def test_a_long_wait_is_the_callers_decision() -> None:
    """A Retry-After beyond the patience raises at once and tells the time."""
    with against(reply(429, '{"error":"slow down"}', "Retry-After: 1800")) as (hub, peer):
        with pytest.raises(RateLimited) as caught:
            hub.whoami()
        assert caught.value.retry_after_s == 1800
        assert len(peer.asked) == 1


def test_no_connection_is_tried_a_few_times_and_then_told() -> None:
    """Where nobody listens, even a post is tried again, and the error names the hub."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with (
        Hub(f"http://127.0.0.1:{port}", tries=2) as hub,
        pytest.raises(HubUnavailable, match=f"127.0.0.1:{port}"),
    ):
        hub.post("results", "x")


@pytest.mark.parametrize(
    "garbage",
    [
        reply(200, "<html>welcome</html>"),
        reply(200, '{"id":'),
        reply(200, "[]"),
        reply(200, '{"id":7}'),
        reply(200, "\x00\x01"),
        reply(404, "<html>nginx</html>"),
        reply(418, "teapot"),
        reply(302, "", "Location: https://elsewhere.example/"),
    ],
)
def test_what_is_no_hub_is_told_apart(garbage: bytes) -> None:
    """Whatever else answers at the address ends in HubUnavailable with one sentence, after one
    request."""
    with against(garbage) as (hub, peer):
        with pytest.raises(HubUnavailable) as caught:
            hub.whoami()
        assert "\n" not in str(caught.value) and len(peer.asked) == 1


def test_a_key_is_never_sent_to_where_a_redirect_points() -> None:
    """A redirect is told, not followed: the key stays with the hub it is for."""
    with against(OK) as (_, thief), against(reply(307, "", f"Location: {thief.url}/")) as (hub, _):
        with pytest.raises(HubUnavailable, match="elsewhere"):
            hub.whoami()
        assert thief.asked == []


def test_silence_ends(tmp_path: Path) -> None:
    """A hub that accepts and says nothing is given up after the time limit."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hub = Hub(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.2, tries=2)
        with hub, pytest.raises(HubUnavailable):
            hub.whoami()


def test_a_download_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    """Half a bundle never takes the place of a whole one."""
    half = b"HTTP/1.1 200 X\r\nContent-Length: 1000\r\n\r\n# v2"
    with against(half, half, tries=2) as (hub, _), pytest.raises(HubUnavailable):
        hub.fetch("abcd", tmp_path / "b")

    assert list(tmp_path.iterdir()) == []


def test_a_broken_push_is_sent_again_whole(tmp_path: Path) -> None:
    """Pushing twice is pushing once, so a push whose answer was lost is sent again, from the
    file's beginning."""
    bundle = tmp_path / "b"
    bundle.write_bytes(bytes(range(256)) * 3000)
    with against(b"", reply(201, '{"hashes":["ab"]}')) as (hub, peer):
        assert hub.push(bundle) == ["ab"]
        assert [bundle.read_bytes()] * 2 == [
            request.partition(b"\r\n\r\n")[2] for request in peer.asked
        ]


@pytest.mark.parametrize(
    "use",
    [
        lambda: Hub("ftp://x"),
        lambda: Hub("localhost:8080"),
        lambda: Hub(""),
        lambda: Hub("http://user:pw@x"),
        lambda: Hub("http://x:99999999"),
        lambda: Hub("http://x", "key\r\nX-Evil: 1"),
    ],
)
def test_bad_addresses_and_keys_are_refused_before_anything_is_sent(use: Callable[[], Hub]) -> None:
    """An address or key that cannot be right is named at once."""
    with pytest.raises(BadInput):
        use()


def test_new_fields_of_a_newer_hub_do_no_harm() -> None:
    """Fields may be added to answers; an older client goes on."""
    with against(reply(200, '{"id":"a","is_admin":false,"mood":"fine"}')) as (hub, _):
        assert hub.whoami().id == "a"
