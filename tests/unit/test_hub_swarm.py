"""One workspace's part in a hub: joining, starting, trying others' commits, claims, and what a
verdict sends. A real hub answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autoresearch.client import Hub, wire
from autoresearch.git import sync
from autoresearch.git.repo import Repo
from autoresearch.researcher.judging.values import Record
from autoresearch.researcher.report.status import read, sentences
from autoresearch.researcher.swarm.choice import is_exploring
from autoresearch.researcher.swarm.hub_swarm import HubOptions, HubSwarm
from autoresearch.researcher.swarm.membership import Member, Membership
from autoresearch.researcher.swarm.outbox import Letter, Step
from autoresearch.researcher.swarm.swarm_state import Offer
from autoresearch.researcher.swarm.track import track_id
from autoresearch.researcher.workspace import Workspace
from conftest import Agent, RunningHub
from strange_hub import Asked, Reply, strange_hub, told
from swarms import seed, until
from tiny_workspaces import make, noisy, record

NOWHERE = "http://127.0.0.1:9"  # the discard port: nobody listens
EXPLORER_NOT = 3  # a seed with which nobody here explores


class Pocket:
    """A keyring in memory."""

    def __init__(self, member: Member | None = None) -> None:
        self.member = member

    def load(self) -> Member | None:
        return self.member

    def save(self, member: Member) -> None:
        self.member = member


@contextmanager
def community(
    workspace: Workspace, url: str, who: Agent | str = "ada", **options: Any
) -> Iterator[tuple[HubSwarm, list[str]]]:
    """Hub mode opened on a workspace, and what it says to a person."""
    said: list[str] = []
    pocket = Pocket() if isinstance(who, str) else Pocket(Member(who.id, who.key))
    wanted = who if isinstance(who, str) else who.id
    wish = HubOptions(**{"platform": "P", "seed": EXPLORER_NOT, **options})
    opened = HubSwarm(workspace, Membership(url, wanted, pocket), wish, said.append)
    opened.open()
    try:
        yield opened, said
    finally:
        opened.close()


def publish(
    workspace: Workspace,
    agent: Agent,
    value: float,
    name: str = "train.py",
    text: str = "",
    words: str = "theirs",
) -> str:
    """Another agent's commit on this workspace's start, pushed and claimed."""
    with workspace.fresh(workspace.repo.head()) as checkout:
        (checkout.path / name).write_text(text or noisy(value), "utf-8")
        Repo(checkout.path).add([name])
        commit = Repo(checkout.path).commit(words)
    with Hub(agent.hub.url, agent.key) as hub:
        sync.push_commits(workspace.repo, hub, [commit])
        hub.post(
            "results",
            f"commit:{commit[:7]} platform:P val_bpb:{value} vram_gb:--- "
            f"track:{track_id(workspace)} | {words}",
        )
    return commit


def verdict(workspace: Workspace, **fields: Any) -> Record:
    """A settled experiment whose commit is in the repository."""
    return record(**{"commit": workspace.repo.head(), "platform": "P", "track": "t", **fields})


def test_a_hub_that_is_down_costs_nothing_and_loses_nothing(tmp_path: Path) -> None:
    """Everything is answered without it, said once, and the verdict waits on disk."""
    workspace = make(tmp_path / "w", noisy())
    began = time.monotonic()
    with community(workspace, NOWHERE) as (swarm, said):
        assert swarm.start() is None
        assert swarm.foreign(verdict(workspace)) is None
        assert list(swarm.notes()) == []
        assert swarm.claim("0002", "an idea") == ""
        swarm.queue_verdict(verdict(workspace))
        assert swarm.outbox.names("waiting") == ["000001-0001.json"]
    assert time.monotonic() - began < 30
    assert len([text for text in said if text.startswith("research goes on")]) == 1


def test_a_name_that_is_taken_gets_a_suffix(
    own_hub: Callable[..., RunningHub], tmp_path: Path
) -> None:
    """Two folders ask for one name; both are somebody."""
    hub = own_hub()
    names = []
    for place in ("one", "two"):
        with community(make(tmp_path / place, noisy()), hub.url) as (swarm, _):
            names.append(swarm.me)
    assert names[0] == "ada" and names[1].startswith("ada-") and len(names[1]) == 10


def test_a_closed_hub_is_told_as_soon_as_it_lets_us_in(
    own_hub: Callable[..., RunningHub], tmp_path: Path
) -> None:
    """Registration is closed: a sentence with what to do, research goes on; the key that turns up
    later sends what waits."""
    hub = own_hub(registration="closed")
    workspace = make(tmp_path / "w", noisy())
    with community(workspace, hub.url) as (swarm, said):
        swarm.queue_verdict(verdict(workspace))
        assert any("ah join" in text for text in said)
        answer = hub.http.post(
            "/api/admin/agents",
            json={"id": "ada"},
            headers={"Authorization": f"Bearer {hub.admin_key}"},
        )
        swarm.membership.keyring.save(Member("ada", answer.json()["api_key"]))
        until(lambda: not swarm.outbox.names("waiting"), "the result is sent")


def test_a_new_branch_starts_at_the_best_that_can_be_compared(
    own_hub: Callable[..., RunningHub], tmp_path: Path
) -> None:
    """A commit with other fixed files is passed over with a sentence, however good its number."""
    hub = own_hub()
    workspace = make(tmp_path / "w", noisy())
    other = hub.agent()
    good = publish(workspace, other, 0.8)
    publish(workspace, other, 0.1, name="prepare.py", text="LIMIT = 2\n")
    with community(make(tmp_path / "mine", noisy()), hub.url) as (swarm, said):
        assert swarm.start() == good
        assert any("prepare.py, which is fixed here" in text for text in said)
    with community(
        make(tmp_path / "another", noisy(), files={"data.txt": "other data"}), hub.url
    ) as (swarm, said):
        assert swarm.start() is None  # another track: nobody there, no root


def test_the_root_is_where_nobody_was_before(
    own_hub: Callable[..., RunningHub], tmp_path: Path
) -> None:
    """No result yet: the hub's root where its fixed files are ours, else our own commit with a
    sentence."""
    hub = own_hub()
    root = seed(hub, make(tmp_path / "canon", noisy()).folder)
    with community(make(tmp_path / "w", noisy(0.9)), hub.url) as (swarm, _):
        assert swarm.start() == root
    with community(make(tmp_path / "o", noisy(), files={"data.txt": "other data"}), hub.url) as (
        swarm,
        said,
    ):
        assert swarm.start() is None
        assert any("data.txt" in text for text in said)


def test_a_leaf_of_ones_own_track_is_explored_now_and_then(
    own_hub: Callable[..., RunningHub], tmp_path: Path
) -> None:
    """Who explores begins at a commit nobody has built on, though a better one is known; who does
    not, at the best."""
    hub = own_hub()
    workspace = make(tmp_path / "w", noisy())
    best = publish(workspace, hub.agent(), 0.8)
    leaf = publish(workspace, hub.agent(), 0.9, words="a leaf")
    workspace.repo.git("reset", "-q", "--hard", best)
    child = publish(workspace, hub.agent(), 0.95, words="a child of the best")
    explorer = next(n for n in range(100) if is_exploring(n, "ada"))
    with community(make(tmp_path / "e", noisy()), hub.url, "ada", seed=explorer) as (swarm, _):
        assert swarm.start() in (leaf, child)
    with community(make(tmp_path / "n", noisy()), hub.url, "bob") as (swarm, _):
        assert swarm.start() == best


def leaves(hub: RunningHub) -> list[str]:
    return [commit["hash"] for commit in hub.agent().get("/api/git/leaves").json()]


def test_a_better_commit_is_offered_once_and_answered_in_its_thread(
    own_hub: Callable[..., RunningHub], tmp_path: Path
) -> None:
    """Also after a restart it is not offered again; what came of it is a reply that the board
    counts, and no result of ours."""
    hub = own_hub()
    other, me = hub.agent("other"), hub.agent("me")
    workspace = make(tmp_path / "w", noisy())
    theirs = publish(workspace, other, 0.5, words="half\x1b[31m")
    with community(workspace, hub.url, me) as (swarm, _):
        offered = swarm.foreign(verdict(workspace))
        assert offered is not None and (offered.commit, offered.agent, offered.claimed) == (
            theirs,
            other.id,
            0.5,
        )
        assert offered.description == "half[31m"
        assert swarm.foreign(verdict(workspace)) is None
    with community(workspace, hub.url, me) as (swarm, _):
        assert swarm.foreign(verdict(workspace)) is None
        tried = {
            "commit": theirs,
            "id": "0007",
            "status": "discard",
            "value": 0.91,
            "values": (0.91, 0.92),
            "agent": other.id,
        }
        swarm.queue_verdict(verdict(workspace, **tried))
        until(lambda: not swarm.outbox.names("waiting"), "it is told")

    replies = other.get("/api/posts/1/replies").json()
    assert [(r["agent_id"], r["content"].partition(" | ")[2][:14]) for r in replies] == [
        (me.id, "not reproduced")
    ]
    assert [r["agent_id"] for r in other.get("/api/results").json()] == [other.id]
    assert other.get("/api/leaderboard").json()[0]["best"]["disputed_by"] == [me.id]


def test_nobody_is_disputed_where_this_machine_cannot_tell(tmp_path: Path) -> None:
    """Noise unknown, or runs slowed by other work: no dispute; a crash and a clear miss are told
    with their reasons."""
    workspace = make(tmp_path / "w", noisy())
    offer = Offer("bob", 1, 0.5)
    with community(workspace, NOWHERE) as (swarm, _):
        assert swarm.dispute(verdict(workspace, values=(0.9,)), offer) is None
        assert swarm.dispute(verdict(workspace, values=(0.9, 0.91), contended=True), offer) is None
        assert swarm.dispute(verdict(workspace, values=(0.5, 0.51)), offer) == ""
        assert "claimed 0.5" in str(swarm.dispute(verdict(workspace, values=(0.9, 0.91)), offer))
        crashed = verdict(workspace, status="crash", value=None, values=(), reason="out of memory")
        assert swarm.dispute(crashed, offer) == "crashed: out of memory"


def test_discards_are_shared_where_asked_for(
    own_hub: Callable[..., RunningHub], tmp_path: Path
) -> None:
    """Improvements travel always, discards with --share-all and marked, an edit of fixed files
    never."""
    hub = own_hub()
    workspace = make(tmp_path / "w", noisy())
    base = workspace.repo.head()
    free = publish(workspace, hub.agent(), 0.9)
    fixed = commit(workspace, "prepare.py", "LIMIT = 9\n")
    tried = commit(workspace, "train.py", noisy(1.5))
    for place, share_all in (("private", False), ("open", True)):
        with community(workspace, hub.url, hub.agent(place), share_all=share_all) as (swarm, _):
            told = {
                number: [
                    step.kind
                    for step in swarm.pushes(
                        verdict(workspace, commit=of, parent=base, status=status, id=number)
                    )
                ]
                for number, of, status in (
                    ("1", tried, "keep"),
                    ("2", tried, "discard"),
                    ("3", tried, "crash"),
                    ("4", fixed, "crash"),
                )
            }
            assert told == {
                "1": ["push"],
                "2": ["push"] * share_all,
                "3": ["push"] * share_all,
                "4": [],
            }
    assert free in leaves(hub)


def commit(workspace: Workspace, name: str, text: str) -> str:
    with workspace.fresh(workspace.repo.head()) as checkout:
        (checkout.path / name).write_text(text, "utf-8")
        Repo(checkout.path).add([name])
        return Repo(checkout.path).commit("an attempt")


def test_an_idea_is_leased_and_given_up(own_hub: Callable[..., RunningHub], tmp_path: Path) -> None:
    """What another holds is refused in a sentence without a terminal's commands; ours ends with
    its verdict, or with the next start where it came to nothing."""
    hub = own_hub()
    other, me = hub.agent("other"), hub.agent("me")
    workspace = make(tmp_path / "w", noisy())
    other.post("/api/claims", {"text": "rotary base \x1b 200"})

    def held() -> list[str]:
        claims = other.get("/api/claims").json()
        return sorted(c["text"] for c in claims if c["agent_id"] == me.id)

    with community(workspace, hub.url, me) as (swarm, _):
        refusal = swarm.claim("0002", "Rotary base 200\n\nbecause")
        assert "nearly the same" in refusal and "\x1b" not in refusal
        assert swarm.claim("0003", "wider mlp") == "" and swarm.claim("0004", "deeper stem") == ""
        assert held() == ["deeper stem", "wider mlp"]
        swarm.queue_verdict(verdict(workspace, id="0003"))
        until(lambda: held() == ["deeper stem"], "the claim of a settled experiment ends")
        assert swarm.claim("0005", "x") == ""  # too short to claim: nothing to lease
    with community(workspace, hub.url, me):
        until(lambda: held() == [], "the claim of a dropped experiment ends")


def test_a_long_experiment_keeps_its_claim(
    own_hub: Callable[..., RunningHub], tmp_path: Path
) -> None:
    """A claim is renewed when half of its time is over, and forgotten when the hub says that it
    ended."""
    hub = own_hub()
    me = hub.agent("me")
    with community(make(tmp_path / "w", noisy()), hub.url, me) as (swarm, _):
        swarm.claim("0002", "wider mlp")
        first = me.get("/api/claims").json()[0]["expires_at"]
        swarm.memory.note_claim("0002", replace(swarm.memory.facts.claims["0002"], renew_at=0.0))
        swarm.renew_claims()
        assert me.get("/api/claims").json()[0]["expires_at"] > first
        assert swarm.memory.facts.claims["0002"].renew_at > time.time()
        me.delete(f"/api/claims/{swarm.memory.facts.claims['0002'].claim_id}")
        swarm.memory.note_claim("0002", replace(swarm.memory.facts.claims["0002"], renew_at=0.0))
        swarm.renew_claims()
        assert swarm.memory.facts.claims == {}


def test_status_tells_how_things_stand_with_the_hub(tmp_path: Path) -> None:
    """Last contact, what waits, what was refused, the trouble; nothing where there was never a
    hub."""
    workspace = make(tmp_path / "w", noisy())
    assert read(workspace).hub is None
    with community(workspace, NOWHERE) as (swarm, _):
        swarm.queue_verdict(verdict(workspace))
        swarm.outbox.add(
            "0002",
            "now",
            (Step("post", state="refused", content="x", answer="not \x1b[31m like this"),),
        )
        swarm.outbox.save(
            Letter(
                2, "0002", "now", (Step("post", state="refused", answer="not \x1b[31m like this"),)
            )
        )
    text = "\n".join(sentences(read(workspace)))
    assert f"hub      {NOWHERE} as (not joined yet): it never answered, 1 results wait" in text
    assert "experiment 0002: not [31m like this" in text and "trouble: no connection" in text
    assert read(workspace).as_dict()["hub"]["waiting"] == 1


RECORD = {
    "result_id": 1, "post_id": 1, "agent_id": "eve", "commit": "a" * 7, "val_bpb": 0.1,
    "vram_gb": None, "description": "x", "created_at": "now",
}  # fmt: skip


@pytest.mark.parametrize(
    ("named", "fetched"),
    [
        ("a" * 40, b"# v2 git bundle\nnot one\n"),
        ("a" * 40, b"x" * 5000),
        ("a" * 40, b""),
        ("--help", b""),
        ("b" * 40, b""),
    ],
)
def test_a_hub_that_lies_in_good_form_gets_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str, fetched: bytes
) -> None:
    """Boards of commits that are not there, another commit than asked for, bundles that are none
    or too large: told in a sentence, passed over."""
    monkeypatch.setattr(wire, "BUNDLE_MAX_BYTES", 4000)
    workspace = make(tmp_path / "w", noisy())
    record = {**RECORD, "commit_hash": "a" * 40}
    board = {"platform": "P", "track": track_id(workspace), "best": record, "records": [record]}
    commit = {
        "hash": named,
        "parent_hash": "",
        "agent_id": "eve",
        "message": "",
        "created_at": "now",
    }

    def answer(asked: Asked) -> Reply:
        path = asked.path.partition("?")[0]
        if path == "/api/register":
            return told(201, {"id": "ada", "api_key": "k"})
        if path == "/api/whoami":
            return told(200, {"id": "ada"})
        if path.startswith("/api/git/fetch"):
            return Reply(200, fetched)
        if path == "/api/leaderboard":
            return told(200, [board])
        return told(
            200,
            [commit]
            if path.endswith(("lineage", "leaves"))
            else commit
            if "commits/" in path
            else [],
        )

    with strange_hub(answer) as hub, community(workspace, hub.url) as (swarm, said):
        assert swarm.foreign(verdict(workspace)) is None
        assert swarm.start() is None
        assert list(swarm.notes()) == []
    assert workspace.repo.refs("refs/agenthub/") == {}
    assert any(
        "aaaaaaa by eve could not be fetched" in text or "does not answer as a hub does" in text
        for text in said
    )


def test_a_hub_that_refuses_everything_stops_nothing(tmp_path: Path) -> None:
    """An agent that was shut out (403 everywhere) goes on with its research and says so once."""
    workspace = make(tmp_path / "w", noisy())
    me = Member("ada", "k")
    with strange_hub(lambda asked: told(403, {"error": "not you"})) as hub:
        with community(
            workspace, hub.url, Agent(RunningHub(hub.url, "", tmp_path), me.agent_id, me.key)
        ) as (
            swarm,
            said,
        ):
            for _ in range(2):
                assert swarm.start() is None and swarm.foreign(verdict(workspace)) is None
                assert list(swarm.notes()) == [] and swarm.claim("0002", "an idea") == ""
            swarm.queue_verdict(verdict(workspace))
            until(lambda: not swarm.outbox.names("waiting"), "it is set aside")
        assert swarm.outbox.refusals() == [("0001", "not you")] * 2
        assert said.count("the hub refuses: not you") == 1
