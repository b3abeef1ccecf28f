"""`autoresearch work`: gathers what its options say and lets this machine work for a hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from autoresearch.cli import options, show
from autoresearch.cli.options import PATH, examples
from autoresearch.cli.run import prepare
from autoresearch.cli.sandbox_options import SandboxOptions, sandbox_options
from autoresearch.cli.verify import make_verifier, open_rounds

if TYPE_CHECKING:
    from autoresearch.researcher.verify.verifier import Verifier
    from autoresearch.researcher.verify.volunteer import VolunteerLimits, WorkDone

EPILOG = examples(
    "autoresearch work nightly --hub https://hub.example",
    "autoresearch work nightly --hub https://hub.example --hours 8 --max-load 2",
    "autoresearch work nightly --hub https://hub.example --once --json",
)


@click.command(epilog=EPILOG)
@options.directory
@click.option("--hub", metavar="URL", required=True, help="The hub that hands out the work.")
@click.option(
    "--hours", type=click.FloatRange(min=0), help="Ask for no more work after this many hours."
)
@click.option(
    "--max-load",
    type=click.FloatRange(min=0),
    help="Ask for no work while the system's load average is above this.",
)
@click.option(
    "--stop-file", type=PATH, help="End within seconds once this file is there; give work back."
)
@click.option("--once", is_flag=True, help="Do one piece of work, if there is one, and end.")
@click.option(
    "--runs",
    type=click.IntRange(2, 100),
    default=3,
    help="How often a commit is run whose run cannot be replayed.",
)
@click.option("--platform", help="This machine's name on the hub; by default its GPU or processor.")
@sandbox_options
@options.in_json
def work(
    directory: Path,
    hub: str,
    hours: float | None,
    max_load: float | None,
    stop_file: Path | None,
    once: bool,
    runs: int,
    platform: str | None,
    isolation: SandboxOptions,
    in_json: bool,
) -> None:
    """Lend this machine to a hub: run again what it hands out, and post the verdicts.

    DIRECTORY is an experiment on the hub's track. Each result is replayed where its record allows,
    else run with other seeds, in the sandbox, with this folder's own fixed files.
    """
    from autoresearch.researcher.verify.volunteer import VolunteerLimits

    verifier = make_verifier(directory, isolation, platform, runs, in_json)
    limits = VolunteerLimits(hours, max_load, stop_file, once)
    with verifier.workspace.lock():
        verifier.workspace.sweep_checkouts()
        done = work_on_hub(verifier, hub, limits)
    report_work(done, in_json)
    if done.is_interrupted:
        raise click.exceptions.Exit(130)


def work_on_hub(verifier: Verifier, url: str, limits: VolunteerLimits) -> WorkDone:
    """Join the hub, and work until a limit is reached."""
    from autoresearch.researcher.experiment import Stopped
    from autoresearch.researcher.verify.volunteer import STOPPED, VolunteerShift, WorkDone

    try:
        prepare(verifier.workspace, verifier.display.say, verifier.stop)
        with open_rounds(verifier, url, replay=True, patient=not limits.once) as rounds:
            if rounds is not None:
                return VolunteerShift(rounds, limits).work()
    except Stopped:
        pass
    return WorkDone(ended=STOPPED)


def report_work(done: WorkDone, in_json: bool) -> None:
    import msgspec

    verified = done.reproduced + done.not_reproduced
    text = (
        f"{done.ended}: {verified} results verified, {done.reproduced} of them reproduced; "
        f"{done.returned} given back"
    )
    show.tell({"verified": verified, **msgspec.to_builtins(done)}, show.clean(text), in_json)
