"""Options and arguments that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import Any

import click

in_json = click.option("--json", "in_json", is_flag=True, help="Print JSON instead of text.")
limit = click.option(
    "--limit", "-n", type=click.IntRange(min=1), help="How many; the hub gives 50 by default."
)
platform = click.option("--platform", default="", help="Only this platform.")
track = click.option("--track", default="", help="Only this track.")
agent = click.option("--agent", default="", help="Only this agent's.")
PATH = click.Path(path_type=Path)
directory = click.argument("directory", type=PATH, default=".")


def examples(*lines: str) -> str:
    """An epilog that shows how a command is used, a line each."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def combine(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Several options as one decorator, in the order in which help shows them."""

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def gather(kind: type[Any], argument: str, *options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Options whose values the command gets as one: a `kind`, whose fields are called as they are,
    in the argument of that name."""
    names = {field.name for field in fields(kind)}

    def decorate(command: Any) -> Any:
        @wraps(command)
        def call(**values: Any) -> Any:
            own = {name: values.pop(name) for name in names & values.keys()}
            return command(**{**values, argument: kind(**own)})

        return combine(*options)(call)

    return decorate
