"""Prepared tracks for tests: a copy of the lab with a cache of its own and a little text."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

LAB = Path(__file__).parent.parent / "lab"
# Letters of one to four bytes; small vocabularies split most of them between tokens.
SENTENCES = (
    "The fox ate 12345 plums. ",
    "Die Füchsin aß süße Äpfel. ",
    "狐狸吃了三个梅子。",
    "Лиса ела сливы. ",
    "🦊🍎🫐 yes! ",
)


def texts(count: int = 60) -> list[str]:
    """Documents of very different lengths, all different, with letters of every width."""
    return [
        "".join(f"{i}-{j} {SENTENCES[(i * j + j) % 5]}" for j in range(1 + i * i % 37)) + "\n"
        for i in range(count)
    ]


@dataclass(frozen=True)
class Lab:
    """A folder with prepare.py and `fixed`, and the environment its programs run in."""

    folder: Path
    prepare: ModuleType
    fixed: ModuleType

    @property
    def env(self) -> dict[str, str]:
        return clean_environment(self.folder / "cache")

    def run(self, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
        """prepare.py in a process of its own."""
        command = [sys.executable, "prepare.py", *args]
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.env | env,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    def prepared(self, *args: str) -> Any:
        """Prepare in this process and open the track."""
        with self.environment():
            self.prepare.main(list(args))
            return self.prepare.open_track(self.fixed.tracks.read_here()["track"])

    @contextlib.contextmanager
    def environment(self, **env: str) -> Iterator[None]:
        before = dict(os.environ)
        os.environ.clear()
        os.environ.update(self.env | env)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def copy_fixed(folder: Path) -> None:
    """prepare.py and the folder behind it."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(LAB / "prepare.py", folder)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(LAB / "fixed", folder / "fixed", ignore=ignored, dirs_exist_ok=True)


def clean_environment(cache: Path) -> dict[str, str]:
    """Ours without settings of the lab and of Hugging Face, and with a cache of its own."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AUTORESEARCH_", "HF_"))}
    return {**kept, "AUTORESEARCH_CACHE": str(cache), "HF_HUB_DISABLE_XET": "1"}


def make_lab(folder: Path) -> Lab:
    copy_fixed(folder)
    return load_lab(folder)


def load_lab(folder: Path) -> Lab:
    """The files of a folder as modules of their own, whatever other lab is loaded already."""
    others = {name: sys.modules.pop(name) for name in loaded_parts()}
    spec = importlib.util.spec_from_file_location(f"prepare_{id(folder)}", folder / "prepare.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    sys.path.insert(0, str(folder))
    try:
        spec.loader.exec_module(module)
        return Lab(folder, module, sys.modules["fixed"])
    finally:
        sys.path.remove(str(folder))
        for name in loaded_parts():
            del sys.modules[name]
        sys.modules.update(others)


def loaded_parts() -> list[str]:
    return [name for name in sys.modules if name.split(".")[0] == "fixed"]


def write_texts(folder: Path, count: int = 60) -> Path:
    """A data folder for `--track custom`."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, text in enumerate(texts(count)):
        (folder / f"{number:03}.txt").write_text(text, "utf-8")
    return folder


def name_masks(folder: Path, file: Path) -> None:
    """The masks of pystd, whatever the track of the lab in this folder is."""
    paths = load_lab(folder).fixed.masks.masked_paths("pystd")
    file.write_text("".join(f"{path}\n" for path in paths), "utf-8")


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now
