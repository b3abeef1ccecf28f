"""`autoresearch verify`: gathers what its options say, runs a claimed result again, and tells."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from autoresearch.cli import options, show
from autoresearch.cli.credentials import FOLDER
from autoresearch.cli.hub_options import FolderKeyring
from autoresearch.cli.options import count, examples, flag, text
from autoresearch.cli.run import prepare
from autoresearch.cli.sandbox_options import SandboxOptions, sandbox_options, set_up_runs
from autoresearch.devices import is_same_device
from autoresearch.errors import BadInput, Conflict, HubUnavailable

if TYPE_CHECKING:
    from autoresearch.researcher.reported import ReportedResult
    from autoresearch.researcher.swarm.membership import Member
    from autoresearch.researcher.verify.rounds import Rounds
    from autoresearch.researcher.verify.verifier import Verdict, Verifier
    from autoresearch.researcher.workspace import Workspace

ASK_AGAIN_S = 30.0  # a hub that is down when `--watch` begins
EPILOG = examples(
    "autoresearch verify 1a2b3c4 nightly --claimed 1.2345",
    "autoresearch verify 1a2b3c4 nightly --hub https://hub.example",
    "autoresearch verify nightly --hub https://hub.example --watch --replay",
)


@click.command(epilog=EPILOG)
@click.argument("what", metavar="[COMMIT] [DIR]", nargs=-1)
@text(
    "--hub",
    "Take claims from this hub and reply in their threads; without a COMMIT the best "
    "unverified one.",
    metavar="URL",
)
@flag("--watch", "Verify whatever comes on the hub, until stopped.")
@count("--runs", "How often a claimed commit is run.", least=2, most=100, default=3)
@click.option(
    "--claimed",
    type=float,
    help="Without --hub: the value to compare with, where our ledger has none.",
)
@flag(
    "--replay",
    "Repeat the reported run itself from its record; one run decides. Where that cannot be, "
    "--runs runs with other seeds.",
)
@text("--platform", "This machine's name on the hub; by default its GPU or processor.", None)
@sandbox_options
@options.in_json
def verify(
    what: tuple[str, ...],
    hub: str,
    watch: bool,
    runs: int,
    claimed: float | None,
    replay: bool,
    platform: str | None,
    isolation: SandboxOptions,
    in_json: bool,
) -> None:
    """Run a claimed result again, with this folder's own fixed files, and compare.

    COMMIT is by default the best unverified one, DIR this folder. Exit code 0: reproduced or
    replayed, 1: not.
    """
    from autoresearch.researcher.experiment import Stopped

    commit, directory = split_arguments(what)
    check_options(commit, hub, watch, claimed)
    verifier = make_verifier(directory, isolation, platform, runs, in_json)
    workspace, stop = verifier.workspace, verifier.stop
    with workspace.lock():
        workspace.sweep_checkouts()
        try:
            prepare(workspace, verifier.display.say, stop)
            if hub:
                verdict = on_hub(verifier, hub, commit, watch, replay)
            else:
                reported = reported_here(workspace, verifier.platform, commit, claimed)
                verdict = verify_here(verifier, reported, replay)
                verifier.notebook.forget(verdict.reported)
        except Stopped:
            verdict = None
    if stop.is_set():
        raise click.exceptions.Exit(130)
    report_verdict(verdict, in_json)


def make_verifier(
    directory: Path, isolation: SandboxOptions, platform: str | None, runs: int, in_json: bool
) -> Verifier:
    """What verifies in this folder. BadWorkspace where it is no experiment, MissingTool where no
    sandbox works."""
    from autoresearch.researcher import machine
    from autoresearch.researcher.verify.rerun import Notebook
    from autoresearch.researcher.verify.verifier import Verifier
    from autoresearch.researcher.workspace import Workspace

    workspace = Workspace(directory)
    workspace.check_clean()
    workspace.check_ready()
    runner, display, stop = set_up_runs(workspace, isolation, in_json)
    notebook = Notebook(workspace.private / "verify")
    name = platform or machine.machine_name()
    return Verifier(workspace, runner, notebook, display, stop, name, runs)


def report_verdict(verdict: Verdict | None, in_json: bool) -> None:
    """Tell, and leave with the exit code that says it."""
    if verdict is None:
        show.tell(
            {"outcome": "nothing to verify"},
            "nothing to verify: no unverified result of this platform and track",
            in_json,
        )
        return
    if verdict.outcome == "undecided":
        raise Conflict(f"not decided: {verdict.reason}; try again when the machine is free")
    show.tell(as_data(verdict), describe_verdict(verdict), in_json)
    if not verdict.confirms:
        raise click.exceptions.Exit(1)


def describe_verdict(verdict: Verdict) -> str:
    about = f"{verdict.reported.commit[:7]} claims {verdict.reported.value:.6f}: {verdict.outcome}"
    if verdict.reason:
        return f"{about} ({verdict.reason})"
    return about if verdict.mean is None else f"{about}: {verdict.mean:.6f} in {verdict.runs} runs"


def as_data(verdict: Verdict) -> dict[str, Any]:
    import msgspec

    data: dict[str, Any] = msgspec.to_builtins(verdict)
    return {**data, "value": verdict.mean}


def split_arguments(what: Sequence[str]) -> tuple[str, Path]:
    """Which of the words is the commit and which the folder: a folder is one that exists."""
    words = list(what)
    directory = Path(words.pop()) if words and Path(words[-1]).is_dir() else Path(".")
    if len(words) > 1:
        raise BadInput(
            f"{words[-1]!r} is not a folder; it goes: autoresearch verify [COMMIT] [DIR]"
        )
    return (words[0] if words else ""), directory


def check_options(commit: str, hub: str, watch: bool, claimed: float | None) -> None:
    wrong = [
        (not commit and not hub, "name a COMMIT to run again, or --hub URL to take claims from"),
        (watch and not hub, "--watch needs --hub URL"),
        (watch and bool(commit), "--watch takes what comes; leave the COMMIT out"),
        (
            claimed is not None and bool(hub),
            "--claimed is for a commit of your own; a hub has its claims",
        ),
    ]
    for is_wrong, sentence in wrong:
        if is_wrong:
            raise BadInput(sentence)


def reported_here(
    workspace: Workspace, platform: str, commit: str, claimed: float | None
) -> ReportedResult:
    """What our own ledger, or --claimed, says of a commit in this repository."""
    from autoresearch.researcher.reported import ReportedResult

    full = workspace.repo.resolve(commit)
    if claimed is not None:
        return ReportedResult(full, claimed, track=workspace.config.track, platform=platform)
    told = [r for r in workspace.ledger.records() if r.commit == full and r.value is not None]
    track = workspace.config.track
    same = [r for r in told if is_same_device(r.platform, platform) and r.track == track]
    if not same or same[-1].value is None:
        where = (
            f" (only for {told[-1].platform} on track {told[-1].track or '(none)'})" if told else ""
        )
        raise BadInput(
            f"the ledger here claims nothing about {full[:7]}{where}; give the value with --claimed"
        )
    return ReportedResult(
        full, same[-1].value, same[-1].agent, track=same[-1].track, platform=platform
    )


def verify_here(verifier: Verifier, reported: ReportedResult, replay: bool) -> Verdict:
    """Without a hub; the record is the one that our own run of the commit left."""
    from autoresearch.researcher.run_record import find_record
    from autoresearch.researcher.verify.replayer import Replayer

    if not replay:
        return verifier.verify(reported)
    workspace = verifier.workspace
    logs = [
        log
        for record in workspace.ledger.records()
        if record.commit == reported.commit
        for log in record.logs
    ]
    direction = workspace.config.experiment.direction
    return Replayer(verifier).verify(reported, find_record(workspace.folder, logs, direction))


def on_hub(verifier: Verifier, url: str, commit: str, watch: bool, replay: bool) -> Verdict | None:
    """Join, and verify what was asked for, or the best that nobody has verified, or whatever
    comes."""
    with open_rounds(verifier, url, replay, patient=watch) as rounds:
        if rounds is None:
            return None
        if watch:
            rounds.forever()
            return None
        rounds.tell_what_waits()
        return one(rounds, commit) if commit else rounds.once()


@contextmanager
def open_rounds(
    verifier: Verifier, url: str, replay: bool, patient: bool
) -> Iterator[Rounds | None]:
    """Rounds on the hub, as the folder's agent there. `patient` as in `join_hub`."""
    from autoresearch.client import Hub
    from autoresearch.researcher.swarm.track import track_id
    from autoresearch.researcher.verify.board import HubBoard
    from autoresearch.researcher.verify.rounds import Rounds

    workspace = verifier.workspace
    workspace.repo.exclude([f"/{FOLDER}/"])
    member = join_hub(verifier, url, patient)
    if member is None:
        yield None
        return
    track = track_id(workspace)
    with Hub(url, member.key) as hub:
        verifier.display.say(
            f"verifying on {hub.url} as {member.agent_id}, for {verifier.platform} on track {track}"
        )
        direction = workspace.config.experiment.direction
        board = HubBoard(hub, member.agent_id, verifier.platform, track, direction)
        yield Rounds(verifier, board, verifier.stop, replay)


def join_hub(verifier: Verifier, url: str, patient: bool) -> Member | None:
    """The folder's account on the hub, opened where it has none. `patient`: wait for a hub that is
    down, until stopped (None)."""
    from autoresearch.client.wire import checked_url
    from autoresearch.researcher.swarm.membership import Membership

    keyring = FolderKeyring(verifier.workspace.folder, checked_url(url))
    membership = Membership(keyring.url, f"verifier-{os.urandom(3).hex()}", keyring)
    while not verifier.stop.is_set():
        try:
            return membership.member(verifier.display.say)
        except HubUnavailable as error:
            if not patient:
                raise
            verifier.display.say(f"{error}; asking again in {ASK_AGAIN_S:.0f} s")
            verifier.stop.wait(ASK_AGAIN_S)
    return None


def one(rounds: Rounds, commit: str) -> Verdict:
    """Verify one result that was asked for by name, also where others have; an errors' sentence
    where it cannot be."""
    reported = rounds.board.asked_for(rounds.verifier.workspace.repo, commit)
    notebook = rounds.verifier.notebook
    known = notebook.read(reported)
    if known is not None and known.posted:
        notebook.forget(reported)  # asked for once more: run once more
    verdict = rounds.judge(reported)
    if verdict.outcome == "undecided":
        notebook.forget(reported)
    else:
        rounds.tell(verdict)
    return verdict
