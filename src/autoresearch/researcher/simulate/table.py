"""A table of recorded runs: what variants of a real train.py scored, to replay judges and searchers
on.

One JSON object a line: first of which code, clock and machine the runs are, then a run a line, as
bench/record_table.py writes them. A table may hold a few runs or thousands; a last line that was
cut off counts as none. Leaves to others: values between the recorded settings (surface), nights
(night, searching).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from statistics import fmean, median
from typing import Literal, TypeVar

import msgspec

from autoresearch.errors import BadInput
from autoresearch.researcher.agents.constants import Value
from autoresearch.researcher.judging.curves import MARKS, CurvePoint, smooth_loss
from autoresearch.researcher.judging.noise import MOST_SHARED, Noise
from autoresearch.researcher.simulate.landscape import EVEN, FEWEST, Landscape, shrink

DEEP = 0.05  # bits per byte: what loses more is nothing that anybody would keep
CHI_SQUARE = 0.4549  # the median of one with one degree of freedom
Line = TypeVar("Line", bound=msgspec.Struct)
Losses = tuple[float, ...]  # of a training curve, at MARKS


class TableHead(msgspec.Struct, frozen=True, kw_only=True):
    """The first line. `source`: the unchanged train.py; `clock`: what a budget counts."""

    format: Literal[1]
    lab: str
    clock: str
    machine: str
    libraries: str
    source: str


class TableRun(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One run of one variant: constants changed to `settings`, or an idea of the catalogue.
    `points`: progress and loss of its curve; `pace`: tokens that its clock counts as a second.
    Without `val_bpb` it failed."""

    variant: int
    track: str
    seed: int
    settings: dict[str, Value] = {}
    idea: str = ""
    val_bpb: float | None = None
    failure: str = ""
    pace: float = 0.0
    steps: int = 0
    start_s: float = 0.0
    train_s: float = 0.0
    score_s: float = 0.0
    points: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class RunTable:
    head: TableHead
    runs: tuple[TableRun, ...]


@dataclass
class RecordedVariant:
    """All that one variant scored on one track, by seed."""

    settings: Mapping[str, Value]
    idea: str
    values: dict[int, float] = field(default_factory=dict)
    losses: dict[int, Losses] = field(default_factory=dict)

    @property
    def is_unchanged(self) -> bool:
        return not self.settings and not self.idea


def read_table(file: Path) -> RunTable:
    """The table of a file. BadInput names the line that is wrong."""
    try:
        *whole, _ = file.read_bytes().split(b"\n")  # a last line without an end is no line yet
    except OSError as error:
        raise BadInput(f"--table {file} cannot be read: {error.strerror}") from error
    if not whole:
        raise BadInput(f"--table {file} is empty; `python bench/record_table.py` records one")
    runs = [decode_line(line, TableRun, file, at) for at, line in enumerate(whole[1:], start=2)]
    return RunTable(decode_line(whole[0], TableHead, file, 1), tuple(runs))


def decode_line(line: bytes, kind: type[Line], file: Path, number: int) -> Line:
    try:
        return msgspec.json.decode(line, type=kind)
    except msgspec.MsgspecError as error:
        raise BadInput(f"--table {file}, line {number}: {error}") from error


def choose_track(table: RunTable, track: str | None) -> str:
    """The track that was asked for, else the one with the most runs."""
    counts = Counter(run.track for run in table.runs if run.val_bpb is not None)
    if not counts:
        raise BadInput("this table holds no run that was scored")
    if track is not None and track not in counts:
        raise BadInput(f"this table has no track {track!r}; it has {', '.join(sorted(counts))}")
    return track or counts.most_common(1)[0][0]


def collect_variants(table: RunTable, track: str) -> list[RecordedVariant]:
    """What was scored on a track, the unchanged code first."""
    found: dict[int, RecordedVariant] = {}
    for run in table.runs:
        if run.track == track and run.val_bpb is not None:
            variant = found.setdefault(run.variant, RecordedVariant(run.settings, run.idea))
            variant.values[run.seed] = run.val_bpb
            if (losses := read_losses(run)) is not None:
                variant.losses[run.seed] = losses
    variants = sorted(found.values(), key=lambda one: not one.is_unchanged)
    if not variants or not variants[0].is_unchanged:
        raise BadInput(f"this table has no run of the unchanged code on {track}")
    return variants


def read_losses(run: TableRun) -> Losses | None:
    """The training loss at each mark; None where the curve has a gap there."""
    points = [CurvePoint(*point) for point in run.points]
    losses = [smooth_loss(points, mark) for mark in MARKS]
    known = tuple(loss for loss in losses if loss is not None)
    return known if len(known) == len(MARKS) else None


# ---------------------------------------------------------------- what the runs say


def select_usual(variants: Sequence[RecordedVariant]) -> list[RecordedVariant]:
    """Those near the unchanged code or better: luck counts many times more in what learns badly."""
    return [one for one in variants if measure_gain(one, variants[0]) > -DEEP]


def measure_noise(variants: Sequence[RecordedVariant]) -> Noise:
    """Of usual variants, by the median."""
    groups = [list(v.values.values()) for v in select_usual(variants) if len(v.values) > 1]
    squares = [(v - fmean(g)) ** 2 * len(g) / (len(g) - 1) for g in groups for v in g]
    sigma = math.sqrt(median(squares) / CHI_SQUARE) if squares else 0.0
    return Noise(sigma, sum(len(g) - 1 for g in groups))


def measure_spreads(variants: Sequence[RecordedVariant]) -> Losses:
    """The standard deviation of usual variants' curves between seeds, at each mark; none where
    nothing ran twice."""
    groups = [list(v.losses.values()) for v in select_usual(variants) if len(v.losses) > 1]
    if not groups:
        return ()
    squares = [
        [(a - b) ** 2 / 2 for losses in groups for a, b in combinations([x[at] for x in losses], 2)]
        for at in range(len(MARKS))
    ]
    return tuple(math.sqrt(median(of_mark) / CHI_SQUARE) for of_mark in squares)


def measure_gain(variant: RecordedVariant, unchanged: RecordedVariant) -> float:
    """By how much a variant is better: over the seeds that both ran with, where there are any."""
    return mean_difference(unchanged.values, variant.values)


def mean_difference(before: Mapping[int, float], after: Mapping[int, float]) -> float:
    both = before.keys() & after.keys()
    return fmean(before[s] for s in both or before) - fmean(after[s] for s in both or after)


def measure_shared(variants: Sequence[RecordedVariant]) -> float:
    """The share of the variance between runs that is their seed's, by the method of moments: how
    much the residuals of two variants with one seed have in common."""
    residuals = [
        {seed: value - fmean(one.values.values()) for seed, value in one.values.items()}
        for one in select_usual(variants)
        if len(one.values) > 1
    ]
    own = [r * r for one in residuals for r in one.values()]
    common = [
        a[seed] * b[seed] for a, b in combinations(residuals, 2) for seed in a.keys() & b.keys()
    ]
    if not common or not any(own):
        return 0.0
    return min(max(fmean(common) / fmean(own), 0.0), MOST_SHARED)


def measure_leans(variants: Sequence[RecordedVariant]) -> tuple[tuple[float, Losses], ...]:
    """Of each variant: its gain in bits per byte, and by how much more than that number its curve
    was better at each mark, in nats per token, as curves are."""
    unchanged, *changed = variants
    return tuple(
        (
            gain,
            tuple(
                mean_difference(at_mark(unchanged, mark), at_mark(one, mark)) - gain
                for mark in range(len(MARKS))
            ),
        )
        for one in changed
        if one.losses and unchanged.losses
        for gain in [measure_gain(one, unchanged)]
    )


def at_mark(variant: RecordedVariant, mark: int) -> dict[int, float]:
    return {seed: losses[mark] for seed, losses in variant.losses.items()}


def table_landscape(table: RunTable, track: str) -> Landscape:
    """Ideas that are worth what the recorded variants gained over the unchanged code (towards none
    by a standard error), with the table's noise, curves and times."""
    variants = collect_variants(table, track)
    unchanged, *changed = variants
    noise = measure_noise(variants)
    if noise.dof < 1 or len(changed) < FEWEST:
        raise BadInput(
            f"{track} has {len(changed)} recorded variants and {noise.dof} repeats in this table; "
            f"{FEWEST} and 1 are the fewest to tell anything from"
        )
    shared = measure_shared(variants)
    ideas = tuple(
        shrink(measure_gain(one, unchanged), gain_error(one, unchanged, noise.sigma, shared))
        for one in changed
    )
    scored = [run for run in table.runs if run.track == track and run.val_bpb is not None]
    return replace(
        EVEN,
        name=track,
        about=(
            f"{len(scored)} recorded runs of {len(changed)} variants, noise {noise.sigma:.4f} "
            f"({noise.dof} degrees of freedom), of which seeds share {shared:.2f}"
        ),
        sigma=noise.sigma,
        ideas=ideas,
        run_s=fmean(run.train_s for run in scored),
        start_s=fmean(run.start_s for run in scored),
        score_s=fmean(run.score_s for run in scored),
        shared=shared,
        leans=measure_leans(variants),
        spreads=measure_spreads(variants),
    )


def gain_error(
    one: RecordedVariant, unchanged: RecordedVariant, sigma: float, shared: float
) -> float:
    """The standard error of a gain: pairs of one seed have less of it."""
    both = len(one.values.keys() & unchanged.values.keys())
    if both:
        return sigma * math.sqrt(2 * (1 - shared) / both)
    return sigma * math.sqrt(1 / len(one.values) + 1 / len(unchanged.values))
