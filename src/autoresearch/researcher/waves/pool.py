"""Ideas that wait for a wave, and whether a wave of them pays.

A screened idea was measured alone, once or a little more, and is neither kept nor clearly bad: its
gain lies inside the noise. A wave pays where what it is expected to find, for a run, is more than
what the night has found so far for one. So waves come where noise hides gains, and not where single
runs show them. Leaves to others: the runs of a wave (design), the night (driving, simulate).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from autoresearch.researcher.judging.judge import Case, gather_noise
from autoresearch.researcher.judging.noise import Noise
from autoresearch.researcher.judging.policies import Rules
from autoresearch.researcher.judging.values import NO_RUNS, Record
from autoresearch.researcher.waves.design import count_runs

WaveMode = Literal["auto", "on", "off"]
FEWEST, MOST = 3, 15  # ideas of a wave: 4 to 16 runs
MARGIN = 1.0  # of a run's noise: an idea that was worse by more is not tried again
BELIEVED = 0.5  # of a run's noise: how large the effects of screened ideas are thought to be
CONTROLS = ("random", "cmaes", "scripted")  # agents that are to be seen as they are
CLOSING = 1.0  # a run: how exactly the last wave of a night ends with it


@dataclass(frozen=True)
class ScreenedIdea:
    """A discarded experiment. `gain` over what it was judged against, positive is better."""

    id: str
    commit: str
    parent: str
    description: str
    gain: float


@dataclass(frozen=True)
class Progress:
    """How a night goes. `gained`: over the unchanged code, as the judge believes it. `spent` and
    `left`: time, in runs. `room`: for how many experiments the user asked for besides."""

    gained: float
    spent: float
    left: float = math.inf
    room: float = math.inf


def read_pool(history: Sequence[Record], direction: str, noise: Noise) -> tuple[ScreenedIdea, ...]:
    """The ideas that no wave had yet, the most promising first."""
    best = kept_values(history)
    used = {name for record in history for name in ideas_of(record)}
    found = [
        ScreenedIdea(r.id, r.commit, r.parent, r.description, gain)
        for r in history
        if r.status == "discard" and r.id not in used and "wave" not in r.proposal
        if r.agent not in CONTROLS
        if (gain := gain_over(r, best, direction)) is not None and gain > -MARGIN * noise.sigma
    ]
    return tuple(sorted(found, key=lambda idea: -idea.gain))


def kept_values(history: Sequence[Record]) -> dict[str, float | None]:
    """What the judge believes of each kept commit."""
    kept = (record for record in history if record.status == "keep")
    return {r.commit: r.value if r.estimate is None else r.estimate for r in kept}


def ideas_of(record: Record) -> tuple[str, ...]:
    """The ideas of the wave that a record belongs to; none where it belongs to none."""
    ideas = record.proposal.get("ideas") if "wave" in record.proposal else None
    return tuple(map(str, ideas)) if isinstance(ideas, list | tuple) else ()


def gain_over(record: Record, best: Mapping[str, float | None], direction: str) -> float | None:
    before = best.get(record.judged_against)
    if record.value is None or before is None:
        return None
    return before - record.value if direction == "min" else record.value - before


def measure_noise(history: Sequence[Record], commit: str) -> Noise:
    """A run's noise as the judge knows it, when nothing is being judged."""
    return gather_noise(Case(Rules(), history, commit, commit), NO_RUNS, NO_RUNS)


# ---------------------------------------------------------------- whether


def choose_wave(
    pool: Sequence[ScreenedIdea],
    noise: Noise,
    progress: Progress,
    mode: WaveMode,
    is_last: bool = False,
) -> tuple[ScreenedIdea, ...]:
    """The ideas of the wave that is due now; none where none is. One is due where the pool is full,
    where the time that is left is just what it takes, and where nothing else is left to do."""
    ideas = tuple(pool[:MOST])
    if mode == "off" or noise.sigma == 0 or len(ideas) < FEWEST:
        return ()
    spare = progress.left - cost(len(ideas))
    is_due = len(ideas) == MOST or is_last or abs(spare) < CLOSING
    if not is_due or spare < -CLOSING or progress.room < cost(len(ideas)):
        return ()
    return ideas if mode == "on" or pays(ideas, noise, progress) else ()


def cost(ideas: int) -> float:
    """Of a wave and the verdict on its combination, in runs."""
    return count_runs(ideas) + 2.0


def pays(ideas: Sequence[ScreenedIdea], noise: Noise, progress: Progress) -> bool:
    """Whether a run of the wave is expected to find more than a run has found so far."""
    so_far = max(0.0, progress.gained) / max(1.0, progress.spent)
    return expect_gain(ideas, noise) / cost(len(ideas)) > so_far


def expect_gain(ideas: Sequence[ScreenedIdea], noise: Noise) -> float:
    """What the ideas that a wave will show to be good are worth, before it is run.

    Each idea's worth is thought normal around nothing, as its screen tells it then; the wave moves
    that mean by a normal amount, and takes the idea where it is above nothing."""
    prior, screen = (BELIEVED * noise.sigma) ** 2, screen_error(noise) ** 2
    wave = 4 * noise.sigma**2 * (1 - noise.shared) / count_runs(len(ideas))
    left = 1 / (1 / prior + 1 / screen)
    moves = left / math.sqrt(left + wave)
    return sum(positive_part(left * idea.gain / screen, moves) for idea in ideas)


def screen_error(noise: Noise) -> float:
    """Of a screened idea's gain: a pair of runs of one seed, and some of the best's own luck."""
    return noise.sigma * math.sqrt(2 * (1 - noise.shared) + 0.25)


def positive_part(mean: float, spread: float) -> float:
    """The mean of what is above nothing of a normal quantity, the rest counting nothing."""
    z = mean / spread
    density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return spread * density + mean * (1 + math.erf(z / math.sqrt(2))) / 2
