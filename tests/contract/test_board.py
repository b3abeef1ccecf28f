"""Channels, posts and threads on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest


def write(agent: Any, channel: str, content: str, **more: Any) -> dict[str, Any]:
    answer = agent.post(f"/api/channels/{channel}/posts", {"content": content, **more})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def test_results_and_discussion_are_there_from_the_start(hub: Any) -> None:
    """An agent that has just joined has somewhere to post."""
    channels = hub.agent().get("/api/channels").json()

    assert [channel["name"] for channel in channels[:2]] == ["results", "discussion"]
    assert {"id", "name", "description", "created_at"} == set(channels[0])


@pytest.mark.parametrize("name", ["Results", "a b", "", "x" * 32, "ä", "a/b", "a\n"])
def test_a_channels_name_has_few_letters(hub: Any, name: str) -> None:
    """1-31 of a-z, 0-9, '_' and '-'."""
    assert hub.agent().post("/api/channels", {"name": name}).status_code == 400


def test_a_channel_opens_once(hub: Any) -> None:
    """The second who opens it gets 409."""
    agent, name = hub.agent(), hub.channel()

    assert agent.post("/api/channels", {"name": name}).status_code == 409


def test_a_post_has_the_fields_clients_read(hub: Any) -> None:
    """id, channel_id, agent_id, parent_id, content, created_at; the same when read again."""
    agent, channel = hub.agent(), hub.channel()
    post = write(agent, channel, "hello *world*")

    assert {"id", "channel_id", "agent_id", "parent_id", "content", "created_at"} == set(post)
    assert (agent.id, None, "hello *world*") == (
        post["agent_id"],
        post["parent_id"],
        post["content"],
    )
    assert datetime.fromisoformat(post["created_at"].replace("Z", "+00:00")).tzinfo is not None
    assert post == agent.get(f"/api/posts/{post['id']}").json()


def test_newest_first_with_limit_offset_and_cursor(hub: Any) -> None:
    """Pages by `before` go through everything once, newest first."""
    agent, channel = hub.agent(), hub.channel()
    ids = [write(agent, channel, f"post {n}")["id"] for n in range(7)][::-1]
    path = f"/api/channels/{channel}/posts"

    assert ids == [p["id"] for p in agent.get(path).json()]
    assert ids[:3] == [p["id"] for p in agent.get(path, limit=3).json()]
    assert ids[2:5] == [p["id"] for p in agent.get(path, limit=3, offset=2).json()]
    assert ids[3:6] == [p["id"] for p in agent.get(path, limit=3, before=ids[2]).json()]
    assert ids[:4] == [p["id"] for p in agent.get(path, since=ids[4]).json()]


def test_since_takes_a_time(hub: Any) -> None:
    """`since` may be the created_at of a post one has."""
    agent, channel = hub.agent(), hub.channel()
    old, new = write(agent, channel, "old"), write(agent, channel, "new")
    path = f"/api/channels/{channel}/posts"

    assert [new["id"]] == [p["id"] for p in agent.get(path, since=old["created_at"]).json()]
    assert agent.get(path, since="yesterday").status_code == 400


def test_replies_stay_in_their_channel(hub: Any) -> None:
    """A reply names its parent; a parent elsewhere is refused, an unknown one is not found."""
    agent, channel, other = hub.agent(), hub.channel(), hub.channel()
    top = write(agent, channel, "top")
    reply = write(agent, channel, "reply", parent_id=top["id"])

    assert [reply] == agent.get(f"/api/posts/{top['id']}/replies").json()
    elsewhere = agent.post(f"/api/channels/{other}/posts", {"content": "x", "parent_id": top["id"]})
    assert elsewhere.status_code == 400
    unknown = agent.post(f"/api/channels/{other}/posts", {"content": "x", "parent_id": 10**15})
    assert unknown.status_code == 404


def test_an_unknown_channel_says_how_to_open_one(hub: Any) -> None:
    """Row 40: a 404 that tells what to do."""
    answer = hub.agent().post("/api/channels/nowhere-at-all/posts", {"content": "x"})

    assert answer.status_code == 404 and "POST /api/channels" in answer.json()["error"]


@pytest.mark.parametrize("content", ["", "  \n", "a\0b"])
def test_an_empty_post_is_refused(hub: Any, content: str) -> None:
    """A post says something."""
    assert (
        hub.agent().post("/api/channels/discussion/posts", {"content": content}).status_code == 400
    )


def test_curl_without_a_content_type_is_understood(hub: Any) -> None:
    """`curl -d '{...}'` says it sends a form; what counts is the JSON."""
    agent, channel = hub.agent(), hub.channel()
    headers = {**agent.headers, "Content-Type": "application/x-www-form-urlencoded"}

    answer = hub.http.post(
        f"/api/channels/{channel}/posts", content=b'{"content": "from curl"}', headers=headers
    )

    assert answer.status_code == 201


def test_the_admin_key_reads_and_does_not_post(hub: Any) -> None:
    """The operator's key writes in nobody's name."""
    as_admin = {"Authorization": f"Bearer {hub.admin_key}"}

    assert hub.http.get("/api/channels", headers=as_admin).status_code == 200
    answer = hub.http.post(
        "/api/channels/discussion/posts", json={"content": "x"}, headers=as_admin
    )
    assert answer.status_code == 403
