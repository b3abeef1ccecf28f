"""Which environment or tool an experiment's command starts, and what a run needs to find it again:
folders to read, and variables that keep a manager of environments from looking elsewhere.

uv and poetry look for an environment beside the checkout, which is another folder each time, or
make a new one, which needs a network: here they are told which one it is. Leaves to others: where
programs lie (`agents.programs`), what is opened (`own_files`).
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from autoresearch.errors import BadWorkspace
from autoresearch.researcher.agents.programs import follow_program, surroundings
from autoresearch.researcher.workspace import Workspace

ENVIRONMENT = ("pyvenv.cfg", "conda-meta")  # what only the root of a Python environment holds
PARTS = ("bin", "lib", "lib64", "libexec", "include", "share", "etc", "ssl", *ENVIRONMENT)
CONDAS = ("conda", "mamba", "micromamba")
OTHERS = ("pipenv", "pdm", "hatch", "pixi", "rye")  # managers that no variable tells of ours
POETRYS = ("~/.cache/pypoetry/virtualenvs", "~/Library/Caches/pypoetry/virtualenvs")


@dataclass(frozen=True)
class OwnEnvironment:
    """`root`, and what a manager has to be told so that it takes it as it is."""

    root: Path
    variables: tuple[tuple[str, str], ...] = ()


def find_environments(
    words: Sequence[str], workspace: Workspace, tracked: set[str]
) -> Iterator[OwnEnvironment]:
    """The Python environments whose programs the command names by their path, or that a manager
    keeps for it. None that the commit holds a part of: that would be the repository's word, not
    its user's. BadWorkspace where a manager has none."""
    top = workspace.repo.path
    named = (OwnEnvironment(root) for root in find_named(words, workspace))
    for found in (*named, *find_managed(words, workspace)):
        name = os.path.relpath(found.root, top)
        if not any(path == name or path.startswith(f"{name}/") for path in tracked):
            yield found


def find_named(words: Sequence[str], workspace: Workspace) -> Iterator[Path]:
    folder, top = workspace.folder, workspace.repo.path
    for word in words:
        root = Path(os.path.normpath(folder / Path(word).expanduser())).parent.parent
        if "/" in word and root not in (folder, top) and is_environment(root):
            yield root


def is_environment(root: Path) -> bool:
    return any((root / name).exists() for name in ENVIRONMENT)


# ---------------------------------------------------------------- managers


def find_managed(words: Sequence[str], workspace: Workspace) -> Iterator[OwnEnvironment]:
    """The environment of `uv run …` and `poetry run …`, made before by its user."""
    if runs(words, "uv"):
        root = find_beside(workspace) or refuse(workspace, "uv", "uv sync")
        offline = {"UV_NO_SYNC": "1", "UV_OFFLINE": "1", "UV_PYTHON_DOWNLOADS": "never"}
        told = {"UV_PROJECT_ENVIRONMENT": str(root), "VIRTUAL_ENV": str(root), **offline}
        yield OwnEnvironment(root, tuple(told.items()))
    if runs(words, "poetry"):
        found = find_beside(workspace) or find_poetrys(workspace)
        root = found or refuse(workspace, "poetry", "poetry install")
        told = {"VIRTUAL_ENV": str(root), "POETRY_VIRTUALENVS_CREATE": "false"}
        yield OwnEnvironment(root, tuple(told.items()))


def runs(words: Sequence[str], manager: str) -> bool:
    """Whether the words hold `manager … run`."""
    at = next((n for n, word in enumerate(words) if Path(word).name == manager), len(words))
    return "run" in words[at + 1 :]


def find_beside(workspace: Workspace) -> Path | None:
    """`.venv` in the experiment's folder, or in one above it in the repository."""
    return next(
        (root for at in project_folders(workspace) if is_environment(root := at / ".venv")), None
    )


def project_folders(workspace: Workspace) -> list[Path]:
    """The experiment's folder and those above it, up to the repository's top."""
    folder, top = workspace.folder, workspace.repo.path
    return [at for at in (folder, *folder.parents) if at.is_relative_to(top)]


def find_poetrys(workspace: Workspace) -> Path | None:
    """Where poetry keeps an environment by default: named by the hash of its project's path."""
    for at in project_folders(workspace):
        if not (at / "pyproject.toml").is_file():
            continue
        path = os.path.normcase(os.path.realpath(at)).encode()
        digest = base64.urlsafe_b64encode(hashlib.sha256(path).digest()).decode()[:8]
        for place in POETRYS:
            found = sorted(Path(place).expanduser().glob(f"*-{digest}-py*"))
            if roots := [root for root in found if is_environment(root)]:
                return roots[-1]
    return None


def refuse(workspace: Workspace, manager: str, line: str) -> Path:
    raise BadWorkspace(
        f"experiment.command starts `{manager} run`, and {workspace.folder} has no environment "
        f"yet: make it first (`{line}`), for runs have no network; or name another one by its "
        "programs: PATH/bin/python"
    )


def refuse_others(words: Sequence[str]) -> None:
    """BadWorkspace for a manager whose environment no run can be shown."""
    for manager in OTHERS:
        if runs(words, manager):
            raise BadWorkspace(
                f"experiment.command starts `{manager} run`, which looks for its environment in "
                "your home, where no run gets: name the environment's own programs instead, as "
                ".venv/bin/python, and give --reads where it lies outside the repository"
            )


# ---------------------------------------------------------------- what belongs to one


def environment_parts(root: Path, top: Path) -> Iterator[Path]:
    """All of an environment in the repository; elsewhere what an installation has, since people
    make environments in folders of other work."""
    real = root.resolve()
    if real.is_relative_to(top.resolve()):
        yield real
    else:
        yield from (real / name for name in PARTS)


def find_interpreter(root: Path) -> Iterator[Path]:
    """What stands behind an environment's own Python: links to another installation, and where
    that keeps its library."""
    yield from follow_program(str(root / "bin" / "python"), "")
    config = root / "pyvenv.cfg"
    text = config.read_text("utf-8", "replace") if config.is_file() else ""
    homes = [Path(home.strip()) for home in re.findall(r"^home\s*=(.*)$", text, re.M)]
    file = root / "bin" / "python"
    if file.is_symlink():
        homes.append(Path(os.path.normpath(file.parent / file.readlink())).parent)
    for home in homes:
        if home.name != "bin":
            continue
        yield from surroundings(home / "python3")
        if home.parent.is_symlink():  # managers of versions link `3.12` to `3.12.7`
            yield home.parent


def find_conda(words: Sequence[str], search: str) -> Iterator[Path]:
    """`conda run -n NAME …`: the installation and the environment of that name."""
    if len(words) < 4 or words[0] not in CONDAS or words[1] != "run":
        return
    program = shutil.which(words[0], path=search)
    if program is None:
        return
    base = Path(program).resolve().parent.parent
    pairs = list(pairwise(words))
    named = [base / "envs" / name for option, name in pairs if option in ("-n", "--name")]
    placed = [Path(path).expanduser() for option, path in pairs if option in ("-p", "--prefix")]
    for root in (base, *named, *placed):
        if (root / "conda-meta").is_dir():
            yield from (root / name for name in PARTS)


def find_editable(root: Path, workspace: Workspace) -> list[str]:
    """Folders of the repository that the environment holds as an editable install, as seen from
    the experiment's folder: a run has to import its own, not its user's."""
    found: dict[str, None] = {}
    for file in sorted(root.glob("lib/python*/site-packages/*.pth")):
        for line in file.read_text("utf-8", "replace").splitlines():
            path = Path(os.path.normpath(line.strip())) if line.startswith("/") else None
            if path is not None and path.is_relative_to(workspace.repo.path):
                found[os.path.relpath(path, workspace.folder)] = None
    return list(found)
