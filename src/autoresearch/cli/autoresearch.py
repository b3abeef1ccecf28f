"""The `autoresearch` command: make an experiment repository, run research in it, see what came of it.

The door: reads the environment, turns errors into one sentence and an exit code. Heavy modules are imported inside the
command that needs them.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from autoresearch.cli.agents import AgentKind, AgentOptions, make_agent
from autoresearch.errors import AutoresearchError, BadInput

if TYPE_CHECKING:
    from autoresearch.researcher.loop import Summary
    from autoresearch.researcher.workspace import Workspace

EXIT_CODES = "Exit codes: 0 well, 1 not well (doctor), 2 bad input, 4 not found, 5 taken or in use, 8 a program is missing, 130 stopped by Ctrl-C."
# What an experiment may see of the environment: programs, languages, devices, threads. No keys, no home.
FOR_RUNS = (
    "PATH", "LANG", "LC_ALL", "TZ", "SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "CUDA_HOME",
    "CUDA_DEVICE_ORDER", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "HSA_OVERRIDE_GFX_VERSION", "OMP_NUM_THREADS",
    "MKL_NUM_THREADS", "PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ENABLE_MPS_FALLBACK",
)  # fmt: skip
# What `prepare` may see besides: where to download from, and through what.
FOR_PREPARE = (
    "HOME", "USERPROFILE", "TERM", "HF_ENDPOINT", "HF_HOME", "HF_TOKEN", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE", "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY",
)  # fmt: skip

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Autonomous research on one machine: experiments that are real commits, judged against their noise.",
    epilog=EXIT_CODES,
)

Directory = Annotated[Path, typer.Argument(help="The experiment's folder.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


class PolicyKind(str, Enum):
    confirm = "confirm"
    greedy = "greedy"


class SandboxKind(str, Enum):
    auto = "auto"
    bwrap = "bwrap"
    landlock = "landlock"
    none = "none"


# ---------------------------------------------------------------- init


@app.command(
    epilog="Examples:  autoresearch init nightly --track pystd   |   autoresearch init . --command 'python sort.py' --free sort.py --metric seconds"
)
def init(
    directory: Annotated[Path, typer.Argument(help="A new folder; or, with --command, a repository of your own.")],
    track: Annotated[
        str,
        typer.Option(
            help="Data, vocabulary and time budget: pystd, stories (offline), tinystories, climbmix, custom; with a suffix such as -20s for another budget."
        ),
    ] = "pystd",
    data: Annotated[
        Path | None, typer.Option(help="For --track custom: a folder, .txt, .jsonl or .parquet of your own.")
    ] = None,
    command: Annotated[
        str | None, typer.Option(help="For a repository of your own: the program that prints `metric: number`.")
    ] = None,
    free: Annotated[
        list[str] | None, typer.Option(help="For a repository of your own: a file that may be changed (repeatable).")
    ] = None,
    metric: Annotated[str, typer.Option(help="The name of the number, as the program prints it.")] = "val_bpb",
    direction: Annotated[str, typer.Option(help="min: lower is better; max: higher is better.")] = "min",
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


# ---------------------------------------------------------------- run


@app.command(
    epilog="Examples:  autoresearch run nightly --experiments 20   |   autoresearch run nightly --hours 8   |   autoresearch run . --policy greedy --sandbox none"
)
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
        str | None, typer.Option(help="For --agent llm: an OpenAI-compatible endpoint, up to and with /v1.")
    ] = None,
    brief: Annotated[
        Path | None, typer.Option(help="For llm and command: a template of your own instead of the built-in brief.")
    ] = None,
    agent_minutes: Annotated[float, typer.Option(min=0.01, help="The longest an agent may take over one edit.")] = 30,
    price: Annotated[
        tuple[float, float],
        typer.Option(help="For --agent llm: dollars per million tokens in and out, for the ledger."),
    ] = (0.0, 0.0),
    experiments: Annotated[
        int | None, typer.Option(min=0, help="Stop after this many further experiments; without it, never.")
    ] = None,
    hours: Annotated[float | None, typer.Option(min=0, help="Start no experiment after this many hours.")] = None,
    policy: Annotated[
        PolicyKind, typer.Option(help="confirm repeats what is inside the noise; greedy keeps whatever is lower.")
    ] = PolicyKind.confirm,
    sandbox: Annotated[
        SandboxKind, typer.Option(help="Isolation of runs: auto takes the best that works; none is for code you trust.")
    ] = SandboxKind.auto,
    seed: Annotated[int, typer.Option(help="Where proposals and the seeds of runs derive from.")] = 0,
    branch: Annotated[
        str | None,
        typer.Option(help="The branch of kept experiments; by default autoresearch/<folder>, then the one used last."),
    ] = None,
    baseline_runs: Annotated[
        int | None, typer.Option(min=1, help="Runs of the unchanged code, to know its noise; by default 3.")
    ] = None,
    script: Annotated[
        Path | None, typer.Option(help="For --agent scripted: a file of edits, one JSON object a line.")
    ] = None,
    platform: Annotated[
        str | None, typer.Option(help="This machine's name in the ledger; by default its GPU or processor.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Experiment until stopped: edit, commit, run, judge, keep or drop. Ctrl-C is safe, and so is `kill -9`: run it again."""
    from rich.console import Console

    from autoresearch.researcher import machine
    from autoresearch.researcher.display import Display
    from autoresearch.researcher.experiment import Runner, Stopped
    from autoresearch.researcher.loop import Loop, Options
    from autoresearch.researcher.sandbox import choose
    from autoresearch.researcher.workspace import Workspace

    workspace = Workspace(directory)
    chosen = choose(sandbox.value)
    stop = stopped_by_signals()
    display = Display(Console(stderr=as_json), quiet=as_json)
    runner = Runner(workspace, chosen, environment(FOR_RUNS), readable(), stop)
    wanted = AgentOptions(agent, script, command, model, base_url, brief, agent_minutes, price)
    editor = make_agent(wanted, workspace.private / "agents", os.environ)
    options = Options(experiments, hours, policy.value, seed, branch, baseline_runs, platform or machine.name())
    with workspace.lock():
        display.say(f"{workspace.folder}: agent {agent.value}, policy {policy.value}, sandbox {chosen.name}")
        try:
            prepare(workspace, display.say, stop)
        except Stopped:
            raise typer.Exit(130) from None
        summary = Loop(workspace, editor, runner, options, display, stop).run()
    tell(summary_json(summary), f"{summary.ended}; kept experiments are on branch {summary.branch}", as_json)
    if stop.is_set():
        raise typer.Exit(130)


def prepare(workspace: Workspace, say: Callable[[str], None], stop: threading.Event) -> None:
    """Run the experiment's own preparation, which does nothing where it is done. It is a fixed file: it may use the network."""
    from autoresearch.researcher.preparation import prepare as run_preparation

    if workspace.config.experiment.prepare:
        say(f"preparing: {' '.join(workspace.config.experiment.prepare)}")
        run_preparation(workspace, environment((*FOR_RUNS, *FOR_PREPARE)), stop)


def stopped_by_signals() -> threading.Event:
    """An event that the first Ctrl-C (or SIGTERM) sets; the second one interrupts at once."""
    stop = threading.Event()

    def note(number: int, frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        print(
            "\nstopping: ending the run in progress and closing the books; once more to interrupt at once",
            file=sys.stderr,
        )

    signal.signal(signal.SIGINT, note)
    signal.signal(signal.SIGTERM, note)
    return stop


def environment(names: Iterable[str]) -> dict[str, str]:
    """The part of our environment that a program may see, and where the lab's cache is."""
    return {**{name: os.environ[name] for name in names if name in os.environ}, "AUTORESEARCH_CACHE": str(cache())}


def cache() -> Path:
    default = Path(os.environ.get("HOME", "~")).expanduser() / ".cache" / "autoresearch"
    return Path(os.environ.get("AUTORESEARCH_CACHE") or default).resolve()


def readable() -> tuple[Path, ...]:
    """What a run may read besides the system, the running Python and its own folders: the prepared data."""
    cache().mkdir(parents=True, exist_ok=True)
    return (cache(),)


def summary_json(summary: Summary) -> dict[str, Any]:
    import msgspec

    return {"branch": summary.branch, "ended": summary.ended, "experiments": msgspec.to_builtins(summary.finished)}


# ---------------------------------------------------------------- status


@app.command(epilog="Examples:  autoresearch status nightly   |   autoresearch status nightly --json")
def status(directory: Directory = Path("."), as_json: Json = False) -> None:
    """Tell what is going on in an experiment's folder and what was found so far; disturbs nothing."""
    from autoresearch.researcher import status as view
    from autoresearch.researcher.workspace import Workspace

    found = view.read(Workspace(directory))
    tell(found.as_dict(), "\n".join(view.sentences(found)), as_json)


# ---------------------------------------------------------------- report


@app.command(
    epilog="Examples:  autoresearch report nightly   |   autoresearch report results.tsv --out pictures   |   autoresearch report . --last 20"
)
def report(
    directory: Annotated[Path, typer.Argument(help="The experiment's folder, or any results.tsv.")] = Path("."),
    out: Annotated[
        Path | None,
        typer.Option(help="Where progress.png, progress.svg and report.html go; by default beside the ledger."),
    ] = None,
    last: Annotated[int | None, typer.Option(min=1, help="Show only the last experiments in the table.")] = None,
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
    tell({**summary.to_json(), "files": written}, f"picture: {files.png}\npage:    {files.html}", as_json)


# ---------------------------------------------------------------- doctor


@app.command(
    epilog="Examples:  autoresearch doctor   |   autoresearch doctor nightly --json   |   autoresearch doctor --hub https://hub.example"
)
def doctor(
    directory: Directory = Path("."),
    hub: Annotated[str, typer.Option(help="Also ask whether this hub answers.")] = "",
    as_json: Json = False,
) -> None:
    """Look at this machine and the experiment's folder; exit code 1 only where something is missing that runs need."""
    from autoresearch.researcher import doctor as examination

    machine = examination.Machine(environment((*FOR_RUNS, *FOR_PREPARE)), cache(), hub)
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


def tell(data: dict[str, Any], text: str, as_json: bool) -> None:
    print(json.dumps(data, ensure_ascii=False) if as_json else text)


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
