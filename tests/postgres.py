"""A real PostgreSQL of the tests' own: a private cluster in a folder of its own, on a Unix socket.

It forgets its data with the session, so nothing waits for a disk, unless a folder is named that
keeps it. Each database is a copy of one whose tables were made once.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

START_S = 60.0
QUICK = ("fsync=off", "full_page_writes=off", "shared_buffers=32MB", "max_connections=200")
SETTINGS = (*QUICK, "listen_addresses=", "timezone=UTC")
WANTED = "initdb is not here: run `make test` as root, or sudo apt install postgresql"


def find_programs() -> Path:
    """The folder of initdb and postgres; Debian keeps it out of PATH."""
    found = [*sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))]
    if on_path := shutil.which("initdb"):
        found.append(Path(on_path))
    assert found, WANTED
    return found[-1].resolve().parent


def as_server() -> list[str]:
    """What runs a program as somebody PostgreSQL agrees to: it refuses root."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]


@dataclass
class Cluster:
    """A server whose socket and data are in `folder`."""

    folder: Path
    settings: tuple[str, ...] = SETTINGS
    process: subprocess.Popen[bytes] | None = None
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def url(self, name: str) -> str:
        user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        return f"postgresql://{user}@/{name}?host={self.folder}"

    @property
    def socket(self) -> str:
        return f"{self.folder}/.s.PGSQL.5432"

    def start(self) -> None:
        """Start the server and wait until it answers. It ends with us, however we end."""
        options = [part for setting in self.settings for part in ("-c", setting)]
        dies_with_us = ["setpriv", "--pdeathsig", "INT"] if shutil.which("setpriv") else []
        server = [find_programs() / "postgres", "-D", self.folder / "data"]
        command = [*as_server(), *dies_with_us, *server]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*map(str, command), "-k", str(self.folder), *options], stdout=log, stderr=log,
                cwd=self.folder,
            )  # fmt: skip
        deadline = time.monotonic() + START_S
        while not self.answers():
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline, "PostgreSQL does not start"
            time.sleep(0.05)

    def answers(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """At once, as a crash would, or by SIGINT with everything written down."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(30 if how is signal.SIGQUIT else 300)

    def run(self, sql: Any, url: str = "") -> None:
        import psycopg

        with psycopg.connect(url or self.url("postgres"), autocommit=True) as connection:
            connection.execute(sql)

    def column(self, sql: Any, url: str) -> list[Any]:
        import psycopg

        with psycopg.connect(url) as connection:
            return [row[0] for row in connection.execute(sql)]

    def empty_database(self, name: str = "") -> str:
        """The address of a database without a table; a name that was given is made anew."""
        if name:
            self.run(f"DROP DATABASE IF EXISTS {name}")
        name = name or f"empty{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE template0")
        return self.url(name)

    def hub_database(self) -> str:
        """The address of a database with the tables of a new hub."""
        name = f"hub{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        return self.url(name)

    def make_template(self) -> None:
        from autoresearch.hub.store import migrate

        self.run(f"CREATE DATABASE {TEMPLATE} TEMPLATE template0")
        with tempfile.TemporaryDirectory() as folder:
            migrate.prepare(Path(folder), self.url(TEMPLATE))


TEMPLATE = "hub_template"


@contextmanager
def cluster(settings: tuple[str, ...] = SETTINGS, trusted: str = "") -> Iterator[Cluster]:
    """A running server that is gone afterwards, data and all. Whoever comes from the network
    `trusted` is let in."""
    # not below pytest's folder: nobody but its owner may pass there
    folder = Path(tempfile.mkdtemp(prefix="agenthub-pg-", dir="/tmp"))
    try:
        make_data(folder)
        with (folder / "data" / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {trusted} trust\n" if trusted else "")
        made = Cluster(folder, settings)
        made.start()
        try:
            made.make_template()
            yield made
        finally:
            made.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def kept_cluster(folder: Path, settings: tuple[str, ...]) -> Iterator[Cluster]:
    """A running server whose data stay in `folder`, for the next time."""
    if not (folder / "data" / "PG_VERSION").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        make_data(folder)
    made = Cluster(folder, settings)
    made.start()
    try:
        yield made
    finally:
        made.stop(signal.SIGINT)


def make_data(folder: Path) -> None:
    """What a server needs, in an empty folder."""
    if as_server():
        shutil.chown(folder, "postgres", "postgres")
    command = [*as_server(), find_programs() / "initdb", "-D", folder / "data", "-A", "trust"]
    locale = ["--locale=C", "--encoding=UTF8", "--no-sync"]
    subprocess.run(
        [*map(str, command), *locale], check=True, capture_output=True, cwd=folder, timeout=120
    )
