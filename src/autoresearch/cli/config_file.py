"""`agenthub serve --config FILE`: the options of the command in a TOML file, under their own names.

Options of the command line and the environment are stronger than the file. Leaves to others: what
an option means (agenthub), what of it can change while the hub serves (hub.settings).
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import msgspec

from autoresearch.errors import BadInput

NOT_IN_FILES = {"config", "admin_key", "help"}
LISTS = {"trusted_proxies"}


class ConfiguredCommand(click.Command):
    """A command that can be read again from the same arguments, with what its file says then."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta["arguments"] = tuple(args)
        return super().parse_args(ctx, args)


def reread_options(command: click.Command, arguments: tuple[str, ...]) -> dict[str, Any]:
    """The values of a command's options as they would be now. Raises BadInput."""
    try:
        return command.make_context(command.name, list(arguments)).params
    except click.ClickException as error:
        raise BadInput(error.format_message()) from None


def use_file(context: click.Context, _: click.Parameter, file: Path | None) -> Path | None:
    """What the file says stands in for the options' defaults."""
    if file is not None:
        context.default_map = read_options(file, context.command)
    return file


def read_options(file: Path, command: click.Command) -> dict[str, Any]:
    """The file as names and values of parameters. Raises BadInput with what to mend."""
    try:
        table = msgspec.toml.decode(file.read_text("utf-8"))
    except OSError as error:
        raise BadInput(f"--config {file}: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{file} is not valid TOML: {error}") from None
    options = {
        option.name.replace("_", "-"): option
        for option in command.params
        if option.name and option.name not in NOT_IN_FILES
    }
    return dict(_read_option(file, options, key, value) for key, value in table.items())


def _read_option(
    file: Path, options: Mapping[str, click.Parameter], key: str, value: Any
) -> tuple[str, Any]:
    option = options.get(key)
    if option is None or option.name is None:
        raise BadInput(f"{file}: {_describe_unknown(key, options)}")
    if option.name in LISTS and isinstance(value, list):
        value = ",".join(map(str, value))
    kind = _kind_of(option)
    if type(value) is not kind:
        raise BadInput(f"{file}: {key} is {_KINDS[kind]}, not {value!r}")
    return option.name, value


_KINDS = {bool: "true or false", int: "a whole number", str: "a text in quotes"}


def _kind_of(option: click.Parameter) -> type:
    if getattr(option, "is_flag", False):
        return bool
    return int if isinstance(option.type, click.IntRange) else str


def _describe_unknown(key: str, options: Mapping[str, click.Parameter]) -> str:
    if key.replace("-", "_") == "admin_key":
        return "a key does not belong here: use AGENTHUB_ADMIN_KEY, or admin.key in the data folder"
    like = difflib.get_close_matches(key.replace("_", "-"), options, 1)
    hint = f"; is {like[0]} meant?" if like else "; `agenthub serve --help` names them"
    return f"{key!r} is no option of `agenthub serve`{hint}"
