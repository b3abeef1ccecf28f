"""The agent that tries the ideas of the catalogue, one at a time, as they stand.

What earlier runs of this code have taught to be worth it comes first, by its gain. Then families
that paid come first more often (Thompson sampling over the share that was kept). An idea that was
better than its parent while another experiment was kept comes again at once, on that one; one that
came out inside the noise gets a second look on another parent, once all others were tried.
Leaves to others: what an idea is and whether it applies (ideas), running, judging.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from autoresearch.researcher.agents.base import Brief, Edit, NothingLeft, Pending
from autoresearch.researcher.agents.constants import find_constants
from autoresearch.researcher.agents.ideas import (
    CatalogueIdea,
    Known,
    apply_idea,
    ideas_tried,
    open_ideas,
)
from autoresearch.researcher.agents.learnt import NOTHING, Learnt
from autoresearch.researcher.agents.sources import hash_sources, read_sources, write_source
from autoresearch.researcher.judging.judge import PASSED_OVER
from autoresearch.researcher.judging.values import Record

LOOKS = 2  # that an idea gets at most, the second one on another parent


class IdeaAgent:
    """`ideas`: what may be tried, in no order. `learnt`: what to begin with."""

    name = "catalogue"

    def __init__(self, ideas: Sequence[CatalogueIdea], learnt: Learnt = NOTHING) -> None:
        self.ideas, self.learnt = ideas, learnt

    def edit(self, worktree: Path, brief: Brief) -> Edit:
        """Apply an idea that was not tried before. NothingLeft where there is none."""
        sources = read_sources(worktree, brief.free)
        idea = choose_idea(self.ideas, sources, brief, self.learnt)
        texts = apply_idea(idea, sources) or {}
        for file, text in texts.items():
            write_source(worktree / file, text)
        hashes = {"from": hash_sources(sources), "source": hash_sources({**sources, **texts})}
        return Edit(idea.message, {"idea": idea.name, "family": idea.family, **hashes})


def choose_idea(
    ideas: Sequence[CatalogueIdea],
    sources: Mapping[str, str],
    brief: Brief,
    learnt: Learnt = NOTHING,
) -> CatalogueIdea:
    """A new idea, or one that deserves a second look."""
    chance = random.Random(f"{brief.seed}/{brief.number}/{brief.parent}/ideas")
    if passed := ideas_passed_over(ideas, sources, brief):
        return passed[0]
    left = open_ideas(ideas, sources, brief) or ideas_again(ideas, sources, brief)
    if not left:
        raise NothingLeft(
            f"every idea of the catalogue that applies to {brief.parent[:7]} was tried; a file of "
            "your own adds more (--ideas FILE)"
        )
    if promising := find_promising(left, sources, brief.metric, learnt):
        return promising
    worth = draw_family_worth(left, brief.history, chance)
    best = max(worth, key=lambda family: worth[family])
    return chance.choice([idea for idea in left if idea.family == best])


def find_promising(
    ideas: Sequence[CatalogueIdea], sources: Mapping[str, str], metric: str, learnt: Learnt
) -> CatalogueIdea | None:
    """The one that brought most in earlier runs of this code; None where none did."""
    best = max(ideas, key=lambda idea: learnt.ideas.get(idea.name, 0.0))
    if learnt.ideas.get(best.name, 0.0) <= 0:
        return None
    constants = {c.name: c for text in sources.values() for c in find_constants(text)}
    return best if learnt.says(constants, metric) else None


def ideas_passed_over(
    ideas: Sequence[CatalogueIdea], sources: Mapping[str, str], brief: Brief
) -> list[CatalogueIdea]:
    """Those that made their own parent better, but the best commit is now one without them."""
    tried, line = ideas_tried([*brief.history, *brief.pending]), find_line(brief)
    return [
        idea
        for idea in ideas
        if was_passed_over(tried.get(idea.name, ()), line) and apply_idea(idea, sources) is not None
    ]


def was_passed_over(tried: Sequence[Known], line: set[str]) -> bool:
    return 0 < len(tried) < LOOKS and all(
        not isinstance(one, Pending)
        and (one.status == "keep" or one.reason.startswith(PASSED_OVER))
        and one.commit not in line
        for one in tried
    )


def find_line(brief: Brief) -> set[str]:
    """The parent and its ancestors, as far as this branch knows them."""
    parents = {record.commit: record.parent for record in brief.history}
    line, commit = set(), brief.parent
    while commit and commit not in line:
        line.add(commit)
        commit = parents.get(commit, "")
    return line


def ideas_again(
    ideas: Sequence[CatalogueIdea], sources: Mapping[str, str], brief: Brief
) -> list[CatalogueIdea]:
    """Those that were measured, not clearly bad, and only on another parent."""
    tried = ideas_tried([*brief.history, *brief.pending])
    return [
        idea
        for idea in ideas
        if is_worth_a_look(tried.get(idea.name, ()), brief.parent)
        and apply_idea(idea, sources) is not None
    ]


def is_worth_a_look(tried: Sequence[Known], parent: str) -> bool:
    """A run that crashed or was stopped early says enough; a discarded number does not."""
    return 0 < len(tried) < LOOKS and all(
        not isinstance(one, Pending) and one.value is not None and one.parent != parent
        for one in tried
    )


def draw_family_worth(
    ideas: Sequence[CatalogueIdea], history: Sequence[Record], chance: random.Random
) -> dict[str, float]:
    """A draw of each family's share of kept ideas, given what was kept of it so far."""
    kept: dict[str, int] = {}
    lost: dict[str, int] = {}
    for record in history:
        if isinstance(family := record.proposal.get("family"), str):
            counts = kept if record.status == "keep" else lost
            counts[family] = counts.get(family, 0) + 1
    families = sorted({idea.family for idea in ideas})
    return {f: chance.betavariate(1 + kept.get(f, 0), 3 + lost.get(f, 0)) for f in families}
