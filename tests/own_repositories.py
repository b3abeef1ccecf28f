"""Repositories as people have them, whose experiment is a line of Python: ignored data, and an
environment of their own."""

from __future__ import annotations

import os
import sys
import venv
from pathlib import Path

from autoresearch.git.repo import Repo
from autoresearch.researcher.experiment import Runner
from autoresearch.researcher.judging.values import Measurement
from autoresearch.researcher.own_files import find_own_files
from autoresearch.researcher.run_request import RunRequest
from autoresearch.researcher.sandbox import choose_sandbox
from autoresearch.researcher.workspace import Workspace

READS_DATA = "print('score:', float(open('data/text.txt').read()))\n"
PATH = "/usr/bin:/bin"


def make(
    folder: Path, command: list[str], bench: str = READS_DATA, reads: tuple[str, ...] = ()
) -> Workspace:
    """A repository with an ignored `data/`, as people have them."""
    repo = Repo.init(folder)
    (folder / "opt.py").write_text("X = 5\n")
    (folder / "bench.py").write_text(bench)
    (folder / ".gitignore").write_text("data/\n.venv/\nvenv/\nbuild/\n")
    (folder / "autoresearch.toml").write_text(
        f'[experiment]\nfree = ["opt.py"]\ncommand = {command!r}\nreads = {list(reads)!r}\n'
        'metric = "score"\n'
    )
    repo.add(["opt.py", "bench.py", ".gitignore"])
    repo.commit("Start")
    (folder / "data").mkdir()
    (folder / "data" / "text.txt").write_text("3.5")
    return Workspace(folder)


def measure(
    workspace: Workspace, granted: tuple[Path, ...] = (), level: str = "auto", path: str = PATH
) -> Measurement:
    own = find_own_files(workspace, granted, path)
    runner = Runner(
        workspace,
        choose_sandbox(level),
        {"PATH": path},
        readable=own.paths,
        links=own.links,
        variables=own.variables,
    )
    return runner.measure(
        RunRequest(
            workspace.repo.head(), 1, f"own-{os.getpid()}", workspace.private / "runs" / "1", 60
        )
    )


def add_environment(root: Path, package: str = "SCORE = 1.25\n") -> None:
    """An environment with a package of its own, as `python -m venv` makes them."""
    venv.create(root, with_pip=False, symlinks=True)
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    (root / "lib" / version / "site-packages" / "theirs.py").write_text(package)
