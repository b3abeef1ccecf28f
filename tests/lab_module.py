"""The lab's files as modules: they stand alone in `lab/`, which is no package."""

from __future__ import annotations

import importlib.util
import re
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from autoresearch.researcher.scales import read_constants, replace_constants

LAB = Path(__file__).parent.parent / "lab"
if str(LAB) not in sys.path:
    sys.path.insert(0, str(LAB))

import prepare  # noqa: E402
import train  # noqa: E402
from fixed import device, plausibility  # noqa: E402
from fixed.progress import Progress  # noqa: E402

SCALES = ("cpu", "tinystories", "climbmix")


def source_of(scale: str, **changes: Any) -> str:
    """train.py as `autoresearch init` writes it for a scale, with some constants changed."""
    source = (LAB / "train.py").read_text("utf-8")
    constants = read_constants(LAB, scale)
    source = replace_constants(source, constants) if constants else source
    for name, value in changes.items():
        source, found = re.subn(rf"^{name} = \S+", f"{name} = {value!r}", source, flags=re.M)
        assert found == 1, name
    return source


def load_train(scale: str, **changes: Any) -> ModuleType:
    """That file as a module of its own."""
    source = source_of(scale, **changes)
    name = f"train_{scale}_{abs(hash(source))}"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{name}.py"
        file.write_text(source, "utf-8")
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec and spec.loader
        module = sys.modules[name] = importlib.util.module_from_spec(spec)  # for dataclasses
        spec.loader.exec_module(module)
    return module


__all__ = [
    "LAB",
    "SCALES",
    "Progress",
    "device",
    "load_train",
    "plausibility",
    "prepare",
    "source_of",
    "train",
]
