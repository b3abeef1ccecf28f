"""Looks at a machine and an experiment's folder, and says what is missing and what to do about it.
Changes nothing.

torch and the experiment's own programs are asked in processes of their own with a time limit, so
that doctor itself needs no torch and a broken driver cannot hang it. A check is a `failure` only
where experiments cannot run without it.
"""

from __future__ import annotations

import json
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import psutil

from autoresearch.errors import AutoresearchError
from autoresearch.folders import wipe
from autoresearch.git.repo import Repo
from autoresearch.installation import install_command
from autoresearch.own_programs import call_program
from autoresearch.researcher import config
from autoresearch.researcher.agents.base import AgentUnavailable
from autoresearch.researcher.measurement import last_line, read_log
from autoresearch.researcher.run_limits import argv
from autoresearch.researcher.sandbox import Job, Limits, Sandbox, choose_sandbox, probe_backends
from autoresearch.researcher.sandbox.attacks import ATTACKS, Attack
from autoresearch.researcher.sandbox.conformance import (
    InRoom,
    attacks_on_room,
    quick_attacks,
    run_attacks,
)
from autoresearch.researcher.workspace import Workspace

Level = Literal["ok", "warning", "failure"]
# a first `import torch` from a cold disk takes a minute
TORCH_TIMEOUT_S, PROGRAM_TIMEOUT_S = 180.0, 120.0
GB = 2**30
DISK_NEEDED_GB, DISK_WISHED_GB, MEMORY_WISHED_GB = 1.0, 10.0, 2.0
COMPILERS = ("cc", "gcc", "clang", "cl")
ASK_TORCH = """
import json, torch
cuda = torch.cuda.is_available()
mps = getattr(torch.backends, "mps", None)
device = "cuda" if cuda else "mps" if mps and mps.is_available() else "cpu"
name = torch.cuda.get_device_name(0) if cuda else ""
memory = torch.cuda.get_device_properties(0).total_memory if cuda else 0
threads = torch.get_num_threads()
told = dict(version=torch.__version__, device=device, name=name, memory=memory, threads=threads)
print(json.dumps(told))
"""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at: what was found, and what to do where that is not well."""

    name: str
    level: Level
    found: str
    todo: str = ""


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """What the door hands over: a program's environment, where prepared data lies, the hub to ask
    for (or none)."""

    environment: Mapping[str, str]
    cache: Path
    hub_url: str = ""
    attacks: bool = False  # try all on every level, instead of the quickest on the active one
    # asks the agent, given a folder for what it says: a sentence, or an error; none: nobody does
    ask_agent: Callable[[Path], str] | None = None


def examine(directory: Path, machine: MachineFacts) -> Iterator[Check]:
    """Every check in turn, as it is made. `directory` need not be an experiment."""
    settings, experiment = look_at_experiment(directory)
    yield look_at_python()
    yield experiment
    yield look_at_torch(directory, machine, needed=settings is None or uses_lab(directory))
    if settings is not None and uses_lab(directory):
        yield look_at_track(directory, settings, machine)
    yield look_at_disk(machine.cache)
    yield look_at_memory()
    yield from look_at_sandboxes(machine.attacks)
    yield look_at_room()
    yield look_at_git(directory, machine)
    yield look_at_compiler(machine)
    if machine.ask_agent:
        yield look_at_agent(machine.ask_agent)
    if machine.hub_url:
        yield look_at_hub(machine.hub_url)


def is_well(checks: list[Check]) -> bool:
    """Whether nothing is missing that experiments need."""
    return all(check.level != "failure" for check in checks)


def as_json(checks: list[Check]) -> dict[str, Any]:
    return {"ok": is_well(checks), "checks": [asdict(check) for check in checks]}


def sentence(check: Check) -> str:
    """One check as a line for a person, with a second one where there is something to do."""
    mark = {"ok": "ok     ", "warning": "warning", "failure": "FAILURE"}[check.level]
    todo = f"\n{'':21}-> {check.todo}" if check.todo else ""
    return f"{mark}  {check.name:<10}  {check.found}{todo}"


# ---------------------------------------------------------------- the checks


def look_at_python() -> Check:
    found = f"{platform.python_version()} ({sys.executable}), {psutil.cpu_count() or 1} cores"
    return Check("python", "ok", found)


def look_at_experiment(directory: Path) -> tuple[config.Config | None, Check]:
    """The configuration of the folder, if it has a usable one, and what to say about it."""
    if not (directory / config.NAME).exists():
        return None, Check(
            "experiment",
            "warning",
            f"{directory} is no experiment",
            f"make one: {call_program('autoresearch', 'init', directory / 'nightly')}",
        )
    try:
        workspace = Workspace(directory)
        workspace.check_clean()
        workspace.check_ready()
    except AutoresearchError as error:
        return None, Check(
            "experiment", "failure", str(error), "mend that, then run `autoresearch doctor` again"
        )
    free = ", ".join(workspace.config.experiment.free)
    return workspace.config, Check("experiment", "ok", f"{workspace.folder}: {free} may be changed")


def uses_lab(directory: Path) -> bool:
    return (directory / "prepare.py").exists()


def look_at_torch(directory: Path, machine: MachineFacts, needed: bool) -> Check:
    code, text = ask(
        (sys.executable, "-c", ASK_TORCH),
        Path(tempfile.gettempdir()),
        machine.environment,
        TORCH_TIMEOUT_S,
    )
    try:
        told = json.loads(text.strip().splitlines()[-1])
    except (ValueError, IndexError):
        told = None
    if code != 0 or not isinstance(told, dict):
        level: Level = "failure" if needed else "warning"
        why = last_line(text) or "it does not answer"
        return Check(
            "torch",
            level,
            f"cannot be imported: {why}",
            install_command("lab"),
        )
    where = (
        f"{told['name']}, {told['memory'] / GB:.0f} GB"
        if told["device"] == "cuda"
        else f"{told['threads']} threads"
    )
    return Check("torch", "ok", f"{told['version']} on {told['device']} ({where})")


def look_at_track(directory: Path, settings: config.Config, machine: MachineFacts) -> Check:
    """Ask the experiment's own prepare.py: it alone knows when data is whole."""
    environment = {
        **machine.environment,
        **settings.environment,
        "AUTORESEARCH_CACHE": str(machine.cache),
    }
    with tempfile.TemporaryDirectory(prefix="autoresearch-doctor-") as place:
        command = argv(["python", "prepare.py", "--show"], Path(place))
        code, text = ask(command, directory.resolve(), environment, PROGRAM_TIMEOUT_S)
    name = settings.track or "the default track"
    if code == 0:
        first = next((line.strip() for line in text.splitlines() if line.strip()), "")
        return Check("track", "ok", f"{name} is prepared: {' '.join(first.split())[:120]}")
    command_text = " ".join(settings.experiment.prepare) or "python prepare.py"
    return Check(
        "track",
        "warning",
        last_line(text) or f"{name} is not prepared",
        f"`{call_program('autoresearch', 'run', directory)}` prepares it; or: {command_text}",
    )


def look_at_disk(cache: Path) -> Check:
    place = next(folder for folder in (cache, *cache.parents) if folder.exists())
    free = psutil.disk_usage(str(place)).free / GB
    found = f"{free:.1f} GB free at {place}"
    if free < DISK_NEEDED_GB:
        return Check(
            "disk",
            "failure",
            found,
            f"make room: at least {DISK_NEEDED_GB:.0f} GB; "
            "AUTORESEARCH_CACHE moves the data elsewhere",
        )
    if free < DISK_WISHED_GB:
        return Check(
            "disk",
            "warning",
            found,
            "enough for the offline tracks; climbmix and tinystories need about 10 GB",
        )
    return Check("disk", "ok", found)


def look_at_memory() -> Check:
    memory = psutil.virtual_memory()
    found = f"{memory.available / GB:.1f} of {memory.total / GB:.1f} GB free"
    if memory.available < MEMORY_WISHED_GB * GB:
        return Check(
            "memory", "warning", found, "close something: training on the CPU takes about 2 GB"
        )
    return Check("memory", "ok", found)


def look_at_sandboxes(every_attack: bool = False) -> Iterator[Check]:
    """Each level as it stands, and the active one under attack: it is proven, not believed."""
    levels = [level for level in probe_backends() if level.name != "none"]
    for level in levels:
        enough = any(other.works for other in levels)  # one is enough: the others are no fault
        found = f"{level.name}: {'' if level.works else 'not here: '}{level.detail}"
        yield Check("sandbox", "ok" if enough else "warning", found)
    try:
        active = choose_sandbox("auto")
    except AutoresearchError as error:
        yield Check("sandbox", "failure", "none works here", str(error))
        return
    if not every_attack:
        yield prove(active, quick_attacks())[-1]
        return
    for level in levels:
        if level.works:
            yield from prove(choose_sandbox(level.name), ATTACKS, active.name)


def prove(sandbox: Sandbox, attacks: Sequence[Attack], active: str = "") -> list[Check]:
    """A check for each attack, and one that sums them up. A hole in a level that is not the active
    one is a warning only."""
    try:
        results = run_attacks(sandbox, attacks)
    except AutoresearchError as error:
        return [Check("sandbox", "warning", f"{sandbox.name} could not be tried: {error}")]
    worst: Level = "failure" if active in ("", sandbox.name) else "warning"
    checks = [
        Check(
            "attack",
            "ok" if r.blocked else worst,
            f"{sandbox.name}, {r.attack.name} ({r.attack.tries}): {r.detail}",
        )
        for r in results
    ]
    through = [r.attack.name for r in results if not r.blocked]
    if through:
        count = f"{len(through)} of {len(results)}"
        found = f"{sandbox.name} lets {count} attacks through: {', '.join(through)}"
        todo = "run no code of strangers here; docs/sandbox.md tells what each level needs"
        return [*checks, Check("sandbox", worst, found, todo)]
    what = "`--sandbox auto` takes " if active in ("", sandbox.name) else ""
    return [
        *checks,
        Check(
            "sandbox",
            "ok",
            f"{what}{sandbox.name}, which stopped {len(results)} of {len(results)} attacks",
        ),
    ]


def look_at_room() -> Check:
    """Whether the room of a coding agent, which has the machine's network, holds."""
    try:
        walls = choose_sandbox("auto")
    except AutoresearchError:
        todo = "`--agent command` stops here, unless --agent-sandbox none gives everything away"
        return Check("agent room", "warning", "none for a coding agent: no sandbox works", todo)
    found = prove(InRoom(walls), attacks_on_room())[-1]
    if found.level == "ok":
        what = f"a coding agent finds its checkout, its settings and the network ({walls.name})"
        return Check("agent room", "ok", f"{what}; {found.found.partition(', which ')[2]}")
    return Check("agent room", "warning", found.found, "use no `--agent command` on this machine")


def look_at_git(directory: Path, machine: MachineFacts) -> Check:
    code, text = ask(
        ("git", "--version"), Path(tempfile.gettempdir()), machine.environment, PROGRAM_TIMEOUT_S
    )
    if code != 0:
        return Check(
            "git",
            "failure",
            "git does not answer",
            "install git (Debian, Ubuntu: sudo apt install git)",
        )
    version = last_line(text).removeprefix("git version ")
    try:
        unknown = Repo.at(directory).identity()
    except AutoresearchError:
        return Check("git", "ok", version)
    if unknown:
        todo = (
            "commits will be signed autoresearch; "
            "yours: git config --global user.name 'NAME' and user.email 'ADDRESS'"
        )
        return Check("git", "warning", f"{version}, and does not know who you are", todo)
    return Check("git", "ok", version)


def look_at_compiler(machine: MachineFacts) -> Check:
    found = [name for name in COMPILERS if shutil.which(name, path=machine.environment.get("PATH"))]
    if found:
        return Check("compiler", "ok", f"{found[0]}: torch.compile can be used")
    todo = (
        "install one (Debian, Ubuntu: sudo apt install build-essential): "
        "training on the CPU is about twice as fast with it"
    )
    return Check("compiler", "warning", "no C compiler, so torch.compile falls back", todo)


def look_at_agent(ask_agent: Callable[[Path], str]) -> Check:
    """Whether the agent answers: what `run` asks before its baseline, with the same login, key
    and model. Where it does not, what it said stays on disk."""
    place = Path(tempfile.mkdtemp(prefix="autoresearch-doctor-agent-"))
    try:
        found = ask_agent(place)
    except AgentUnavailable as error:
        todo = "`run` waits for it; with --fallback search it goes on meanwhile"
        return Check("agent", "warning", str(error), todo)
    except AutoresearchError as error:
        return Check("agent", "failure", str(error), "mend that, then ask again")
    wipe(place)
    return Check("agent", "ok", found)


def look_at_hub(url: str) -> Check:
    from autoresearch.client import Hub

    try:
        with Hub(url) as hub:
            well = hub.health()
    except AutoresearchError as error:
        return Check(
            "hub",
            "warning",
            str(error),
            "research goes on without it; check the address and the network",
        )
    return Check(
        "hub", "ok" if well else "warning", f"{url} {'answers' if well else 'is not well'}"
    )


def ask(
    command: tuple[str, ...], folder: Path, environment: Mapping[str, str], timeout_s: float
) -> tuple[int | None, str]:
    """Run a program that is part of this installation or of the fixed files: its exit code and
    what it said."""
    with tempfile.TemporaryDirectory(prefix="autoresearch-doctor-") as place:
        log = Path(place) / "log"
        job = Job(
            argv=command, cwd=folder, env=environment, limits=Limits(timeout_s=timeout_s), log=log
        )
        try:
            finished = choose_sandbox("none").run(job)
        except (AutoresearchError, OSError) as error:
            return None, str(error)
        return finished.exit_code, read_log(log) or finished.reason
