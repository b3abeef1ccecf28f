"""Early stopping: a candidate's training curve beside those of the best, at fixed fractions of the
budget.

At each mark the mean loss just before it is compared with that of the best's run with the same
seed, which saw the same batches; where there is none, with the mean of the best's runs. The spread
between seeds is pooled over every commit that ran more than once. A run that had fewer tokens by
then (a slow machine, a large model) is also compared with the best at as many tokens, and the
kinder comparison counts. One that had far fewer is judged by what it reaches in the budget where
the machine was measured to be quiet, else it goes on, as it does where curves cannot be compared
(another loss scale, too few curves). Stopping can only cost a candidate its chance: scored
values alone decide what is kept. Leaves to others: reading curves (curve_files), ending the run
(watching).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

from autoresearch.researcher.judging.noise import pool_noise, t_quantile

# of the budget; before a quarter of it recorded winners look like losers
MARKS = (0.25, 0.35, 0.5, 0.65, 0.8)
WINDOW = 0.08  # of the budget: losses are averaged over it before a mark
FEWEST_DEGREES = 2  # of freedom behind the spread
OTHER_SCALE = 0.05  # a first loss further off than this share is a loss of another kind
# of the best's tokens at a mark: with fewer, other work on the machine may be the reason
SLOW = 0.7


class CurvePoint(NamedTuple):
    progress: float  # 0 to 1 of the budget
    loss: float  # mean since the point before
    tokens: float = 0.0  # so far; 0 where the program does not print it


@dataclass(frozen=True)
class StopMark:
    """The best's curves at one fraction of the budget. A loss above `limit` is hopeless for a run
    that had about as many `tokens`."""

    progress: float
    mean: float
    limit: float
    tokens: float = 0.0


@dataclass(frozen=True)
class EarlyStop:
    """Why a run was stopped, and where: its `loss` at a share of the budget, and the best's
    there."""

    progress: float
    loss: float
    best: float
    limit: float
    pace: float = 1.0  # its tokens by then, as a share of the best's

    @property
    def reason(self) -> str:
        slow = f"; {self.pace:.0%} of its tokens, on a quiet machine" if self.pace < SLOW else ""
        return (
            f"stopped early at {self.progress:.0%}: training loss {self.loss:.4f}, "
            f"the best had {self.best:.4f} there (stopped above {self.limit:.4f}){slow}"
        )


@dataclass(frozen=True)
class StopRule:
    """When to stop a run. Numbers only, for it travels to the machine of the run. `start`: the
    best's first loss, which shows another scale. `beside`: the curves behind the marks' means."""

    marks: tuple[StopMark, ...]
    start: float
    beside: tuple[tuple[CurvePoint, ...], ...] = ()

    def find_stop(
        self, points: Sequence[CurvePoint], is_quiet: Callable[[], bool] = lambda: False
    ) -> EarlyStop | None:
        """Where a run with this curve so far is to be stopped; None where it may go on.
        `is_quiet`: whether it had the machine to itself, asked only where that decides."""
        if not points or abs(points[0].loss - self.start) > OTHER_SCALE * abs(self.start):
            return None
        for mark in self.marks:
            loss, tokens = smooth_loss(points, mark.progress), tokens_at(points, mark.progress)
            if loss is None:
                continue
            pace = tokens / mark.tokens if mark.tokens else 1.0
            extra = self.extra_loss(mark, tokens) if pace >= SLOW else 0.0
            limit = mark.limit + max(0.0, extra)
            if loss > limit and (pace >= SLOW or is_quiet()):
                return EarlyStop(mark.progress, loss, mark.mean, limit, pace)
        return None

    def extra_loss(self, mark: StopMark, tokens: float) -> float:
        """By how much the best's loss was higher than at a mark when it had only so many tokens."""
        if tokens >= mark.tokens:
            return 0.0
        then = [
            loss
            for curve in self.beside
            if (loss := smooth_loss_at_tokens(curve, tokens)) is not None
        ]
        return fmean(then) - mark.mean if then else 0.0


def smooth_loss(points: Sequence[CurvePoint], mark: float) -> float | None:
    """The mean loss over the window that ends at a mark; None before the curve has passed it, or
    where it has no point there."""
    if not points or points[-1].progress < mark:
        return None
    inside = [point.loss for point in points if mark - WINDOW < point.progress <= mark]
    return fmean(inside) if inside else None


def smooth_loss_at_tokens(points: Sequence[CurvePoint], tokens: float) -> float | None:
    """The mean loss over the window before a run had so many tokens."""
    before = [point.progress for point in points if point.tokens <= tokens]
    return smooth_loss(points, before[-1]) if before else None


def tokens_at(points: Sequence[CurvePoint], mark: float) -> float:
    return max((point.tokens for point in points if point.progress <= mark), default=0.0)


def make_stop_rule(
    best: Sequence[Sequence[CurvePoint]],
    others: Iterable[Sequence[Sequence[CurvePoint]]],
    level: float,
    same: Sequence[Sequence[CurvePoint]] = (),
) -> StopRule | None:
    """When to stop a candidate. `best`: curves of the commit it has to beat; `others`: of further
    commits, grouped; `same`: those of `best` that have the seed of the candidate's run.

    At each mark a run that is as good as the best's is stopped with probability `level` (a
    one-sided t-test of one new run), more rarely where there is a curve of the same seed: the
    margin stays, for ideas bend curves too. None where there are too few curves."""
    groups = [best, *others]
    marks = [mark for at in MARKS if (mark := mark_at(at, groups, level, same or best)) is not None]
    starts = [curve[0].loss for curve in best if curve]
    return StopRule(tuple(marks), fmean(starts), tuple(map(tuple, same or best))) if marks else None


def mark_at(
    at: float,
    groups: Sequence[Sequence[Sequence[CurvePoint]]],
    level: float,
    beside: Sequence[Sequence[CurvePoint]],
) -> StopMark | None:
    """One mark. The best's curves are the first group; those to compare with are `beside`."""
    levels = [losses_at(at, group) for group in groups]
    noise, beside_it = pool_noise(levels), losses_at(at, beside)
    if not beside_it or noise.dof < FEWEST_DEGREES:
        return None
    mean = fmean(beside_it)
    margin = t_quantile(level, noise.dof) * noise.sigma * math.sqrt(1 + 1 / len(levels[0]))
    tokens = fmean(tokens_at(curve, at) for curve in groups[0])
    return StopMark(at, mean, mean + margin, tokens)


def losses_at(at: float, curves: Iterable[Sequence[CurvePoint]]) -> list[float]:
    return [loss for curve in curves if (loss := smooth_loss(curve, at)) is not None]
