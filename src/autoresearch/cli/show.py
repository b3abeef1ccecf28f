"""What `ah` prints: tables for people, tab-separated lines for pipes, JSON where it is asked for.

Everything a hub sends was written by strangers: control characters and direction marks, with which
a text could move the cursor, forge lines or hide itself, are shown as escapes instead.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from autoresearch.untrusted import spell_out, spell_out_json

if TYPE_CHECKING:
    from autoresearch.log_replay import LogReplay

LINE_BREAKS = re.compile(r"[\t\n]+")
INDENT = "    "


def clean(text: str) -> str:
    """`text` for a terminal: what could command it is spelled out."""
    return spell_out(text)


def line(text: str, most: int = 0) -> str:
    """`text` as one clean line, cut to `most` characters where that is given."""
    one = LINE_BREAKS.sub(" ", clean(text)).strip()
    return one if not most or len(one) <= most else one[: most - 1] + "…"


def first_line(text: str) -> str:
    return line(text.strip().partition("\n")[0])


def indent(text: str) -> str:
    """A stranger's text, set off so that no line of it can pass for one of ours."""
    return "\n".join(INDENT + part for part in clean(text).rstrip("\n").split("\n"))


def as_json(value: Any) -> str:
    """One line of JSON, safe to print: unsafe characters as escapes, which JSON has for them."""
    return spell_out_json(json.dumps(value, ensure_ascii=False, default=_to_builtins))


def _to_builtins(value: Any) -> Any:
    import msgspec  # models only: `ah whoami --json` starts without it

    return msgspec.to_builtins(value)


def tell(value: Any, text: str, in_json: bool) -> None:
    """Print `value` as JSON, or else `text`, which is ours or clean."""
    print(as_json(value) if in_json else text)


def to_terminal() -> bool:
    return sys.stdout.isatty()


def table(
    value: Any,
    headers: Sequence[str],
    rows: Iterable[Sequence[object]],
    in_json: bool,
    nothing: str,
) -> None:
    """Print `value` as JSON, or `rows`: aligned on a terminal, tab separated without headers
    elsewhere."""
    if in_json:
        print(as_json(value))
        return
    cells = [[line("" if cell is None else str(cell)) for cell in row] for row in rows]
    if not cells:
        print(nothing, file=sys.stderr)
    elif to_terminal():
        _print_aligned(headers, cells)
    else:
        for row in cells:
            print("\t".join(row))


def _print_aligned(headers: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for number, header in enumerate(headers):
        last = number == len(headers) - 1
        drawn.add_column(header, no_wrap=not last, overflow="fold" if last else "ellipsis")
    for row in cells:
        drawn.add_row(*(Text(cell) for cell in row))  # Text: a stranger's [brackets] are no markup
    Console().print(drawn)


def tell_findings(replay: LogReplay, in_json: bool) -> None:
    """What an audit found, and how far the log went. Ends with exit code 1 where it found any."""
    size, root = replay.frontier.size, replay.frontier.root().hex()
    found = [finding._asdict() for finding in replay.findings]
    if in_json:
        print(as_json({"size": size, "root": root, "findings": found}))
    else:
        for finding in replay.findings:
            print(line(str(finding)))
        backups = f", {replay.restored} times back to a backup" if replay.restored else ""
        said = f"{len(found)} things are not as they were" if found else "all is as it was"
        print(f"{said}: {size} entries, root {root[:16]}{backups}")
    if found:
        raise click.exceptions.Exit(1)
