"""What a person sees while experiments run: moving bars in a terminal, plain lines anywhere else.

Reads `curve.jsonl` of the run in progress (untrusted: at most its last piece, numbers only).
Decides nothing.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from autoresearch.researcher.curve_files import NAME, read_newest
from autoresearch.researcher.judging.curves import CurvePoint
from autoresearch.untrusted import to_lines

POLL_S = 0.25
COLOURS = {"keep": "green", "discard": "yellow", "crash": "red", "repeat": "cyan"}
RunKey = tuple[str, int]  # experiment, number of its run


class Display:
    """Prints to `console`. `quiet` says nothing at all (for --json). `many`: several experiments
    at once, so every line names its own."""

    def __init__(self, console: Console, quiet: bool = False) -> None:
        self.console = console
        self.quiet = quiet
        self.many = False
        self.bars: Bars | None = None

    def say(self, text: str) -> None:
        """One plain line; the text may come from anywhere, so it is never read as markup, nor as a
        command to the terminal."""
        if not self.quiet:
            self.console.print(escape(escape_text(text)), highlight=False, soft_wrap=True)

    def verdict(self, number: str, word: str, text: str) -> None:
        if not self.quiet:
            whose = f"{number}  " if self.many else ""
            self.console.print(
                f"  {whose}[{COLOURS.get(word, 'white')}]{word:8}[/] {escape(escape_text(text))}",
                highlight=False,
                soft_wrap=True,
            )

    def start_run(self, run: RunKey, title: str, folder: Path) -> None:
        """A run begins; its curve is looked for in `folder`."""
        if self.quiet:
            return
        whose = f"  {run[0]}" if self.many else ""
        if not self.console.is_terminal:
            self.say(f"{whose}{title}")
            return
        self.bars = self.bars or Bars(self.console)
        self.bars.add(run, f"{whose}{title}", folder)

    def finish_run(self, run: RunKey) -> None:
        """A run is over; where it was the last one, so are the bars."""
        if self.bars is not None and self.bars.drop(run) == 0:
            self.close()

    def close(self) -> None:
        """Nothing moves any more."""
        if self.bars is not None:
            self.bars.close()
            self.bars = None

    @contextmanager
    def running(self, title: str, folder: Path) -> Iterator[None]:
        """Show one run while the block lasts."""
        run = ("", 0)
        self.start_run(run, title, folder)
        try:
            yield
        finally:
            self.finish_run(run)


class Bars:
    """One moving bar for each run in progress, drawn from the runs' curves by a thread."""

    def __init__(self, console: Console) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(30),
            TextColumn("{task.fields[loss]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("left"),
        )
        self.progress = Progress(*columns, console=console, transient=True)
        self.shown: dict[RunKey, tuple[TaskID, Path]] = {}
        self.done = threading.Event()
        self.watcher = threading.Thread(target=self.follow, daemon=True)
        self.progress.start()
        self.watcher.start()

    def add(self, run: RunKey, title: str, folder: Path) -> None:
        self.shown[run] = (
            self.progress.add_task(escape(escape_text(title)), total=None, loss="starting"),
            folder,
        )

    def drop(self, run: RunKey) -> int:
        """Take a bar away; returns how many are left."""
        if run in self.shown:
            self.progress.remove_task(self.shown.pop(run)[0])
        return len(self.shown)

    def close(self) -> None:
        self.done.set()
        self.watcher.join(timeout=5)
        self.progress.stop()

    def follow(self) -> None:
        while not self.done.wait(POLL_S):
            for task, folder in list(self.shown.values()):
                point = read_newest(folder / NAME)
                if point is not None:
                    self.move(task, point)

    def move(self, task: TaskID, point: CurvePoint) -> None:
        loss = "" if math.isnan(point.loss) else f"loss {point.loss:.3f}"
        try:
            self.progress.update(
                task,
                total=1.0,
                completed=point.progress,
                loss=loss if point.progress < 1 else "scoring",
            )
        except KeyError:  # taken away meanwhile
            pass


def escape_text(text: str) -> str:
    """A text whose lines a terminal only prints: no escapes, no direction marks."""
    return "\n".join(map(to_lines, text.splitlines()))


def show_duration(seconds: float) -> str:
    """`95` as `1 min 35 s`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (rest, "s")]
    shown = [f"{count} {unit}" for count, unit in parts if count]
    return " ".join(shown[:2]) or "0 s"


def show_left(done: int, wanted: int | None, took_s: float, time_left_s: float) -> str:
    """`2 of 4 experiments, about 3 min left`; empty where nothing says when it ends. `took_s`: what
    those done took; `time_left_s`: until the time is over."""
    left_s = time_left_s
    if wanted is not None:
        left_s = min(left_s, took_s / done * (wanted - done))
    if math.isinf(left_s) or left_s <= 0:
        return ""
    counted = f"{done} of {wanted}" if wanted else f"{done}"
    plural = "s" * ((wanted or done) != 1)
    return f"{counted} experiment{plural}, about {show_duration(left_s)} left"
