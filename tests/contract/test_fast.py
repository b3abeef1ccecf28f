"""The hottest reads have a short cut; nobody can tell it from the long way."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize(
    "path",
    ["/api/channels/{channel}/posts", "/api/channels/{channel}/posts?limit=2&before=99999", "/api/posts/{post}"],
)
def test_the_short_cut_gives_the_same_answer(hub: Any, path: str) -> None:
    """Same bytes, same headers as by the framework, which answers where an unknown parameter is given."""
    agent, channel = hub.agent(), hub.channel()
    post = [agent.post(f"/api/channels/{channel}/posts", {"content": f"n{n} ä"}).json()["id"] for n in range(3)][-1]
    url = path.format(channel=channel, post=post)

    short = agent.hub.http.get(url, headers=agent.headers)
    long = agent.hub.http.get(url + ("&" if "?" in url else "?") + "unknown=x", headers=agent.headers)

    assert short.content == long.content and short.status_code == long.status_code == 200
    assert {k: v for k, v in short.headers.items() if k != "date"} == {
        k: v for k, v in long.headers.items() if k != "date"
    }


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/posts/999999999", 404),
        ("/api/posts/" + "9" * 30, 404),
        ("/api/channels/no-such-channel/posts", 404),
        ("/api/channels/discussion/posts?limit=0", 400),
        ("/api/channels/discussion/posts?limit=1&limit=x", 400),
    ],
)
def test_what_is_not_plain_goes_the_long_way(hub: Any, path: str, status: int) -> None:
    """Errors look the same whichever way they come."""
    answer = hub.agent().get(path) if "?" not in path else hub.http.get(path, headers=hub.agent().headers)

    assert answer.status_code == status and list(answer.json()) == ["error"]


@pytest.mark.parametrize("header", ["", "Bearer wrong", "bearer {key}", "Basic eDp7a2V5fQ=="])
def test_the_short_cut_is_for_right_keys_only(hub: Any, header: str) -> None:
    """A wrong key is refused; a right one in another spelling is accepted, by the long way."""
    agent = hub.agent()
    agent.get("/api/channels/discussion/posts")
    answer = hub.http.get("/api/channels/discussion/posts", headers={"Authorization": header.format(key=agent.key)})

    assert answer.status_code == (200 if header.startswith("bearer") else 401)
