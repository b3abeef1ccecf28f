"""How the programs' help is laid out: a command's options in sections, its summary whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

OTHERS = "Other options"
SUMMARY_MAX = 300  # characters: longer than any summary, so none is cut


class ProgramGroup(click.Group):
    """A program whose list of commands has each summary whole, over as many lines as it takes."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        shown = [
            (name, command.get_short_help_str(SUMMARY_MAX))
            for name in self.list_commands(ctx)
            if (command := self.get_command(ctx, name)) is not None and not command.hidden
        ]
        with formatter.section("Commands"):
            formatter.write_dl(shown)


class SectionedCommand(click.Command):
    """A command whose options stand under the headings of `head_section`."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for option in self.get_params(ctx):
            if (record := option.get_help_record(ctx)) is not None:
                title = getattr(option, "section", OTHERS)
                sections.setdefault(title, []).append(record)
        others = sections.pop(OTHERS, [])
        for title, records in (*sections.items(), (OTHERS, others)):
            with formatter.section(title):
                formatter.write_dl(records)


def head_section(title: str, *options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Options of a SectionedCommand under one heading, in the order they are given here."""

    def decorate(command: Any) -> Any:
        had = {id(option) for option in getattr(command, "__click_params__", ())}
        for option in reversed(options):
            command = option(command)
        for option in command.__click_params__:
            if id(option) not in had:
                option.section = title
        return command

    return decorate
