"""How one of our programs is called from here: what we print as the next step works where it is
read, whether or not PATH leads to the environment that printed it."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path


def call_program(name: str, *words: object) -> str:
    """A line for a shell. The program is named by its path unless its name finds it."""
    return " ".join([_find_program(name), *(shlex.quote(str(word)) for word in words)])


def _find_program(name: str) -> str:
    ours = Path(sys.executable).with_name(name)
    found = shutil.which(name)
    if not ours.is_file() or (found and os.path.samefile(found, ours)):
        return name
    try:
        relative = os.path.relpath(ours)
    except OSError:  # the working directory is gone
        return shlex.quote(str(ours))
    return shlex.quote(str(ours) if relative.startswith("..") else relative)
