"""`autoresearch run`: gathers what its options say and starts the loop."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autoresearch.cli.agent_options import AgentKind, AgentOptions, make_agent
from autoresearch.cli.common import (
    FOR_PREPARE,
    FOR_RUNS,
    Directory,
    Json,
    environment,
    readable,
    stopped_by_signals,
    tell,
)
from autoresearch.cli.executor_options import (
    ExecutorKind,
    ExecutorOption,
    GpusOption,
    JobsOption,
    PlaceOptions,
    RayAddressOption,
    place,
)
from autoresearch.cli.hub_options import AgentIdOption, HubOption, ShareAllOption, community, hidden
from autoresearch.cli.sandbox_options import (
    IsolationOption,
    NoSandboxOption,
    SandboxKind,
    chosen_sandbox,
)

if TYPE_CHECKING:
    from autoresearch.researcher.loop import Summary
    from autoresearch.researcher.workspace import Workspace

EPILOG = "Examples:  autoresearch run nightly --experiments 20   |   autoresearch run nightly --hours 8   |   autoresearch run . --policy greedy --unsafe-no-sandbox"


class PolicyKind(str, Enum):
    confirm = "confirm"
    greedy = "greedy"


def run(
    directory: Directory = Path("."),
    agent: Annotated[
        AgentKind,
        typer.Option(
            help="Who edits: search tunes the constants of the free file, llm asks a model, command starts a coding agent."
        ),
    ] = AgentKind.search,
    command: Annotated[
        str | None,
        typer.Option(
            help="For --agent command: claude, codex, gemini, aider, opencode, or a command line of your own."
        ),
    ] = None,
    model: Annotated[str | None, typer.Option(help="For --agent llm: the model's name.")] = None,
    base_url: Annotated[
        str | None,
        typer.Option(help="For --agent llm: an OpenAI-compatible endpoint, up to and with /v1."),
    ] = None,
    brief: Annotated[
        Path | None,
        typer.Option(
            help="For llm and command: a template of your own instead of the built-in brief."
        ),
    ] = None,
    agent_minutes: Annotated[
        float, typer.Option(min=0.01, help="The longest an agent may take over one edit.")
    ] = 30,
    price: Annotated[
        tuple[float, float],
        typer.Option(
            help="For --agent llm: dollars per million tokens in and out, for the ledger."
        ),
    ] = (0.0, 0.0),
    experiments: Annotated[
        int | None,
        typer.Option(min=0, help="Stop after this many further experiments; without it, never."),
    ] = None,
    hours: Annotated[
        float | None, typer.Option(min=0, help="Start no experiment after this many hours.")
    ] = None,
    policy: Annotated[
        PolicyKind,
        typer.Option(
            help="confirm repeats what is inside the noise; greedy keeps whatever is lower."
        ),
    ] = PolicyKind.confirm,
    sandbox: IsolationOption = SandboxKind.auto,
    unsafe_no_sandbox: NoSandboxOption = False,
    seed: Annotated[
        int, typer.Option(help="Where proposals and the seeds of runs derive from.")
    ] = 0,
    branch: Annotated[
        str | None,
        typer.Option(
            help="The branch of kept experiments; by default autoresearch/<folder>, then the one used last."
        ),
    ] = None,
    baseline_runs: Annotated[
        int | None,
        typer.Option(min=1, help="Runs of the unchanged code, to know its noise; by default 3."),
    ] = None,
    script: Annotated[
        Path | None,
        typer.Option(help="For --agent scripted: a file of edits, one JSON object a line."),
    ] = None,
    platform: Annotated[
        str | None,
        typer.Option(help="This machine's name in the ledger; by default its GPU or processor."),
    ] = None,
    hub: HubOption = "",
    agent_id: AgentIdOption = "",
    share_all: ShareAllOption = False,
    jobs: JobsOption = 1,
    gpus: GpusOption = 1,
    executor: ExecutorOption = ExecutorKind.local,
    ray_address: RayAddressOption = None,
    as_json: Json = False,
) -> None:
    """Experiment until stopped: edit, commit, run, judge, keep or drop. Ctrl-C is safe, and so is `kill -9`: run it again."""
    from rich.console import Console

    from autoresearch.researcher.display import Display
    from autoresearch.researcher.experiment import Runner, Stopped
    from autoresearch.researcher.loop import Loop, Options
    from autoresearch.researcher.swarm.community import Wishes
    from autoresearch.researcher.workspace import Workspace

    workspace = Workspace(directory)
    chosen = chosen_sandbox(sandbox, unsafe_no_sandbox)
    stop = stopped_by_signals()
    display = Display(Console(stderr=as_json), quiet=as_json)
    runner = Runner(workspace, chosen, environment(FOR_RUNS), readable(), stop)
    wanted = AgentOptions(agent, script, command, model, base_url, brief, agent_minutes, price)
    with (
        workspace.lock(),
        place(PlaceOptions(jobs, gpus, executor, ray_address), runner, display.say) as where,
    ):
        here = platform or where.platform
        swarm = community(
            workspace, hub, agent_id, agent.value, Wishes(here, seed, share_all), display.say
        )
        editor = make_agent(
            wanted, workspace.private / "agents", os.environ, swarm.notes, hidden(workspace)
        )
        options = Options(
            experiments, hours, policy.value, seed, branch, baseline_runs, here, where.slot
        )
        display.say(
            f"{workspace.folder}: agent {agent.value}, policy {policy.value}, sandbox {chosen.name}"
        )
        try:
            if executor is ExecutorKind.local:  # a cluster's machines prepare themselves
                prepare(workspace, display.say, stop)
        except Stopped:
            raise typer.Exit(130) from None
        summary = Loop(
            workspace, editor, runner, options, display, stop, swarm, where.executor
        ).run()
    tell(
        summary_json(summary),
        f"{summary.ended}; kept experiments are on branch {summary.branch}",
        as_json,
    )
    if stop.is_set():
        raise typer.Exit(130)


def prepare(workspace: Workspace, say: Callable[[str], None], stop: threading.Event) -> None:
    """Run the experiment's own preparation, which does nothing where it is done. It is a fixed file: it may use the network."""
    from autoresearch.researcher.preparation import prepare as run_preparation

    if workspace.config.experiment.prepare:
        say(f"preparing: {' '.join(workspace.config.experiment.prepare)}")
        run_preparation(workspace, environment((*FOR_RUNS, *FOR_PREPARE)), stop)


def summary_json(summary: Summary) -> dict[str, Any]:
    import msgspec

    return {
        "branch": summary.branch,
        "ended": summary.ended,
        "experiments": msgspec.to_builtins(summary.finished),
    }
