"""Makes an experiment repository: the lab's files with a clean first commit, or the configuration for a repository of one's own."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import autoresearch
from autoresearch.errors import BadInput, BadWorkspace, Conflict
from autoresearch.git.repo import Repo
from autoresearch.researcher import config
from autoresearch.researcher.workspace import IGNORED

LAB_SUFFIXES = (".py", ".md", ".toml")
GITIGNORE = (*IGNORED, "/run/", "/.track", "__pycache__/", ".venv/")


def lab_folder() -> Path:
    """Where the lab's files are: beside `src` in a checkout, inside the package in an installed wheel."""
    package = Path(autoresearch.__file__).parent
    for folder in (package.parents[1] / "lab", package / "_lab"):
        if (folder / "prepare.py").is_file() and (folder / "train.py").is_file():
            return folder
    raise BadWorkspace(
        f"the lab's files are missing from this installation ({package}); install autoresearch again"
    )


def start_lab(folder: Path, track: str, data: Path | None = None) -> Repo:
    """Make `folder` a repository with the lab on `track` and one commit. Conflict where something is there already.

    `data` is the user's own text, for the track `custom`."""
    check_track(track)
    refuse_filled(folder)
    lab = lab_folder()
    folder = folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        prefix=f".{folder.name}-", dir=folder.parent
    ) as place:  # never half there after a kill
        repo = fill(Path(place) / "new", lab, track, data)
        if folder.exists():
            folder.rmdir()
        repo.path.rename(folder)
    return Repo(folder)


def fill(folder: Path, lab: Path, track: str, data: Path | None) -> Repo:
    """Put the lab's files, the configuration and one commit into a new repository."""
    repo = Repo.init(folder)
    for file in sorted(lab.iterdir()):
        if file.suffix in LAB_SUFFIXES and file.is_file():
            shutil.copyfile(file, folder / file.name)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(lab / "fixed", folder / "fixed", ignore=ignored)
    extra = (
        "".join(f", {json.dumps(text)}" for text in ("--data", str(data.resolve()))) if data else ""
    )
    (folder / config.NAME).write_text(config.LAB.format(track=track, extra=extra), "utf-8")
    (folder / ".gitignore").write_text("\n".join(GITIGNORE) + "\n", "utf-8")
    repo.exclude(IGNORED)
    repo.add(change.path for change in repo.changes())
    repo.commit(f"Start from the lab's baseline on track {track}")
    return repo


def start_own(
    folder: Path, free: Sequence[str], command: Sequence[str], metric: str, direction: str
) -> Repo:
    """Write autoresearch.toml into a repository of the user's own; nothing is committed for them."""
    repo = Repo.at(folder)
    if (repo.path / config.NAME).exists():
        raise Conflict(
            f"{repo.path} has an {config.NAME} already; edit it, or `autoresearch run {folder}`"
        )
    if direction not in ("min", "max"):
        raise BadInput(f"--direction {direction!r} is neither min (lower is better) nor max")
    text = config.OWN.format(
        free=json.dumps(list(free)),
        command=json.dumps(list(command)),
        metric=metric,
        direction=direction,
    )
    (repo.path / config.NAME).write_text(text, "utf-8")
    try:
        config.read(repo.path)
    except BadWorkspace:
        (repo.path / config.NAME).unlink()
        raise
    repo.exclude(IGNORED)
    return repo


def refuse_filled(folder: Path) -> None:
    if (folder / config.NAME).exists():
        raise Conflict(
            f"{folder} is an experiment already; `autoresearch run {folder}` goes on with it"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Conflict(
            f"{folder} is not empty; name a new folder, or, for a repository of your own, give --command, --free and --metric"
        )


def check_track(track: str) -> None:
    """BadInput for what cannot be a track's name; whether it exists is prepare.py's to say."""
    if (
        not track.replace("-", "").replace("_", "").replace(".", "").isalnum()
        or not track.isascii()
    ):
        raise BadInput(
            f"{track!r} is no track; for example: pystd, pystd-20s, stories, tinystories, climbmix, custom"
        )
