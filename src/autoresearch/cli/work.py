"""`autoresearch work`: gathers what its options say and lets this machine work for a hub."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from autoresearch.cli import options, show
from autoresearch.cli.common import FOR_PREPARE, FOR_RUNS, environment
from autoresearch.cli.options import PATH, examples, flag
from autoresearch.cli.run import prepare
from autoresearch.cli.sandbox_options import SandboxOptions, sandbox_options
from autoresearch.cli.verify import make_verifier, open_rounds

if TYPE_CHECKING:
    from autoresearch.researcher.verify.verifier import Verifier
    from autoresearch.researcher.verify.volunteer import EarlierShift, VolunteerLimits, WorkDone

EARLIER = "AUTORESEARCH_EARLIER_SHIFT"  # what the version before hands on to the one after it
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
@flag(
    "--update",
    "Let this hub install its own newer client here, at the start and then once an hour: trust it "
    "with your machine.",
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
    update: bool,
    platform: str | None,
    isolation: SandboxOptions,
    in_json: bool,
) -> None:
    """Lend this machine to a hub: run what it hands out, and say what came of it.

    DIRECTORY is an experiment on the hub's track. Each result is replayed where its record allows,
    else run with other seeds, in the sandbox, with this folder's own fixed files. Cells of others'
    waves are run once, in the same way.
    """
    from autoresearch.researcher.verify.volunteer import UPDATED, VolunteerLimits

    verifier = make_verifier(directory, isolation, platform, runs, in_json)
    limits = VolunteerLimits(hours, max_load, stop_file, once)
    earlier = read_earlier_shift()
    with verifier.workspace.lock():
        verifier.workspace.sweep_checkouts()
        done = work_on_hub(verifier, hub, limits, earlier, update)
    if done.ended == UPDATED:
        start_anew(earlier)
    report_work(done, in_json)
    if done.is_interrupted:
        raise click.exceptions.Exit(130)


def work_on_hub(
    verifier: Verifier, url: str, limits: VolunteerLimits, earlier: EarlierShift, update: bool
) -> WorkDone:
    """Join the hub, and work until a limit is reached."""
    from autoresearch.researcher.experiment import Stopped
    from autoresearch.researcher.verify.client_update import ClientUpdate
    from autoresearch.researcher.verify.volunteer import STOPPED, VolunteerShift, WorkDone

    try:
        prepare(verifier.workspace, verifier.display.say, verifier.stop)
        with open_rounds(verifier, url, replay=True, patient=not limits.once) as rounds:
            if rounds is not None:
                hub = rounds.board.hub
                updates = ClientUpdate(hub, pip_environment(), rounds.say) if update else None
                shift = VolunteerShift(rounds, limits, updates, earlier.done, earlier.began_at)
                return shift.work()
    except Stopped:
        pass
    return WorkDone(ended=STOPPED)


def pip_environment() -> dict[str, str]:
    """What pip may see of the environment: the network's settings, and its own."""
    own = {name: text for name, text in os.environ.items() if name.startswith("PIP_")}
    return {**environment((*FOR_RUNS, *FOR_PREPARE)), **own}


def start_anew(earlier: EarlierShift) -> NoReturn:
    """Become the program that was installed, with the same arguments."""
    import msgspec

    earlier.done.ended = ""
    told = msgspec.json.encode(earlier).decode()
    sys.stdout.flush()
    words = [sys.executable, *sys.orig_argv[1:]]
    os.execve(sys.executable, words, {**os.environ, EARLIER: told})


def read_earlier_shift() -> EarlierShift:
    """What was done before an update; nothing where there was none."""
    import msgspec

    from autoresearch.researcher.verify.volunteer import EarlierShift

    told = os.environ.pop(EARLIER, "")
    return msgspec.json.decode(told, type=EarlierShift) if told else EarlierShift()


def report_work(done: WorkDone, in_json: bool) -> None:
    import msgspec

    verified = done.reproduced + done.not_reproduced
    text = (
        f"{done.ended}: {verified} results verified, {done.reproduced} of them reproduced; "
        f"{done.cells} cells run; {done.returned} given back"
    )
    show.tell({"verified": verified, **msgspec.to_builtins(done)}, show.clean(text), in_json)
