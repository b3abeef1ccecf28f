"""`autoresearch distill`: which of a night's kept edits are real, and a branch of those alone."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from autoresearch.cli import options, show
from autoresearch.cli.options import PATH, count, examples, text
from autoresearch.cli.run import prepare
from autoresearch.cli.sandbox_options import SandboxOptions, sandbox_options, set_up_runs
from autoresearch.errors import BadInput
from autoresearch.own_programs import call_program

if TYPE_CHECKING:
    from autoresearch.researcher.display import Display
    from autoresearch.researcher.distill.chain import KeptEdit
    from autoresearch.researcher.distill.distiller import Distilled
    from autoresearch.researcher.distill.effects import Effect
    from autoresearch.researcher.experiment import Runner
    from autoresearch.researcher.loop.branch_state import BranchState

EPILOG = examples(
    "autoresearch distill nightly",
    "autoresearch distill nightly --pairs 30 --end-pairs 10",
)


@click.command(epilog=EPILOG)
@click.argument("directory", metavar="[DIR]", type=PATH, default=Path())
@text("--branch", "The branch to distill; by default the last one that was run.", None)
@count(
    "--pairs", "Pairs of runs for the effects; by default one for each edit and six more.", least=4
)
@count(
    "--end-pairs",
    "Pairs of runs of the result against the unchanged code, at the end.",
    least=2,
    most=100,
    default=5,
)
@sandbox_options
@options.in_json
def distill(
    directory: Path,
    branch: str | None,
    pairs: int | None,
    end_pairs: int,
    isolation: SandboxOptions,
    in_json: bool,
) -> None:
    """Measure the kept edits of a night again, and keep those that are real.

    Runs with fresh seeds, each with a choice of the edits, tell every edit's gain with its
    interval. The branch NAME-distilled holds one commit for each edit that remains. Ctrl-C is
    safe: the next call goes on.
    """
    from autoresearch.researcher.experiment import Stopped
    from autoresearch.researcher.workspace import Workspace

    workspace = Workspace(directory)
    runner, display, stop = set_up_runs(workspace, isolation, in_json)
    with workspace.lock():
        workspace.sweep_checkouts()
        try:
            prepare(workspace, display.say, stop)
            result = distill_branch(runner, display, branch, pairs, end_pairs)
        except Stopped:
            raise click.exceptions.Exit(130) from None
    if result is None:
        show.tell({"edits": []}, "nothing to distill: no edit was kept on this branch", in_json)
    else:
        show.tell(as_data(result), describe(result), in_json)


def distill_branch(
    runner: Runner,
    display: Display,
    branch: str | None,
    pairs: int | None = None,
    end_pairs: int = 5,
    minutes: float = math.inf,
) -> Distilled | None:
    """Distill a branch; the caller holds the workspace's lock. None where nothing was kept, or
    where the minutes are too few, which is said. Raises Stopped."""
    from autoresearch.researcher import machine
    from autoresearch.researcher.distill.chain import read_chain
    from autoresearch.researcher.distill.distiller import Distiller, count_pairs
    from autoresearch.researcher.distill.effects import SPARE
    from autoresearch.researcher.distill.looks import note_look
    from autoresearch.researcher.executors.local import LocalExecutor
    from autoresearch.researcher.loop.branch_state import BranchState
    from autoresearch.researcher.workspace import short_name

    workspace = runner.workspace
    state = BranchState(workspace, branch, "", machine.machine_name())
    chain = read_chain(workspace.repo, state.history())
    if not chain.edits:
        return None
    run_s, fewest = seconds_a_run(state), len(chain.edits) + SPARE
    wanted = pairs or count_pairs(len(chain.edits))
    if run_s and minutes < math.inf:
        wanted = min(wanted, int(minutes * 60 / (2 * run_s)) - end_pairs)
    if wanted < fewest and minutes < math.inf:
        display.say(
            f"too little time is left to distill {len(chain.edits)} kept edits"
            f"{about(run_s, 2 * (fewest + end_pairs))}: "
            f"{call_program('autoresearch', 'distill', workspace.folder)} does it later"
        )
        return None
    if wanted < fewest:
        raise BadInput(f"{len(chain.edits)} edits need --pairs {fewest} at least")
    count = 2 * (wanted + end_pairs)
    display.say(
        f"{workspace.folder}: {len(chain.edits)} kept edits, {count} runs{about(run_s, count)}"
    )
    stop = runner.stop or threading.Event()
    unseen = draw_rows(runner, chain.tip, stop, display)
    name = f"{short_name(state.branch)}-distilled"
    with closing(LocalExecutor(runner)) as executor:
        distiller = Distiller(workspace, executor, display, stop, state.timeout_s(), unseen)
        result = distiller.distill(chain, name, wanted, end_pairs)
    result = note_look(workspace, result, state.platform)
    if unseen is not None:
        unseen.unlink(missing_ok=True)  # the look is over
    return result


def draw_rows(runner: Runner, tip: str, stop: threading.Event, display: Display) -> Path | None:
    """Rows of the track's test part for one distill; None where there are none, which is said."""
    from autoresearch.errors import BadWorkspace
    from autoresearch.researcher.preparation import draw_unseen

    workspace = runner.workspace
    if not workspace.config.score.test:
        return None
    file = workspace.private / "distill" / f"{tip[:12]}.unseen"
    if not file.is_file():  # a killed distill goes on with the same rows
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            draw_unseen(workspace, runner.environment, stop, file)
        except BadWorkspace as error:
            display.say(f"no test part: {error}")
            return None
    return file


def seconds_a_run(state: BranchState) -> float:
    """Training and scoring of the unchanged code; 0 where they are not known. The slowest run
    compiled for the others, so what they say of themselves is nearer where they do."""
    base = state.baseline_record()
    if base is None:
        return 0.0
    return (base.total_seconds or base.slowest_seconds or 0.0) + (base.score_seconds or 0.0)


def about(run_s: float, runs: int) -> str:
    """How long so many runs take; empty where it is not known."""
    from autoresearch.researcher.display import show_duration

    return f", about {show_duration(runs * run_s)}" if run_s else ""


def as_data(result: Distilled) -> dict[str, Any]:
    return {
        "base": result.chain.base,
        "branch": result.branch,
        "edits": list(edits_data(result)),
        "pairs": result.effects.pairs,
        "sigma": result.effects.sigma,
        "total": total_data(result.total),
        "end_pairs": result.end_pairs,
        "test": total_data(result.test),
        "test_look": result.look,
    }


def edits_data(result: Distilled) -> Iterator[dict[str, Any]]:
    for i, (edit, effect) in enumerate(list_effects(result)):
        yield {
            "id": edit.id,
            "commit": edit.commit,
            "description": edit.description,
            "lines": edit.lines,
            "gain": effect.gain,
            "interval": [effect.low, effect.high],
            "verdict": word(result, i),
        }


def list_effects(result: Distilled) -> list[tuple[KeptEdit, Effect]]:
    """Each edit with what it was measured to bring."""
    return list(zip(result.chain.edits, result.effects.edits, strict=True))


def total_data(total: Effect | None) -> dict[str, Any] | None:
    return None if total is None else {"gain": total.gain, "interval": [total.low, total.high]}


def word(result: Distilled, place: int) -> str:
    if result.real[place]:
        return "real"
    if result.row[place]:
        return "needed by a later one"
    return "not worth its lines" if result.effects.edits[place].low > 0 else "not shown"


def describe(result: Distilled) -> str:
    """A line for each edit, and the sentence at the end."""
    from autoresearch.researcher.distill.looks import describe_look, describe_total, show_effect

    lines = [
        f"{edit.id}  {word(result, i):21}  {show_effect(effect)}  {show.clean(edit.description)}"
        for i, (edit, effect) in enumerate(list_effects(result))
    ]
    left, all_of_them = sum(result.row), len(result.chain.edits)
    if not left:
        lines.append(f"none of {all_of_them} kept edits is shown to be better than nothing")
        return "\n".join(lines)
    lines.append(f"{left} of {all_of_them} kept edits remain, on branch {result.branch}")
    if result.total is not None:
        lines.append(describe_total(result.total, result.end_pairs))
    if result.test is not None:
        lines.append(describe_look(result.test, result.look))
    return "\n".join(lines)
