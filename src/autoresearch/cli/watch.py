"""`autoresearch watch`: a picture that renews itself in a terminal, lines anywhere else, or a page
for browsers of this machine."""

from __future__ import annotations

import io
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autoresearch.cli import options, show
from autoresearch.cli.common import stopped_by_signals
from autoresearch.cli.options import amount, count, examples, flag
from autoresearch.errors import AutoresearchError

if TYPE_CHECKING:
    from rich.console import Console

    from autoresearch.researcher.dashboard.snapshot import View, Watcher

EPILOG = examples(
    "autoresearch watch nightly",
    "autoresearch watch nightly --once",
    "autoresearch watch nightly --web",
    "autoresearch watch nightly >> night.log",
)


@click.command(epilog=EPILOG)
@options.directory
@flag("--once", "Print what there is to see now, as lines, and end.")
@amount("--every", "Seconds between two looks.", least=0.2, most=3600, default=1.0)
@flag("--web", "Serve a live page to this machine's browsers.")
@count("--port", "With --web: where; 0 lets the system choose.", least=0, most=65535, default=0)
@options.in_json
def watch(directory: Path, once: bool, every: float, web: bool, port: int, in_json: bool) -> None:
    """See the research happen: progress, the loss beside the best's, verdicts, GPU.

    Reads only; Ctrl-C ends it, not the research.
    """
    from rich.console import Console

    from autoresearch.researcher.dashboard.plain import describe_view
    from autoresearch.researcher.dashboard.snapshot import Watcher

    stop = stopped_by_signals(words="")
    if web:
        from autoresearch.cli.watch_web import serve_night

        serve_night(directory, port, every, stop)
        return
    watcher = Watcher(directory)
    first = watcher.read_snapshot()
    console = Console()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    if in_json:
        show.tell(first.as_json(), "", in_json)
    elif once:
        say(describe_view(first))
    elif console.is_terminal and not console.is_dumb_terminal:
        draw(watcher, first, console, every, stop)
    else:
        follow(watcher, first, every, stop)


def say(lines: list[str]) -> None:
    for line in lines:
        print(line, flush=True)


def draw(
    watcher: Watcher, view: View, console: Console, every: float, stop: threading.Event
) -> None:
    """The picture, on a screen of its own; afterwards its content stays as lines."""
    from rich.live import Live
    from rich.text import Text

    from autoresearch.researcher.dashboard.draw import draw_view
    from autoresearch.researcher.dashboard.plain import describe_view

    braille = console.encoding.lower().startswith("utf")
    with Live(
        console=console,
        screen=True,
        auto_refresh=False,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as live:
        while not stop.is_set():
            live.update(draw_view(view, console.width, console.height, braille), refresh=True)
            stop.wait(every)
            try:
                view = watcher.read_snapshot()
            except (
                AutoresearchError
            ) as error:  # shown instead, and looked at again: a person may mend it meanwhile
                live.update(Text(str(error)), refresh=True)
                stop.wait(max(every, 2.0))
    say(describe_view(view))


def follow(watcher: Watcher, view: View, every: float, stop: threading.Event) -> None:
    """Lines: everything once, then what changes."""
    from autoresearch.researcher.dashboard.plain import describe_changes, describe_view

    say(describe_view(view))
    while not stop.wait(every):
        try:
            new = watcher.read_snapshot()
        except AutoresearchError as error:
            say([str(error)])
            stop.wait(60)
            continue
        say(list(describe_changes(view, new)))
        view = new
