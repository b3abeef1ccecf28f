"""The `autoresearch` command: make an experiment repository, run research in it, see what came of
it.

Heavy modules are imported inside the command that needs them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from autoresearch.cli import (
    credentials,
    distill,
    export,
    options,
    run,
    show,
    simulate,
    verify,
    watch,
    work,
)
from autoresearch.cli.agent_options import AgentOptions, AgentSetup, make_agent, which_agent
from autoresearch.cli.common import FOR_PREPARE, FOR_RUNS, cache, environment
from autoresearch.cli.help_pages import ProgramGroup
from autoresearch.cli.options import PATH, choice, count, examples, flag, path, text
from autoresearch.cli.program import SETTINGS, completion_command, run_program
from autoresearch.errors import BadInput
from autoresearch.own_programs import call_program

EPILOG = """\b
Start with:
  autoresearch doctor
  autoresearch init nightly --track pystd
  autoresearch run nightly --hours 8

Exit codes: 0 well, 1 not well (doctor) or not reproduced (verify), 2 bad input, 3 not allowed,
4 not found, 5 taken or in use, 6 the agent gave up (run), 7 no hub answers, 8 a program is missing,
130 stopped by Ctrl-C.
"""


@click.group(cls=ProgramGroup, epilog=EPILOG, context_settings=SETTINGS)
@click.version_option(package_name="autoresearch")
def app() -> None:
    """Autonomous research on one machine: real commits, judged against their noise."""


@app.command(
    epilog=examples(
        "autoresearch init nightly --track pystd",
        "autoresearch init . --command 'python sort.py' --free sort.py --metric seconds",
    )
)
@click.argument("directory", type=PATH)
@text(
    "--track",
    "Data, vocabulary and time budget: pystd, stories (offline), tinystories, climbmix, "
    "custom; with a suffix such as -20s for another budget.",
    "pystd",
)
@path("--data", "For --track custom: a folder of text, .jsonl, .json, .csv or .parquet.")
@text(
    "--scale",
    "Whose constants train.py gets: cpu, tinystories (small GPU, Apple), climbmix "
    "(large GPU); auto: this machine's.",
    "auto",
)
@text("--command", "For a repository of your own: the program that prints `metric: number`.", None)
@text(
    "--free",
    "For a repository of your own: a file that may be changed (repeatable).",
    None,
    multiple=True,
)
@text("--metric", "The name of the number, as the program prints it.", "val_bpb")
@text(
    "--direction",
    "min: lower is better; max: higher is better; by default what the metric's name says.",
    None,
)
@options.in_json
def init(
    directory: Path,
    track: str,
    data: Path | None,
    scale: str,
    command: str | None,
    free: tuple[str, ...],
    metric: str,
    direction: str | None,
    in_json: bool,
) -> None:
    """Make an experiment repository: the lab's files and a first commit.

    DIRECTORY is a new folder; or, with --command, a repository of your own or a folder in one,
    which gets a configuration.
    """
    from autoresearch.researcher.init import (
        describe_environment,
        start_lab,
        start_own,
        usual_direction,
    )

    go_on = call_program("autoresearch", "run", directory)
    if command is not None:
        repo = start_own(directory, list(free), command, metric, direction)
        better = "higher" if (direction or usual_direction(metric)) == "max" else "lower"
        text = (
            f"wrote {directory / 'autoresearch.toml'} ({metric}: {better} is better); look at "
            f"it, then: {go_on}"
        )
        text = "\n".join(part for part in (text, describe_environment(directory, command)) if part)
    else:
        if data is not None and not data.exists():
            raise BadInput(f"--data {data} does not exist")
        if data is not None and (directory / "autoresearch.toml").exists():
            name_own_text(directory, data, in_json)
            return
        repo = start_lab(directory, track, data, scale)
        text = f"{directory} is an experiment on track {track}; go on with: {go_on}"
    made = {"directory": str(directory.resolve()), "commit": repo.maybe("HEAD")}
    show.tell(made, text, in_json)


def name_own_text(directory: Path, data: Path, in_json: bool) -> None:
    """Say where the text of an experiment from another machine lies on this one."""
    from autoresearch.errors import Conflict
    from autoresearch.researcher.own_text import name_text
    from autoresearch.researcher.workspace import Workspace

    workspace = Workspace(directory)
    if not workspace.config.has_own_text:
        raise Conflict(f"{directory} is an experiment already, and not on a text of your own")
    name_text(workspace, data)
    go_on = call_program("autoresearch", "run", directory)
    text = f"the text is {data}; go on with: {go_on}"
    show.tell({"directory": str(workspace.folder)}, text, in_json)


IMPORTED = (
    run.run,
    distill.distill,
    simulate.simulate,
    verify.verify,
    work.work,
    watch.watch,
    export.export,
)
for imported in IMPORTED:
    app.add_command(imported)
app.add_command(completion_command("autoresearch"))


@app.command(epilog=examples("autoresearch status nightly", "autoresearch status nightly --json"))
@options.directory
@options.in_json
def status(directory: Path, in_json: bool) -> None:
    """Tell what is going on in an experiment's folder and what was found so far.

    Disturbs nothing.
    """
    from autoresearch.researcher.report import status as view
    from autoresearch.researcher.workspace import Workspace

    found = view.read(Workspace(directory))
    show.tell(found.as_dict(), "\n".join(view.sentences(found)), in_json)


@app.command(
    epilog=examples(
        "autoresearch report nightly",
        "autoresearch report results.tsv --out pictures",
        "autoresearch report . --last 20",
        "autoresearch report old/results.csv --metric accuracy --direction max",
    )
)
@options.directory
@path("--out", "Where progress.png, progress.svg and report.html go; by default beside the ledger.")
@count("--last", "Show only the last experiments in the table.")
@text("--metric", "The metric's column, where a ledger of others has several.")
@choice(
    "--direction",
    ["min", "max"],
    "What is better, where the metric's name does not tell: min (lower) or max (higher).",
)
@options.in_json
def report(
    directory: Path,
    out: Path | None,
    last: int | None,
    metric: str,
    direction: str | None,
    in_json: bool,
) -> None:
    """Print the table of experiments and draw their progress.

    DIRECTORY is the experiment's folder, or any ledger, whoever wrote it: a results.tsv, CSV,
    lines of JSON, or a markdown table.
    """
    from autoresearch.researcher import report as reports
    from autoresearch.researcher.report.morning_lines import describe_morning

    summary = reports.summarise(directory, metric, direction or "")
    files = reports.write_summary(summary, out)
    if not in_json:
        from rich.console import Console

        reports.render_table(summary, Console(), last)
        if morning := reports.read_night(summary):
            print("\n".join(show.clean(line) for line in describe_morning(morning)))
    written = {"png": str(files.png), "svg": str(files.svg), "html": str(files.html)}
    show.tell(
        {**summary.to_json(), "files": written},
        f"picture: {files.png}\npage:    {files.html}",
        in_json,
    )


@app.command(
    epilog=examples(
        "autoresearch doctor",
        "autoresearch doctor nightly --json",
        "autoresearch doctor --attacks",
        "autoresearch doctor --hub https://hub.example",
        "autoresearch doctor --agent command --command claude",
    )
)
@options.directory
@text("--hub", "Also ask whether this hub answers.")
@which_agent
@flag("--attacks", "Try every attack on every sandbox that works here; a line for each.")
@options.in_json
def doctor(
    directory: Path,
    hub: str,
    agent: AgentOptions,
    attacks: bool,
    in_json: bool,
) -> None:
    """Look at this machine, the experiment's folder and, where one is named, the agent.

    Exit code 1 only where something is missing that runs need.
    """
    from autoresearch.researcher import doctor as examination

    machine = examination.MachineFacts(
        environment((*FOR_RUNS, *FOR_PREPARE)),
        cache(),
        hub,
        attacks,
        partial(ask_agent, agent, directory) if agent.agent in ("llm", "command") else None,
    )
    checks = []
    for check in examination.examine(directory, machine):
        checks.append(check)
        if not in_json:
            print(examination.sentence(check), flush=True)
    if in_json:
        print(json.dumps(examination.as_json(checks), ensure_ascii=False))
    if not examination.is_well(checks):
        raise click.exceptions.Exit(1)


def ask_agent(chosen: AgentOptions, directory: Path, transcripts: Path) -> str:
    """Ask the agent that the options name, as `run` would; a sentence of what was found."""
    keys = (directory / credentials.FOLDER, *credentials.user_files(os.environ))
    setup = AgentSetup(transcripts, os.environ, hidden=(*keys, cache()))
    agent = make_agent(chosen, setup)
    check: Callable[[], str] = agent.check  # type: ignore[union-attr]
    return check()


def main() -> None:
    """Run the command line."""
    run_program(app, "autoresearch", extra="researcher")


if __name__ == "__main__":
    main()
