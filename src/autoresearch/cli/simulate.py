"""`autoresearch simulate`: policies of judging, compared on nights that never happened."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from autoresearch.cli import options
from autoresearch.cli.options import amount, count, examples, flag, path, text
from autoresearch.errors import BadInput, NotFound
from autoresearch.own_programs import call_program

if TYPE_CHECKING:
    from autoresearch.researcher.config import JudgeTable
    from autoresearch.researcher.simulate.compare import PolicyResult
    from autoresearch.researcher.simulate.landscape import Landscape
    from autoresearch.researcher.simulate.recorded_lab import RecordedLab
    from autoresearch.researcher.simulate.surface import Surface

EPILOG = examples(
    "autoresearch simulate",
    "autoresearch simulate --landscape scarce --hours 24",
    "autoresearch simulate --ledger nightly/experiments.jsonl",
    "autoresearch simulate --noise-only --alpha 0.05",
    "autoresearch simulate --table bench/table/pystd.jsonl --agents --hours 1",
    "autoresearch simulate --waves --sigma 0.0015 --interaction 0.3",
)
AS_IN_TABLE = "As in [judge] of autoresearch.toml."


@click.command(epilog=EPILOG)
@text(
    "--landscape", "even, scarce, noisier, close, clear, drifting, thinking or published.", "even"
)
@path("--ledger", "Take gains, noise and times from this experiments.jsonl instead.")
@path("--table", "Replay recorded runs: a file of bench/record_table.py.")
@text("--track", "Which track of the table; that with the most runs if not given.", None)
@flag("--agents", "Compare agents instead, on the lab as the table recorded it.")
@path("--learnt", "With --agents: what they begin with, a file of bench/learn.py; else nothing.")
@flag("--noise-only", "No idea changes anything: every keep is a false one.")
@amount("--hours", "Length of a night.", least=0.5, default=8.0)
@count("--nights", "Nights for each policy.", least=2, default=40)
@click.option("--seed", type=int, default=0, help="The same seed gives the same nights.")
@amount("--sigma", "Noise of one run (standard deviation).")
@amount("--good", "Share of ideas that are better.", most=1)
@amount("--null", "Share of ideas that change nothing.", most=1)
@amount("--gain", "Median gain of the better ideas.")
@amount("--loss", "Median loss of the worse ideas.")
@amount("--idea-s", "Seconds an agent takes for one idea.")
@flag("--waves", "Compare nights with waves of ideas with nights without them.")
@amount(
    "--interaction",
    "How much two ideas change each other's worth: of the smaller one, standard deviation.",
)
@amount("--apart", "Share of pairs of ideas that exclude each other.", most=1)
@click.option("--alpha", type=float, help=AS_IN_TABLE)
@count("--repeats", AS_IN_TABLE, least=0)
@click.option("--early-level", type=float, help=AS_IN_TABLE)
@options.in_json
def simulate(
    landscape: str,
    ledger: Path | None,
    table: Path | None,
    track: str | None,
    agents: bool,
    learnt: Path | None,
    noise_only: bool,
    hours: float,
    nights: int,
    seed: int,
    alpha: float | None,
    repeats: int | None,
    early_level: float | None,
    waves: bool,
    in_json: bool,
    **changes: float | None,
) -> None:
    """Compare ways of judging on simulated nights: what they improve an hour, keep wrongly, miss.

    Each with and without early stopping, or the usual one with and without waves; or agents
    that tune constants and try ideas, on a table of recorded runs.
    """
    from autoresearch.researcher.simulate.compare import AGENT_ARMS, ARMS, WAVE_ARMS, compare
    from autoresearch.researcher.simulate.landscape import noise_only as silenced

    check_choice(ledger, table, track, agents, noise_only or waves)
    if learnt and not agents:
        raise BadInput("--learnt is what agents begin with: give --agents too")
    given = {name: value for name, value in changes.items() if value is not None}
    land = (
        replay_table(table, track, given) if table else choose_landscape(landscape, ledger, given)
    )
    if noise_only:
        land = silenced(land)
    rules = rules_of(alpha, repeats, early_level)
    lab = read_lab(table, land, learnt) if table and agents else None
    arms = AGENT_ARMS if lab else WAVE_ARMS if waves else ARMS
    results = compare(land, rules, arms, hours, nights, seed, os.cpu_count() or 1, lab)
    print_results(land, rules, results, hours, in_json, lab.surface if lab else None)


def check_choice(
    ledger: Path | None, table: Path | None, track: str | None, agents: bool, others: bool
) -> None:
    """What goes together."""
    if table and ledger:
        raise BadInput("--table and --ledger are two worlds: give one of them")
    if (agents or track) and not table:
        raise BadInput("--agents and --track need a table of recorded runs: --table FILE")
    if agents and others:
        raise BadInput("--agents compares agents alone: leave out --noise-only and --waves")


def replay_table(file: Path, track: str | None, changes: dict[str, Any]) -> Landscape:
    """The world of a table's runs on one track."""
    from dataclasses import replace

    from autoresearch.researcher.simulate.table import choose_track, read_table, table_landscape

    table = read_table(file)
    return replace(table_landscape(table, choose_track(table, track)), **changes)


def read_lab(file: Path, land: Landscape, learnt: Path | None) -> RecordedLab:
    """The score of every setting of the constants and of every idea, from a table's runs."""
    from dataclasses import replace

    from autoresearch.researcher.agents.learnt import NOTHING, parse_learnt
    from autoresearch.researcher.simulate.recorded_lab import record_lab
    from autoresearch.researcher.simulate.table import read_table

    known = parse_learnt(learnt) if learnt else NOTHING
    return replace(record_lab(read_table(file), land), learnt=known)


def choose_landscape(name: str, ledger: Path | None, changes: dict[str, Any]) -> Landscape:
    """The landscape that was asked for, with what was changed of it."""
    from dataclasses import replace

    from autoresearch.researcher.ledger import Ledger
    from autoresearch.researcher.simulate.landscape import LANDSCAPES, from_ledger

    if ledger is not None:
        folder = ledger if ledger.is_dir() else ledger.parent
        if not (folder / "experiments.jsonl").is_file():
            command = call_program("autoresearch", "run", folder)
            raise NotFound(f"no experiments.jsonl in {folder}; `{command}` writes one")
        return replace(from_ledger(Ledger(folder).records(), direction_of(folder)), **changes)
    if name not in LANDSCAPES:
        raise BadInput(f"no landscape {name!r}; there are {', '.join(LANDSCAPES)}")
    land = replace(LANDSCAPES[name], **changes)
    if land.good + land.null > 1:
        raise BadInput(f"--good {land.good} and --null {land.null} are more than all ideas")
    return land


def direction_of(folder: Path) -> str:
    """Whether lower or higher is better there; lower where no autoresearch.toml says."""
    from autoresearch.researcher import config

    return config.read(folder).experiment.direction if (folder / config.NAME).is_file() else "min"


def rules_of(alpha: float | None, repeats: int | None, early_level: float | None) -> JudgeTable:
    import msgspec

    from autoresearch.researcher.config import JudgeTable

    if not all(0 < level < 0.5 for level in (alpha, early_level) if level is not None):
        raise BadInput("--alpha and --early-level must lie between 0 and 0.5")
    given = {"alpha": alpha, "repeats": repeats, "early_level": early_level}
    return msgspec.structs.replace(
        JudgeTable(), **{name: value for name, value in given.items() if value is not None}
    )


def print_results(
    land: Landscape,
    rules: JudgeTable,
    results: list[PolicyResult],
    hours: float,
    in_json: bool,
    surface: Surface | None,
) -> None:
    import msgspec

    from autoresearch.researcher.simulate.compare import table

    if in_json:
        found = {"landscape": land, "judge": rules, "hours": hours, "policies": results}
        found |= {"held_out": [surface.error, surface.spread]} if surface else {}
        print(msgspec.json.encode(found).decode())  # what is not finite becomes null
        return
    print(
        f"{land.name}: {land.about}; {results[0].nights} nights of {hours:g} h, alpha "
        f"{rules.alpha:g}; 95 % intervals, shares in %"
    )
    if surface:
        print(surface.about)
    print("\n".join(table(results)))
    print(
        "false: kept, of the ideas that are no better; of keeps: the same, of all "
        "kept; missed and stopped (by its curve): of the better ones"
    )
