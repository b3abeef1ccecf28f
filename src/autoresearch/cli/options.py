"""Options that several commands of `ah` share."""

from __future__ import annotations

import click

in_json = click.option("--json", "in_json", is_flag=True, help="Print JSON instead of text.")
limit = click.option(
    "--limit", "-n", type=click.IntRange(min=1), help="How many; the hub gives 50 by default."
)
platform = click.option("--platform", default="", help="Only this platform.")
track = click.option("--track", default="", help="Only this track.")
agent = click.option("--agent", default="", help="Only this agent's.")


def examples(*lines: str) -> str:
    """An epilog that shows how a command is used, a line each."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)
