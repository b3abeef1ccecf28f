"""What a run finds of its user's own files: what `[experiment] reads` names, and the environment
or tool that the command starts.

A repository may be a stranger's, and so may its autoresearch.toml: it opens what lies in the
repository's own folder, and installed programs; anything else its user names with `--reads`.
Leaves to others: where programs lie (`agents.programs`), the walls (`sandbox`).
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from autoresearch.errors import BadWorkspace
from autoresearch.git.checkouts import Checkout, FileState, hash_blob
from autoresearch.git.trees import LINK
from autoresearch.researcher.agents.programs import follow_program, surroundings
from autoresearch.researcher.command_line import PYTHONS, command_words
from autoresearch.researcher.sandbox import mounts
from autoresearch.researcher.workspace import PRIVATE, Workspace

ENVIRONMENT = ("pyvenv.cfg", "conda-meta")  # what only the root of a Python environment holds
PARTS = ("bin", "lib", "lib64", "libexec", "include", "share", "etc", "ssl", *ENVIRONMENT)
CONDAS = ("conda", "mamba", "micromamba")


@dataclass(frozen=True)
class OwnFiles:
    """`links`: places below the repository that a checkout gets as links to the user's own.
    `paths`: what the sandbox opens, to read."""

    links: tuple[str, ...] = ()
    paths: tuple[Path, ...] = ()


def find_own_files(workspace: Workspace, granted: Sequence[Path], search: str) -> OwnFiles:
    """What runs of this experiment read besides; `search` is their PATH. BadWorkspace with a
    sentence for what is missing, or what nobody but the user may open."""
    folder, experiment = workspace.folder, workspace.config.experiment
    links: dict[str, None] = {}
    paths = {path.absolute(): None for path in granted}
    for name in experiment.reads:
        path = folder / Path(name).expanduser()
        check_readable(name, path, folder, granted)
        paths[path.resolve()] = None
        if path.is_relative_to(folder):
            links[os.path.relpath(path, folder)] = None
    words = command_words(experiment.command)
    tracked = set(workspace.repo.files(workspace.repo.head()))
    for root in find_environments(words, folder, tracked):
        if root.is_relative_to(folder):
            links[root.relative_to(folder).as_posix()] = None
        paths |= dict.fromkeys((*environment_parts(root, folder), *find_interpreter(root)))
    for word in words:
        if "/" not in word and word not in PYTHONS:
            paths |= dict.fromkeys(follow_program(word, search))
    paths |= dict.fromkeys(find_conda(words, search))
    own = OwnFiles(tuple(links), tuple(show_needed(paths)))
    check_program(experiment.command, own, workspace, tracked, search)
    return own


def show_needed(paths: dict[Path, None]) -> list[Path]:
    """Those that exist and that no run sees anyway."""
    shown = mounts.system_folders()
    there = [path for path in paths if path.exists()]
    return [path for path in there if not mounts.is_beneath(path.resolve(), shown)]


# ---------------------------------------------------------------- what the configuration names


def check_readable(name: str, path: Path, folder: Path, granted: Sequence[Path]) -> None:
    """BadWorkspace where a path of `reads` is not there, or lies outside the repository's folder
    and the user has not named it."""
    if not path.exists():
        raise BadWorkspace(
            f"experiment.reads names {name}, and there is no {path}; put it there, or mend the name"
        )
    real, top = path.resolve(), folder.resolve()
    inside = real != top and real.is_relative_to(top)
    if inside and real.relative_to(top).parts[0] not in (".git", PRIVATE):
        return
    if real == top or inside:
        raise BadWorkspace(
            f"experiment.reads names {name}, which is no data: name files or folders in the "
            f"repository, and neither .git nor {PRIVATE}"
        )
    if not any(real.is_relative_to(path.resolve()) for path in granted):
        raise BadWorkspace(
            f"experiment.reads names {name}, which lies outside the repository: only you can open "
            f"it to runs: give --reads {shlex.quote(str(path))}, each time"
        )


# ---------------------------------------------------------------- environments and tools


def find_environments(words: Sequence[str], folder: Path, tracked: set[str]) -> Iterator[Path]:
    """The roots of Python environments whose programs the command names by their path. None that
    the commit holds a part of: that would be the repository's word, not its user's."""
    for word in words:
        root = Path(os.path.normpath(folder / Path(word).expanduser())).parent.parent
        if "/" not in word or root == folder or not is_environment(root):
            continue
        name = os.path.relpath(root, folder)
        if not any(path == name or path.startswith(f"{name}/") for path in tracked):
            yield root


def is_environment(root: Path) -> bool:
    return any((root / name).exists() for name in ENVIRONMENT)


def environment_parts(root: Path, folder: Path) -> Iterator[Path]:
    """All of an environment in the repository's folder; elsewhere what an installation has, since
    people make environments in folders of other work."""
    real = root.resolve()
    if real.is_relative_to(folder.resolve()):
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


def check_program(
    command: Sequence[str], own: OwnFiles, workspace: Workspace, tracked: set[str], search: str
) -> None:
    """BadWorkspace where the program that the command starts is not there for a run."""
    program = command[0]
    if program in PYTHONS:
        return
    if "/" not in program:
        if shutil.which(program, path=search) is None:
            raise BadWorkspace(
                f"experiment.command starts {program}, and no program of that name is on PATH; "
                "install it, or name it by its path"
            )
        return
    path = Path(os.path.normpath(workspace.folder / program))
    if path.is_relative_to(workspace.folder):
        name = path.relative_to(workspace.folder).as_posix()
        if name in tracked or any(Path(name).is_relative_to(link) for link in own.links):
            return
        top = name.split("/")[0]
        advice = f'commit it, or add reads = ["{top}"] below [experiment]'
        there = "in your folder, but in no commit" if path.exists() else "not there"
        raise BadWorkspace(f"experiment.command starts {program}, which is {there}: {advice}")
    seen = [*mounts.system_folders(), *own.paths]
    if not path.exists():
        raise BadWorkspace(f"experiment.command starts {program}, which is not there")
    if not mounts.is_beneath(path.resolve(), [place.resolve() for place in seen]):
        raise BadWorkspace(
            f"experiment.command starts {program}, which lies outside the repository: open it to "
            f"runs with --reads {shlex.quote(str(path))}, each time"
        )


# ---------------------------------------------------------------- in a checkout


def add_links(checkout: Checkout, folder: Path, links: Sequence[str]) -> Checkout:
    """Put links to the user's own files where the commit has none, as part of what was checked
    out: a run that replaces one has changed a fixed file."""
    made = [name for link in links for name in link_missing(folder, checkout.path, link)]
    states = {name: FileState(LINK, (checkout.path / name).lstat().st_size) for name in made}
    blobs = {
        name: hash_blob(checkout.path, name, state, checkout.commit)
        for name, state in states.items()
    }
    return replace(checkout, files={**checkout.files, **states}, blobs={**checkout.blobs, **blobs})


def link_missing(source: Path, target: Path, name: str) -> Iterator[str]:
    """Make the link, or, in a folder that the commit has too, those that it lacks."""
    own, place = source / name, target / name
    if not os.path.lexists(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(own.resolve())
        yield name
    elif own.is_dir() and place.is_dir() and not place.is_symlink():
        for entry in sorted(own.iterdir()):
            yield from link_missing(source, target, f"{name}/{entry.name}")


def explain_missing(words: str, workspace: Workspace) -> str:
    """A sentence where a run's last words name a file that its user has and the run has not."""
    for told in re.findall(r"['\"]([^'\"\n]+)['\"]|([^\s'\":,;]*/[^\s'\":,;]*)", words):
        text = told[0] or told[1]
        path = Path(os.path.normpath(workspace.folder / text))
        if len(text) > 500 or path == workspace.folder or not path.exists():
            continue
        if PRIVATE in path.parts and path.is_relative_to(workspace.folder):
            continue
        if path.is_relative_to(workspace.folder):
            name = path.relative_to(workspace.folder).as_posix()
            if name in workspace.repo.files(workspace.repo.head()):
                continue
            top = name.split("/")[0]
            return (
                f"{name} lies in your folder, and not in the commit: "
                f'reads = ["{top}"] below [experiment] shows it to runs'
            )
        if not mounts.is_beneath(path.resolve(), mounts.system_folders()):
            return f"{text} lies outside the repository: --reads {path.parent} shows it to runs"
    return ""
