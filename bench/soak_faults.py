"""What happens to a hub under soak: its disk fills, its clock jumps, readers stall by the dozen,
keys are revoked, and it is killed. And what it uses meanwhile.

Leaves to others: the clients and what they were promised (`soak_clients`).
"""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import httpx
import psutil

from autoresearch.cli import agenthub
from conftest import Agent
from soak_clients import CHANNEL, Book
from swarms import Town

DISK = "1g"
FAKETIME = [
    *Path("/usr/lib").glob("*/faketime/libfaketime.so.1"),
    *Path("/usr/local/lib").glob("faketime/libfaketime.so.1"),
]
JUMP = "+400d"
CROWD = 40
LASTS_S = 2.0
MB = 2**20


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """The folder on a file system of its own, where this user may mount one; whether it is."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "soak", str(folder)]
    is_own = subprocess.run(mount, capture_output=True).returncode == 0
    try:
        yield is_own
    finally:
        if is_own:
            subprocess.run(["umount", "-l", str(folder)], capture_output=True)


def fake_clock(clock: Path | None) -> dict[str, str]:
    """What a program's environment needs for its clock to be what stands in this file."""
    if clock is None:
        return {}
    clock.write_text("+0")
    return {
        "LD_PRELOAD": str(FAKETIME[0]),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


@dataclass
class Usage:
    """Memory and descriptors of a program, a sample a second, since it was started."""

    memory_mb: list[float] = field(default_factory=list)
    files: list[float] = field(default_factory=list)

    def look(self, pid: int, with_children: bool = True) -> None:
        with contextlib.suppress(psutil.Error):
            top = psutil.Process(pid)
            family = [top, *(top.children(recursive=True) if with_children else [])]
            self.memory_mb.append(sum(one.memory_info().rss for one in family) / MB)
            self.files.append(sum(one.num_fds() for one in family))

    def ends(self) -> dict[str, list[float]]:
        """Medians of the first and of the last third, the warming up (a tenth) left out."""
        told: dict[str, list[float]] = {"memory_mb": self.memory_mb, "files": self.files}
        found: dict[str, list[float]] = {}
        for name, series in told.items():
            warm = series[len(series) // 10 :] or [0]
            part = max(1, len(warm) // 3)
            found[name] = [round(median(warm[:part]), 1), round(median(warm[-part:]), 1)]
        return found


@dataclass
class Faults:
    """One fault at a time, in turn."""

    town: Town
    book: Book
    is_own_disk: bool
    clock: Path | None  # the file that libfaketime reads; None where it is not installed
    usage: Usage = field(default_factory=Usage)
    turn: int = 0

    def open(self) -> None:
        """Start the hub, with a clock that can be set where there is one."""
        before = dict(os.environ)
        os.environ |= fake_clock(self.clock)
        try:
            self.town.open()
        finally:
            for name in set(os.environ) - set(before):
                del os.environ[name]
        self.usage = Usage()

    def next(self, may_kill: bool) -> None:
        """The next fault, over when this returns."""
        kinds = [self.crowd, self.revoke, self.jump, self.fill, *([self.kill] if may_kill else [])]
        kind = kinds[self.turn % len(kinds)]
        self.turn += 1
        self.book.note("fault", kind.__name__)
        kind()

    @property
    def pid(self) -> int:
        assert self.town.hub is not None and self.town.hub.process is not None
        return self.town.hub.process.pid

    def kill(self) -> None:
        self.town.kill()
        self.open()

    def jump(self) -> None:
        if self.clock is not None:
            self.clock.write_text(JUMP)
            time.sleep(LASTS_S)
            self.clock.write_text("+0")

    def fill(self) -> None:
        if not self.is_own_disk:
            self.limit_files()
            return
        filler = self.town.data.parent / "filler"
        try:
            with filler.open("wb") as file, contextlib.suppress(OSError):
                while True:
                    os.posix_fallocate(file.fileno(), file.seek(0, 2), 4 * MB)
            time.sleep(LASTS_S)
        finally:
            filler.unlink()

    def limit_files(self) -> None:
        """A full disk as far as one process sees it."""
        soft, hard = resource.prlimit(self.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (4096, hard))
        time.sleep(LASTS_S)
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (soft, hard))

    def crowd(self) -> None:
        """Many who ask for events and read nothing."""
        host, port = self.town.url.removeprefix("http://").split(":")
        with contextlib.ExitStack() as held:
            for _ in range(CROWD):
                with contextlib.suppress(OSError):
                    one = held.enter_context(socket.create_connection((host, int(port)), 10))
                    one.sendall(b"GET /api/events HTTP/1.1\r\nHost: x\r\n\r\n")
            time.sleep(LASTS_S)

    def revoke(self) -> None:
        """An agent posts, loses its key and is refused from then on; its post stays."""
        hub = self.town.hub
        assert hub is not None
        with contextlib.suppress(httpx.TransportError, AssertionError):
            agent = hub.agent("revoked")
            posted = post(agent, f"before {agent.id}")
            verb = ["agents", "revoke", agent.id, "--data", str(hub.data)]
            with contextlib.redirect_stdout(sys.stderr):
                agenthub.app(verb, standalone_mode=False)
            if posted.status_code == 201:
                self.book.keep_post("revoked", posted.json()["id"], f"before {agent.id}")
            time.sleep(LASTS_S)  # workers hear of it within a second
            if (again := post(agent, "after")).status_code not in (401, 503):
                self.book.accuse("revoked", f"{again.status_code} after its key was revoked")


def post(agent: Agent, text: str) -> httpx.Response:
    return agent.post(f"/api/channels/{CHANNEL}/posts", {"content": text})


@contextlib.contextmanager
def watched(faults: Faults) -> Iterator[None]:
    """Look at the hub's use once a second, until the block ends."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(1.0):
            with contextlib.suppress(AssertionError):
                faults.usage.look(faults.pid)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
