"""The user's own text for the track `custom`: the commit names it by the hash of its content, and
a file in the private folder says where it lies on this machine.

So two machines with the same bytes have the same configuration. Leaves to others: reading the text
(the lab), preparing it (preparation).
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from autoresearch.errors import BadWorkspace
from autoresearch.own_programs import call_program
from autoresearch.researcher.workspace import PRIVATE, Workspace

PLACE = "data"  # below the private folder: the absolute path, in one line


def hash_text(path: Path) -> str:
    """The hash of a file's bytes, or of a folder's names and bytes: the same on every machine.
    Hidden files are none of the text."""
    if path.is_file():
        return hash_file(path)
    whole = hashlib.sha256()
    files = {file.relative_to(path).as_posix(): file for file in path.rglob("*") if file.is_file()}
    for name, file in sorted(files.items()):
        if not any(part.startswith(".") for part in name.split("/")):
            whole.update(f"{name}\0{hash_file(file)}\n".encode("utf-8", "surrogateescape"))
    return whole.hexdigest()


def hash_file(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(2**20):
            digest.update(piece)
    return digest.hexdigest()


def note_place(folder: Path, data: Path) -> None:
    """Remember where the text lies on this machine; git does not see it."""
    (folder / PRIVATE).mkdir(exist_ok=True)
    (folder / PRIVATE / PLACE).write_text(f"{data.resolve()}\n", "utf-8", "surrogateescape")


def name_text(workspace: Workspace, data: Path) -> None:
    """Say where an experiment's text lies here. BadWorkspace where it is another text."""
    check_text(workspace, data)
    note_place(workspace.folder, data)


def find_text(workspace: Workspace) -> Path:
    """Where the text lies on this machine. BadWorkspace where nobody has said, or it is another."""
    note = workspace.private / PLACE
    if not note.is_file():
        raise BadWorkspace(
            "this experiment's text is your own, and nobody has said where it lies on this "
            f"machine: {call_program('autoresearch', 'init', workspace.folder)} --data PATH"
        )
    path = Path(note.read_text("utf-8", "surrogateescape").strip())
    check_text(workspace, path)
    return path


def check_text(workspace: Workspace, path: Path) -> None:
    wanted = workspace.config.data.sha256
    if not path.exists():
        raise BadWorkspace(
            f"{path}, this experiment's text, is not there; where it lies now: "
            f"{call_program('autoresearch', 'init', workspace.folder)} --data PATH"
        )
    if wanted and (found := hash_text(path)) != wanted:
        raise BadWorkspace(
            f"{path} is not the text of this experiment: its hash is {found[:12]}, and the "
            f"configuration names {wanted[:12]}; results of the two could not be compared"
        )
