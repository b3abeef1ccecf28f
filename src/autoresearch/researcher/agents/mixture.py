"""Several agents that share a night: who proposes next is drawn by what each has brought for a
second of the machine's time.

Thompson sampling by the Bayesian bootstrap (Osband and Van Roy 2015, arXiv 1507.00300): every
experiment of an agent gets a random weight, and the agent with the best weighted gain a second is
asked. A few invented experiments stand for what is believed of an agent that did little. At first
each has one turn, in their order. So a new one gets its chance, and one that brings nothing, or
costs time and fails, is asked ever more rarely. Leaves to others: asking, waiting, giving up
(loop), the edits (agents).
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from statistics import fmean

from autoresearch.researcher.agents.base import Agent
from autoresearch.researcher.judging.values import Record

HOPE = 1.5  # times the mean gain of all agents: what is believed of one, in two experiments
UNKNOWN_S = 60.0


@dataclass(frozen=True)
class Mixture:
    """The agents of `--agent mixed`, in the order of their first turns."""

    agents: tuple[Agent, ...]
    name: str = "mixed"


@dataclass(frozen=True)
class Payoff:
    """What one experiment brought (0 where it was not kept), and what it cost."""

    gain: float
    seconds: float


def choose_agent(
    names: Sequence[str],
    history: Sequence[Record],
    direction: str,
    lost_s: Mapping[str, float],
    chance: random.Random,
) -> str:
    """The agent to ask. `lost_s`: time that each spent on answers that came to nothing."""
    outcomes = read_outcomes(history, direction)
    for name in names:
        if name not in outcomes and not lost_s.get(name):
            return name
    everyone = [one for each in outcomes.values() for one in each]
    mean_s = fmean(one.seconds for one in everyone) if everyone else UNKNOWN_S
    mean_gain = fmean(one.gain for one in everyone) if everyone else 0.0
    hope = HOPE * (mean_gain or 1.0)
    believed = [Payoff(2 * hope, mean_s), Payoff(0.0, mean_s)]

    def draw(name: str) -> float:
        lost = [Payoff(0.0, lost_s[name])] if lost_s.get(name) else []
        ones = [*believed, *lost, *outcomes.get(name, ())]
        weights = [chance.expovariate(1) for _ in ones]
        gain = sum(w * one.gain for w, one in zip(weights, ones, strict=True))
        seconds = sum(w * one.seconds for w, one in zip(weights, ones, strict=True))
        return float(gain / seconds)

    return max(names, key=lambda name: draw(name))


def read_outcomes(history: Sequence[Record], direction: str) -> dict[str, list[Payoff]]:
    """Each agent's experiments, by its name in the ledger."""
    values = {r.commit: r.value if r.estimate is None else r.estimate for r in history}
    found: dict[str, list[Payoff]] = {}
    for record in history:
        if not record.is_baseline:
            gain = kept_gain(record, values, direction)
            found.setdefault(record.agent, []).append(Payoff(gain, seconds_of(record)))
    return found


def kept_gain(record: Record, values: Mapping[str, float | None], direction: str) -> float:
    """By how much a kept experiment is better than what it replaced, as the judge believes it: its
    estimate is shrunk, so luck counts little. 0 for every other."""
    before, after = values.get(record.judged_against), values.get(record.commit)
    if record.status != "keep" or before is None or after is None:
        return 0.0
    return max(0.0, before - after if direction == "min" else after - before)


def seconds_of(record: Record) -> float:
    """From the question to the verdict: an agent's thinking is paid for like its runs."""
    try:
        began, ended = (read_time(text) for text in (record.started_at, record.finished_at))
    except ValueError:
        return record.total_seconds or UNKNOWN_S
    return max(1.0, (ended - began).total_seconds())


def read_time(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
