"""Options and arguments that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import Any

import click

PATH = click.Path(path_type=Path)
Option = Callable[[Any], Any]  # a decorator of commands


def flag(name: str, help: str, argument: str | None = None) -> Option:
    """An option that is there or not. `argument` is what the command calls it."""
    return click.option(*filter(None, (name, argument)), is_flag=True, help=help)


def text(name: str, help: str, default: str | None = "", **more: Any) -> Option:
    given: dict[str, Any] = {} if default is None else {"default": default}
    return click.option(name, help=help, **given, **more)


def choice(name: str, kinds: Sequence[str], help: str, **more: Any) -> Option:
    return click.option(name, type=click.Choice(kinds), help=help, **more)


def count(name: str, help: str, least: int = 1, most: int | None = None, **more: Any) -> Option:
    """A whole number."""
    return click.option(name, type=click.IntRange(least, most), help=help, **more)


def amount(
    name: str, help: str, least: float = 0, most: float | None = None, **more: Any
) -> Option:
    return click.option(name, type=click.FloatRange(least, most), help=help, **more)


def path(name: str, help: str, **more: Any) -> Option:
    return click.option(name, type=PATH, help=help, **more)


in_json = flag("--json", "Print JSON instead of text.", "in_json")
limit = click.option(
    "--limit", "-n", type=click.IntRange(min=1), help="How many; the hub gives 50 by default."
)
platform = text("--platform", "Only this platform.")
track = text("--track", "Only this track.")
agent = text("--agent", "Only this agent's.")
directory = click.argument("directory", type=PATH, default=".")


def examples(*lines: str) -> str:
    """An epilog that shows how a command is used, a line each."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def combine(*options: Option) -> Option:
    """Several options as one decorator, in the order in which help shows them."""

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def gather(kind: type[Any], argument: str, *options: Option) -> Option:
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
