"""The `autoresearch` command: make an experiment repository, run research in it, see what came of it.

The door: reads the environment, turns errors into one sentence and an exit code. Heavy modules are imported inside the
command that needs them.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from autoresearch.cli import run, simulate, verify, watch
from autoresearch.cli.common import (
    FOR_PREPARE,
    FOR_RUNS,
    Directory,
    Json,
    cache,
    environment,
    tell,
)
from autoresearch.errors import AutoresearchError, BadInput

EXIT_CODES = "Exit codes: 0 well, 1 not well (doctor) or not reproduced (verify), 2 bad input, 3 not allowed, 4 not found, 5 taken or in use, 7 no hub answers, 8 a program is missing, 130 stopped by Ctrl-C."
app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Autonomous research on one machine: experiments that are real commits, judged against their noise.",
    epilog=EXIT_CODES,
)

# ---------------------------------------------------------------- init


@app.command(
    epilog="Examples:  autoresearch init nightly --track pystd   |   autoresearch init . --command 'python sort.py' --free sort.py --metric seconds"
)
def init(
    directory: Annotated[
        Path, typer.Argument(help="A new folder; or, with --command, a repository of your own.")
    ],
    track: Annotated[
        str,
        typer.Option(
            help="Data, vocabulary and time budget: pystd, stories (offline), tinystories, climbmix, custom; with a suffix such as -20s for another budget."
        ),
    ] = "pystd",
    data: Annotated[
        Path | None,
        typer.Option(help="For --track custom: a folder, .txt, .jsonl or .parquet of your own."),
    ] = None,
    command: Annotated[
        str | None,
        typer.Option(
            help="For a repository of your own: the program that prints `metric: number`."
        ),
    ] = None,
    free: Annotated[
        list[str] | None,
        typer.Option(help="For a repository of your own: a file that may be changed (repeatable)."),
    ] = None,
    metric: Annotated[
        str, typer.Option(help="The name of the number, as the program prints it.")
    ] = "val_bpb",
    direction: Annotated[
        str, typer.Option(help="min: lower is better; max: higher is better.")
    ] = "min",
    as_json: Json = False,
) -> None:
    """Make an experiment repository: the lab's files and a first commit, or the configuration for your own repository."""
    import shlex

    from autoresearch.researcher import starter

    if command is not None:
        repo = starter.start_own(directory, free or [], shlex.split(command), metric, direction)
        text = f"wrote {repo.path / 'autoresearch.toml'}; look at it, then: autoresearch run {directory}"
    else:
        if data is not None and not data.exists():
            raise BadInput(f"--data {data} does not exist")
        repo = starter.start_lab(directory, track, data)
        text = f"{directory} is an experiment on track {track}; go on with: autoresearch run {directory}"
    tell({"directory": str(repo.path), "commit": repo.maybe("HEAD")}, text, as_json)


app.command(epilog=run.EPILOG)(run.run)
app.command(epilog=simulate.EPILOG)(simulate.simulate)
app.command(epilog=verify.EPILOG)(verify.verify)
app.command(epilog=watch.EPILOG)(watch.watch)


# ---------------------------------------------------------------- status


@app.command(
    epilog="Examples:  autoresearch status nightly   |   autoresearch status nightly --json"
)
def status(directory: Directory = Path("."), as_json: Json = False) -> None:
    """Tell what is going on in an experiment's folder and what was found so far; disturbs nothing."""
    from autoresearch.researcher.report import status as view
    from autoresearch.researcher.workspace import Workspace

    found = view.read(Workspace(directory))
    tell(found.as_dict(), "\n".join(view.sentences(found)), as_json)


# ---------------------------------------------------------------- report


@app.command(
    epilog="Examples:  autoresearch report nightly   |   autoresearch report results.tsv --out pictures   |   autoresearch report . --last 20"
)
def report(
    directory: Annotated[
        Path, typer.Argument(help="The experiment's folder, or any results.tsv.")
    ] = Path("."),
    out: Annotated[
        Path | None,
        typer.Option(
            help="Where progress.png, progress.svg and report.html go; by default beside the ledger."
        ),
    ] = None,
    last: Annotated[
        int | None, typer.Option(min=1, help="Show only the last experiments in the table.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Print the table of experiments and draw their progress; reads any results.tsv, whoever wrote it."""
    from autoresearch.researcher import report as reports

    summary = reports.summarise(directory)
    files = reports.write(directory, out)
    if not as_json:
        from rich.console import Console

        reports.render_table(summary, Console(), last)
    written = {"png": str(files.png), "svg": str(files.svg), "html": str(files.html)}
    tell(
        {**summary.to_json(), "files": written},
        f"picture: {files.png}\npage:    {files.html}",
        as_json,
    )


# ---------------------------------------------------------------- doctor


@app.command(
    epilog="Examples:  autoresearch doctor   |   autoresearch doctor nightly --json   |   autoresearch doctor --attacks   |   autoresearch doctor --hub https://hub.example"
)
def doctor(
    directory: Directory = Path("."),
    hub: Annotated[str, typer.Option(help="Also ask whether this hub answers.")] = "",
    attacks: Annotated[
        bool,
        typer.Option(
            "--attacks", help="Try every attack on every sandbox that works here; a line for each."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Look at this machine and the experiment's folder; exit code 1 only where something is missing that runs need."""
    from autoresearch.researcher import doctor as examination

    machine = examination.Machine(environment((*FOR_RUNS, *FOR_PREPARE)), cache(), hub, attacks)
    checks = []
    for check in examination.examine(directory, machine):
        checks.append(check)
        if not as_json:
            print(examination.sentence(check), flush=True)
    if as_json:
        print(json.dumps(examination.as_json(checks), ensure_ascii=False))
    if not examination.is_well(checks):
        raise typer.Exit(1)


# ---------------------------------------------------------------- the doors of every command


def fail(error: AutoresearchError, as_json: bool) -> NoReturn:
    if as_json:
        print(json.dumps({"error": str(error)}, ensure_ascii=False))
    else:
        print(f"autoresearch: {error}", file=sys.stderr)
    raise SystemExit(error.exit_code)


def main() -> None:
    """Run the command line; errors of ours become a sentence and an exit code."""
    try:
        app()
    except AutoresearchError as error:
        fail(error, "--json" in sys.argv)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
