"""Acceptance: three researchers of different kinds on one hub, one of them killed, the hub down for a while: told once each, one DAG, nothing lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from autoresearch.hub.rules import claims
from autoresearch.hub.rules.lines import VerifyLine, read
from chat_server import chat_server
from conftest import Agent
from swarms import Researcher, Town, answer, idea, program, seed, until, workspace

EACH = 10
SHARED = idea("clip the gradients at one", 0.02)
WORDS = (
    "rotary base",
    "longer warmup",
    "tied heads",
    "smaller batch",
    "no bias",
    "deeper stem",
    "cosine tail",
    "wider mlp",
    "qk norm",
    "soft cap",
)


def ideas(flavour: str, gains: Sequence[float]) -> list[tuple[str, str]]:
    return [idea(f"{word} in the {flavour} way", gain) for word, gain in zip(WORDS * 2, gains, strict=False)]


FOR_MODEL = [SHARED, *ideas("first", [0.04, -0.03, 0.03, -0.05, 0.02, -0.01, 0.04, -0.02, 0.05, -0.04, 0.01, -0.06])]
FOR_PROGRAM = [SHARED, *ideas("second", [0.06, 0.05, -0.04, 0.03, -0.02, 0.02, -0.05, 0.04, -0.01, 0.02, -0.03, 0.01])]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def pages(agent: Agent, path: str, **filters: Any) -> list[dict[str, Any]]:
    return agent.get(path, limit=1000, **filters).json()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_swarm_loses_nothing_and_tells_everything_once(tmp_path: Path, stack: ExitStack) -> None:
    """30 experiments by a search, a model and a program; every claim of the acceptance is checked against hub and ledgers."""
    town = stack.enter_context(Town(tmp_path / "hub"))
    assert town.hub is not None
    root = seed(town.hub, workspace(tmp_path / "canon").folder)
    reader = town.hub.agent("reader")
    model = stack.enter_context(chat_server(*(answer(*one) for one in FOR_MODEL)))
    line = program(tmp_path, FOR_PROGRAM)
    options = {
        "tuner": ("--agent", "search", "--seed", "1"),
        "model": ("--agent", "llm", "--model", "m", "--base-url", model.url),
        "coder": ("--agent", "command", "--command", line),
    }
    swarm = {name: Researcher(workspace(tmp_path / name).folder, town.url, words) for name, words in options.items()}
    stack.callback(lambda: [one.kill() for one in swarm.values() if one.process and one.process.poll() is None])

    swarm["model"].start(EACH)
    until(
        lambda: [r for r in pages(reader, "/api/results", status="keep") if "clip" in r["description"]],
        "an improvement",
    )
    swarm["coder"].start(EACH)  # begins at what the model found, and has one idea of the model's in its list
    swarm["tuner"].start(EACH)
    until(lambda: [r for r in swarm["coder"].tried() if r.agent == "command"], "an experiment of the coder's own")

    town.kill()
    before = {name: len(one.records()) for name, one in swarm.items()}
    until(lambda: len(swarm["tuner"].records()) > before["tuner"], "research goes on without the hub")
    swarm["tuner"].kill()
    swarm["tuner"].start(EACH - len(swarm["tuner"].tried()))
    goes_on = lambda name: len(swarm[name].records()) > before[name] or swarm[name].is_over  # noqa: E731
    until(lambda: all(map(goes_on, swarm)), "everybody goes on")
    town.open()
    for one in swarm.values():
        one.finish()
    for one in swarm.values():  # whoever ended before the hub was back tells the rest at its next start
        if one.waiting():
            one.start(0).finish()

    reader = Agent(town.hub, reader.id, reader.key)
    check_told_once(reader, swarm)
    check_one_dag(reader, swarm, root)
    check_no_idea_twice(reader, swarm)
    assert [len(one.tried()) for one in swarm.values()] == [EACH] * 3
    assert pages(reader, "/api/claims") == []


def check_told_once(reader: Agent, swarm: dict[str, Researcher]) -> None:
    """Each ledger's records are on the hub once: a result of one's own, or the answer to another's claim; and nothing else is."""
    results, posts = pages(reader, "/api/results"), pages(reader, "/api/channels/results/posts")
    told = Counter((r["agent_id"], r["commit"], r["status"], r["description"]) for r in results)
    answers = Counter((p["agent_id"], v.commit) for p in posts for v in read(p["content"]) if isinstance(v, VerifyLine))
    expected, answered = Counter[Any](), Counter[Any]()
    for name, one in swarm.items():
        others = {c["hash"] for c in pages(reader, "/api/git/commits") if c["agent_id"] not in ("", name)}
        for record in one.records():
            if record.commit in others:
                answered[(name, record.commit[:7])] += 1
            else:
                expected[(name, record.commit[:7], record.status, record.description)] += 1
    assert told == expected
    assert answers == answered
    assert len(posts) == sum(len(one.records()) for one in swarm.values())
    assert [one.waiting() for one in swarm.values()] == [0, 0, 0]


def check_one_dag(reader: Agent, swarm: dict[str, Researcher], root: str) -> None:
    """Every improvement is on the hub and descends from the root; somebody built on what somebody else had pushed."""
    commits = {c["hash"]: c for c in pages(reader, "/api/git/commits")}
    assert [c["hash"] for c in commits.values() if not c["parents"]] == [root]
    kept = {r.commit for one in swarm.values() for r in one.records() if r.status == "keep"}
    assert kept <= set(commits)
    for commit in kept:
        assert reader.get(f"/api/git/commits/{commit}/lineage").json()[-1]["hash"] == root
    pairs = {(c["agent_id"], commits[c["parent_hash"]]["agent_id"]) for c in commits.values() if c["parents"]}
    assert [pair for pair in pairs if "" not in pair and pair[0] != pair[1]]


def check_no_idea_twice(reader: Agent, swarm: dict[str, Researcher]) -> None:
    """No two agents tried nearly the same thing, the idea that two of them had included."""
    tried = [
        (r["agent_id"], r["description"], claims.idea(r["description"]))
        for r in pages(reader, "/api/results")
        if r["description"] != "baseline"
    ]
    twice = [(one, other) for one in tried for other in tried if one[0] < other[0] and claims.alike(one[2], other[2])]
    assert twice == []
    assert sum(words == SHARED[0] for _, words, _ in tried) == 1
