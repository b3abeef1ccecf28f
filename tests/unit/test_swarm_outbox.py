"""What waits for the hub is told once, in order, whatever dies in between and whatever the hub
answers."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autoresearch.client.wire import Wire
from autoresearch.git.repo import Repo
from autoresearch.researcher.swarm import delivery
from autoresearch.researcher.swarm.delivery import Delivery
from autoresearch.researcher.swarm.hub_session import HubSession
from autoresearch.researcher.swarm.membership import Member, Membership
from autoresearch.researcher.swarm.outbox import Outbox, Step
from autoresearch.researcher.swarm.swarm_state import SwarmState
from conftest import Agent, RunningHub
from kills import Killed, interrupt
from strange_hub import Asked, Reply, strange_hub, told
from swarms import until
from tiny_workspaces import make, noisy

RECORDS = 3


class Pocket:
    """A keyring in memory."""

    def __init__(self, member: Member | None) -> None:
        self.member = member

    def load(self) -> Member | None:
        return self.member

    def save(self, member: Member) -> None:
        self.member = member


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses between tries that a test can wait for."""
    monkeypatch.setattr(delivery, "PAUSE_S", 0.05)


def post_office(folder: Path, url: str, member: Member, private: str = ".autoresearch") -> Delivery:
    """The delivery of a workspace in `folder`, made anew as a restart would."""
    repo = Repo(folder) if folder.exists() else make(folder, noisy()).repo
    link = HubSession(
        Membership(url, member.agent_id, Pocket(member)),
        SwarmState(folder / private / "swarm.json"),
        lambda text: None,
    )
    return Delivery(Outbox(folder / private / "outbox"), link, repo, lambda: 300.0)


def letter(number: int, commit: str, claim_id: int = 0) -> tuple[Step, ...]:
    line = f"commit:{commit[:7]} platform:p val_bpb:0.{number} vram_gb:--- | idea {number}"
    release = (Step("release", claim_id=claim_id),) if claim_id else ()
    return (Step("push", commit=commit), Step("post", content=line), *release)


def contents(agent: Agent) -> list[str]:
    """What the agent posted, oldest first."""
    posts = agent.get("/api/channels/results/posts", limit=1000).json()
    return [p["content"] for p in reversed(posts) if p["agent_id"] == agent.id]


def test_letters_arrive_in_order_with_their_commit(two_workers: RunningHub, tmp_path: Path) -> None:
    """Push, post, release; one letter after the other; then nothing waits."""
    agent = two_workers.agent()
    office = post_office(tmp_path / "w", two_workers.url, Member(agent.id, agent.key))
    head = office.repo.head()
    claim = agent.post("/api/claims", {"text": f"idea of {agent.id}"}).json()
    for number in range(RECORDS):
        assert office.outbox.add(
            f"{number:04d}", "now", letter(number, head, claim["id"] if number == 1 else 0)
        )
    office.start()
    until(lambda: not office.outbox.names("waiting"), "everything is sent")
    office.stop(5)

    assert [text[-6:] for text in contents(agent)] == ["idea 0", "idea 1", "idea 2"]
    assert agent.get(f"/api/git/commits/{head}").status_code == 200
    assert claim["id"] not in [c["id"] for c in agent.get("/api/claims").json()]


def test_a_record_is_queued_once(tmp_path: Path) -> None:
    """Telling the same record again, before or after it was sent, adds nothing."""
    outbox = Outbox(tmp_path)
    assert outbox.add("0001", "now", (Step("post", content="x"),))
    assert not outbox.add("0001", "now", (Step("post", content="x"),))
    first = outbox.first()
    assert first is not None
    outbox.save(first.with_step(0, state="done"))
    assert not outbox.add("0001", "now", (Step("post", content="x"),))
    assert outbox.first() is None


# ---------------------------------------------------------------- killed in between


class Straight(HubSession):
    """Questions in the caller's thread, so that a kill can end it."""

    def in_time(self, question: Any, deadline_s: float) -> Any:
        return question(self.take())


def deliver(office: Delivery) -> None:
    office.link.__class__ = Straight
    while (waiting := office.outbox.first()) is not None:
        office.deliver(waiting)


@pytest.mark.slow
def test_a_kill_at_any_step_neither_loses_nor_doubles(
    own_hub: Callable[..., RunningHub], tmp_path: Path
) -> None:
    """Whichever effect was the last, done or not done, the next start tells the rest, in order and
    once each."""
    hub = own_hub()

    def once(at: int, is_done: bool) -> int:
        agent = hub.agent()
        member, private = Member(agent.id, agent.key), f".autoresearch/{at}-{is_done}"
        office = post_office(tmp_path / "w", hub.url, member, private)
        claim = agent.post("/api/claims", {"text": f"attempt {at} {is_done}"}).json()["id"]
        office.repo.git(
            "commit", "-q", "--allow-empty", "-m", f"{at} {is_done}", env=office.repo.identity()
        )
        for number in range(2):
            office.outbox.add(f"{number:04d}", "now", letter(number, office.repo.head(), claim))
        with pytest.MonkeyPatch.context() as patch:
            count = interrupt(patch, [(os, "replace"), (Wire, "_send")], at, is_done)
            try:
                deliver(office)
            except Killed:
                pass
        deliver(post_office(tmp_path / "w", hub.url, member, private))
        assert [text[-6:] for text in contents(agent)] == ["idea 0", "idea 1"], (at, is_done)
        assert office.outbox.refusals() == []
        return count()

    effects = once(0, False)
    assert effects > 10
    for at in range(1, effects + 1):
        once(at, False)
        once(at, True)


# ---------------------------------------------------------------- hubs that are not well

ME = Member("ada", "secret-key-1")


def office_for(folder: Path, url: str, letters: int = 1) -> Delivery:
    office = post_office(folder, url, ME)
    for number in range(letters):
        office.outbox.add(f"{number:04d}", "now", (Step("post", content=f"text {number}"),))
    return office


def posted(asked: Asked, number: int = 1) -> Reply:
    return told(201, {**POST, "id": number, "content": asked.body["content"]})


POST = {
    "id": 1,
    "channel_id": 1,
    "agent_id": "ada",
    "parent_id": None,
    "content": "",
    "created_at": "now",
}
NONSENSE = {
    "html": Reply(200, b"<html>welcome</html>", {"content-type": "text/html"}),
    "a number": told(200, 7),
    "wrong types": told(200, [{**POST, "id": "one"}]),
    "deep": Reply(200, b"[" * 100_000),
    "bad gzip": Reply(200, b"not gzip", {"content-encoding": "gzip"}),
    "not text": Reply(200, b"\xff\xfe\x00"),
    "a redirect": Reply(302, b"", {"location": "http://127.0.0.1:9/"}),
    "full": told(507, {"error": "no space left"}),
    "broken": Reply(500, b"Traceback"),
    "a proxy": Reply(404, b"<html>nothing here</html>"),
    "a cut": Reply(cut=True),
}


@pytest.mark.parametrize("kind", NONSENSE)
def test_a_lying_hub_neither_takes_nor_loses_anything(tmp_path: Path, kind: str) -> None:
    """Whatever it answers that is no hub's answer, the letter waits, unchanged in its words, and
    is tried again."""
    with strange_hub(lambda asked: NONSENSE[kind]) as hub:
        office = office_for(tmp_path / "w", hub.url)
        office.start()
        until(lambda: office.failures >= 2, "two tries")
        office.stop(0.2)

    waiting = office.outbox.first()
    assert waiting is not None and waiting.steps[0].content == "text 0"
    assert office.outbox.refusals() == [] and office.outbox.names("sent") == []


def test_an_answer_that_lies_about_a_post_is_looked_into(tmp_path: Path) -> None:
    """The post arrived and the answer was nonsense: it is found among our posts, and not written
    again."""
    board: list[dict[str, Any]] = []

    def answer(asked: Asked) -> Reply:
        if asked.method == "POST":
            board.append({**POST, "id": len(board) + 5, "content": asked.body["content"]})
            return told(201, {"thank": "you"})
        return told(200, board[::-1])

    with strange_hub(answer) as hub:
        office = office_for(tmp_path / "w", hub.url, letters=2)
        office.start()
        until(lambda: not office.outbox.names("waiting"), "both are found")
        office.stop(0.2)
        assert hub.posts() == ["text 0", "text 1"]


@pytest.mark.parametrize("status", [400, 403, 409, 413])
def test_what_is_refused_for_good_is_set_aside(tmp_path: Path, status: int) -> None:
    """It holds nothing up, and its sentence is kept for a person."""

    def answer(asked: Asked) -> Reply:
        if asked.method == "GET":
            return told(200, [])
        return (
            told(status, {"error": "not like this"})
            if asked.body["content"] == "text 0"
            else posted(asked)
        )

    with strange_hub(answer) as hub:
        office = office_for(tmp_path / "w", hub.url, letters=2)
        office.start()
        until(lambda: not office.outbox.names("waiting"), "the queue is empty")
        office.stop(0.2)

    assert office.outbox.refusals() == [("0000", "not like this")]
    assert office.outbox.names("sent") == ["000002-0001.json"]


def test_retry_after_is_honoured(tmp_path: Path) -> None:
    """A hub that asks for time gets it, also when news comes meanwhile; then the post is sent,
    once, without looking for it."""
    begun = time.monotonic()
    refused: list[float] = []

    def answer(asked: Asked) -> Reply:
        if asked.method == "GET":
            return told(200, [])
        if not refused:
            refused.append(time.monotonic())
            return told(429, {"error": "slowly"}, retry_after="2")
        return posted(asked)

    with strange_hub(answer) as hub:
        office = office_for(tmp_path / "w", hub.url)
        office.start()
        until(lambda: bool(refused), "the first try")
        while office.outbox.names("waiting") and time.monotonic() - begun < 60:
            office.notice()
            time.sleep(0.05)
        assert time.monotonic() - refused[0] >= 1.9
        office.stop(0.2)
        assert hub.posts() == ["text 0", "text 0"]


def test_a_dripping_hub_is_given_up(tmp_path: Path) -> None:
    """An answer that comes a byte at a time ends at the deadline, and the loop's questions rest
    for a while."""
    with strange_hub(lambda asked: Reply(200, b"[]", drip=True)) as hub:
        link = post_office(tmp_path / "w", hub.url, ME).link
        began = time.monotonic()
        assert link.ask(lambda h: h.posts("results"), None, deadline_s=0.5) is None
        asked = len(hub.asked)
        assert link.ask(lambda h: h.posts("results"), None, deadline_s=30.0) is None
        assert len(hub.asked) == asked
        assert time.monotonic() - began < 25
        assert "did not answer within" in link.memory.facts.trouble


def test_a_delivery_whose_hub_is_down_does_not_hold_up_the_end(tmp_path: Path) -> None:
    """Closing takes a moment, not the hub's patience; the letter is there at the next start."""
    with strange_hub(lambda asked: Reply(503, b"")) as hub:
        office = office_for(tmp_path / "w", hub.url)
        office.start()
        until(lambda: office.failures >= 1, "one try")
        ended = threading.Event()
        threading.Thread(target=lambda: (office.stop(60.0), ended.set()), daemon=True).start()
        assert ended.wait(30)
    assert office.outbox.names("waiting") == ["000001-0000.json"]
