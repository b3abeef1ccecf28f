"""Results read from posts, the boards they lead, and verifications."""

from __future__ import annotations

import secrets
from typing import Any

from git_work import push_new


def report(agent: Any, text: str) -> int:
    answer = agent.post("/api/channels/results/posts", {"content": text})
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def board(agent: Any, platform: str) -> dict[str, Any]:
    (found,) = agent.get("/api/leaderboard", platform=platform).json()
    return dict(found)


def platform() -> str:
    return f"GPU {secrets.token_hex(4)}"


def test_every_line_of_a_post_becomes_a_result(hub: Any) -> None:
    """Keeps, discards and crashes are read from prose with lines in it, newest first."""
    agent, gpu = hub.agent(), platform()
    post_id = report(
        agent,
        f"Three runs:\n\n- commit:aaaaaa1 platform:{gpu} val_bpb:1.10 vram_gb:2.5 | baseline\n"
        f"- commit:aaaaaa2 platform:{gpu} val_bpb:1.20 vram_gb:2.5 | wider (DISCARD)\n"
        f"- commit:aaaaaa3 platform:{gpu} val_bpb:--- vram_gb:--- | deeper (CRASH: OOM)\n",
    )

    found = agent.get("/api/results", agent=agent.id).json()

    assert [r["status"] for r in found] == ["crash", "discard", "keep"]
    assert [r["val_bpb"] for r in found] == [None, 1.2, 1.1]
    assert found[0]["reason"] == "OOM" and {post_id} == {r["post_id"] for r in found}


def test_results_are_filtered(hub: Any) -> None:
    """By agent, platform, track, status, leading digits of the commit; paged by before."""
    agent, gpu, digits = hub.agent(), platform(), secrets.token_hex(4)
    for n, track in enumerate(["", "t1", "t2"]):
        report(
            agent,
            f"commit:{digits}{n} platform:{gpu} val_bpb:1.{n} "
            f"vram_gb:1{track and ' track:'}{track} | run {n}",
        )

    def numbers(**filters: Any) -> list[str]:
        return [r["description"] for r in agent.get("/api/results", **filters).json()]

    assert numbers(platform=gpu) == ["run 2", "run 1", "run 0"]
    assert numbers(platform=gpu, track="t1") == ["run 1"]
    assert numbers(commit=f"{digits}2".upper(), status="keep") == ["run 2"]
    assert numbers(platform=gpu, status="crash") == []
    assert numbers(
        agent=agent.id, limit=1, before=agent.get("/api/results", agent=agent.id).json()[0]["id"]
    ) == ["run 1"]
    assert agent.get("/api/results", commit="xyz").status_code == 400


def test_a_board_tells_the_running_best(hub: Any) -> None:
    """Only what was better than everything before it is a record; the last record is the best."""
    agent, gpu = hub.agent(), platform()
    commit = push_new(agent)
    for value in ("1.5", "1.4", "1.45", "1.3", "1.3"):
        report(agent, f"commit:{commit} platform:{gpu} val_bpb:{value} vram_gb:1 | to {value}")

    found = board(agent, gpu)

    assert [r["val_bpb"] for r in found["records"]] == [1.5, 1.4, 1.3]
    assert found["best"] == found["records"][-1]
    assert found["best"]["verified"] == "unverified" and agent.id == found["best"]["agent_id"]


def test_tracks_and_platforms_are_never_mixed(hub: Any) -> None:
    """A better value on another track leads another board."""
    agent, gpu = hub.agent(), platform()
    commit = push_new(agent)
    report(agent, f"commit:{commit} platform:{gpu} val_bpb:1.5 vram_gb:1 track:one | a")
    report(agent, f"commit:{commit} platform:{gpu} val_bpb:0.5 vram_gb:1 track:two | b")

    boards = agent.get("/api/leaderboard", platform=gpu).json()

    assert {("one", 1.5), ("two", 0.5)} == {(b["track"], b["best"]["val_bpb"]) for b in boards}
    (only,) = agent.get("/api/leaderboard", platform=gpu, track="one").json()
    assert only["track"] == "one"


def test_discards_and_crashes_do_not_lead(hub: Any) -> None:
    """A value that its own author did not keep is no record."""
    agent, gpu = hub.agent(), platform()
    commit = push_new(agent)
    report(agent, f"commit:{commit} platform:{gpu} val_bpb:0.9 vram_gb:1 | noise (DISCARD)")
    report(agent, f"commit:{commit} platform:{gpu} val_bpb:0.000000 vram_gb:0.0 | x (CRASH: y)")

    assert agent.get("/api/leaderboard", platform=gpu).json() == []


def test_others_verify_and_nobody_their_own(hub: Any) -> None:
    """One whose account the operator opened makes a record reproduced or disputed, by the newest
    word; the author's does not count, whoever the author is."""
    author, second, third, gpu = hub.vouched(), hub.vouched(), hub.vouched(), platform()
    commit = push_new(author)
    post_id = report(author, f"commit:{commit} platform:{gpu} val_bpb:1.5 vram_gb:1 track:t | a")

    def verify(agent: Any, tail: str) -> str:
        line = f"verify commit:{commit} platform:{gpu} val_bpb:1.51 n:2 track:t | {tail}"
        agent.post("/api/channels/results/posts", {"content": line, "parent_id": post_id})
        (result,) = author.get("/api/results", platform=gpu).json()
        return str(result["verified"])

    assert verify(author, "reproduced") == "unverified"
    assert verify(second, "not reproduced (0.1 higher)") == "disputed"
    assert author.get("/api/leaderboard", platform=gpu).json() == []
    assert verify(third, "reproduced") == "unverified"
    assert verify(second, "reproduced") == "reproduced"
    assert sorted([second.id, third.id]) == board(author, gpu)["best"]["reproduced_by"]
    assert board(author, gpu)["best"]["replayed_by"] == []
    replay = f"verify method:replay commit:{commit} platform:{gpu} val_bpb:1.5 n:1 | reproduced"
    third.post("/api/channels/results/posts", {"content": replay})
    assert [third.id] == board(author, gpu)["best"]["replayed_by"]
