"""The blocks of constants that train.py has for each kind of machine.

Leaves to others: which scale suits a machine (init)."""

from __future__ import annotations

import re
from pathlib import Path

from autoresearch.errors import BadInput, BadWorkspace

# In train.py: from its heading to the rule above the next section.
CONSTANTS = re.compile(r"^# Constants\b.*?(?=^# ---)", re.MULTILINE | re.DOTALL)


def read_constants(lab: Path, scale: str) -> str:
    """The block of constants of a scale; empty for `cpu`, which train.py has itself."""
    others = sorted(file.stem for file in (lab / "scales").glob("*.py"))
    if scale == "cpu":
        return ""
    if scale not in others:
        raise BadInput(f"--scale {scale!r} is none of auto, cpu, {', '.join(others)}")
    return (lab / "scales" / f"{scale}.py").read_text("utf-8")


def replace_constants(source: str, constants: str) -> str:
    """train.py with another block of constants.

    A field of the model's Config takes the constant of its name. Where the CPU's block has no such
    constant, because it would have no effect there, the field is a literal until then."""
    source, found = CONSTANTS.subn(lambda _: constants + "\n", source, count=1)
    if not found:
        raise BadWorkspace("train.py has no block that begins with the line `# Constants`")
    for name in re.findall(r"^([A-Z]\w*) =", constants, re.MULTILINE):
        field = rf"^(    {name.lower()}: \w+ = )\S+"
        source = re.sub(field, rf"\g<1>{name}", source, count=1, flags=re.MULTILINE)
    return source
