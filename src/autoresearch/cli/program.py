"""The one door of all programs: runs a click command, turns every foreseen end into an exit code.

A failure of ours is one sentence on standard error, or `{"error": …}` with --json. So are a file
that cannot be used, a text in a wrong encoding and a missing extra. A closed pipe and Ctrl-C are
exit codes.
"""

from __future__ import annotations

import io
import os
import sys
from typing import NoReturn

import click

from autoresearch.cli import show
from autoresearch.errors import AutoresearchError, BadInput, MissingTool

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
INTERRUPTED = 130  # 128 + SIGINT, as shells say it


def run_program(app: click.Command, name: str, extra: str = "") -> NoReturn:
    """Run the command line and leave with its exit code. `extra` names the optional libraries
    that its commands need."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that is not UTF-8 shows escapes
            stream.reconfigure(errors="backslashreplace")
    try:
        code = call(app, name)
        sys.stdout.flush()  # here, where a closed pipe is caught, and not when Python ends
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except (click.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except AutoresearchError as error:
        code = report_error(name, error)
    except ImportError as error:
        code = report_error(name, explain_import(error, extra))
    except OSError as error:
        reason = error.strerror or str(error)
        code = report_error(name, BadInput(f"{error.filename or 'the system'}: {reason}"))
    except UnicodeError as error:
        code = report_error(name, BadInput(f"a text is not in UTF-8: {error}"))
    raise SystemExit(code)


def call(app: click.Command, name: str) -> int:
    """Run the command without click's own endings; its exit code."""
    arguments = sys.argv[1:]
    if len(arguments) > 1 and arguments[0] == "--json":  # `ah --json log` is `ah log --json`
        arguments[:2] = arguments[1::-1]
    result = app.main(arguments, prog_name=name, standalone_mode=False)
    return result if isinstance(result, int) else 0


def report_error(name: str, error: AutoresearchError) -> int:
    if "--json" in sys.argv:
        print(show.as_json({"error": str(error)}))
    else:
        print(f"{name}: {show.clean(str(error))}", file=sys.stderr)
    return error.exit_code


def explain_import(error: ImportError, extra: str) -> AutoresearchError:
    """The sentence for a library that is not installed. An import of ours that fails is a bug."""
    missing = (error.name or "").partition(".")[0]
    if not extra or missing in ("", "autoresearch"):
        raise error
    from autoresearch.installation import install_command

    return MissingTool(f"{missing} is not installed; install it with: {install_command(extra)}")


def completion_command(program: str) -> click.Command:
    """The command `completion` of a program."""
    variable = f"_{program.upper()}_COMPLETE"

    @click.command("completion")
    @click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
    @click.pass_context
    def completion(context: click.Context, shell: str) -> None:
        """Print what makes a shell complete this program: add `eval "$(… completion bash)"`."""
        from click.shell_completion import get_completion_class

        kind = get_completion_class(shell)
        assert kind is not None  # click has these three
        print(kind(context.find_root().command, {}, program, variable).source())

    return completion
