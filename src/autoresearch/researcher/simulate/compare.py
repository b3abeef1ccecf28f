"""Many simulated nights of several policies, and how sure the difference between them is.

Intervals are 95 %: of means by the normal approximation over nights, of shares by Wilson's, of the
ratio of two improvements by the normal approximation of its logarithm. Leaves to others: one night
(night), printing (the command line, bench/judging.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from statistics import fmean, stdev

import msgspec

from autoresearch.researcher.config import Config, JudgeTable
from autoresearch.researcher.judging.policies import Policy
from autoresearch.researcher.simulate.landscape import Landscape
from autoresearch.researcher.simulate.night import Night, Simulation, total
from autoresearch.researcher.simulate.recorded_lab import RecordedLab
from autoresearch.researcher.simulate.searching import SearchNight
from autoresearch.researcher.simulate.waves import WaveNight
from autoresearch.researcher.waves.pool import WaveMode

Z95 = 1.959964


@dataclass(frozen=True)
class Arm:
    """One way to judge. `one_seed`: every run has the same seed, as in the original. `agents`: who
    proposes in the lab as it was recorded; none: ideas are drawn from a landscape."""

    name: str
    policy: Policy
    early: bool
    one_seed: bool = False
    waves: WaveMode = "off"
    agents: tuple[str, ...] = ()


ARMS = (
    Arm("greedy", "greedy", False),
    Arm("greedy + early", "greedy", True),
    Arm("confirm", "confirm", False),
    Arm("confirm + early", "confirm", True),
)
WAVE_ARMS = (
    ARMS[-1],
    Arm("waves where they pay", "confirm", True, waves="auto"),
    Arm("waves always", "confirm", True, waves="on"),
)
AGENT_ARMS = (
    *(Arm(name, "confirm", True, agents=(name,)) for name in ("random", "cmaes", "search")),
    Arm("joint", "confirm", True, agents=("joint",)),
    Arm("mixed", "confirm", True, agents=("joint", "catalogue")),
)
ONE_SEED = Arm("greedy, one seed", "greedy", False, one_seed=True)


@dataclass(frozen=True)
class Interval:
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class PolicyResult:
    """What one way to judge came to. `ratio`: improvement per hour over the first arm's.

    Shares: false keeps of all ideas that are no better, and of all keeps; missed gains, and winners
    that were stopped early, of all ideas that are better."""

    arm: str
    nights: int
    improvement_per_hour: Interval
    experiments_per_hour: Interval
    ratio: Interval
    false_keeps: Interval
    false_among_keeps: Interval
    missed: Interval
    stopped_winners: Interval


HEADERS = "policy", "gain/h x1000", "of {}'s", "runs/h", "false", "of keeps", "missed", "stopped"


def table(results: Sequence[PolicyResult]) -> list[str]:
    """Aligned lines, the headers first."""
    first = results[0].arm
    headers = [header.format(first) for header in HEADERS]
    rows = [headers, *(cells(result) for result in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADERS))]
    return [
        "  ".join(
            [
                row[0].ljust(widths[0]),
                *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)),
            ]
        )
        for row in rows
    ]


def cells(result: PolicyResult) -> tuple[str, ...]:
    """One row of a table, under HEADERS."""
    return (
        result.arm,
        format_interval(result.improvement_per_hour, 2, 1000),
        format_ratio(result.ratio),
        format_interval(result.experiments_per_hour, 1),
        *(
            format_interval(share, 1, 100)
            for share in (
                result.false_keeps,
                result.false_among_keeps,
                result.missed,
                result.stopped_winners,
            )
        ),
    )


def format_ratio(ratio: Interval) -> str:
    if math.isnan(ratio.value):
        return "-"
    return f"{ratio.value:.2f} ({ratio.low:.2f}-{ratio.high:.2f})"


def format_interval(interval: Interval, digits: int, factor: float = 1) -> str:
    """A value and half of its interval."""
    if math.isnan(interval.value):
        return "-"
    half = (interval.high - interval.low) / 2
    return f"{interval.value * factor:.{digits}f} ±{half * factor:.{digits}f}"


def compare(
    land: Landscape,
    rules: JudgeTable,
    arms: Sequence[Arm],
    hours: float,
    nights: int,
    seed: int,
    processes: int = 1,
    lab: RecordedLab | None = None,
) -> list[PolicyResult]:
    """Each arm on the same number of nights. A seed gives the same nights with any number of
    processes. `lab`: where arms have agents."""
    tasks = [
        (land, rules, arm, hours, seed * 1_000_003 + number, lab)
        for arm in arms
        for number in range(nights)
    ]
    if processes > 1:
        with ProcessPoolExecutor(processes) as pool:
            found = list(pool.map(one, tasks, chunksize=max(1, nights // 4)))
    else:
        found = [one(task) for task in tasks]
    groups = [found[i * nights : (i + 1) * nights] for i in range(len(arms))]
    return [
        result(arm, group, None if group is groups[0] else groups[0])
        for arm, group in zip(arms, groups, strict=True)
    ]


def one(task: tuple[Landscape, JudgeTable, Arm, float, int, RecordedLab | None]) -> Night:
    land, rules, arm, hours, seed, lab = task
    rules = msgspec.structs.replace(rules, early_stopping=arm.early)
    config = msgspec.convert({"experiment": {"free": ["x"], "command": ["x"]}}, Config)
    config = msgspec.structs.replace(config, judge=rules)
    if lab is not None:
        return SearchNight(
            land, config, arm.policy, hours, seed, agents=arm.agents, ground=lab, learnt=lab.learnt
        ).run()
    if arm.waves != "off":
        return WaveNight(land, config, arm.policy, hours, seed, mode=arm.waves).run()
    return Simulation(land, config, arm.policy, hours, seed, arm.one_seed).run()


def result(arm: Arm, nights: Sequence[Night], first: Sequence[Night] | None) -> PolicyResult:
    """What an arm's nights came to, as against the first arm's (None: it is the first)."""
    keeps, good, bad = total(nights, "keeps"), total(nights, "good"), total(nights, "bad")
    false = total(nights, "false_keeps")
    return PolicyResult(
        arm.name,
        len(nights),
        mean([n.improvement / n.hours for n in nights]),
        mean([n.experiments / n.hours for n in nights]),
        ratio([n.improvement for n in nights], [n.improvement for n in first])
        if first
        else Interval(1, 1, 1),
        share(false, bad),
        share(false, keeps),
        share(total(nights, "missed"), good),
        share(total(nights, "stopped_winners"), good),
    )


def mean(values: Sequence[float]) -> Interval:
    centre = fmean(values)
    margin = Z95 * stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return Interval(centre, centre - margin, centre + margin)


def share(part: int, whole: int) -> Interval:
    """A proportion with Wilson's interval (1927)."""
    if whole == 0:
        return Interval(math.nan, math.nan, math.nan)
    p, z2 = part / whole, Z95**2 / whole
    centre = (p + z2 / 2) / (1 + z2)
    margin = Z95 * math.sqrt(p * (1 - p) / whole + z2 / (4 * whole)) / (1 + z2)
    return Interval(p, max(0.0, centre - margin), min(1.0, centre + margin))


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Interval:
    """Of two means of independent samples; nan where one is not above zero."""
    a, b = mean(ours), mean(theirs)
    if min(a.value, b.value) <= 0:
        return Interval(math.nan, math.nan, math.nan)
    spread = math.hypot((a.high - a.value) / a.value, (b.high - b.value) / b.value)
    found = a.value / b.value
    return Interval(found, found * math.exp(-spread), found * math.exp(spread))
