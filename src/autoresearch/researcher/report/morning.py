"""What a night has taught, in numbers: which edits are real, which families pay, which constants
matter, what was tried in vain, what to try next.

Reads the ledger's records, and what distill measured where it did. Decides nothing. Leaves to
others: the pictures (forest), words (morning_lines), tables (page), importance (importance).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean

import msgspec

from autoresearch.own_programs import call_program
from autoresearch.researcher.agents.mixture import kept_gain, seconds_of
from autoresearch.researcher.agents.search_space import edits_of
from autoresearch.researcher.distill.design import Pair
from autoresearch.researcher.distill.distiller import DistilledEnd, DistillNotes, read_end
from autoresearch.researcher.distill.effects import SPARE, estimate_effects, select_real
from autoresearch.researcher.distill.looks import describe_look, describe_total
from autoresearch.researcher.judging.confirm import describe_night, weigh_claims
from autoresearch.researcher.judging.noise import pool_noise, t_quantile
from autoresearch.researcher.judging.values import Record
from autoresearch.researcher.ledger import best
from autoresearch.researcher.report.importance import rank_constants

LEAST = 3  # tries of one thing, so that its failure says something
NAMED = 12
DISTILLED = "measured by distill, with fresh seeds"


@dataclass(frozen=True, slots=True)
class EditEffect:
    """A kept edit: its gain with a 95 % interval. `real`: shown to be better than nothing."""

    label: str
    gain: float
    low: float
    high: float
    real: bool


@dataclass(frozen=True, slots=True)
class KindShare:
    """A kind of change, or an agent: experiments, how many were kept, what they brought, hours."""

    name: str
    tried: int
    kept: int
    gain: float
    hours: float


@dataclass(frozen=True)
class Morning:
    """`measured`: where the effects come from, a sentence. `ends`: what remains of the kept edits,
    together, as distill measured it. `next_steps`: sentences."""

    verdict: str = ""
    effects: tuple[EditEffect, ...] = ()
    ends: tuple[EditEffect, ...] = ()
    measured: str = ""
    kinds: tuple[KindShare, ...] = ()
    agents: tuple[KindShare, ...] = ()
    importance: tuple[tuple[str, float], ...] = ()
    in_vain: tuple[tuple[str, int], ...] = ()
    total: KindShare = field(default_factory=lambda: KindShare("all", 0, 0, 0.0, 0.0))
    next_steps: tuple[str, ...] = ()

    @property
    def is_distilled(self) -> bool:
        """Whether the effects were measured anew, with seeds that decided nothing."""
        return self.measured == DISTILLED


def read_morning(folder: Path, records: Sequence[Record], direction: str) -> Morning | None:
    """What the newest branch's records add up to; None where nothing was tried."""
    looks, records = records, newest_branch(records)
    tried = [record for record in records if not record.is_baseline]
    if not tried:
        return None
    kept = [record for record in records if record.status == "keep"]
    notes = find_distilled(folder, kept)
    if notes is not None:
        effects, measured = effects_of(notes, direction), DISTILLED
        end = read_end(notes, direction)
    else:
        effects, measured = kept_effects(records, direction)
        end = DistilledEnd()
    importance = rank_constants(records, direction)
    top, verdict = best(records, direction), ""
    if notes is not None and top is not None and notes.chain.tip == top.commit:
        verdict = say_end(end, look_of(looks, notes))  # else the night went on after distill
    verdict = verdict or say_best(records, direction, folder)
    morning = Morning(
        verdict if kept[1:] else "",
        effects,
        ends_of(end),
        measured,
        sum_up(tried, records, direction, kind_of),
        sum_up(tried, records, direction, lambda record: record.agent or "unknown"),
        importance,
        tried_in_vain(tried),
        sum_up(tried, records, direction, lambda record: "all")[0],
    )
    return replace(morning, next_steps=next_steps(morning, tried, folder))


def say_best(records: Sequence[Record], direction: str, folder: Path) -> str:
    """How sure it is that the best is one; the table marks the same with its star."""
    top = best(records, direction)
    distill = call_program("autoresearch", "distill", folder)
    return describe_night(weigh_claims(records, direction), top.commit, distill) if top else ""


def newest_branch(records: Sequence[Record]) -> list[Record]:
    """The records of the branch that was researched last; looks at the test part are none."""
    ours = [record for record in records if "test_look" not in record.proposal]
    return [record for record in ours if record.branch == ours[-1].branch] if ours else []


# ---------------------------------------------------------------- what is real


def find_distilled(folder: Path, kept: Sequence[Record]) -> DistillNotes | None:
    """What distill noted of this branch; None where it did not, or has too few runs as yet."""
    commits = {record.commit for record in kept}
    for file in sorted((folder / ".autoresearch" / "distill").glob("*.json"), reverse=True):
        try:
            notes = msgspec.json.decode(file.read_bytes(), type=DistillNotes)
        except (OSError, msgspec.MsgspecError):
            continue
        is_told = len(measured_pairs(notes)[0]) >= len(notes.chain.edits) + SPARE
        if notes.chain.tip in commits and is_told:
            return notes
    return None


def ends_of(end: DistilledEnd) -> tuple[EditEffect, ...]:
    """What remains, as lines of the picture."""
    parts = ((end.total, "on fresh seeds"), (end.test, "on text the night never saw"))
    return tuple(
        EditEffect(f"what remains, {where}", part.gain, part.low, part.high, part.low > 0)
        for part, where in parts
        if part is not None
    )


def say_end(end: DistilledEnd, look: int) -> str:
    """Empty where distill has not come to its end."""
    if end.total is None:
        return ""
    told = describe_total(end.total, end.pairs)
    return f"{told}; {describe_look(end.test, look)}" if end.test is not None else told


def look_of(records: Sequence[Record], notes: DistillNotes | None) -> int:
    """The number of distill's look at the test part."""
    looks = [
        record.proposal.get("test_look")
        for record in records
        if notes and record.commit == notes.tip
    ]
    return next((look for look in looks if isinstance(look, int)), 1)


def measured_pairs(notes: DistillNotes) -> tuple[list[Pair], list[float]]:
    """The pairs of which both halves have a value, and by how much the second's is higher."""
    pairs, gains = [], []
    for number, pair in enumerate(notes.pairs):
        runs = [notes.runs.get(f"{number}.{half}") for half in (0, 1)]
        values = [run.value for run in runs if run is not None and run.value is not None]
        if len(values) == 2:
            pairs.append(pair)
            gains.append(values[1] - values[0])
    return pairs, gains


def effects_of(notes: DistillNotes, direction: str) -> tuple[EditEffect, ...]:
    pairs, gains = measured_pairs(notes)
    if direction == "max":
        gains = [-gain for gain in gains]
    found = estimate_effects(pairs, gains)
    return tuple(
        EditEffect(edit.description, effect.gain, effect.low, effect.high, real)
        for edit, effect, real in zip(
            notes.chain.edits, found.edits, select_real(found), strict=True
        )
    )


AS_JUDGED = (
    "as they were judged: the luck that an edit was kept with is still in it; "
    "distilling measures them anew"
)


def kept_effects(records: Sequence[Record], direction: str) -> tuple[tuple[EditEffect, ...], str]:
    """Each kept edit as it was judged: luck that it was kept with is in it."""
    noise = pool_noise([record.values for record in records])
    runs = {record.commit: record.standing or record.values for record in records}
    reach = t_quantile(0.025, noise.dof) * noise.sigma if noise.dof else 0.0
    effects = []
    for record in records:
        before = runs.get(record.judged_against, ())
        if record.status != "keep" or record.is_baseline or not before or not record.values:
            continue
        gain = fmean(before) - fmean(record.values)
        gain = gain if direction == "min" else -gain
        half = reach * (1 / len(before) + 1 / len(record.values)) ** 0.5
        interval = (gain - half, gain + half)
        effects.append(EditEffect(record.description, gain, *interval, gain > half > 0))
    return tuple(effects), AS_JUDGED


# ---------------------------------------------------------------- what pays


def kind_of(record: Record) -> str:
    """The family of an idea; what a constant's name begins with; else the agent."""
    if isinstance(family := record.proposal.get("family"), str):
        return family
    names = [name.rpartition(":")[2] for name in edits_of(record)]
    if not names:
        return record.agent or "unknown"
    return names[0] if len(names) == 1 else "several constants"


def sum_up(
    tried: Sequence[Record],
    records: Sequence[Record],
    direction: str,
    name_of: Callable[[Record], str],
) -> tuple[KindShare, ...]:
    """Experiments by a name, those that brought most first."""
    values: Mapping[str, float | None] = {
        r.commit: r.value if r.estimate is None else r.estimate for r in records
    }
    groups: dict[str, list[Record]] = {}
    for record in tried:
        groups.setdefault(name_of(record), []).append(record)
    shares = [
        KindShare(
            name,
            len(group),
            sum(record.status == "keep" for record in group),
            sum(kept_gain(record, values, direction) for record in group),
            sum(map(seconds_of, group)) / 3600,
        )
        for name, group in groups.items()
    ]
    return tuple(sorted(shares, key=lambda share: (-share.gain, -share.tried)))


def tried_in_vain(tried: Sequence[Record]) -> tuple[tuple[str, int], ...]:
    """What was tried several times and never kept: constants, families, agents."""
    tries: Counter[str] = Counter(kind_of(record) for record in tried)
    kept = {kind_of(record) for record in tried if record.status == "keep"}
    lost = [(name, count) for name, count in tries.items() if name not in kept and count >= LEAST]
    return tuple(sorted(lost, key=lambda each: -each[1]))[:NAMED]


def next_steps(morning: Morning, tried: Sequence[Record], folder: Path) -> tuple[str, ...]:
    """What the numbers suggest, a sentence each."""
    steps = []
    if not morning.is_distilled and morning.effects:
        command = call_program("autoresearch", "distill", folder)
        steps.append(f"`{command}`: which of the kept edits are real is not measured yet")
    if top := [name for name, share in morning.importance[:3] if share > 0.1]:
        steps.append(f"go on with {', '.join(top)}: they explain most of what was seen")
    paid = [kind.name for kind in morning.kinds if kind.kept and kind.tried < 2 * LEAST]
    if paid:
        steps.append(f"more of {', '.join(paid[:4])}: few tries, and some were kept")
    near = [r for r in tried if r.status == "discard" and "inside the noise" in r.reason]
    if near:
        steps.append(
            f"{len(near)} experiments came out inside the noise; together they may be worth a run: "
            f"{'; '.join(record.description for record in near[-3:])}"
        )
    # the catalogue's ideas are edits of the lab's train.py, and only the lab has tracks
    if tried[-1].track and not any(record.proposal.get("idea") for record in tried):
        command = call_program("autoresearch", "run", folder, "--agent", "mixed")
        steps.append(f"`{command}`: no idea of the catalogue was tried")
    return tuple(steps)
