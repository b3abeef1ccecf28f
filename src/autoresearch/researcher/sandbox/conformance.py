"""Runs attacks inside a sandbox and tells which came through. Used by the tests and by
`autoresearch doctor`.

What an attack says is believed only when it says BLOCKED in so many words, or a filter killed it;
silence counts as broken, not as safe.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from autoresearch.errors import MissingTool
from autoresearch.researcher.sandbox.attacks import ATTACKS, Attack
from autoresearch.researcher.sandbox.job import Finished, Job, Limits, Sandbox

KEEPER = Path(__file__).with_name("decoys.py")
TIMEOUT_S = 60.0
AT_ONCE = 2
HOME_FILES = (
    ".config/agenthub/credentials.json", ".netrc", ".bash_history", ".claude/.credentials.json",
)  # fmt: skip
ON_ROOMS = (
    "environment", "key-file", "hub-key", "home-hub-key", "config-listing", "environments",
    "command-lines", "process-memory-file", "process-vm-readv", "ptrace", "validation-data",
    "home-files", "score-input", "other-experiment", "process-output", "plant-hook",
    "unix-socket", "abstract-socket", "pair-of-datagrams", "write-home", "daemon",
)  # fmt: skip


@dataclass(frozen=True)
class AttackResult:
    """One attack's outcome; `detail` is its own last line, or what became of it."""

    attack: Attack
    blocked: bool
    detail: str


@dataclass(frozen=True)
class Decoys:
    """Where everything lies; `known` is what an attack is told, `inherited` a descriptor of a key
    that our own children inherit."""

    folder: Path
    token: str
    canary: str
    known: dict[str, Any]
    inherited: int


def run_attacks(sandbox: Sandbox, attacks: Sequence[Attack] = ATTACKS) -> list[AttackResult]:
    """Every attack once, then a last result for what is found changed outside. MissingTool where
    this is not Linux."""
    if not sys.platform.startswith("linux"):
        raise MissingTool("the attacks are written for Linux, as are the sandboxes they try")
    with lay_decoys() as laid, ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda attack: try_attack(sandbox, attack, laid), attacks))


def quick_attacks() -> tuple[Attack, ...]:
    """A short round, a second or two."""
    return tuple(attack for attack in ATTACKS if attack.quick)


def attacks_on_room() -> tuple[Attack, ...]:
    """A short round on what a coding agent must not get at, though it has the network."""
    return tuple(attack for attack in ATTACKS if attack.name in ON_ROOMS)


def try_attack(sandbox: Sandbox, attack: Attack, laid: Decoys) -> AttackResult:
    """One attack in a run folder of its own."""
    place = laid.folder / "runs" / attack.name
    (place / "run").mkdir(parents=True)
    told = own_files(laid, place, attack)
    (place / "run" / "decoys.json").write_text(json.dumps(told))
    job = Job(
        argv=(sys.executable, "-I", "-S", "-B", "-c", attack.program),
        cwd=place / "run",
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(place / "run"),
            "AUTORESEARCH_RUN": told["token"],
        },
        limits=Limits(TIMEOUT_S),
        log=place / "log",
        readable=(place / "data",),
        writable=(place / "run",),
        hidden=(place / "data" / "validation.bin", place / ".agenthub"),
        mark=told["token"],
    )
    finished = sandbox.run(job)
    survivors = end_processes(find_survivors(told["token"])) if attack.daemon else []
    return judge_attack(attack, finished, job.log.read_text("utf-8", "replace"), survivors)


def own_files(laid: Decoys, place: Path, attack: Attack) -> dict[str, Any]:
    """What this attack is told: the common decoys, and files of its own to harm, so that attacks
    do not disturb each other.

    The canary itself is told too, in a file: an attack has to know when it has found it, and
    arguments are seen by all.
    """
    files = {name: place / name for name in ("victim", "doomed", "stolen", "log")}
    files |= {name: place / "data" / f"{name}.bin" for name in ("training", "validation", "alias")}
    (place / "data").mkdir()
    for name in ("victim", "doomed", "stolen", "training", "validation"):
        files[name].write_text(laid.canary if name == "validation" else "intact")
        files[name].chmod(0o600)
    files["alias"].symlink_to(files["validation"])
    files |= {"rows": place / "score.input", "neighbour": place / "other" / "train.py"}
    for name in (".agenthub/credentials.json", "score.input", "other/train.py"):
        put_key(place / name, laid.canary)
    files["git"] = place / ".git"
    put_key(files["git"] / "config", "intact")
    return {
        **laid.known,
        **{name: str(path) for name, path in files.items()},
        "token": f"{attack.name}.{laid.token}",
    }


def judge_attack(
    attack: Attack, finished: Finished, said: str, survivors: list[int]
) -> AttackResult:
    """Pure: blocked, escaped or (which is no better) broken."""
    lines = [line for line in said.splitlines() if line.startswith(("ESCAPED", "BLOCKED"))]
    if survivors:
        return AttackResult(attack, False, f"processes {survivors} outlived the run")
    if any(line.startswith("ESCAPED") for line in lines):
        return AttackResult(attack, False, lines[-1])
    if lines:
        return AttackResult(attack, True, lines[-1])
    if "SIGSYS" in finished.reason:
        return AttackResult(attack, True, "BLOCKED killed by the filter")
    last = (said.strip().splitlines() or ["it said nothing"])[-1]
    return AttackResult(
        attack, False, f"could not be tried: {finished.reason or 'ended silently'}; {last}"
    )


def find_survivors(token: str) -> list[psutil.Process]:
    """Living processes with the attack's token among their arguments."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.cmdline()[-1:] == [token] and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def end_processes(processes: Iterable[psutil.Process]) -> list[int]:
    pids = []
    for process in processes:
        pids.append(process.pid)
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    return pids


@contextlib.contextmanager
def lay_decoys() -> Iterator[Decoys]:
    """Lay everything out, keep the keeper alive meanwhile, and clear it all away."""
    token, canary = f"autoresearch-{secrets.token_hex(8)}", f"canary-{secrets.token_hex(16)}"
    with tempfile.TemporaryDirectory(prefix="autoresearch-decoys-") as name:
        folder = Path(name)
        known = lay_files(folder, canary)
        inherited = os.open(known["key"], os.O_RDONLY)
        os.set_inheritable(inherited, True)
        keeper = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", str(KEEPER), token, name, canary],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"HUB_KEY": canary},
        )
        try:
            assert keeper.stdout is not None
            known |= json.loads(keeper.stdout.readline())
            yield Decoys(folder, token, canary, known, inherited)
        finally:
            keeper.communicate()
            os.close(inherited)


def lay_files(folder: Path, canary: str) -> dict[str, Any]:
    """A home with keys in it, and what attacks are told of it."""
    key = folder / "home" / ".ssh" / "id_canary"
    put_key(key, canary)
    for name in HOME_FILES:
        put_key(folder / "home" / name, canary)
    return {"canary": canary, "home": str(folder / "home"), "key": str(key)}


def put_key(file: Path, canary: str) -> None:
    """A key as programs keep theirs: for its owner alone."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.write_text(canary)
    file.chmod(0o600)


@dataclass(frozen=True)
class InRoom:
    """A sandbox as a coding agent's room has it: with the machine's network."""

    sandbox: Sandbox

    @property
    def name(self) -> str:
        return self.sandbox.name

    def run(self, job: Job, stop: threading.Event | None = None) -> Finished:
        return self.sandbox.run(replace(job, network=True), stop)
