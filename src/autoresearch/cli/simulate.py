"""`autoresearch simulate`: policies of judging, compared on nights that never happened."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from autoresearch.cli import options
from autoresearch.cli.options import PATH, examples
from autoresearch.errors import BadInput, NotFound

if TYPE_CHECKING:
    from autoresearch.researcher.config import JudgeTable
    from autoresearch.researcher.simulate import Landscape, PolicyResult

EPILOG = examples(
    "autoresearch simulate",
    "autoresearch simulate --landscape scarce --hours 24",
    "autoresearch simulate --ledger nightly/experiments.jsonl",
    "autoresearch simulate --noise-only --alpha 0.05",
    "autoresearch simulate --waves --sigma 0.0015 --interaction 0.3",
)
POSITIVE, SHARE = click.FloatRange(min=0), click.FloatRange(0, 1)
AS_IN_TABLE = "As in [judge] of autoresearch.toml."


@click.command(epilog=EPILOG)
@click.option(
    "--landscape",
    default="even",
    help="even, scarce, noisier, close, clear, drifting, thinking or published.",
)
@click.option(
    "--ledger", type=PATH, help="Take gains, noise and times from this experiments.jsonl instead."
)
@click.option(
    "--noise-only", is_flag=True, help="No idea changes anything: every keep is a false one."
)
@click.option("--hours", type=click.FloatRange(min=0.5), default=8.0, help="Length of a night.")
@click.option("--nights", type=click.IntRange(min=2), default=40, help="Nights for each policy.")
@click.option("--seed", type=int, default=0, help="The same seed gives the same nights.")
@click.option("--sigma", type=POSITIVE, help="Noise of one run (standard deviation).")
@click.option("--good", type=SHARE, help="Share of ideas that are better.")
@click.option("--null", type=SHARE, help="Share of ideas that change nothing.")
@click.option("--gain", type=POSITIVE, help="Median gain of the better ideas.")
@click.option("--loss", type=POSITIVE, help="Median loss of the worse ideas.")
@click.option("--idea-s", type=POSITIVE, help="Seconds an agent takes for one idea.")
@click.option(
    "--waves", is_flag=True, help="Compare nights with waves of ideas with nights without them."
)
@click.option(
    "--interaction",
    type=POSITIVE,
    help="How much two ideas change each other's worth: of the smaller one, standard deviation.",
)
@click.option("--apart", type=SHARE, help="Share of pairs of ideas that exclude each other.")
@click.option("--alpha", type=float, help=AS_IN_TABLE)
@click.option("--repeats", type=click.IntRange(min=0), help=AS_IN_TABLE)
@click.option("--early-level", type=float, help=AS_IN_TABLE)
@options.in_json
def simulate(
    landscape: str,
    ledger: Path | None,
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

    Each with and without early stopping, or the usual one with and without waves.
    """
    from autoresearch.researcher.simulate import ARMS, WAVE_ARMS, compare
    from autoresearch.researcher.simulate import noise_only as silenced

    land = choose_landscape(
        landscape, ledger, {name: value for name, value in changes.items() if value is not None}
    )
    if noise_only:
        land = silenced(land)
    rules = rules_of(alpha, repeats, early_level)
    arms = WAVE_ARMS if waves else ARMS
    results = compare(land, rules, arms, hours, nights, seed, os.cpu_count() or 1)
    print_results(land, rules, results, hours, in_json)


def choose_landscape(name: str, ledger: Path | None, changes: dict[str, Any]) -> Landscape:
    """The landscape that was asked for, with what was changed of it."""
    from dataclasses import replace

    from autoresearch.researcher.ledger import Ledger
    from autoresearch.researcher.simulate import LANDSCAPES, from_ledger

    if ledger is not None:
        folder = ledger if ledger.is_dir() else ledger.parent
        if not (folder / "experiments.jsonl").is_file():
            raise NotFound(f"no experiments.jsonl in {folder}; `autoresearch run` writes one")
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
    land: Landscape, rules: JudgeTable, results: list[PolicyResult], hours: float, in_json: bool
) -> None:
    import msgspec

    from autoresearch.researcher.simulate.compare import table

    if in_json:
        found = {"landscape": land, "judge": rules, "hours": hours, "policies": results}
        print(msgspec.json.encode(found).decode())  # what is not finite becomes null
        return
    print(
        f"{land.name}: {land.about}; {results[0].nights} nights of {hours:g} h, alpha "
        f"{rules.alpha:g}; 95 % intervals, shares in %"
    )
    print("\n".join(table(results)))
    print(
        "false: kept, of the ideas that are no better; of keeps: the same, of all "
        "kept; missed and stopped (by its curve): of the better ones"
    )
