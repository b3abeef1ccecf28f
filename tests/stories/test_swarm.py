"""Acceptance: three researchers of different kinds on one hub, one of them killed, the hub down
for a while: told once each, one DAG, nothing lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from chat_server import chat_server
from conftest import Agent
from swarms import (
    Researcher,
    Town,
    answer,
    check_no_idea_twice,
    check_one_dag,
    check_told_once,
    idea,
    pages,
    program,
    seed,
    until,
    workspace,
)

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
    return [
        idea(f"{word} in the {flavour} way", gain)
        for word, gain in zip(WORDS * 2, gains, strict=False)
    ]


FOR_MODEL = [
    SHARED,
    *ideas("first", [0.04, -0.03, 0.03, -0.05, 0.02, -0.01, 0.04, -0.02, 0.05, -0.04, 0.01, -0.06]),
]
FOR_PROGRAM = [
    SHARED,
    *ideas("second", [0.06, 0.05, -0.04, 0.03, -0.02, 0.02, -0.05, 0.04, -0.01, 0.02, -0.03, 0.01]),
]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_swarm_loses_nothing_and_tells_everything_once(tmp_path: Path, stack: ExitStack) -> None:
    """30 experiments by a search, a model and a program; every claim of the acceptance is checked
    against hub and ledgers."""
    town = stack.enter_context(Town(tmp_path / "hub"))
    assert town.hub is not None
    root = seed(town.hub, workspace(tmp_path / "canon").folder)
    reader = town.hub.agent("reader")
    model = stack.enter_context(chat_server(*(answer(*one) for one in FOR_MODEL), is_ready=True))
    line = program(tmp_path, FOR_PROGRAM)
    options = {
        "tuner": ("--agent", "search", "--seed", "1"),
        "model": ("--agent", "llm", "--model", "m", "--base-url", model.url),
        "coder": (
            *("--agent", "command", "--command", line),
            *("--agent-writes", str(tmp_path / "ideas")),
        ),
    }
    swarm = {
        name: Researcher(workspace(tmp_path / name).folder, town.url, words)
        for name, words in options.items()
    }
    stack.callback(
        lambda: [one.kill() for one in swarm.values() if one.process and one.process.poll() is None]
    )

    swarm["model"].start(EACH)
    until(
        lambda: [
            r for r in pages(reader, "/api/results", status="keep") if "clip" in r["description"]
        ],
        "an improvement",
    )
    swarm["coder"].start(
        EACH
    )  # begins at what the model found, and has one idea of the model's in its list
    swarm["tuner"].start(EACH)
    until(
        lambda: [r for r in swarm["coder"].tried() if r.agent == "command"],
        "an experiment of the coder's own",
    )

    town.kill()
    before = {name: len(one.records()) for name, one in swarm.items()}
    until(
        lambda: len(swarm["tuner"].records()) > before["tuner"], "research goes on without the hub"
    )
    swarm["tuner"].kill()
    swarm["tuner"].start(EACH - len(swarm["tuner"].tried()))
    goes_on = lambda name: len(swarm[name].records()) > before[name] or swarm[name].is_over  # noqa: E731
    until(lambda: all(map(goes_on, swarm)), "everybody goes on")
    town.open()
    for one in swarm.values():
        one.finish()
    for one in swarm.values():  # who ended before the hub was back tells the rest; a verdict that a kill cut in two counted twice
        if (left := EACH - len(one.tried())) or one.waiting():
            one.start(left).finish()

    reader = Agent(town.hub, reader.id, reader.key)
    check_told_once(reader, swarm)
    assert check_one_dag(reader, swarm, root) >= 1
    tried = check_no_idea_twice(reader)
    assert sum(words == SHARED[0] for _, words in tried) == 1
    assert [len(one.tried()) for one in swarm.values()] == [EACH] * 3
    assert pages(reader, "/api/claims") == []
