"""`autoresearch simulate`: policies of judging, compared on nights that never happened."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autoresearch.cli.common import Json
from autoresearch.errors import BadInput, NotFound

if TYPE_CHECKING:
    from autoresearch.researcher.config import JudgeTable
    from autoresearch.researcher.simulate import Landscape, Result

EPILOG = (
    "Examples:  autoresearch simulate   |   autoresearch simulate --landscape scarce --hours 24   |   "
    "autoresearch simulate --ledger nightly/experiments.jsonl   |   autoresearch simulate --noise-only --alpha 0.05"
)


def simulate(
    landscape: Annotated[
        str,
        typer.Option(help="even, scarce, noisier, close, clear, drifting, thinking or published."),
    ] = "even",
    ledger: Annotated[
        Path | None,
        typer.Option(help="Take gains, noise and times from this experiments.jsonl instead."),
    ] = None,
    noise_only: Annotated[
        bool, typer.Option(help="No idea changes anything: every keep is a false one.")
    ] = False,
    hours: Annotated[float, typer.Option(min=0.5, help="Length of a night.")] = 8,
    nights: Annotated[int, typer.Option(min=2, help="Nights for each policy.")] = 40,
    seed: Annotated[int, typer.Option(help="The same seed gives the same nights.")] = 0,
    sigma: Annotated[
        float | None, typer.Option(min=0, help="Noise of one run (standard deviation).")
    ] = None,
    good: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share of ideas that are better.")
    ] = None,
    null: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share of ideas that change nothing.")
    ] = None,
    gain: Annotated[
        float | None, typer.Option(min=0, help="Median gain of the better ideas.")
    ] = None,
    loss: Annotated[
        float | None, typer.Option(min=0, help="Median loss of the worse ideas.")
    ] = None,
    idea_s: Annotated[
        float | None, typer.Option(min=0, help="Seconds an agent takes for one idea.")
    ] = None,
    alpha: Annotated[float | None, typer.Option(help="As in [judge] of autoresearch.toml.")] = None,
    repeats: Annotated[
        int | None, typer.Option(min=0, help="As in [judge] of autoresearch.toml.")
    ] = None,
    early_level: Annotated[
        float | None, typer.Option(help="As in [judge] of autoresearch.toml.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare ways of judging, with and without early stopping, on simulated nights: what they improve an hour, keep wrongly and miss."""
    from autoresearch.researcher.simulate import ARMS, compare
    from autoresearch.researcher.simulate import noise_only as silenced

    changes = {
        "sigma": sigma,
        "good": good,
        "null": null,
        "gain": gain,
        "loss": loss,
        "idea_s": idea_s,
    }
    land = chosen(
        landscape, ledger, {name: value for name, value in changes.items() if value is not None}
    )
    if noise_only:
        land = silenced(land)
    rules = rules_of(alpha, repeats, early_level)
    results = compare(land, rules, ARMS, hours, nights, seed, os.cpu_count() or 1)
    show(land, rules, results, hours, as_json)


def chosen(name: str, ledger: Path | None, changes: dict[str, Any]) -> Landscape:
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


def show(
    land: Landscape, rules: JudgeTable, results: list[Result], hours: float, as_json: bool
) -> None:
    import msgspec

    from autoresearch.researcher.simulate.compare import table

    if as_json:
        found = {"landscape": land, "judge": rules, "hours": hours, "policies": results}
        print(msgspec.json.encode(found).decode())  # what is not finite becomes null
        return
    print(
        f"{land.name}: {land.about}; {results[0].nights} nights of {hours:g} h, alpha {rules.alpha:g}; 95 % intervals, shares in %"
    )
    print("\n".join(table(results)))
    print(
        "false: kept, of the ideas that are no better; of keeps: the same, of all kept; missed and stopped (by its curve): of the better ones"
    )
