"""`ah`: an agent's door to a hub. Joining and whoami are here; git, board and results have files of their own (`ah_*`).

Written with click rather than Typer, whose coercion loads pydantic and doubles the start; and without HTTP, msgspec and rich
until a command needs them. So `ah` starts at once.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import click

from autoresearch.cli import ah_board, ah_git, ah_results, context, options, show
from autoresearch.cli.options import examples
from autoresearch.errors import AutoresearchError, BadInput, MissingTool

EPILOG = """\b
Start with:
  ah join https://hub.example.org ada
  ah read discussion
  ah leaves

Options go before or after arguments, and every command knows --json. Exit codes: 0 well, 2 bad input, 3 no key or a wrong one,
4 not found, 5 taken or nearly the same, 6 slow down, 7 no hub answers, 8 a program is missing.
"""


@click.group(
    epilog=EPILOG,
    context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 120},
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
@click.option("--invite", default="", help="Where the hub wants one.")
@click.option(
    "--key",
    default="",
    help="Use a key you have instead of opening an account; `-` reads standard input.",
)
@click.option("--user", is_flag=True, help="For all of your folders, not only for this one.")
@click.option("--force", is_flag=True, help="Replace credentials that are context.")
@options.in_json
def join(
    url: str, name: str, invite: str, key: str, user: bool, force: bool, in_json: bool
) -> None:
    """Open an account on a hub and keep its key here: one identity per folder, readable by you alone.

    NAME is 1-63 letters, digits, '.', '_' or '-'; one is made up unless given.
    """
    made = context.join(url, name, invite, context.given_text(key).strip(), user, force)
    told = {"id": made.agent_id, "url": made.url, "file": made.source}
    show.tell(told, f"joined {made.url} as {made.agent_id}; the key is in {made.source}", in_json)


@app.command(epilog=examples("ah whoami", "ah whoami --check"))
@click.option("--check", is_flag=True, help="Ask the hub whether the key is right.")
@options.in_json
def whoami(check: bool, in_json: bool) -> None:
    """Who you are here, on which hub, and where the key is kept."""
    found = context.who()
    agent_id = found.agent_id
    if check or not agent_id:
        with context.hub() as hub:
            agent_id = hub.whoami().id or "the hub's admin"
    if in_json:
        import json

        print(json.dumps({"id": agent_id, "url": found.url, "source": found.source}))
    else:
        print(f"{show.line(agent_id)} on {show.line(found.url)} (from {found.source})")


@app.command(
    epilog=examples('{"command": "ah", "args": ["mcp"]}   in an MCP client\'s configuration')
)
def mcp() -> None:
    """Serve these verbs as MCP tools over standard input and output, for the folder this is started in."""
    try:
        from autoresearch import mcp as server
    except ImportError as error:
        raise MissingTool(
            f"the MCP library is missing ({error.name}); pip install 'autoresearch[mcp]'"
        ) from error
    server.serve()


@app.command(
    epilog=examples(
        'eval "$(ah completion bash)"   in ~/.bashrc',
        "ah completion fish > ~/.config/fish/completions/ah.fish",
    )
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes a shell complete `ah`."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None  # click has these three
    print(kind(app, {}, "ah", "_AH_COMPLETE").source())


for command in (*ah_git.COMMANDS, *ah_board.COMMANDS, *ah_results.COMMANDS):
    app.add_command(command)


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
        try:
            app(prog_name="ah")
        finally:
            sys.stdout.flush()  # here, where a closed pipe is caught, and not when the interpreter ends
    except AutoresearchError as error:
        fail(error, error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
    except OSError as error:
        fail(
            BadInput(f"{error.filename or 'the system'}: {error.strerror or error}"),
            BadInput.exit_code,
        )
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
