"""Which moves help train.py on one track at its real budget: many at once, by a factorial design.

    python bench/screen_moves.py --out moves.jsonl             # goes on where it was ended
    python bench/screen_moves.py --out moves.jsonl --show      # only what the runs so far say
    python bench/screen_moves.py --out moves.jsonl --learnt learnt.json   # for agents to begin with

Half of RUNS real runs of a design hold each of its moves, a quarter of them each pair (columns of a
Hadamard matrix), so every run tells of all moves: an effect's error is 2 sigma / sqrt(RUNS).
Each run has all cores of this machine and the wall's clock: leave it alone meanwhile. What moves do
together is not told apart from what they do alone. Leaves to others: running by hand (table_runs),
one move confirmed alone (autoresearch run).
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

import msgspec
import numpy as np
from scipy.linalg import hadamard

from autoresearch.researcher.agents.constants import Value, replace_values
from autoresearch.researcher.agents.learnt import Learnt, LearntConstant
from autoresearch.researcher.agents.search import read_constants
from autoresearch.researcher.agents.search_space import to_unit
from experiments import LAB, apply_ideas, read_block
from table_runs import FILE, RunFailed, copy_lab, run_file, start_real_server

# constants with their values, and ideas of the catalogue: first what a table of short runs made
# look good, then what was worth it with the other side of what was not
DESIGNS = (
    (
        "VALUE_EMBEDS 1", "BIGRAM_ROWS 262144", "ADAM_BETA1 0.6", "HEAD_DIM 128", "SMEAR 1",
        "TABLE_LR 0.5", "HEAD_LR 0.0075", "MATRIX_BETA2 0.97", "MATRIX_LR 0.03", "EMBED_LR 0.4",
        "MATRIX_START 0.7", "FALL 0.7", "TOTAL_BATCH 2048", "ASPECT 64", "SOFTCAP 20.0",
        "MATRIX_MOMENTUM 0.93", "FINAL_RATE 0.0", "SCALAR_LR 0.03", "MATRIX_DECAY 0.02",
        "short-rows-first", "head-gate", "cautious-muon", "nadam", "swiglu", "final-gain",
        "orthogonal-start",
    ),
    (
        "VALUE_EMBEDS 1", "SMEAR 1", "final-gain", "nadam", "orthogonal-start", "HEAD_LR 0.0075",
        "MATRIX_MOMENTUM 0.93", "TABLE_LR 0.5", "ADAM_BETA1 0.6", "EMBED_LR 0.2",
        "TOTAL_BATCH 8192", "MATRIX_BETA2 0.9", "MATRIX_START 1.4", "SOFTCAP 12.0",
        "MATRIX_LR 0.05", "SCALAR_LR 0.01", "B_START 0.2", "ROTARY_BASE 3000",
        "MOMENTUM_RAMP 0.15", "ADAM_BETA2 0.98", "FALL 0.5", "HEAD_DECAY 0.02",
        "EMBED_DECAY 0.01", "TRIGRAM_ROWS 131072",
    ),
)  # fmt: skip
RUNS = 32


class ScreenRun(msgspec.Struct, frozen=True, omit_defaults=True):
    """One run of a design."""

    track: str
    design: int
    row: int
    moves: list[str]
    val_bpb: float | None = None
    tokens_M: float = 0.0
    failure: str = ""


def choose_rows(moves: Sequence[str]) -> list[list[str]]:
    """The moves of each run."""
    signs = hadamard(RUNS)[:, 1 : len(moves) + 1]
    return [[move for move, sign in zip(moves, row, strict=True) if sign < 0] for row in signs]


def read_move(move: str) -> tuple[str, Value | None]:
    """Name, and the value of a constant."""
    name, _, value = move.partition(" ")
    return name, json.loads(value) if value else None


def write_source(moves: Sequence[str]) -> str:
    """train.py with some moves."""
    known = dict(map(read_move, moves))
    ideas = [name for name, value in known.items() if value is None]
    source = apply_ideas((LAB / FILE).read_text("utf-8"), ideas)
    values = {name: value for name, value in known.items() if value is not None}
    return replace_values(source, values)


def run_row(track: str, design: int, row: int, moves: list[str]) -> ScreenRun:
    planned = ScreenRun(track, design, row, moves)
    with tempfile.TemporaryDirectory() as folder:
        place, seed = copy_lab(Path(folder)), RUNS * design + row
        try:
            block = read_block(run_file(write_source(moves), place, track, seed))
        except RunFailed as error:
            return msgspec.structs.replace(planned, failure=str(error))
    return msgspec.structs.replace(
        planned, val_bpb=block["val_bpb"], tokens_M=block["total_tokens_M"]
    )


@dataclass(frozen=True)
class MoveEffects:
    """Gains and their standard errors, of moves by their names. `noise`: of a run."""

    gains: dict[str, float]
    errors: dict[str, float]
    noise: float
    runs: int

    @property
    def about(self) -> str:
        return f"{self.runs} real runs with half of {len(self.gains)} moves each"

    def shrunk(self) -> MoveEffects:
        """Mean and standard deviation of each gain, given that moves differ by as much as these do
        beyond their errors (empirical Bayes; Efron and Morris 1973, J. Am. Stat. Assoc. 68:117)."""
        mean = fmean(self.gains.values())
        spread = fmean((gain - mean) ** 2 for gain in self.gains.values())
        true = max(0.0, spread - fmean(error**2 for error in self.errors.values()))
        shares = {name: true / (true + error**2) for name, error in self.errors.items()}
        return replace(
            self,
            gains={name: mean + (gain - mean) * shares[name] for name, gain in self.gains.items()},
            errors={name: error * shares[name] ** 0.5 for name, error in self.errors.items()},
        )


def estimate_effects(runs: list[ScreenRun]) -> MoveEffects:
    """By least squares."""
    told = [run for run in runs if run.val_bpb is not None]
    names = sorted({move for run in told for move in run.moves})
    inside = np.array([[name in run.moves for name in names] for run in told], float)
    design = np.column_stack([np.ones(len(told)), inside])
    values = np.array([run.val_bpb for run in told])
    found, *_ = np.linalg.lstsq(design, values, rcond=None)
    free = max(1, len(told) - design.shape[1])
    sigma = float(np.sqrt(((values - design @ found) ** 2).sum() / free))
    errors = sigma * np.sqrt(np.diag(np.linalg.pinv(design.T @ design)))
    gains = {name: -float(effect) for name, effect in zip(names, found[1:], strict=True)}
    return MoveEffects(
        gains, dict(zip(names, map(float, errors[1:]), strict=True)), sigma, len(told)
    )


def show(effects: MoveEffects) -> None:
    """Each move's gain with its standard error, and what is left of it by shrinking."""
    print(f"{effects.about}; noise {effects.noise:.4f}")
    shrunk = effects.shrunk().gains
    for name, gain in sorted(effects.gains.items(), key=lambda one: -one[1]):
        print(f"  {gain:+.4f} ± {effects.errors[name]:.4f}  ({shrunk[name]:+.4f})  {name}")


def learn(effects: MoveEffects, track: str) -> Learnt:
    """Every constant of train.py, those that moved with their gains."""
    shrunk = effects.shrunk()
    told = {read_move(move): round(gain, 5) for move, gain in shrunk.gains.items()}
    errors = {read_move(move): round(error, 5) for move, error in shrunk.errors.items()}
    constants = {}
    for (_, name), one in read_constants({FILE: (LAB / FILE).read_text("utf-8")}).items():
        curve = {to_unit(one, one.value): (0.0, 0.0)}
        for (moved, value), gain in told.items():
            if moved == name and value is not None:
                curve[to_unit(one, value)] = -gain, errors[moved, value]
        places = sorted(curve)
        constants[name] = LearntConstant(
            value=one.value, low=one.low, high=one.high, places=places,
            losses=[curve[place][0] for place in places],
            errors=[curve[place][1] for place in places],
        )  # fmt: skip
    ideas = {name: gain for (name, value), gain in told.items() if value is None and gain > 0}
    return Learnt(about=f"{track}: {effects.about}", constants=constants, ideas=ideas)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--track", default="pystd-20s")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--show", action="store_true", help="run nothing")
    parser.add_argument("--learnt", type=Path, help="run nothing, write what agents begin with")
    args = parser.parse_args()
    lines = args.out.read_bytes().splitlines() if args.out.exists() else []
    runs = [msgspec.json.decode(line, type=ScreenRun) for line in lines]
    runs = [run for run in runs if run.track == args.track]
    known = {(run.design, run.row) for run in runs}
    left = [
        (design, row, moves)
        for design, every in enumerate(DESIGNS)
        for row, moves in enumerate(choose_rows(every))
        if (design, row) not in known
    ]
    if left and not args.show and not args.learnt:
        start_real_server("screen-moves")
        began = time.monotonic()
        with args.out.open("ab") as out:
            for number, (design, row, moves) in enumerate(left, start=1):
                runs.append(run_row(args.track, design, row, moves))
                out.write(msgspec.json.encode(runs[-1]) + b"\n")
                out.flush()
                spent = (time.monotonic() - began) / number * (len(left) - number) / 60
                found = runs[-1].val_bpb or runs[-1].failure
                print(design, row, found, f"{spent:.0f} min left", flush=True)
    effects = estimate_effects(runs)
    show(effects)
    if args.learnt:
        args.learnt.write_bytes(msgspec.json.encode(learn(effects, args.track)) + b"\n")


if __name__ == "__main__":
    main()
