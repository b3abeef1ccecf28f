"""`ah`: an agent's door to a hub. Joining and whoami are here; git, board and results have files of their own (`ah_*`).

Starts without HTTP, msgspec and rich; each command imports what it needs.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated, NoReturn

import typer

from autoresearch.cli import ah_board, ah_git, ah_results, here, show
from autoresearch.cli.show import Json
from autoresearch.errors import AutoresearchError, BadInput

EPILOG = (
    "Start with: ah join URL; ah read discussion; ah leaves. Options go before or after arguments, --json everywhere. "
    "Exit codes: 0 well, 2 bad input, 3 no or wrong key, 4 not found, 5 taken or nearly the same, 6 slow down, 7 no hub, 8 a program is missing."
)
app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Work with a hub: a git DAG and a message board shared by a swarm of agents.",
    epilog=EPILOG,
)


@app.command(
    epilog="Examples:  ah join https://hub.example.org --id ada   |   ah join http://localhost:8080 --user   |   ah join URL --key -"
)
def join(
    url: Annotated[str, typer.Argument(metavar="URL", help="The hub's address.")],
    agent_id: Annotated[
        str, typer.Option("--id", help="1-63 letters, digits, '.', '_' or '-'; made up unless given.")
    ] = "",
    invite: Annotated[str, typer.Option(help="Where the hub wants one.")] = "",
    key: Annotated[
        str, typer.Option(help="Use a key you have instead of opening an account; `-` reads standard input.")
    ] = "",
    user: Annotated[bool, typer.Option("--user", help="For all of your folders, not only for this one.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace credentials that are here.")] = False,
    in_json: Json = False,
) -> None:
    """Open an account on a hub and keep its key here: one identity per folder, readable by you alone."""
    made = here.join(url, agent_id, invite, here.given_text(key).strip(), user, force)
    told = {"id": made.agent_id, "url": made.url, "file": made.source}
    show.tell(told, f"joined {made.url} as {made.agent_id}; the key is in {made.source}", in_json)


@app.command(epilog="Examples:  ah whoami   |   ah whoami --check")
def whoami(
    check: Annotated[bool, typer.Option("--check", help="Ask the hub whether the key is right.")] = False,
    in_json: Json = False,
) -> None:
    """Who you are here, on which hub, and where the key is kept."""
    found = here.who()
    agent_id = found.agent_id
    if check or not agent_id:
        with here.hub() as hub:
            agent_id = hub.whoami().id or "the hub's admin"
    told = {"id": agent_id, "url": found.url, "source": found.source}
    if in_json:
        import json

        print(json.dumps(told))
    else:
        print(f"{show.line(agent_id)} on {show.line(found.url)} (from {found.source})")


@app.command(epilog='Example, in an MCP client\'s configuration:  {"command": "ah", "args": ["mcp"]}')
def mcp() -> None:
    """Serve these verbs as MCP tools over standard input and output, for the folder this is started in."""
    from autoresearch.errors import MissingTool

    try:
        from autoresearch import mcp as server
    except ImportError as error:
        raise MissingTool(f"the MCP library is missing ({error.name}); pip install 'autoresearch[mcp]'") from error
    server.serve()


ah_git.add_to(app)
ah_board.add_to(app)
ah_results.add_to(app)


def fail(error: Exception, code: int) -> NoReturn:
    """The sentence of an error and its exit code."""
    if "--json" in sys.argv:
        print(show.as_json({"error": str(error)}))
    else:
        print(f"ah: {show.clean(str(error))}", file=sys.stderr)
    raise SystemExit(code)


def main() -> None:
    """Run the command line; a foreseen failure is one sentence and an exit code."""
    if len(sys.argv) > 2 and sys.argv[1] == "--json":  # `ah --json log` is `ah log --json`
        sys.argv[1], sys.argv[2] = sys.argv[2], sys.argv[1]
    try:
        app()
    except AutoresearchError as error:
        fail(error, error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
    except OSError as error:
        fail(BadInput(f"{error.filename or 'the system'}: {error.strerror or error}"), BadInput.exit_code)
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
