"""What a person sees while experiments run: a moving bar in a terminal, plain lines anywhere else.

Reads `curve.jsonl` of the run in progress (untrusted: at most its last piece, numbers only). Decides nothing.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

TAIL_BYTES = 4096
POLL_S = 0.25
COLOURS = {"keep": "green", "discard": "yellow", "crash": "red", "repeat": "cyan"}


@dataclass(frozen=True)
class Point:
    """The newest line of a curve."""

    progress: float
    loss: float | None


class Display:
    """Prints to `console`. `quiet` says nothing at all (for --json)."""

    def __init__(self, console: Console, quiet: bool = False) -> None:
        self.console = console
        self.quiet = quiet

    def say(self, text: str) -> None:
        """One plain line; the text may come from anywhere, so it is never read as markup."""
        if not self.quiet:
            self.console.print(escape(text), highlight=False, soft_wrap=True)

    def verdict(self, number: str, word: str, text: str) -> None:
        if not self.quiet:
            self.console.print(
                f"  [{COLOURS.get(word, 'white')}]{word:8}[/] {escape(text)}", highlight=False, soft_wrap=True
            )

    @contextmanager
    def running(self, title: str, folder: Path) -> Iterator[None]:
        """Show one run while it goes on; its curve is looked for in `folder`."""
        if self.quiet:
            yield
        elif not self.console.is_terminal:
            self.say(title)
            yield
        else:
            with self.bar(title, folder):
                yield

    @contextmanager
    def bar(self, title: str, folder: Path) -> Iterator[None]:
        done = threading.Event()
        columns = (
            TextColumn("{task.description}"),
            BarColumn(30),
            TextColumn("{task.fields[loss]}"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self.console, transient=True) as progress:
            task = progress.add_task(escape(title), total=None, loss="starting")

            def follow() -> None:
                while not done.wait(POLL_S):
                    point = newest(folder / "curve.jsonl")
                    if point is not None:
                        loss = "" if point.loss is None else f"loss {point.loss:.3f}"
                        progress.update(
                            task, total=1.0, completed=point.progress, loss=loss if point.progress < 1 else "scoring"
                        )

            watcher = threading.Thread(target=follow, daemon=True)
            watcher.start()
            try:
                yield
            finally:
                done.set()
                watcher.join(timeout=5)


def newest(curve: Path) -> Point | None:
    """The last whole point of a curve, or None: while it is being written, or where it is nonsense."""
    try:
        with curve.open("rb") as handle:
            handle.seek(max(0, curve.stat().st_size - TAIL_BYTES))
            lines = handle.read(TAIL_BYTES).decode("utf-8", "replace").split("\n")[:-1]
        point = json.loads(lines[-1]) if lines else {}
        progress, loss = float(point["progress"]), float(point.get("loss", math.nan))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if not math.isfinite(progress):
        return None
    return Point(min(max(progress, 0.0), 1.0), loss if math.isfinite(loss) else None)


def duration(seconds: float) -> str:
    """`95` as `1 min 35 s`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (rest, "s")]
    shown = [f"{count} {unit}" for count, unit in parts if count]
    return " ".join(shown[:2]) or "0 s"


def clock() -> float:
    return time.monotonic()
