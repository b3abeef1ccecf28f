"""Where a program lies with its interpreter and libraries: what has to be readable so that it runs.

A command on PATH may be a chain of links, a script of node or Python, a virtual environment or one
file. Leaves to others: system folders and the running Python, which every sandbox shows.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

from autoresearch.researcher.sandbox import mounts

# what agents call besides their own program
TOOLS = ("sh", "git", "node", "python3", "python", "rg")
# of a folder `X/bin`: never all of X, which may be ~/.local or ~/.cargo and hold keys
BESIDE_BIN = ("lib", "lib64", "libexec", "pyvenv.cfg")
HOMEBREW = Path("/home/linuxbrew/.linuxbrew")
LINKS = 20


def find_program_paths(words: list[str], path: str, home: Path) -> tuple[Path, ...]:
    """What `words`, a command line, needs readable: the programs and files it names, the folders
    of `path` and common tools. Nothing that `home` lies in."""
    folders = map(Path, path.split(os.pathsep))
    found = dict.fromkeys(folder for folder in folders if folder.is_absolute())
    for name in (*words, *TOOLS):
        found |= dict.fromkeys(follow_program(name, path))
    for word in words:
        named = Path(word).expanduser() if word.startswith(("/", "~")) else None
        if named and os.path.isfile(named):
            found[named] = None
    if os.path.isdir(HOMEBREW):
        found[HOMEBREW] = None
    home, shown = home.resolve(), mounts.system_folders()
    needed = [p for p in found if os.path.exists(p) and not holds(p.resolve(), home)]
    return tuple(p for p in mounts.outermost_paths(needed) if not mounts.is_beneath(p, shown))


def holds(folder: Path, home: Path) -> bool:
    return folder == home or folder in home.parents


def follow_program(name: str, path: str, depth: int = 0) -> Iterator[Path]:
    """The file behind a name on PATH, each link on the way, its surroundings and its
    interpreter."""
    found = shutil.which(name, path=path)
    if found is None or depth > 3:
        return
    file = Path(found).absolute()
    for _ in range(LINKS):
        yield from surroundings(file)
        if not file.is_symlink():
            break
        file = Path(os.path.normpath(file.parent / file.readlink()))
    yield from surroundings(file.resolve())
    for interpreter in read_interpreter(file):
        yield from follow_program(interpreter, path, depth + 1)


def surroundings(file: Path) -> Iterator[Path]:
    """What belongs to an installed file: the packages it lies among, or what stands beside its
    `bin`."""
    yield file
    if "node_modules" in file.parts:
        yield Path(*file.parts[: file.parts.index("node_modules") + 1])
    elif file.parent.name == "shims":  # of a manager of versions: pyenv, asdf, mise
        yield file.parent.parent
    elif file.parent.name == "bin":
        yield file.parent
        for name in BESIDE_BIN:
            yield file.parent.parent / name


def read_interpreter(file: Path) -> list[str]:
    """The programs that a script's first line names."""
    try:
        with file.open("rb") as stream:
            first = stream.readline(500)
        words = shlex.split(first[2:].decode()) if first.startswith(b"#!") else []
    except (OSError, ValueError):
        return []
    return [word for word in words if not word.startswith("-") and "=" not in word][:2]
