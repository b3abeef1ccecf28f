"""`ah mirror`: a hub copied into a folder of one's own, every entry proved. What is proved and kept
is the business of `hub.rules.mirrored_*`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autoresearch.cli import context, options, seen_heads, show
from autoresearch.cli.options import PATH, examples

if TYPE_CHECKING:
    from autoresearch.hub.rules.mirrored_hub import Tell


@click.command(
    epilog=examples(
        "ah mirror copy",
        "ah mirror copy && ah audit --database copy",
        "agenthub serve --data copy --registration closed",
    )
)
@click.argument("folder", type=PATH)
@options.in_json
def mirror(folder: Path, in_json: bool) -> None:
    """Copy the hub joined from here into a folder, which `agenthub serve` and `ah audit` read.

    Every page of the log is proved against the head that the hub signed, every row and commit
    against its entry. Repeat it to follow the hub; after an interruption it goes on where it was.
    Exit code 1 where something does not hold.
    """
    from autoresearch.client import Hub
    from autoresearch.hub.rules.mirrored_hub import open_mirror, update_mirror

    found = context.who()
    with Hub(found.url, found.key) as hub, _showing_progress() as tell:
        file = seen_heads.find_file(os.environ, hub.url)
        seen = seen_heads.read_heads(file)
        hub.log_head()  # a hub that does not answer leaves no folder behind
        db = open_mirror(folder, hub.url)
        try:
            replay, head = update_mirror(db, hub, seen, tell)
        finally:
            db.close()
    for other in {old.public_key for old in seen} - {head.public_key}:
        replay.note("log", "head", f"the hub signs by another key than {other[:16]}…, seen before")
    if not replay.findings:
        seen_heads.keep_head(file, head)
    show.tell_findings(replay, in_json)


@contextmanager
def _showing_progress() -> Iterator[Tell]:
    """A bar with the time left for each thing that comes, on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as TimeLeftColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeLeftColumn(), console=Console(stderr=True)) as progress:
        tasks = {}

        def tell(what: str, done: int, in_all: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what)
            progress.update(tasks[what], completed=done, total=in_all)

        yield tell


COMMANDS = (mirror,)
