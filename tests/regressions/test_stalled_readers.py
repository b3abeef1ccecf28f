"""Whoever stops reading, or opens connections without end, holds what everybody needs.

Four sockets that asked for a clone and never read it stopped every clone, fetch and `ls-remote`
for minutes; open sockets could use up all file descriptors. The limits are the hub's own, here
with smaller numbers.
"""

from __future__ import annotations

import base64
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from autoresearch.git import pktline
from autoresearch.hub.connections import Shares, most_connections
from autoresearch.hub.http_protocol import LimitedHttpProtocol
from git_work import Work

BIG_BYTES = 12_000_000  # more than two sockets' buffers hold


@pytest.fixture
def sockets() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def connect(hub: Any, sockets: ExitStack, request: bytes = b"") -> socket.socket:
    place = urlsplit(hub.url)
    client = socket.create_connection((place.hostname, place.port), timeout=60)
    sockets.enter_context(client)
    client.sendall(request)
    return client


def healthy(hub: Any) -> bool:
    with httpx.Client() as http:
        return http.get(f"{hub.url}/api/health", timeout=60).status_code == 200


def test_connections_of_a_network_are_counted(own_hub: Any, sockets: ExitStack) -> None:
    """Over its share a network gets 503 and when to ask again, and the health check all the
    same; what it closes it has back."""
    hub = own_hub(max_connections_per_network=4)
    agent = hub.agent()  # holds one of the four
    silent = [connect(hub, sockets) for _ in range(3)]

    with httpx.Client(base_url=hub.url, timeout=60) as other:
        refused = other.get("/llms.txt")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "30")
        assert healthy(hub) and agent.get("/api/whoami").status_code == 200
        silent[0].close()
        while other.get("/llms.txt").status_code == 503:
            pass


def test_the_health_check_answers_among_any_number_of_connections(
    own_hub: Any, sockets: ExitStack
) -> None:
    """Three hundred silent connections, at a limit of sixteen."""
    hub = own_hub(max_connections=16)
    for _ in range(300):
        connect(hub, sockets)

    assert all(healthy(hub) for _ in range(5))


@pytest.mark.parametrize("path", ["/live", "/api/events", "/api/events?wait=4"])
def test_streams_of_a_network_are_counted(own_hub: Any, sockets: ExitStack, path: str) -> None:
    """Half of a network's connections may be streams, so that its requests are answered
    besides."""
    hub = own_hub(max_connections_per_network=8)
    agent = hub.agent()
    ask = b"GET %b HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\n\r\n"
    ask %= (path.encode(), agent.key.encode())

    def status() -> int:
        return int(agent.get("/api/events", wait=0).status_code)

    def is_full() -> bool:
        """Four streams at once; a long poll says nothing until it ends, and ends with any news."""
        streams[:] = [connect(hub, sockets, ask) for _ in range(4)]
        full = any(status() == 503 for _ in range(200))
        if not full:
            [stream.close() for stream in streams]
        return full

    streams: list[socket.socket] = []
    assert any(is_full() for _ in range(20))
    assert agent.get("/api/whoami").status_code == 200
    if "wait" not in path:
        assert all(b" 200 " in stream.recv(4096) for stream in streams)
    [stream.close() for stream in streams]
    assert any(status() == 200 for _ in range(10_000))


def ask_for(hub: Any, agent: Any, commit: str, sockets: ExitStack) -> socket.socket:
    """A clone of `commit` that nobody reads."""
    lines = [
        b"command=fetch", None, b"ofs-delta\n", f"want {commit}\n".encode(), b"done\n",
    ]  # fmt: skip
    body = b"".join(b"0001" if line is None else pktline.write_line(line) for line in lines)
    body += pktline.FLUSH
    password = base64.b64encode(f"x:{agent.key}".encode())
    head = (
        b"POST /git/git-upload-pack HTTP/1.1\r\nHost: x\r\nGit-Protocol: version=2\r\n"
        b"Content-Type: application/x-git-upload-pack-request\r\n"
        b"Authorization: Basic %b\r\nContent-Length: %d\r\n\r\n" % (password, len(body))
    )
    return connect(hub, sockets, head + body)


def test_clones_that_nobody_reads_hold_up_nobody(
    own_hub: Any, sockets: ExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six of them, of one agent: others list and clone at once; those that have a turn end without
    being read, and their agent clones too."""
    monkeypatch.setattr(LimitedHttpProtocol, "send_s", 2.0)
    hub = own_hub()
    greedy, other = hub.agent(), hub.agent()
    work = Work.new(tmp_path / "w")
    (work.path / "big.bin").write_bytes(secrets.token_bytes(BIG_BYTES))
    commit = work.commit("big")
    url = hub.url.replace("http://", "http://x:{}@") + "/git"
    work.git("push", "-q", url.format(greedy.key), "HEAD:refs/heads/big")

    stalled = [ask_for(hub, greedy, commit, sockets) for _ in range(6)]
    listed = Work(tmp_path).git("ls-remote", url.format(other.key), "big")
    Work(tmp_path).git("clone", "-q", "-b", "big", url.format(other.key), "clone")

    assert listed.startswith(commit) and healthy(hub)
    Work(tmp_path).git("clone", "-q", "-b", "big", url.format(greedy.key), "again")
    await_turns_over(hub)
    for client in stalled:
        client.shutdown(socket.SHUT_WR)  # one that waited too long for a turn was kept open
    received = [sum(map(len, iter(lambda c=client: read(c), b""))) for client in stalled]
    assert max(received) < BIG_BYTES


def await_turns_over(hub: Any) -> None:
    """Until nobody holds a turn to upload, and nobody waits for one: what the hub counts."""
    deadline, idle = time.monotonic() + 240, 0
    while idle < 5:
        assert time.monotonic() < deadline
        held = 'agenthub_held{what="clones"} 0'
        idle = idle + 1 if held in hub.http.get("/metrics").text else 0
        time.sleep(0.3)


def read(client: socket.socket) -> bytes:
    try:
        return client.recv(1_000_000)
    except ConnectionResetError:
        return b""


def test_a_slow_reader_gets_its_answer(
    own_hub: Any, sockets: ExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slow is not stalled: whoever takes a little in each interval gets all of it."""
    monkeypatch.setattr(LimitedHttpProtocol, "send_s", 1.0)
    hub = own_hub()
    agent = hub.agent()
    work = Work.new(tmp_path / "w")
    (work.path / "big.bin").write_bytes(secrets.token_bytes(BIG_BYTES))
    commit = work.commit("big")
    url = hub.url.replace("http://", f"http://x:{agent.key}@") + "/git"
    work.git("push", "-q", url, "HEAD:refs/heads/big")
    client = ask_for(hub, agent, commit, sockets)
    client.settimeout(60)

    received = 0
    while received < BIG_BYTES and (piece := client.recv(500_000)):
        received += len(piece)
        if received < 3_000_000:
            time.sleep(0.2)
    assert received >= BIG_BYTES


def test_bodies_that_never_end_are_counted(
    own_hub: Any, sockets: ExitStack, tmp_path: Path
) -> None:
    """An agent that begins push after push fills no disk: 503 for a bundle, a reason for the ref
    over git, and other agents push."""
    hub = own_hub()
    greedy, other = hub.agent(), hub.agent()
    head = (
        b"POST /api/git/push HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\n"
        b"Content-Length: 1000000\r\n\r\n# v2 git bundle\n" % greedy.key.encode()
    )
    for _ in range(8):
        connect(hub, sockets, head)
    work = Work.new(tmp_path / "w")
    work.commit("first")
    url = hub.url.replace("http://", "http://x:{}@") + "/git"

    def pushed() -> httpx.Response:
        answer: httpx.Response = greedy.post("/api/git/push", content=b"none")
        return answer

    while pushed().status_code != 503:  # until all eight have begun
        pass
    assert pushed().headers["retry-after"] == "30"
    refused = work.run("push", url.format(greedy.key), "HEAD:refs/heads/x")
    assert refused.returncode != 0 and b"too many pushes at once" in refused.stderr
    work.git("push", "-q", url.format(other.key), "HEAD:refs/heads/x")


def test_shares() -> None:
    """What is taken is given back to whom it was taken from; a proxy has the share of all."""
    shares = Shares(4, 2)

    assert [shares.take("a") for _ in range(3)] == [True, True, False]
    assert shares.take("proxy", 4) and shares.take("proxy", 4) and not shares.take("b")
    shares.give_back("a")
    assert shares.take("b") and shares.held == 4


@pytest.mark.parametrize(
    ("wanted", "files", "most"), [(4000, 20000, 4000), (4000, 1024, 768), (4000, 100, 16)]
)
def test_connections_leave_room_for_files(wanted: int, files: int, most: int) -> None:
    """Fewer connections where the system allows few open files."""
    assert most == most_connections(wanted, files)
