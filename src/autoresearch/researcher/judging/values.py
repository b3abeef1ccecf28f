"""What a run measured and what an experiment came to: the values that are judged, kept in the ledger and told to others.

Frozen, and made of nothing but standard types. Leaves to others: files and logs (ledger, measurement), verdicts (judge).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from autoresearch.models import Status

Outcome = Literal[
    "ok",
    "no metric",
    "not finite",
    "printed twice",
    "failed",
    "timeout",
    "changed fixed files",
    "score failed",
    "score differs",
    "stopped early",
    "outside the clock",
    "carries data",
]


@dataclass(frozen=True)
class Measurement:
    """What came of one run. `value` is None unless outcome is "ok"; `reason` is the sentence; `left` names untracked files.

    `outside_seconds`: of training's wall clock what the budget, as the scorer names it, does not cover; None where it names none."""

    outcome: Outcome
    reason: str
    seed: int
    seconds: float = 0.0  # wall clock, start to end of training
    score_seconds: float = 0.0
    outside_seconds: float | None = None
    value: float | None = None
    printed: float | None = None
    memory_gb: float | None = None
    training_seconds: float | None = None
    total_seconds: float | None = None
    tokens_M: float | None = None
    num_steps: float | None = None
    log: str = ""
    left: tuple[str, ...] = ()

    @property
    def throughput(self) -> float | None:
        """Million tokens per training second, or None where the command does not tell."""
        if not self.tokens_M or not self.training_seconds:
            return None
        return self.tokens_M / self.training_seconds


@dataclass(frozen=True)
class Record:
    """One finished experiment. `value` is the mean of `values` (one per judged run) and None where it crashed (never 0)."""

    id: str
    commit: str
    parent: str
    status: Status
    description: str
    reason: str
    metric: str = "val_bpb"
    value: float | None = None
    values: tuple[float, ...] = ()
    estimate: float | None = (
        None  # of a kept one: its value with the luck of having been kept taken off
    )
    standing: tuple[
        float, ...
    ] = ()  # the runs that stand for a kept one when others are judged; their mean is the estimate
    standing_seeds: tuple[int, ...] = ()
    memory_gb: float | None = None
    track: str = ""
    platform: str = ""
    branch: str = ""
    agent: str = ""
    seed: int | None = None
    seeds: tuple[int, ...] = ()  # of `values`, one each; of all runs where none has a value
    training_seconds: float | None = None
    total_seconds: float | None = None
    tokens_M: float | None = None
    num_steps: float | None = None
    throughput: float | None = None  # million tokens per training second, mean of the judged runs
    rival: str = ""  # the commit it was judged against, where another one had become best meanwhile
    parent_values: tuple[
        float, ...
    ] = ()  # of a re-run of the parent (of the rival), where this attempt asked for one
    parent_seeds: tuple[int, ...] = ()
    parent_throughput: float | None = None
    rechecks: tuple[float, ...] = ()  # the runs of that commit that this attempt asked for
    recheck_seeds: tuple[int, ...] = ()
    slowest_seconds: float | None = None  # wall clock of the longest run
    outside_seconds: float | None = (
        None  # of training besides the budget, and of scoring: the longest of each
    )
    score_seconds: float | None = None
    contended: bool = False
    started_at: str = ""
    finished_at: str = ""
    log: str = ""  # relative to the workspace
    logs: tuple[str, ...] = ()  # of the judged runs, curve.jsonl beside each
    recheck_logs: tuple[str, ...] = ()
    is_baseline: bool = False
    proposal: Mapping[str, object] = field(
        default_factory=dict
    )  # what the agent wants to remember of its edit

    @property
    def judged_against(self) -> str:
        return self.rival or self.parent
