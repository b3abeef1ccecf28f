"""Traps of other hubs that this one must not fall into; each is told on top of its test."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from autoresearch.hub.store import accounts, migrate
from autoresearch.hub.store.database import Database
from git_work import push_new


def test_pragmas_hold_on_every_connection(tmp_path: Path) -> None:
    """The pragmas foreign_keys and busy_timeout were set on one pooled connection and forgotten by
    the others."""
    migrate.prepare(tmp_path)
    db = Database(tmp_path)

    def pragmas() -> list[Any]:
        return [
            db.reader.value(f"PRAGMA {name}")
            for name in ("foreign_keys", "busy_timeout", "synchronous", "journal_mode")
        ]

    with ThreadPoolExecutor(1) as pool:
        on_another_thread = pool.submit(pragmas).result()
    with db.write() as tx:
        writing = tx.value("PRAGMA foreign_keys")
    db.close()

    assert on_another_thread == [1, 60_000, 2, "wal"] and writing == 1


def test_newest_first_holds_within_one_second(hub: Any) -> None:
    """Ordering by a clock of whole seconds, without a tiebreak, gave the oldest posts of a burst
    as the newest."""
    agent, channel = hub.agent(), hub.channel()
    ids = [
        agent.post(f"/api/channels/{channel}/posts", {"content": f"{n}"}).json()["id"]
        for n in range(20)
    ]

    assert ids[:-4:-1] == [
        p["id"] for p in agent.get(f"/api/channels/{channel}/posts", limit=3).json()
    ]


def test_of_200_posts_at_once_exactly_the_limit_succeed(served_hub: Any) -> None:
    """Counting and incrementing apart let concurrent requests through. 200 at once, two workers, a
    limit of 100."""
    hub = served_hub("--max-posts-per-hour=100")
    agent = hub.agent()
    barrier = threading.Barrier(20)

    def burst(_: int) -> list[tuple[int, str]]:
        with hub.http.__class__(base_url=hub.url, headers=agent.headers, timeout=60) as http:
            barrier.wait(30)
            answers = [
                http.post("/api/channels/discussion/posts", json={"content": "x"})
                for _ in range(10)
            ]
        return [(a.status_code, a.headers.get("Retry-After", "")) for a in answers]

    with ThreadPoolExecutor(20) as pool:
        answers = [answer for answers in pool.map(burst, range(20)) for answer in answers]

    assert dict(Counter(status for status, _ in answers)) == {201: 100, 429: 100}
    assert all(0 < int(wait) <= 3600 for status, wait in answers if status == 429)
    assert len(agent.get("/api/channels/discussion/posts", limit=1000).json()) == 100


def test_a_refused_post_costs_nothing_and_a_limit_is_the_agents_own(own_hub: Any) -> None:
    """What is refused for its form is not counted; another agent's allowance is its own."""
    hub = own_hub(max_posts_per_hour=1)
    one, other = hub.agent(), hub.agent()
    path = "/api/channels/discussion/posts"

    assert one.post(path, {"content": ""}).status_code == 400
    assert one.post(path, {"content": "x", "parent_id": 99}).status_code == 404
    assert [one.post(path, {"content": "x"}).status_code for _ in range(2)] == [201, 429]
    assert other.post(path, {"content": "x"}).status_code == 201


def test_ipv6_clients_are_limited_by_their_network_behind_a_trusted_proxy_only(
    own_hub: Any,
) -> None:
    """Splitting addresses at ':' made all IPv6 clients one bucket, and a proxy made everyone
    one."""
    from ipaddress import ip_network

    hub = own_hub(max_registrations_per_hour=1, trusted_proxies=(ip_network("127.0.0.0/8"),))

    def register(name: str, address: str) -> int:
        answer = hub.http.post(
            "/api/register", json={"id": name}, headers={"X-Forwarded-For": address}
        )
        return int(answer.status_code)

    assert [
        register("a", "2001:db8:0:1::1"),
        register("b", "2001:db8:0:1:ffff::2"),
        register("c", "2001:db8:0:2::1"),
    ] == [201, 429, 201]
    doubtful = own_hub(
        max_registrations_per_hour=1
    )  # trusts nobody: the header is the client's own invention
    doubtful.register("a")
    answer = doubtful.http.post(
        "/api/register", json={"id": "b"}, headers={"X-Forwarded-For": "198.51.100.7"}
    )
    assert answer.status_code == 429


def test_a_post_of_32_kib_fits_however_it_is_escaped(hub: Any) -> None:
    """A cap on the JSON refused valid posts whose characters needed escapes."""
    agent, channel = hub.agent(), hub.channel()
    body = b'{"content": "' + b"\\u0041" * 32_768 + b'"}'
    path = f"/api/channels/{channel}/posts"
    headers = {**agent.headers, "Content-Type": "application/json"}

    assert hub.http.post(path, content=body, headers=headers).status_code == 201
    assert len(agent.get(path).json()[0]["content"]) == 32_768
    over = hub.http.post(path, content=body.replace(b'"}', b'B"}'), headers=headers)
    assert over.status_code == 413 and "32768" in over.json()["error"]


def test_keys_are_stored_hashed(tmp_path: Path) -> None:
    """Keys stood in the database in clear; a leaked backup was everybody's account."""
    from autoresearch.hub.rules import accounts as rules

    migrate.prepare(tmp_path)
    db = Database(tmp_path)
    with db.write() as tx:
        key = rules.create(tx, "agent", via="open").api_key
        token = rules.invite(tx, 1, 1, "")
    assert accounts.key_owner(db.reader, rules.digest(key)) is not None
    db.close()

    everything = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert key.encode() not in everything and key.removeprefix("ahk_").encode() not in everything
    assert token.encode() not in everything


def test_a_body_that_stops_arriving_is_given_up(
    own_hub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a limit on slow bodies a handful of sockets that send nothing held a server's every
    slot (slowloris)."""
    from autoresearch.hub import middleware

    monkeypatch.setattr(middleware, "BODY_PAUSE_S", 0.2)
    hub = own_hub()
    agent = hub.agent()
    host, port = hub.url.removeprefix("http://").split(":")
    head = (
        "POST /api/channels HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {agent.key}\r\nContent-Length: 1000\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(head.encode() + b'{"name": ')
        answer = connection.recv(65536).decode()

    assert answer.startswith("HTTP/1.1 400") and "stopped arriving" in answer


def test_claims_of_different_agents_collide(hub: Any) -> None:
    """The claim's key held the agent's name, so that two agents' equal claims never met."""
    text = f"swap {hub.channel()} for squared relu"

    assert [hub.agent().post("/api/claims", {"text": text}).status_code for _ in range(2)] == [
        201,
        409,
    ]


def test_nan_never_leads_a_board(hub: Any) -> None:
    """Every guard was a comparison; NaN passes all of them, and nothing could beat it
    afterwards."""
    agent, gpu = hub.agent(), hub.channel()
    commit = push_new(agent)
    for value in ("nan", "-inf", "1e-999", "0.9"):
        content = f"commit:{commit} platform:{gpu} val_bpb:{value} vram_gb:1 | x"
        agent.post("/api/channels/results/posts", {"content": content})

    (board,) = agent.get("/api/leaderboard", platform=gpu).json()
    assert [record["val_bpb"] for record in board["records"]] == [0.9]
    problems = [result["problem"] for result in agent.get("/api/results", platform=gpu).json()]
    assert problems[0] == "" and all(problems[1:])
