"""The key to the hub is found by nobody: not by an experiment, not by a coding agent, wherever
they look."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from autoresearch.cli.credentials import Credentials, folder_file, write
from sandbox_jobs import ISOLATED
from tiny_workspaces import command, make, noisy

CANARY = "canary-0123456789abcdef"
# looks wherever a program of this user could: its environment, files up the tree, other processes'
# environments and memory maps
SEARCH = """
import glob, os
def look():
    yield "environment", repr(dict(os.environ)).encode()
    here = os.getcwd()
    names = []
    while here != "/":
        here = os.path.dirname(here)
        names += glob.glob(here + "/.agenthub/*") + glob.glob(here + "/.autoresearch/*.json")
    names += [os.path.expanduser("~/.config/agenthub/credentials.json"), KEY] + glob.glob("/proc/[0-9]*/environ")
    for name in names:
        try:
            yield name, open(name, "rb").read()
        except OSError:
            pass
found = [place for place, data in look() if b"canary-" + b"0123456789abcdef" in data]
"""
CODER = (
    SEARCH
    + """
import pathlib
input()
pathlib.Path("train.py").write_text(open(TRAIN).read())
print("DESCRIPTION: the agent found", found, "and has its own", os.environ.get("MY_CODER_KEY"))
"""
)


@ISOLATED
def test_neither_experiment_nor_coding_agent_finds_the_key(tmp_path: Path, level: str) -> None:
    """In both sandboxes the experiment finds nothing; the agent finds nothing and still has its
    own key and what it was granted."""
    workspace = make(tmp_path / "w", noisy(1.0, 0.001))
    key = folder_file(workspace.folder)
    key.parent.mkdir(mode=0o700)
    write(key, Credentials("http://127.0.0.1:1", CANARY, "ada"))
    search = SEARCH.replace("KEY", repr(str(key)))
    train, coder = tmp_path / "train.py", tmp_path / "coder.py"
    train.write_text(search + "print('FOUND', found)\n" + noisy(0.9, 0.001))
    coder.write_text(CODER.replace("KEY]", f"{str(key)!r}]").replace("TRAIN", repr(str(train))))
    env = {
        **os.environ,
        "AGENTHUB_KEY": CANARY,
        "AGENTHUB_URL": "http://127.0.0.1:1",
        "MY_CODER_KEY": "mine",
    }

    place = workspace.folder / "here"
    place.mkdir()
    open_to_all = subprocess.run(
        [sys.executable, train],
        cwd=place,
        env={**env, "AUTORESEARCH_SEED": "1"},
        capture_output=True,
        text=True,
    )
    place.rmdir()
    ran = command(
        *(
            "run",
            str(workspace.folder),
            "--experiments",
            "1",
            "--baseline-runs",
            "2",
            "--sandbox",
            level,
        ),
        *("--agent", "command", "--command", f"{sys.executable} {coder}"),
        *("--agent-sandbox", level, "--agent-env", "MY_CODER_KEY", "--agent-reads", str(train)),
        env=env,
    )

    assert (
        "'environment'" in open_to_all.stdout and "credentials.json" in open_to_all.stdout
    )  # so that it can be found
    assert ran.returncode == 0, ran.stdout + ran.stderr
    record = workspace.ledger.records()[-1]
    assert record.description == "the agent found [] and has its own mine"
    assert "FOUND []" in (workspace.folder / record.log).read_text()
