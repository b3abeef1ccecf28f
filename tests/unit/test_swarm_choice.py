"""Which commits of others are built on or tried: pure choices from what strangers claim."""

from __future__ import annotations

import math
from typing import Any

from autoresearch.client import Hub
from autoresearch.researcher.reported import ReportedResult
from autoresearch.researcher.swarm.choice import (
    Scope,
    is_exploring,
    is_sound,
    order_starts,
    results_on,
    worth_trying,
)
from git_work import push_new

GROUND = Scope("H100", "t")


def claim(
    value: float, agent: str = "bob", verified: str = "unverified", commit: str = ""
) -> ReportedResult:
    return ReportedResult(
        commit or f"{abs(hash((value, agent))):040x}"[-40:], value, agent, 1, "an idea", verified
    )


def test_a_reproduced_result_is_built_on_before_a_better_one_nobody_checked() -> None:
    """Reproduced, then unverified, the better first in each; disputed never."""
    claims = [
        claim(0.8),
        claim(0.5, verified="disputed"),
        claim(0.7),
        claim(0.9, verified="reproduced"),
    ]

    assert [c.value for c in order_starts(claims, GROUND)] == [0.9, 0.7, 0.8]
    assert [c.value for c in order_starts(claims, Scope("H100", "t", "max"))] == [0.9, 0.8, 0.7]


def test_only_better_undisputed_new_commits_of_others_are_tried() -> None:
    """Not our own, not what was offered before, not what claims no gain; the best first."""
    claims = [
        claim(0.8),
        claim(0.7),
        claim(0.6, agent="me"),
        claim(0.5, verified="disputed"),
        claim(0.4, commit="d" * 40),
        claim(1.0),
    ]

    assert [c.value for c in worth_trying(claims, GROUND, 0.9, "me", {"d" * 40})] == [0.7, 0.8]
    assert [c.value for c in worth_trying(claims, Scope("H100", "t", "max"), 0.9, "me", ())] == [
        1.0
    ]


def test_claims_are_tried_where_the_hub_asks(own_hub: Any) -> None:
    """Beside the verified record only those claims are ours to run that the hub asks us about:
    liars cannot keep everybody busy."""
    hub = own_hub()  # the hub asks two at a time: nobody else may be drawn
    author, judge, stranger = hub.agent(), hub.vouched(), hub.agent()
    scope = Scope(f"GPU {author.id}", "")

    def report(value: float) -> tuple[str, int]:
        commit = push_new(author)
        line = f"commit:{commit} platform:{scope.platform} val_bpb:{value} vram_gb:1 | to {value}"
        return commit, author.post("/api/channels/results/posts", {"content": line}).json()["id"]

    commit, post_id = report(1.5)
    line = f"verify commit:{commit} platform:{scope.platform} val_bpb:1.5 n:1 | reproduced"
    body = {"content": line, "parent_id": post_id}
    assert judge.post("/api/channels/results/posts", body).status_code == 201
    claimed, _ = report(1.2)

    def seen(agent: Any) -> dict[str, str]:
        with Hub(hub.url, agent.key) as client:
            return {r.commit: r.verified for r in results_on(client, scope)}

    assert seen(stranger) == {commit: "reproduced"}
    asked = [seen(one) for one in (judge, hub.vouched())]
    assert {claimed: "unverified", commit: "reproduced"} in asked


def test_what_is_no_commit_or_no_number_is_not_even_asked_for() -> None:
    """A hash that could be an option of git, a value that beats every comparison, an agent without
    a name."""
    assert is_sound(claim(0.5))
    for commit in ("--upload-pack=x", "HEAD", "a" * 39, "A" * 40, "a" * 40 + "\n", ""):
        assert not is_sound(ReportedResult(commit, 0.5, "bob"))
    for value in (math.nan, math.inf, -math.inf):
        assert not is_sound(ReportedResult("a" * 40, value, "bob"))
    assert not is_sound(ReportedResult("a" * 40, 0.5, "\n\x00"))


def test_about_one_new_branch_in_five_explores() -> None:
    """The same researcher and seed decide the same; over many, a fifth begins at a leaf."""
    assert is_exploring(3, "ada") == is_exploring(3, "ada")
    share = sum(is_exploring(seed, f"agent-{seed % 7}") for seed in range(2000)) / 2000
    assert 0.16 < share < 0.24
