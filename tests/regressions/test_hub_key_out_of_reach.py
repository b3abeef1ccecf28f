"""A run that can read the hub's key can speak as its owner. No child of a researcher finds it: not
in files, environments or processes."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from autoresearch.cli.hub_options import hidden_paths
from autoresearch.researcher.agents.base import Brief
from autoresearch.researcher.agents.command import CommandAgent
from autoresearch.researcher.agents.room import Room
from autoresearch.researcher.sandbox import Job, Limits, choose_sandbox
from autoresearch.researcher.workspace import Workspace
from conftest import RunningHub
from sandbox_jobs import ISOLATED
from swarms import Researcher, workspace

# Looks for keys in its environment, in every process it can see, and in all files of the folders
# around it.
SEARCH = r"""
import os, pathlib, re
KEY = re.compile(rb"ahk_[0-9a-f]{64}")
def read(file):
    try:
        return file.read_bytes()[:10**7]
    except OSError:
        return b""
def places():
    yield b"environment", repr(dict(os.environ)).encode()
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        for name in ("environ", "cmdline"):
            yield str(process / name).encode(), read(process / name)
    here = pathlib.Path.cwd()
    for folder in list(here.parents)[:3] + [pathlib.Path(WORKSPACE)]:
        for place, _, files in os.walk(folder):
            for file in files:
                yield os.path.join(place, file).encode(), read(pathlib.Path(place, file))
found = [name for name, data in places() if KEY.search(data)]
"""


def search(place: Path) -> str:
    return SEARCH.replace("WORKSPACE", repr(str(place)))


def test_a_key_is_kept_for_its_owner_alone(
    own_hub: Callable[..., RunningHub], tmp_path: Path
) -> None:
    """One key a folder, mode 0600, ignored by git; nothing else in the workspace holds it."""
    hub = own_hub()
    places = [workspace(tmp_path / name, 0.0).folder for name in ("ada", "bob")]
    for place in places:
        Researcher(place, hub.url, ("--agent", "search")).start(0).finish()
    files = [place / ".agenthub" / "credentials.json" for place in places]
    keys = [file.read_text().split('"key": "')[1].split('"')[0] for file in files]

    assert len(set(keys)) == 2
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    for place, key in zip(places, keys, strict=True):
        holders = [f for f in place.rglob("*") if f.is_file() and key.encode() in f.read_bytes()]
        assert holders == [place / ".agenthub" / "credentials.json"]
        assert Researcher(place, hub.url).repo().changes() == []


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Path]:
    """A workspace with a canary key in its file, and in the environment of a process that stands
    for the researcher; its checkout's folder."""
    key = "ahk_" + "c0ffee00" * 8
    place = workspace(tmp_path / "w", 0.0)
    (place.folder / ".agenthub").mkdir()
    (place.folder / ".agenthub" / "credentials.json").write_text(
        f'{{"url": "http://127.0.0.1:1", "key": "{key}"}}'
    )
    checkout = place.private / "worktrees" / "one"
    checkout.mkdir(parents=True)
    with subprocess.Popen(["sleep", "600"], env={**os.environ, "AGENTHUB_KEY": key}) as holder:
        yield checkout
        holder.kill()


def test_experiments_do_not_find_the_key(guarded: Path, tmp_path: Path) -> None:
    """At every level of isolation a thorough search comes back empty; without any it finds file
    and process."""
    script = search(guarded.parents[2]) + "\nprint('found', len(set(found)))\n"
    for level, expected in (("none", 2), ("bwrap", 0), ("landlock", 0)):
        log = tmp_path / f"{level}.log"
        job = Job(
            (sys.executable, "-c", script),
            guarded,
            {"PATH": os.environ["PATH"]},
            Limits(120),
            log,
            writable=(guarded,),
        )
        choose_sandbox(level).run(job)
        assert log.read_text().splitlines()[-1] == f"found {expected}", log.read_text()


@ISOLATED
def test_coding_agents_do_not_find_the_key(guarded: Path, tmp_path: Path, level: str) -> None:
    """A coding agent that is granted the whole workspace sees neither the key's folder nor the
    process that holds it."""
    place = guarded.parents[2]
    (tmp_path / "agent.py").write_text(
        search(place) + f"\nopen({str(tmp_path / 'found')!r}, 'w').write(repr(found))\n"
    )
    (tmp_path / "found").touch()
    room = Room(
        choose_sandbox(level),
        dict(os.environ),
        reads=(place,),
        writes=(tmp_path / "found",),
        hidden=hidden_paths(Workspace(place)),
    )
    line = shlex.join([sys.executable, str(tmp_path / "agent.py")])
    agent = CommandAgent(line, place / ".autoresearch" / "agents", room)
    agent.edit(guarded, Brief(1, "a" * 40, ("train.py",), "val_bpb", "min", 0))

    assert (tmp_path / "found").read_text() == "[]"
