"""Work handed out over the wire: leases, heartbeats, ends, and who gets what."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from autoresearch.cli import agenthub
from git_work import push_new


class Board:
    """A platform nobody else uses, and somebody who reports results there: from a network of
    their own, for of a network that was often wrong, as other tests' are, little is handed out."""

    def __init__(self, hub: Any) -> None:
        self.hub, self.gpu, self.author = hub, f"GPU {secrets.token_hex(4)}", hub.vouched("author")

    def report(self, value: float, agent: Any = None) -> dict[str, Any]:
        """A result of a commit that is pushed now."""
        agent = agent or self.author
        commit = push_new(agent)
        line = f"commit:{commit} platform:{self.gpu} val_bpb:{value} vram_gb:1 | to {value}"
        answer = agent.post("/api/channels/results/posts", {"content": line})
        assert answer.status_code == 201, answer.text
        (result,) = agent.get("/api/results", commit=commit).json()
        return dict(result)

    def ask(self, agent: Any) -> dict[str, Any] | None:
        """The lease that an agent gets, if it gets one."""
        answer = agent.post("/api/work", {"platform": self.gpu.lower()})
        assert answer.status_code == 200, answer.text
        lease, retry_after_s = answer.json()["lease"], answer.json()["retry_after_s"]
        assert (lease is None) == (retry_after_s > 0)
        return None if lease is None else dict(lease)

    def judge(self, agent: Any, result: dict[str, Any], verdict: str = "reproduced") -> None:
        line = f"verify commit:{result['commit']} platform:{self.gpu} val_bpb:1.3 n:1 | {verdict}"
        body = {"content": line, "parent_id": result["post_id"]}
        answer = agent.post("/api/channels/results/posts", body)
        assert answer.status_code == 201, answer.text


def end_of(agent: Any, lease: dict[str, Any]) -> tuple[int, str]:
    answer = agent.post(f"/api/work/{lease['id']}/heartbeat")
    return answer.status_code, answer.json().get("error", "")


def test_a_result_is_in_one_pair_of_hands(hub: Any) -> None:
    """Two results go to two volunteers, whole, and the third is told when to ask again; their
    author gets neither, on no spelling of the device."""
    board, (one, two, three) = Board(hub), [hub.vouched() for _ in range(3)]
    reported = [board.report(1.4), board.report(1.5)]

    assert board.ask(board.author) is None
    leases = [board.ask(one), board.ask(two)]
    assert board.ask(three) is None
    assert sorted(lease["result"]["id"] for lease in leases if lease) == [
        result["id"] for result in reported
    ]
    for lease, agent in zip(leases, (one, two), strict=True):
        assert lease is not None and (lease["kind"], lease["agent_id"]) == ("verify", agent.id)
        assert lease["result"] in reported and lease["created_at"] < lease["expires_at"]
        assert 0 < lease["heartbeat_s"] < 300


def test_who_came_just_now_gets_nothing_of_their_own(own_hub: Any) -> None:
    """Nor of their network: whoever is on the hub is looked up now and then, newcomers always."""
    hub = own_hub()
    board, other, newcomer = Board(hub), hub.vouched(), hub.vouched()
    board.report(1.5)
    assert board.ask(other) is not None, "now the members were read"
    late, sibling = hub.vouched("late"), hub.agent("sibling")
    board.report(1.4, late)
    board.report(1.3, sibling)

    assert board.ask(late)["result"]["val_bpb"] == 1.3  # type: ignore[index]
    assert board.ask(sibling)["result"]["val_bpb"] == 1.4  # type: ignore[index]
    assert board.ask(newcomer) is None


def test_the_first_place_comes_first(own_hub: Any) -> None:
    """Of two claims the better one, whichever was first."""
    board = Board(own_hub())
    best = [board.report(1.5), board.report(1.4), board.report(1.6)][1]
    lease = board.ask(board.hub.vouched())

    assert lease is not None and lease["result"]["id"] == best["id"]


def test_a_verdict_ends_its_lease(hub: Any) -> None:
    """Whose verdict stands in the thread has done the work; what is settled is handed to nobody."""
    board, volunteer = Board(hub), hub.vouched()
    result = board.report(1.4)
    lease = board.ask(volunteer)
    assert lease is not None

    board.judge(volunteer, result)

    status, sentence = end_of(volunteer, lease)
    assert status == 409 and "(done)" in sentence
    assert volunteer.delete(f"/api/work/{lease['id']}").status_code == 204
    assert [board.ask(agent) for agent in (volunteer, hub.vouched())] == [None, None]


def test_a_lease_is_kept_and_given_back_by_its_owner(hub: Any) -> None:
    """Heartbeats prolong it; others can do nothing to it. Given back it goes to somebody else, and
    not to the same volunteer again."""
    board, one, other = Board(hub), hub.vouched(), hub.vouched()
    board.report(1.4)
    lease = board.ask(one)
    assert lease is not None
    path = f"/api/work/{lease['id']}"

    kept = one.post(f"{path}/heartbeat")
    assert kept.status_code == 200 and kept.json()["expires_at"] > lease["expires_at"]
    assert (end_of(other, lease)[0], other.delete(path).status_code) == (403, 403)
    assert [one.delete(path).status_code for _ in range(2)] == [204, 204]
    status, sentence = end_of(one, lease)
    assert status == 409 and "(returned)" in sentence
    assert board.ask(one) is None
    again = board.ask(other)
    assert again is not None and again["result"] == lease["result"]
    assert one.delete("/api/work/999999999").status_code == 404


def test_nobody_holds_many(hub: Any) -> None:
    """Four leases; the fifth is refused with a time to wait, until one is given back."""
    board, volunteer = Board(hub), hub.vouched()
    for place in range(6):
        board.report(1.4 + place / 10)
    leases = [board.ask(volunteer) for _ in range(4)]

    refused = volunteer.post("/api/work", {"platform": board.gpu})
    assert refused.status_code == 429 and int(refused.headers["Retry-After"]) > 0
    assert "you hold 4" in refused.json()["error"]
    assert leases[0] is not None
    volunteer.delete(f"/api/work/{leases[0]['id']}")
    assert board.ask(volunteer) is not None


def test_of_many_who_ask_at_once_each_gets_another(hub: Any) -> None:
    """Eight volunteers and five results: five leases, on five results."""
    board, volunteers = Board(hub), [hub.vouched() for _ in range(8)]
    reported = {board.report(1.4 + place / 10)["id"] for place in range(5)}
    with ThreadPoolExecutor(8) as pool:
        leases = [lease for lease in pool.map(board.ask, volunteers) if lease]

    assert len(leases) == 5 and {lease["result"]["id"] for lease in leases} == reported


@pytest.mark.parametrize("body", [{}, {"platform": ""}, {"platform": "x" * 201}, {"platform": 3},
                                  {"platform": "x\0"},
                                  {"platform": "x", "track": "t" * 201}])  # fmt: skip
def test_a_bad_question_is_refused(hub: Any, body: dict[str, Any]) -> None:
    """A platform has 1 to 200 characters, a track up to 200."""
    assert hub.agent().post("/api/work", body).status_code == 400


def test_what_operators_took_away_is_no_work(own_hub: Any) -> None:
    """A hidden post, a hidden commit and the results of a closed account go to nobody."""
    hub = own_hub()
    board = Board(hub)
    hidden, buried, shown = (board.report(value) for value in (1.4, 1.5, 1.6))
    closed = board.report(1.3, hub.agent("closed"))
    for words in (
        ("hide", "post", str(hidden["post_id"])),
        ("hide", "commit", buried["commit_hash"]),
        ("agents", "revoke", closed["agent_id"]),
    ):
        agenthub.app([*words, *hub.place], standalone_mode=False)
    leases = [board.ask(hub.vouched()) for _ in range(2)]

    assert [lease and lease["result"]["id"] for lease in leases] == [shown["id"], None]


def test_leases_count_against_an_allowance(own_hub: Any) -> None:
    """As many an hour as posts; asking in vain costs nothing."""
    hub = own_hub(max_posts_per_hour=2)
    board, volunteer = Board(hub), hub.vouched()
    assert [board.ask(volunteer) for _ in range(5)] == [None] * 5
    for value, agent in zip((1.4, 1.5, 1.6), [hub.agent() for _ in range(3)], strict=True):
        board.report(value, agent)
    for _ in range(2):
        lease = board.ask(volunteer)
        assert lease is not None
        volunteer.delete(f"/api/work/{lease['id']}")

    refused = volunteer.post("/api/work", {"platform": board.gpu})
    assert refused.status_code == 429 and "pieces of work" in refused.json()["error"]
