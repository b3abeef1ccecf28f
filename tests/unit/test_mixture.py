"""Claims about agents that share a night: what pays is asked more, what fails costs little, and the
night goes on."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

from autoresearch.researcher.agents.base import AgentFailed, AgentUnavailable, Brief, Edit
from autoresearch.researcher.agents.mixture import Mixture, choose_agent
from autoresearch.researcher.judging.values import Record
from tiny_workspaces import make, noisy, record, research

BASE = record(commit="b" * 40, is_baseline=True)


def tried(agent: str, number: int, gain: float, minutes: int) -> Record:
    """An experiment of an agent; kept where it brought something."""
    return record(
        id=f"{agent}{number}",
        commit=f"{agent}{number:030d}",
        parent="b" * 40,
        agent=agent,
        status="keep" if gain else "discard",
        value=1.0 - gain,
        started_at="2026-01-01T00:00:00Z",
        finished_at=f"2026-01-01T00:{minutes:02d}:00Z",
    )


def shares(history: list[Record], lost_s: dict[str, float]) -> Counter[str]:
    chance = random.Random(3)
    return Counter(
        choose_agent(["search", "catalogue", "llm"], history, "min", lost_s, chance)
        for _ in range(400)
    )


def test_at_first_each_has_a_turn() -> None:
    """In their order; one that failed in its turn has had it."""
    first, second = tried("search", 0, 0.0, 2), tried("catalogue", 0, 0.0, 2)
    assert shares([BASE], {}) == {"search": 400}
    assert shares([BASE, first], {}) == {"catalogue": 400}
    assert shares([BASE, first], {"catalogue": 30.0}) == {"llm": 400}
    assert min(shares([BASE, first, second], {"llm": 1.0}).values()) > 60


def test_what_pays_is_asked_more() -> None:
    """As often as it brings something for a minute: as many gains in twice the time count half."""
    history = [BASE]
    for n in range(12):
        history += [tried("search", n, 0.01, 2), tried("catalogue", n, 0.01, 10)]
        history += [tried("llm", n, 0.0, 2)]

    found = shares(history, {})

    assert found["search"] > 300 and found["catalogue"] < 60 and found["llm"] < 60


def test_time_that_was_lost_counts() -> None:
    """Answers that came to nothing are paid for: an hour of them, and the model is asked rarely."""
    history = [
        BASE,
        *(tried(a, n, 0.01 * (n == 1), 2) for a in ("search", "catalogue") for n in range(4)),
    ]

    assert shares(history, {"llm": 3600.0})["llm"] < shares(history, {})["llm"] / 2


class Says:
    """An agent that writes a better number, or fails as it is told."""

    def __init__(self, name: str, failure: AgentFailed | None = None) -> None:
        self.name, self.failure, self.asked = name, failure, 0

    def edit(self, worktree: Path, brief: Brief) -> Edit:
        self.asked += 1
        if self.failure:
            raise self.failure
        text = noisy(1.0 - 0.01 * brief.number, 0.001)
        (worktree / "train.py").write_text(f"{text}# {self.name}\n", "utf-8")
        return Edit(f"{self.name} {brief.number}")


def test_a_night_goes_on_without_a_model(tmp_path: Path) -> None:
    """One agent is down and one is useless: the others' experiments are done, under their names,
    and the run ends well."""
    workspace = make(tmp_path / "w", noisy(1.0, 0.001))
    down, useless = Says("llm", AgentUnavailable("no network")), Says("command", AgentFailed("no"))
    mixture = Mixture((Says("search"), down, Says("catalogue"), useless))

    summary = research(workspace, mixture, experiments=6)

    assert len(summary.finished) == 6 and not summary.gave_up
    assert {r.agent for r in summary.finished} <= {"search", "catalogue"}
    assert down.asked <= 2 and useless.asked <= 3
