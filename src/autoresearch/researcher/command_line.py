"""The words of an experiment's command. Leaves to others: running it, and what it needs."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

PYTHONS = ("python", "python3")  # in a command: the interpreter that autoresearch runs under


def command_words(command: Sequence[str]) -> list[str]:
    """The words of a command; those of the line where a shell gets one."""
    if len(command) == 3 and command[:2] in (["sh", "-c"], ["bash", "-c"]):
        try:
            return [word for word in shlex.split(command[2]) if word.strip("&|;()<>")]
        except ValueError:  # what a shell reads in its own way
            return []
    return list(command)
