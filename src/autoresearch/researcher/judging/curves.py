"""Early stopping: a candidate's training curve against those of the best, at fixed fractions of the budget.

A curve is `curve.jsonl` of a run, one `{"progress": 0 to 1, "loss": ...}` a line; what it says is untrusted. At each mark the mean
loss just before it is compared with that of the best's run with the same seed, which saw the same batches, or with the mean of its
runs where there is none; the spread between seeds is pooled over every commit that ran more than once. A run that had fewer tokens by
then, for its machine was slow or its model is large, is compared with the best at as many tokens as well, and the kinder one counts.
Conservative where curves cannot be compared: another loss scale, a much slower machine, too few curves mean that a run goes on.
Only ever costs a candidate its chance: what is kept is decided by scored values alone. Leaves to others: ending the run
(experiment), the verdict (evidence).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

from autoresearch.researcher.judging.noise import pool_noise, t_quantile

MARKS = (
    0.25,
    0.35,
    0.5,
    0.65,
    0.8,
)  # of the budget; before a quarter of it recorded winners look like losers
WINDOW = 0.08  # of the budget: losses are smoothed over so much before a mark
FEWEST_DEGREES = 2  # of freedom behind the spread
OTHER_SCALE = 0.05  # a first loss further off than this share is a loss of another kind
SLOW = (
    0.7  # of the best's tokens at a mark: with fewer, other work on the machine may be the reason
)


class Point(NamedTuple):
    progress: float  # 0 to 1 of the budget
    loss: float  # mean since the point before
    tokens: float = 0.0  # so far; 0 where the program does not tell


@dataclass(frozen=True)
class Mark:
    """What the best's curves say at one fraction of the budget. A loss above `limit` is hopeless, given about so many tokens."""

    progress: float
    mean: float
    limit: float
    tokens: float = 0.0


@dataclass(frozen=True)
class Watch:
    """Numbers only, so that it can travel to where a run is. `start`: the best's first loss, to know another scale by; `beside`: the
    best's curves that the marks' means are of."""

    marks: tuple[Mark, ...]
    start: float
    beside: tuple[tuple[Point, ...], ...] = ()

    def hopeless(self, points: Sequence[Point]) -> str:
        """Why a run with this curve so far had better end, or the empty string."""
        if not points or abs(points[0].loss - self.start) > OTHER_SCALE * abs(self.start):
            return ""
        for mark in self.marks:
            loss, tokens = smoothed(points, mark.progress), tokens_at(points, mark.progress)
            if loss is None or tokens < SLOW * mark.tokens:
                continue
            limit = mark.limit + max(0.0, self.behind(mark, tokens))
            if loss > limit:
                return (
                    f"stopped early at {mark.progress:.0%}: training loss {loss:.4f}, the best had {mark.mean:.4f} there "
                    f"(stopped above {limit:.4f})"
                )
        return ""

    def behind(self, mark: Mark, tokens: float) -> float:
        """By how much the best's loss was higher than at a mark when it had only so many tokens; 0 where it had them already."""
        if tokens >= mark.tokens:
            return 0.0
        then = [
            loss for curve in self.beside if (loss := smoothed_at_tokens(curve, tokens)) is not None
        ]
        return fmean(then) - mark.mean if then else 0.0


def smoothed(points: Sequence[Point], mark: float) -> float | None:
    """The mean loss over the window that ends at a mark; None before the curve has passed it, or where it has a hole there."""
    if not points or points[-1].progress < mark:
        return None
    inside = [point.loss for point in points if mark - WINDOW < point.progress <= mark]
    return fmean(inside) if inside else None


def smoothed_at_tokens(points: Sequence[Point], tokens: float) -> float | None:
    """The mean loss over the window before a run had so many tokens."""
    before = [point.progress for point in points if point.tokens <= tokens]
    return smoothed(points, before[-1]) if before else None


def tokens_at(points: Sequence[Point], mark: float) -> float:
    return max((point.tokens for point in points if point.progress <= mark), default=0.0)


def watch_over(
    best: Sequence[Sequence[Point]],
    others: Iterable[Sequence[Sequence[Point]]],
    level: float,
    same: Sequence[Sequence[Point]] = (),
) -> Watch | None:
    """What to watch a candidate for. `best`: curves of the commit it is judged against; `others`: of further commits, grouped;
    `same`: those of `best` whose seed the candidate's run has.

    At each mark a run that is as good as the best's is stopped with probability `level` (a one-sided t-test of one new run); with
    a curve of the same seed more rarely: the margin stays, for ideas bend curves too. None where there are too few curves."""
    groups = [best, *others]
    marks = [mark for at in MARKS if (mark := mark_at(at, groups, level, same or best)) is not None]
    starts = [curve[0].loss for curve in best if curve]
    return Watch(tuple(marks), fmean(starts), tuple(map(tuple, same or best))) if marks else None


def mark_at(
    at: float,
    groups: Sequence[Sequence[Sequence[Point]]],
    level: float,
    beside: Sequence[Sequence[Point]],
) -> Mark | None:
    """One mark; the best's curves are the first of the groups, and those to compare with are `beside`."""
    levels = [losses_at(at, group) for group in groups]
    noise, beside_it = pool_noise(levels), losses_at(at, beside)
    if not beside_it or noise.dof < FEWEST_DEGREES:
        return None
    mean = fmean(beside_it)
    margin = t_quantile(level, noise.dof) * noise.sigma * math.sqrt(1 + 1 / len(levels[0]))
    tokens = fmean(tokens_at(curve, at) for curve in groups[0])
    return Mark(at, mean, mean + margin, tokens)


def losses_at(at: float, curves: Iterable[Sequence[Point]]) -> list[float]:
    return [loss for curve in curves if (loss := smoothed(curve, at)) is not None]
