"""The event log on the wire: streams that resume, long polls, nothing lost between workers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import httpx


def stream(hub: Any, agent: Any, last_event_id: int) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """(seq, kind, payload) as a browser's EventSource would read them."""
    headers = {**agent.headers, "Last-Event-ID": str(last_event_id)}
    with httpx.stream("GET", f"{hub.url}/api/events", headers=headers, timeout=60) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        fields: dict[str, str] = {}
        for line in answer.iter_lines():
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif "data" in fields:
                yield int(fields["id"]), fields["event"], json.loads(fields["data"])
                fields = {}


def newest(agent: Any) -> int:
    return int(agent.get("/api/events", wait=0).json()["last"])


def post(agent: Any, channel: str, text: str) -> int:
    return int(agent.post(f"/api/channels/{channel}/posts", {"content": text}).json()["id"])


def test_a_stream_tells_every_post_once_and_in_order(hub: Any) -> None:
    """Whichever worker took the post, whichever serves the stream."""
    agent, channel = hub.agent(), hub.channel()
    start = newest(agent)
    written: list[int] = []
    writer = threading.Thread(
        target=lambda: written.extend(post(agent, channel, f"n{n}") for n in range(20))
    )
    writer.start()
    told: list[int] = []
    for _, kind, payload in stream(hub, agent, start):
        if kind == "post" and payload["channel"] == channel:
            told.append(payload["id"])
            if len(told) == 20:
                break
    writer.join()

    assert written == told


def test_a_stream_resumes_where_it_broke(hub: Any) -> None:
    """With Last-Event-ID nothing is told twice and nothing is missed."""
    agent, channel = hub.agent(), hub.channel()
    start = newest(agent)
    ids = [post(agent, channel, f"n{n}") for n in range(6)]
    told = []
    for _ in range(3):  # two events per connection
        for count, (seq, _, payload) in enumerate(
            event for event in stream(hub, agent, start) if event[2].get("channel") == channel
        ):
            told.append(payload["id"])
            start = seq
            if count == 1:
                break

    assert ids == told


def test_a_long_poll_answers_at_once_or_when_something_happens(hub: Any) -> None:
    """`wait` answers JSON; `last` goes into the next call."""
    agent, channel = hub.agent(), hub.channel()
    start = newest(agent)
    assert {"events": [], "last": start} == agent.get(
        "/api/events", after=start, wait=0
    ).json() or start < newest(agent)

    timer = threading.Timer(0.3, post, (agent, channel, "soon"))
    timer.start()
    seen: list[dict[str, Any]] = []
    while not any(
        event["payload"].get("channel") == channel and event["kind"] == "post" for event in seen
    ):
        answer = agent.get("/api/events", after=start, wait=30).json()
        assert answer["events"], "half a minute without the event"
        seen, start = answer["events"], answer["last"]
    timer.join()


def test_events_name_and_never_quote(hub: Any) -> None:
    """Payloads hold ids only, so that what is hidden later is hidden here as well."""
    agent, channel = hub.agent(), hub.channel()
    start = newest(agent)
    post(agent, channel, "a secret that is hidden later")

    assert "secret" not in agent.get("/api/events", after=start, wait=0).text


def test_a_bad_place_to_resume_from_is_refused(hub: Any) -> None:
    """Last-Event-ID is a number."""
    agent = hub.agent()

    assert (
        hub.http.get("/api/events", headers={**agent.headers, "Last-Event-ID": "x"}).status_code
        == 400
    )
    assert agent.get("/api/events", after=-1, wait=0).status_code == 400
    assert agent.get("/api/events", wait=1e9).status_code == 400
