"""The one look at the test part: text that neither runs nor agents nor verdicts saw.

A look is a line of the ledger, on the branch that distill made, so that nobody can take a second
one unseen: the text is fresh once. Leaves to others: drawing the text (preparation), scoring
(experiment), the interval (effects).
"""

from __future__ import annotations

from dataclasses import replace

from autoresearch.clock import timestamp
from autoresearch.researcher.distill.distiller import Distilled
from autoresearch.researcher.distill.effects import Effect
from autoresearch.researcher.judging.amounts import show_amount, show_change
from autoresearch.researcher.judging.values import Record
from autoresearch.researcher.workspace import Workspace


def note_look(workspace: Workspace, result: Distilled, platform: str) -> Distilled:
    """Write the look into the ledger, unless it is there; the result with its number."""
    if result.test is None or result.total is None:
        return result
    looks = [r for r in workspace.ledger.records() if "test_look" in r.proposal]
    known = next((i for i, r in enumerate(looks, start=1) if r.commit == result.tip), 0)
    result = replace(result, look=known or len(looks) + 1)
    if not known:
        workspace.ledger.append(look_record(workspace, result, platform))
    return result


def look_record(workspace: Workspace, result: Distilled, platform: str) -> Record:
    """The look as a line of the ledger: the distilled commit, its fresh runs, its test gain."""
    assert result.test is not None and result.total is not None
    look = result.look
    e, test = workspace.config.experiment, result.test
    mean = sum(result.values) / len(result.values)
    return Record(
        id=f"test-{look}",
        commit=result.tip,
        parent=result.chain.base,
        status="keep",
        description=f"distilled; {describe_look(test, look)}",
        reason=f"{result.end_pairs} pairs of fresh seeds: {show_change(result.total.gain)}",
        metric=e.metric,
        value=mean,
        values=result.values,
        track=workspace.config.track,
        platform=platform,
        branch=result.branch,
        agent="distill",
        started_at=timestamp(),
        finished_at=timestamp(),
        proposal={"test_look": look, "test_gain": [test.gain, test.low, test.high]},
    )


def describe_total(total: Effect, pairs: int) -> str:
    """The sentence about what remains."""
    return f"true improvement {show_effect(total)} on {pairs} pairs of fresh seeds"


def show_effect(effect: Effect) -> str:
    return f"{show_change(effect.gain)} [{show_change(effect.low)} to {show_change(effect.high)}]"


def describe_look(test: Effect, look: int) -> str:
    """The sentence about the test part; a second look says that it is one."""
    low, high = show_amount(test.low), show_amount(test.high)
    words = f"on text the night never saw {show_change(test.gain)} [{low} to {high}]"
    if look > 1:
        words += f" (look {look} at this text: no longer unseen)"
    if test.low <= 0:
        words += ": not shown to be better there"
    return words
