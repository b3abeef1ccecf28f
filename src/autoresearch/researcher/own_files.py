"""What a run finds of its user's own files: what `[experiment] reads` names, and the environment
or tool that the command starts.

A repository may be a stranger's, and so may its autoresearch.toml: it opens what lies in the
repository's own folder, and installed programs; anything else its user names with `--reads`.
Leaves to others: which environment it is (`own_environments`), the walls (`sandbox`).
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from autoresearch.errors import BadWorkspace
from autoresearch.git.checkouts import Checkout, FileState, hash_blob
from autoresearch.git.trees import LINK
from autoresearch.researcher.agents.programs import follow_program
from autoresearch.researcher.command_line import PYTHONS, command_words
from autoresearch.researcher.own_environments import (
    environment_parts,
    find_conda,
    find_editable,
    find_environments,
    find_interpreter,
    refuse_others,
)
from autoresearch.researcher.sandbox import mounts
from autoresearch.researcher.workspace import PRIVATE, Workspace


@dataclass(frozen=True)
class OwnFiles:
    """`links`: places in the repository that a checkout gets as links to the user's own.
    `paths`: what the sandbox opens, to read. `variables`: what leads to them."""

    links: tuple[str, ...] = ()
    paths: tuple[Path, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()


def find_own_files(workspace: Workspace, granted: Sequence[Path], search: str) -> OwnFiles:
    """What runs of this experiment read besides; `search` is their PATH. BadWorkspace with a
    sentence for what is missing, or what nobody but the user may open."""
    folder, experiment = workspace.folder, workspace.config.experiment
    top = workspace.repo.path
    links: dict[str, None] = {}
    paths = {path.absolute(): None for path in granted}
    for name in experiment.reads:
        path = folder / Path(name).expanduser()
        check_readable(name, path, top, granted)
        paths[path.resolve()] = None
        if (plain := Path(os.path.normpath(path))).is_relative_to(top):
            links[os.path.relpath(plain, top)] = None
    words = command_words(experiment.command)
    tracked = set(workspace.repo.files(workspace.repo.head()))
    variables: dict[str, str] = {}
    if Path("/") not in granted:
        refuse_others(words)
    for found in find_environments(words, workspace, tracked):
        root = found.root
        if root.is_relative_to(top):
            links[root.relative_to(top).as_posix()] = None
        paths |= dict.fromkeys((*environment_parts(root, top), *find_interpreter(root)))
        variables |= dict(found.variables)
        if editable := find_editable(root, workspace):
            variables["PYTHONPATH"] = os.pathsep.join(editable)
    for word in words:
        if "/" not in word and word not in PYTHONS:
            paths |= dict.fromkeys(follow_program(word, search))
    paths |= dict.fromkeys(find_conda(words, search))
    own = OwnFiles(tuple(links), tuple(show_needed(paths)), tuple(variables.items()))
    check_program(experiment.command, own, workspace, tracked, search)
    return own


def show_needed(paths: dict[Path, None]) -> list[Path]:
    """Those that exist and that no run sees anyway."""
    shown = mounts.system_folders()
    there = [path for path in paths if path.exists()]
    return [path for path in there if not mounts.is_beneath(path.resolve(), shown)]


# ---------------------------------------------------------------- what the configuration names


def check_readable(name: str, path: Path, top: Path, granted: Sequence[Path]) -> None:
    """BadWorkspace where a path of `reads` is not there, or lies outside the repository and the
    user has not named it."""
    if not path.exists():
        raise BadWorkspace(
            f"experiment.reads names {name}, and there is no {path}; put it there, or mend the name"
        )
    real, top = path.resolve(), top.resolve()
    inside = real != top and real.is_relative_to(top)
    if inside and not {".git", PRIVATE}.intersection(real.relative_to(top).parts):
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


# ---------------------------------------------------------------- the program


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
    if path.is_relative_to(workspace.repo.path):
        name = path.relative_to(workspace.repo.path).as_posix()
        if name in tracked or any(Path(name).is_relative_to(link) for link in own.links):
            return
        advice = f"commit it, or add {name_key(path, workspace)} below [experiment]"
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


def name_key(path: Path, workspace: Workspace) -> str:
    """The line of the configuration that opens a file of the repository: the folder that it is
    in, as seen from the experiment's."""
    parts = Path(os.path.relpath(path, workspace.folder)).parts
    up = [part for part in parts if part == ".."]
    return f'reads = ["{"/".join([*up, *parts[len(up) : len(up) + 1]])}"]'


def explain_missing(words: str, workspace: Workspace) -> str:
    """A sentence where a run's last words name a file that its user has and the run has not."""
    for told in re.findall(r"['\"]([^'\"\n]+)['\"]|([^\s'\":,;]*/[^\s'\":,;]*)", words):
        text = told[0] or told[1]
        path = Path(os.path.normpath(workspace.folder / text))
        if len(text) > 500 or path == workspace.folder or not path.exists():
            continue
        if PRIVATE in path.parts and path.is_relative_to(workspace.folder):
            continue
        if path.is_relative_to(workspace.repo.path):
            name = path.relative_to(workspace.repo.path).as_posix()
            if name in workspace.repo.files(workspace.repo.head()):
                continue
            return (
                f"{name} lies in your folder, and not in the commit: "
                f"{name_key(path, workspace)} below [experiment] shows it to runs"
            )
        if not mounts.is_beneath(path.resolve(), mounts.system_folders()):
            return f"{text} lies outside the repository: --reads {path.parent} shows it to runs"
    return ""
