"""One researcher under soak: its agent is flaky, its hub is cut off and killed, its machine sleeps,
and it is killed itself. What its ledger says has to be on the hub once, and nothing left behind.
"""

from __future__ import annotations

import contextlib
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from relay import Relay
from soak_clients import Book
from soak_faults import FAKETIME, Usage, fake_clock
from swarms import MARK, Researcher, Town, check_told_once, seed, workspace
from tiny_workspaces import alive

KILLS_UNTIL = 0.4
LASTS_S = 3.0
STARTS_S = 30.0  # that a program may still grow
ASLEEP_S = 4 * 3600  # that a machine sleeps, as its clock tells
RUN_S = 0.5
MANY = 1_000_000
LAST_DELIVERY_S = 120.0
# libfaketime 0.9.10 refuses the call by which Python sleeps since 3.11 (EINVAL), and takes this one
SLEEP = "import select, time; time.sleep = lambda s: select.select([], [], [], s); "
# A coding agent as they are on a bad day.
CODER = """\
import pathlib, random, sys, time
brief = sys.stdin.read()
file, fate = pathlib.Path("train.py"), random.random()
if fate < 0.1:
    sys.exit("Traceback: something went wrong")
if fate < 0.15:
    sys.exit("You've hit your usage limit, try again in 1 seconds")
if fate < 0.2:
    sys.exit(0)
if fate < 0.25:
    pathlib.Path("prepare.py").write_text("LIMIT = 2")
if fate < 0.3:
    time.sleep(3)
words = f"idea {random.getrandbits(60)} of {random.getrandbits(60):x}"
line = "raise SystemExit(3)" if fate > 0.95 else f"gains.append({random.gauss(0, 0.01)})"
file.write_text(file.read_text().replace(MARK, f"{line}  # {words}\\n{MARK}"))
pathlib.Path("notes.md").write_text(words)
print("DESCRIPTION:", words)
"""


@dataclass
class Life:
    """The researcher with its hub; faults come in turn."""

    town: Town
    relay: Relay
    researcher: Researcher
    book: Book
    clock: Path | None  # the file that libfaketime reads; None where it is not installed
    asleep_s: int = 0
    usage: Usage = field(default_factory=Usage)
    began_s: float = 0.0

    def start(self) -> None:
        self.researcher.start(MANY)
        self.usage, self.began_s = Usage(), time.monotonic()

    def look(self) -> None:
        """Note its use, and start it again where it has given up."""
        assert self.researcher.process is not None
        if self.researcher.is_over:
            self.book.note("researcher", f"exit {self.researcher.process.returncode}")
            self.start()
        if time.monotonic() - self.began_s > STARTS_S:
            self.usage.look(self.researcher.process.pid, with_children=False)

    def cut(self) -> None:
        self.relay.cut()
        self.wait(LASTS_S)
        self.relay.mend()

    def kill_hub(self) -> None:
        self.town.kill()
        self.wait(LASTS_S)
        self.town.open()

    def sleep(self) -> None:
        """The whole machine, as far as the researcher can tell."""
        assert self.researcher.process is not None
        with contextlib.suppress(psutil.Error):
            top = psutil.Process(self.researcher.process.pid)
            family = [top, *top.children(recursive=True)]
            for number in (signal.SIGSTOP, signal.SIGCONT):
                for one in family:
                    with contextlib.suppress(psutil.Error):
                        one.send_signal(number)
                if number == signal.SIGSTOP:
                    time.sleep(LASTS_S)
                    self.pass_hours()

    def pass_hours(self) -> None:
        """The clock goes on while the machine sleeps."""
        self.asleep_s += ASLEEP_S
        if self.clock is not None:
            self.clock.write_text(f"+{self.asleep_s}")

    def kill(self) -> None:
        self.researcher.kill()
        self.start()

    def wait(self, seconds: float) -> None:
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            time.sleep(min(1.0, left))
            self.look()


def soak_researcher(seconds: float, seed_number: int, pause_s: float) -> dict[str, Any]:
    book, chance = Book(), random.Random(seed_number)
    with tempfile.TemporaryDirectory(prefix="soak-") as place, contextlib.ExitStack() as stack:
        folder = Path(place)
        town = stack.enter_context(Town(folder / "hub"))
        assert town.hub is not None
        own = workspace(folder / "own", RUN_S).folder
        seed(town.hub, own)
        relay = stack.enter_context(Relay([int(town.url.rpartition(":")[2])]))
        (folder / "coder.py").write_text(f"MARK = {MARK!r}\n{CODER}")
        line = f"{sys.executable} {folder / 'coder.py'}"
        options = ("--agent", "command", "--command", line)
        clock = folder / "clock" if FAKETIME else None
        researcher = Researcher(
            own, relay.url, options, environment=fake_clock(clock), prelude=SLEEP if clock else ""
        )
        life = Life(town, relay, researcher, book, clock)
        life.start()
        live_through(life, seconds, chance, pause_s)
        used = life.usage.ends()
        wrong = end(life)
        records = life.researcher.records()
    return {
        "seconds": round(seconds), "experiments": len(records), **used, "lost": [],
        "verdicts": sorted({record.status for record in records}), "wrong": wrong,
        "problems": [], "counts": dict(sorted(book.counts.items())),
        "missing": [] if FAKETIME else ["libfaketime: the clock stood still while it slept"],
    }  # fmt: skip


def live_through(life: Life, seconds: float, chance: random.Random, pause_s: float) -> None:
    begun = time.monotonic()
    while (passed := time.monotonic() - begun) < seconds:
        life.wait(min(pause_s, seconds - passed))
        kinds: list[Callable[[], None]] = [life.cut, life.kill_hub, life.sleep]
        kinds += [life.kill] if passed < KILLS_UNTIL * seconds else []
        kind = chance.choice(kinds)
        life.book.note("fault", kind.__name__)
        kind()


def end(life: Life) -> list[str]:
    """Stop it as a user would, let it deliver what waits, and say what is wrong."""
    one = life.researcher
    assert one.process is not None and life.town.hub is not None
    one.process.send_signal(signal.SIGINT)
    one.process.wait(300)
    ends = time.monotonic() + LAST_DELIVERY_S
    while True:
        one.start(0)
        one.process.wait(300)
        if not one.waiting() or time.monotonic() > ends:
            break
    wrong = []
    try:
        check_told_once(life.town.hub.agent("reader"), {one.name: one})
    except AssertionError as error:
        wrong.append(f"ledger and hub differ: {error}"[:400])
    ids = [record.id for record in one.records()]
    wrong += [f"{len(ids) - len(set(ids))} ids are there twice"] if len(set(ids)) < len(ids) else []
    wrong += [
        f"a checkout is left: {path}" for path in one.folder.glob(".autoresearch/worktrees/*")
    ]
    wrong += [f"a process is left: {left}" for left in alive(one.folder)]
    return wrong
