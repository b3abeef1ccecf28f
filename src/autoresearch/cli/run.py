"""`autoresearch run`: gathers what its options say and starts the loop."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autoresearch.cli import options, show
from autoresearch.cli.agent_options import (
    AgentOptions,
    AgentSetup,
    agent_options,
    check_agent,
    make_agent,
    make_fallback,
)
from autoresearch.cli.common import FOR_PREPARE, FOR_RUNS, cache, environment
from autoresearch.cli.executor_options import ExecutorOptions, executor_options, place
from autoresearch.cli.help_pages import SectionedCommand, head_section
from autoresearch.cli.hub_options import HubChoice, hidden_paths, hub_options, make_swarm
from autoresearch.cli.options import amount, choice, count, examples, text
from autoresearch.cli.sandbox_options import SandboxOptions, sandbox_options, set_up_runs
from autoresearch.errors import BadInput

if TYPE_CHECKING:
    from autoresearch.researcher.display import Display
    from autoresearch.researcher.experiment import Runner
    from autoresearch.researcher.judging.policies import Policy
    from autoresearch.researcher.loop import Summary
    from autoresearch.researcher.loop.wave_driver import WaveCommits
    from autoresearch.researcher.waves.pool import WaveMode
    from autoresearch.researcher.workspace import Workspace

AGENT_GAVE_UP = 6  # as for a limit that is reached: what helps is to come back later
EPILOG = examples(
    "autoresearch run nightly --experiments 20",
    "autoresearch run nightly --hours 8",
    "autoresearch run . --policy greedy --unsafe-no-sandbox",
)


how_long = head_section(
    "How long",
    count("--experiments", "Stop after this many further experiments; without it, never.", least=0),
    amount("--hours", "Start no experiment after this many hours."),
    amount(
        "--distill-minutes",
        "Keep this much of --hours for `autoresearch distill` at the end.",
        default=0.0,
    ),
)
how_judged = head_section(
    "How results are judged",
    choice(
        "--policy",
        ("confirm", "greedy"),
        "confirm repeats what is inside the noise; greedy keeps whatever is better.",
        default="confirm",
    ),
    choice(
        "--waves",
        ("auto", "on", "off"),
        "Runs that each hold half of the ideas that single runs cannot tell; auto: where it pays.",
        default="auto",
    ),
    choice(
        "--wave-commits",
        ("one", "chain"),
        "Keep a wave's combination as one commit, or as one for each idea.",
        default="one",
    ),
    count("--baseline-runs", "Runs of the unchanged code, to know its noise; by default 3."),
    click.option(
        "--seed", type=int, default=0, help="Where proposals and the seeds of runs derive from."
    ),
    text(
        "--branch",
        "The branch of kept experiments; by default autoresearch/<folder>, then the last one.",
        None,
    ),
    text("--platform", "This machine's name in the ledger; by default its GPU or processor.", None),
)


@click.command(cls=SectionedCommand, epilog=EPILOG)
@options.directory
@how_long
@head_section("Who edits", agent_options)
@how_judged
@head_section("Where and in what sandbox runs take place", sandbox_options, executor_options)
@head_section("A hub to share with", hub_options)
@options.in_json
def run(
    directory: Path,
    experiments: int | None,
    hours: float | None,
    distill_minutes: float,
    agent: AgentOptions,
    policy: Policy,
    waves: WaveMode,
    wave_commits: WaveCommits,
    baseline_runs: int | None,
    seed: int,
    branch: str | None,
    platform: str | None,
    isolation: SandboxOptions,
    executor: ExecutorOptions,
    shared: HubChoice,
    in_json: bool,
) -> None:
    """Experiment until stopped: edit, commit, run, judge, keep or drop.

    An experiment takes its track's budget and its scoring, twice or more where a gain is close to
    the noise. Ctrl-C is safe, and so is `kill -9`: run it again.
    """
    from autoresearch.researcher.experiment import Stopped
    from autoresearch.researcher.loop import Loop, Options
    from autoresearch.researcher.swarm.hub_swarm import HubOptions
    from autoresearch.researcher.workspace import Workspace

    workspace = Workspace(directory)
    runner, display, stop = set_up_runs(workspace, isolation, in_json)
    with workspace.lock(), place(executor, runner, display.say) as where:
        here = platform or where.platform
        wishes = HubOptions(here, seed, shared.share_all, shared.share_waves)
        swarm = make_swarm(workspace, shared, agent.agent, wishes, display.say)
        hidden = (*hidden_paths(workspace), cache())
        transcripts = workspace.private / "agents"
        editor = make_agent(agent, AgentSetup(transcripts, os.environ, swarm.notes, hidden, stop))
        loop_options = Options(
            experiments,
            hours_to_search(hours, distill_minutes),
            policy,
            seed,
            branch,
            baseline_runs,
            here,
            where.slot,
            agent.max_cost,
            make_fallback(agent.fallback),
            waves=waves,
            wave_commits=wave_commits,
        )
        display.say(
            f"{workspace.folder}: agent {agent.agent}, policy {policy}, "
            f"sandbox {runner.sandbox.name}"
        )
        if experiments != 0:
            check_agent(editor, display.say)
        try:
            if executor.executor == "local":  # a cluster's machines prepare themselves
                prepare(workspace, display.say, stop)
        except Stopped:
            raise click.exceptions.Exit(130) from None
        summary = Loop(
            workspace, editor, runner, loop_options, display, stop, swarm, where.executor
        ).run()
        if summary.confirmation:
            display.say(summary.confirmation)
        if distill_minutes and not stop.is_set():
            distill_night(runner, display, summary.branch, distill_minutes)
    report_summary(summary, in_json)
    if stop.is_set():
        raise click.exceptions.Exit(130)
    if summary.gave_up:
        raise click.exceptions.Exit(AGENT_GAVE_UP)


def hours_to_search(hours: float | None, distill_minutes: float) -> float | None:
    """The hours without what is kept for distill. BadInput where nothing is left of them."""
    if not distill_minutes:
        return hours
    if hours is None or hours * 60 <= distill_minutes:
        raise BadInput("--distill-minutes is a part of --hours, so it has to be less")
    return hours - distill_minutes / 60


def distill_night(runner: Runner, display: Display, branch: str, minutes: float) -> None:
    """What remains of the night, said line by line."""
    from autoresearch.cli.distill import describe, distill_branch
    from autoresearch.researcher.experiment import Stopped

    try:
        result = distill_branch(runner, display, branch, minutes=minutes)
    except Stopped:
        return
    if result is not None:
        display.say(describe(result))


def prepare(workspace: Workspace, say: Callable[[str], None], stop: threading.Event) -> None:
    """Run the experiment's own preparation, which does nothing where it is done. It is a fixed
    file: it may use the network."""
    from autoresearch.researcher.preparation import prepare as run_preparation

    if workspace.config.experiment.prepare:
        say(f"preparing: {' '.join(workspace.config.experiment.prepare)}")
        run_preparation(workspace, environment((*FOR_RUNS, *FOR_PREPARE)), stop)


def report_summary(summary: Summary, in_json: bool) -> None:
    import msgspec

    data = {
        "branch": summary.branch,
        "ended": summary.ended,
        "gave_up": summary.gave_up,
        "claim": summary.confirmation,
        "experiments": msgspec.to_builtins(summary.finished),
    }
    text = f"{summary.ended}; kept experiments are on branch {summary.branch}"
    show.tell(data, text, in_json)
