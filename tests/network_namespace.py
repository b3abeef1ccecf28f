"""A node in a network namespace of its own, with a cable to its clients and one to the database,
which can be pulled: packets vanish, and nobody is told. Needs root.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

CLIENTS, DATABASE = 0, 4  # the cables: the last number of each one's network of four addresses


@dataclass(frozen=True)
class Namespace:
    """`address` is where the node finds the database, `listen` where its clients find it."""

    name: str = field(default_factory=lambda: f"hub{os.getpid()}")
    network: str = field(default_factory=lambda: f"10.213.{os.getpid() % 256}")

    @property
    def address(self) -> str:
        return f"{self.network}.{DATABASE + 1}"

    @property
    def listen(self) -> str:
        return f"{self.network}.{CLIENTS + 2}:0"

    @property
    def prefix(self) -> tuple[str, ...]:
        """What runs a program in there."""
        return ("ip", "netns", "exec", self.name)

    def freeze(self) -> None:
        ip("link", "set", self._host_end(DATABASE), "down")

    def cut(self) -> None:
        """Nothing more: a pulled cable resets no connection."""

    def mend(self) -> None:
        ip("link", "set", self._host_end(DATABASE), "up")

    def lay_cable(self, number: int) -> None:
        here, there = self._host_end(number), f"n{number}"
        ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", self.name)
        ip("addr", "add", f"{self.network}.{number + 1}/30", "dev", here)
        ip("link", "set", here, "up")
        ip("-n", self.name, "addr", "add", f"{self.network}.{number + 2}/30", "dev", there)
        ip("-n", self.name, "link", "set", there, "up")

    def _host_end(self, number: int) -> str:
        return f"{self.name}h{number}"


@contextmanager
def make_namespace() -> Iterator[Namespace]:
    """Raises CalledProcessError or OSError where this user may not."""
    made = Namespace()
    with ExitStack() as stack:
        ip("netns", "add", made.name)
        stack.callback(ip, "netns", "del", made.name)  # and its ends of the cables, so both
        ip("-n", made.name, "link", "set", "lo", "up")
        for number in (CLIENTS, DATABASE):
            made.lay_cable(number)
        subprocess.run([*made.prefix, "true"], check=True, capture_output=True, timeout=60)
        yield made


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=60)
