"""Makes an experiment repository: the lab's files, or the configuration for one's own repository.

train.py gets the constants of the machine and the track at hand, and no others.
Leaves to others: what the configuration may say (config), running it (loop).
"""

from __future__ import annotations

import json
import platform
import posixpath
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from autoresearch.errors import BadInput, BadWorkspace, Conflict
from autoresearch.git.repo import Repo
from autoresearch.installation import lab_folder, list_lab_files
from autoresearch.own_programs import call_program
from autoresearch.researcher import config
from autoresearch.researcher.command_line import PYTHONS, command_words
from autoresearch.researcher.gpus import GpuLoad, GpuMonitor
from autoresearch.researcher.own_text import hash_text, note_place
from autoresearch.researcher.scales import read_constants, replace_constants
from autoresearch.researcher.workspace import (
    IGNORED,
    ignored_files,
    name_inside,
    read_inside,
)

GITIGNORE = (*IGNORED, "/run/", "/.track", "__pycache__/", ".venv/")
LARGE_GPU_GB = 28
LARGER_IS_BETTER = re.compile(
    r"(^|[_.-])(acc|accuracy|auc|auroc|f1|f_score|precision|recall|r2|bleu|rouge\w*|iou|dice|ndcg|mrr|"
    r"psnr|ssim|reward|return|win_?rate|pass_?rate|pass_?at_?\d+|throughput|fps|qps|rps|speedup|"
    r"tflops|gflops|mfu|\w*_per_s(ec|econd)?|elo|correct|hit_?rate)([_.-]|\d|$)"
)


def start_lab(folder: Path, track: str, data: Path | None = None, scale: str = "auto") -> Repo:
    """Make `folder` a repository with the lab on `track` and one commit. Conflict if it is filled.

    `data` is the user's own text, for the track `custom`. `scale` names train.py's constants."""
    check_track(track)
    refuse_filled(folder)
    lab = lab_folder()
    if scale == "auto":
        scale = choose_scale(track, GpuMonitor().read(), is_apple_silicon())
    constants = read_constants(lab, scale)
    folder = folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    # in a temporary place first: never half there after a kill
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as place:
        copy_lab(lab, Path(place) / "new", constants)
        repo = make_repository(Path(place) / "new", track, data)
        if folder.exists():
            folder.rmdir()
        if data:
            note_place(repo.path, data)
        repo.path.rename(folder)
    return Repo(folder)


def copy_lab(lab: Path, folder: Path, constants: str = "") -> None:
    """The lab's files as an experiment has them; with `constants` in train.py, if given."""
    for file in list_lab_files(lab):
        path = file.relative_to(lab)
        if path.parts[0] != "scales":  # one of them is written into train.py
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, folder / path)
    if constants:
        train = folder / "train.py"
        train.write_bytes(replace_constants(train.read_text("utf-8"), constants).encode("utf-8"))


def make_repository(folder: Path, track: str, data: Path | None) -> Repo:
    """Add the configuration and the first commit."""
    repo = Repo.init(folder)
    extra = f', "--data", "{config.DATA}"' if data else ""
    text = f'\nsha256 = "{hash_text(data)}"  # of your text' if data else ""
    settings = config.LAB.format(track=track, extra=extra, text=text)
    (folder / config.NAME).write_text(settings, "utf-8")
    (folder / ".gitignore").write_text("\n".join(GITIGNORE) + "\n", "utf-8")
    repo.exclude(IGNORED)
    repo.add(change.path for change in repo.changes())
    repo.commit(f"Start from the lab's baseline on track {track}")
    return repo


# ---------------------------------------------------------------- the scale of a machine


def choose_scale(track: str, gpus: Sequence[GpuLoad], apple_silicon: bool = False) -> str:
    """Whose constants suit this machine and track: those of a CPU, a small GPU or a large one."""
    if not gpus:
        return "tinystories" if apple_silicon else "cpu"
    large = gpus[0].total_gb >= LARGE_GPU_GB
    return "climbmix" if large and track.partition("-")[0] == "climbmix" else "tinystories"


def is_apple_silicon() -> bool:
    return sys.platform == "darwin" and platform.machine() == "arm64"


# ---------------------------------------------------------------- a repository of one's own


def start_own(
    folder: Path, free: Sequence[str], line: str, metric: str, direction: str | None = None
) -> Repo:
    """Write autoresearch.toml into a repository of the user's own, or into a folder of it, where
    names of files begin; nothing is committed for them. Without a direction the metric's name
    decides."""
    repo, folder = Repo.at(folder), folder.resolve()
    file = folder / config.NAME
    if file.exists():
        raise Conflict(
            f"{folder} has an {config.NAME} already; edit it, or "
            f"`{call_program('autoresearch', 'run', folder)}`"
        )
    direction = direction or usual_direction(metric)
    if direction not in ("min", "max"):
        raise BadInput(f"--direction {direction!r} is neither min (lower is better) nor max")
    inside = name_inside(folder, repo.path)
    text = config.OWN.format(
        free=json.dumps([plain_path(name) for name in free]),
        command=json.dumps(split_command(line)),
        metric=metric,
        direction=direction,
    )
    file.write_text(text, "utf-8")
    try:
        check_free(repo, read_inside(folder, inside).experiment.free)
    except BadWorkspace:
        file.unlink()
        raise
    repo.exclude(ignored_files(inside))
    return repo


def check_free(repo: Repo, free: Sequence[str]) -> None:
    """BadWorkspace where the commit checked out has no file of a free name."""
    tracked = repo.files(repo.head())
    for name in free:
        if not any(fnmatchcase(path, name) for path in tracked):
            raise BadWorkspace(
                f"--free {name}: the commit checked out has no such file; mend the name, or "
                "commit it"
            )


def plain_path(name: str) -> str:
    """`./opt.py` as git calls it."""
    return posixpath.normpath(name) if name else name


def split_command(line: str) -> list[str]:
    """The words of a command line; one that only a shell understands is handed to one."""
    try:
        words = shlex.split(line)
        plain = list(shlex.shlex(line, posix=True, punctuation_chars="();<>|&"))
    except ValueError as error:
        raise BadInput(f"--command {line!r} cannot be split into words: {error}") from error
    is_for_shell = any(set(word) <= set("();<>|&") for word in plain if word)
    sets_variable = bool(words) and re.match(r"[A-Za-z_]\w*=", words[0]) is not None
    needs = is_for_shell or sets_variable or words[:1] in (["cd"], ["source"], ["."])
    shell = "bash" if "source" in words else "sh"  # which has no `source` everywhere
    return [shell, "-c", line] if needs else words


def describe_environment(folder: Path, line: str) -> str:
    """What to know where a command starts our own Python beside an environment of the
    repository's; empty where there is nothing to say."""
    words = command_words(split_command(line))
    roots = [name for name in (".venv", "venv", "env") if (folder / name / "pyvenv.cfg").is_file()]
    if not roots or not set(PYTHONS) & set(words):
        return ""
    return (
        f"`python` is the interpreter autoresearch runs under; for the packages of {roots[0]}: "
        f"--command '{roots[0]}/bin/python …'"
    )


def usual_direction(metric: str) -> str:
    """What is better where the user does not say: `max` for what people call good when large."""
    return "max" if LARGER_IS_BETTER.search(metric.lower()) else "min"


def refuse_filled(folder: Path) -> None:
    if (folder / config.NAME).exists():
        command = call_program("autoresearch", "run", folder)
        raise Conflict(f"{folder} is an experiment already; `{command}` goes on with it")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Conflict(
            f"{folder} is not empty; name a new folder, or, for a repository of your "
            "own, give --command, --free and --metric"
        )


def check_track(track: str) -> None:
    """BadInput for what cannot be a track's name; whether it exists is prepare.py's to say."""
    if (
        not track.replace("-", "").replace("_", "").replace(".", "").isalnum()
        or not track.isascii()
    ):
        raise BadInput(
            f"{track!r} is no track; for example: pystd, pystd-20s, stories, "
            "tinystories, climbmix, custom"
        )
