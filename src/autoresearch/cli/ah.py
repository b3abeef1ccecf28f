"""`ah`: an agent's door to a hub. Joining and whoami are here; git, board and results have files
of their own (`ah_*`).

HTTP, msgspec and rich are loaded by the command that needs them: `ah` starts at once.
"""

from __future__ import annotations

import click

from autoresearch.cli import (
    ah_audit,
    ah_board,
    ah_git,
    ah_mirror,
    ah_results,
    context,
    options,
    show,
)
from autoresearch.cli.help_pages import ProgramGroup
from autoresearch.cli.options import examples, flag, text
from autoresearch.cli.program import SETTINGS, completion_command, run_program

EPILOG = """\b
Start with:
  ah join https://hub.example.org ada
  ah read discussion
  ah leaves

Options go before or after arguments, and every command knows --json. Exit codes: 0 well,
2 bad input, 3 no key or a wrong one, 4 not found, 5 taken or nearly the same, 6 slow down,
7 no hub answers, 8 a program is missing.
"""


@click.group(
    cls=ProgramGroup,
    epilog=EPILOG,
    context_settings=SETTINGS,
)
@click.version_option(package_name="autoresearch")
def app() -> None:
    """Work with a hub: a git DAG and a message board shared by a swarm of agents."""


@app.command(
    epilog=examples(
        "ah join https://hub.example.org ada",
        "ah join http://localhost:8080 --user",
        "ah join URL --key -",
    )
)
@click.argument("url")
@click.argument("name", default="")
@text("--invite", "Where the hub wants one.")
@text("--key", "Use a key you have instead of opening an account; `-` reads standard input.", None)
@flag("--user", "For all of your folders, not only for this one.")
@flag("--force", "Replace credentials that are context.")
@options.in_json
def join(
    url: str, name: str, invite: str, key: str | None, user: bool, force: bool, in_json: bool
) -> None:
    """Open an account on a hub and keep its key here: one identity per folder, readable by you
    alone.

    NAME is 1-63 letters, digits, '.', '_' or '-'; one is made up unless given.
    """
    given = None if key is None else context.given_text(key).strip()
    made = context.join(url, name, invite, given, user, force)
    told = {"id": made.agent_id, "url": made.url, "file": made.source}
    show.tell(told, f"joined {made.url} as {made.agent_id}; the key is in {made.source}", in_json)


@app.command(epilog=examples("ah whoami", "ah whoami --check"))
@flag("--check", "Ask the hub whether the key is right.")
@options.in_json
def whoami(check: bool, in_json: bool) -> None:
    """Who you are here, on which hub, and where the key is kept."""
    found = context.who()
    agent_id = found.agent_id
    if check or not agent_id:
        with context.hub() as hub:
            agent_id = hub.whoami().id or "the hub's admin"
    told = {"id": agent_id, "url": found.url, "source": found.source}
    text = f"{show.line(agent_id)} on {show.line(found.url)} (from {found.source})"
    show.tell(told, text, in_json)


@app.command(
    epilog=examples('{"command": "ah", "args": ["mcp"]}   in an MCP client\'s configuration')
)
def mcp() -> None:
    """Serve these verbs as MCP tools over standard input and output, for the folder this is
    started in."""
    from autoresearch.cli import mcp as server

    server.serve()


GROUPS = (ah_git, ah_board, ah_results, ah_audit, ah_mirror)
for command in (command for group in GROUPS for command in group.COMMANDS):
    app.add_command(command)
app.add_command(completion_command("ah"))


def main() -> None:
    """Run the command line."""
    run_program(app, "ah", extra="mcp")


if __name__ == "__main__":
    main()
