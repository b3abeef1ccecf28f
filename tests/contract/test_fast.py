"""The hottest reads, and posts, have a short cut; nobody can tell it from the long way."""

from __future__ import annotations

import socket
import subprocess
import time
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any

import httpx
import pytest

from autoresearch.errors import HubUnavailable
from autoresearch.hub import fast, pages, routes
from autoresearch.hub.app import find_handlers
from autoresearch.hub.recent_answers import RecentAnswers
from autoresearch.hub.rules import board

OWN = {"date", "x-request-id"}  # of each answer


@pytest.mark.parametrize(
    "path",
    [
        "/api/channels/{channel}/posts",
        "/api/channels/{channel}/posts?limit=2&before=99999",
        "/api/posts/{post}",
    ],
)
def test_the_short_cut_gives_the_same_answer(hub: Any, path: str) -> None:
    """Same bytes, same headers as by the framework, which answers where an unknown parameter is
    given."""
    agent, channel = hub.agent(), hub.channel()
    post = [
        agent.post(f"/api/channels/{channel}/posts", {"content": f"n{n} ä"}).json()["id"]
        for n in range(3)
    ][-1]
    url = path.format(channel=channel, post=post)

    short = agent.hub.http.get(url, headers=agent.headers)
    long = agent.hub.http.get(
        url + ("&" if "?" in url else "?") + "unknown=x", headers=agent.headers
    )

    assert short.content == long.content and short.status_code == long.status_code == 200
    assert {k: v for k, v in short.headers.items() if k not in OWN} == {
        k: v for k, v in long.headers.items() if k not in OWN
    }


@pytest.mark.parametrize(
    "path",
    [
        "/api/git/commits",
        "/api/git/commits?limit=2&offset=1",
        "/api/git/commits?before={seq}",
        "/api/git/leaves?limit=3",
        "/api/git/commits/{hash}",
        "/api/git/commits/{short}",
        "/api/git/commits/{first}/children",
    ],
)
def test_commits_by_the_short_cut(hub: Any, tmp_path: Path, path: str) -> None:
    """Commits, merges among them, look the same both ways."""
    agent = hub.agent()
    hashes = push_history(agent, tmp_path)
    seq = agent.get(f"/api/git/commits/{hashes[-1]}").json()["seq"]
    url = path.format(hash=hashes[-1], short=hashes[0][:12].upper(), first=hashes[0], seq=seq)

    short = hub.http.get(url, headers=agent.headers)
    long = hub.http.get(url + ("&" if "?" in url else "?") + "unknown=x", headers=agent.headers)

    assert short.content == long.content and short.status_code == long.status_code == 200
    assert short.json()


def push_history(agent: Any, folder: Path) -> list[str]:
    """Push a root, two children of it and their merge; the hashes in that order."""

    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"]
        done = subprocess.run(
            ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(name: str) -> str:
        (folder / name).write_text(agent.id)
        git("add", name)
        git("commit", "-m", name)
        return git("rev-parse", "HEAD")

    git("init", "-q")
    hashes = [commit("root"), commit("one")]
    git("checkout", "-q", "-b", "other", hashes[0])
    hashes.append(commit("two"))
    git("merge", "-q", "-m", "merge", hashes[1])
    hashes.append(git("rev-parse", "HEAD"))
    git("bundle", "create", "-q", "x.bundle", "HEAD")
    body = (folder / "x.bundle").read_bytes()
    answer = agent.hub.http.post("/api/git/push", content=body, headers=agent.headers)
    assert answer.status_code == 201, answer.text
    return hashes


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/posts/999999999", 404),
        ("/api/posts/" + "9" * 30, 404),
        ("/api/channels/no-such-channel/posts", 404),
        ("/api/git/commits/abcdef", 404),
        ("/api/git/commits/xyz", 400),
        ("/api/git/commits?before=1234567890", 200),
        ("/api/channels/discussion/posts?limit=0", 400),
        ("/api/channels/discussion/posts?limit=1&limit=x", 400),
    ],
)
def test_what_is_not_plain_goes_the_long_way(hub: Any, path: str, status: int) -> None:
    """Errors look the same whichever way they come."""
    answer = (
        hub.agent().get(path)
        if "?" not in path
        else hub.http.get(path, headers=hub.agent().headers)
    )

    assert answer.status_code == status and (status == 200 or list(answer.json()) == ["error"])


@pytest.mark.parametrize("header", ["", "Bearer wrong", "bearer {key}", "Basic eDp7a2V5fQ=="])
def test_the_short_cut_is_for_right_keys_only(hub: Any, header: str) -> None:
    """A wrong key is refused; a right one in another spelling is accepted, by the long way."""
    agent = hub.agent()
    agent.get("/api/channels/discussion/posts")
    answer = hub.http.get(
        "/api/channels/discussion/posts", headers={"Authorization": header.format(key=agent.key)}
    )

    assert answer.status_code == (200 if header.startswith("bearer") else 401)


@pytest.mark.parametrize(
    "body",
    [
        b'{"content": "plain \xc3\xa4 \\u00e4"}',
        b'{"content": "a reply", "parent_id": PARENT}',
        b'{"content": "a reply to none", "parent_id": 999999999}',
        b'{"content": "no number", "parent_id": "x"}',
        b'{"content": "a number in quotes", "parent_id": "PARENT"}',
        b'{"content": "more", "and": ["more"]}',
        b'{"content": " "}',
        b'{"content": "nul \\u0000"}',
        b'{"content": "half a pair \\ud800"}',
        b'{"content": "' + b"x" * 40_000 + b'"}',
        b'{"content": "' + b" " * 300_000 + b'"}',
        b'{"content": "signed", "signed_at": "now", "signature": "00"}',
        b'\xef\xbb\xbf{"content": "with a mark"}',
        b'{"content": 7}',
        b"[" * 100_000,
        b"[]",
        b"{",
        b"\xff\xfe",
        b"",
    ],
    ids=lambda body: body[:40].decode("latin-1"),
)
def test_a_post_by_the_short_cut(hub: Any, body: bytes) -> None:
    """The answers, and what is on the board after each, are those of the long way."""
    agent, channel = hub.agent(), hub.channel()
    path = f"/api/channels/{channel}/posts"
    parent = agent.post(path, {"content": "first"}).json()["id"]
    body = body.replace(b"PARENT", b"%d" % parent)

    short, long = (
        hub.http.post(path + query, content=body, headers=agent.headers)
        for query in ("", "?unknown=x")
    )

    assert short.status_code == long.status_code
    assert short.headers.keys() == long.headers.keys()
    one, other = (
        {name: value for name, value in answer.json().items() if name not in ("id", "created_at")}
        for answer in (short, long)
    )
    assert one == other
    stored = agent.get(path).json()
    assert len(stored) == (3 if short.status_code == 201 else 1)
    if short.status_code == 201:
        assert stored[:2] == [long.json(), short.json()]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-encoding": "gzip"}, 415),
        ({"content-type": "Multipart/form-data; boundary=x"}, 415),
        ({"content-type": "text/plain"}, 201),
        ({"expect": "100-continue"}, 201),
        ({"transfer-encoding": "chunked"}, 201),
        ({"authorization": "Bearer wrong"}, 401),
    ],
    ids=str,
)
def test_a_post_with_unusual_headers(hub: Any, headers: dict[str, str], status: int) -> None:
    agent, channel = hub.agent(), hub.channel()
    path = f"/api/channels/{channel}/posts"
    agent.get(path)
    body = b'{"content": "x"}'
    chunked = "transfer-encoding" in headers
    given = {"authorization": f"Bearer {agent.key}"} | ({} if chunked else headers)
    content = iter([body[:5], body[5:]]) if chunked else body
    answer = hub.http.post(path, content=content, headers=given)

    assert answer.status_code == status
    assert len(agent.get(path).json()) == (status == 201)


def test_a_post_whose_body_comes_piece_by_piece(hub: Any) -> None:
    """Head, then the body in three pieces: one post."""
    agent, channel = hub.agent(), hub.channel()
    path = f"/api/channels/{channel}/posts"
    agent.get(path)
    body = b'{"content": "in pieces"}'
    head = (
        f"POST {path} HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {agent.key}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    address = httpx.URL(hub.url)
    with socket.create_connection((address.host, address.port), timeout=30) as connection:
        for piece in (head.encode(), body[:3], body[3:20], body[20:]):
            connection.sendall(piece)
            time.sleep(0.1)
        assert connection.recv(4096).startswith(b"HTTP/1.1 201")

    assert [post["content"] for post in agent.get(path).json()] == ["in pieces"]


def test_a_post_in_one_piece_takes_the_short_cut(
    own_hub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Head and body at once do; with a query they go the long way."""
    hub, short = own_hub(), []
    agent, store = hub.agent(), fast.store_post

    async def note(*arguments: Any) -> Any:
        short.append(arguments[-1].content)
        return await store(*arguments)

    monkeypatch.setattr(fast, "store_post", note)
    agent.get("/api/channels")
    address = httpx.URL(hub.url)
    for query, body in (("", b'{"content": "short"}'), ("?unknown=x", b'{"content": "long"}')):
        head = (
            f"POST /api/channels/discussion/posts{query} HTTP/1.1\r\nHost: hub\r\n"
            f"Authorization: Bearer {agent.key}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        with socket.create_connection((address.host, address.port), timeout=30) as connection:
            connection.sendall(head.encode() + body)
            assert connection.recv(4096).startswith(b"HTTP/1.1 201")

    assert short == ["short"]


def test_an_allowance_used_up_is_told_on_the_short_cut(own_hub: Any) -> None:
    agent = own_hub(max_posts_per_hour=2).agent()
    path = "/api/channels/discussion/posts"
    answers = [agent.post(path, {"content": f"n{n}"}) for n in range(4)]

    assert [answer.status_code for answer in answers] == [201, 201, 429, 429]
    assert int(answers[2].headers["retry-after"]) > 3500
    assert "2 posts an hour" in answers[2].json()["error"]
    assert [post["content"] for post in agent.get(path).json()] == ["n1", "n0"]


@pytest.mark.parametrize(
    ("error", "status"), [(HubUnavailable("stored or not"), 503), (RuntimeError("ours"), 500)]
)
def test_what_befalls_a_post_on_the_short_cut_is_not_tried_again(
    own_hub: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    """It may have been stored: the long way tells of it, and does not post once more."""
    agent, tries = own_hub().agent(), []
    agent.get("/api/channels")
    whole = board.write

    def write_and_fail(*arguments: Any) -> None:
        tries.append(whole(*arguments))
        raise error

    monkeypatch.setattr(board, "write", write_and_fail)
    answer = agent.post("/api/channels/discussion/posts", {"content": "once"})

    assert answer.status_code == status and len(tries) == 1
    assert list(answer.json()) == ["error"] and ("retry-after" in answer.headers) == (status == 503)


def test_no_route_waits_for_a_thread_before_it_is_answered() -> None:
    """The framework copies a handler for each guard, and runs in a thread what is not async: a
    quarter of a millisecond of every request."""
    for handler in [*find_handlers(pages), *find_handlers(routes)]:
        assert not handler.guards and iscoroutinefunction(handler.fn), handler


def test_an_answer_is_as_new_as_the_last_write(hub: Any) -> None:
    """Asked twice before each write and once after it, on connections of any worker."""
    agent, channel = hub.agent(), hub.channel()
    path = f"/api/channels/{channel}/posts"
    for number in range(20):
        before = [httpx.get(hub.url + path, headers=agent.headers).json() for _ in range(2)]
        made = agent.post(path, {"content": f"n{number}"}).json()["id"]
        after = httpx.get(hub.url + path, headers=agent.headers).json()
        assert before[0] == before[1] == after[1:][: len(before[0])] and after[0]["id"] == made


def test_answers_are_kept_until_a_write_and_in_bounds() -> None:
    """Of another version none; of too many, the newest."""
    recent = RecentAnswers(most_bytes=10_000)
    assert recent.recall(1, "a") is None
    recent.remember("a", b"one")
    assert recent.recall(1, "a") == b"one"
    assert recent.recall(2, "a") is None and recent.recall(1, "a") is None

    for number in range(1000):
        recent.remember(number, b"x" * 700)
    held = [number for number in range(1000) if recent.recall(1, number)]
    assert 0 < len(held) <= 10 and held[-1] >= 990
    recent.remember("large", b"x" * 20_000)
    assert recent.recall(1, "large") is None
