"""Brings a volunteer to its hub's version: fetches the client that the hub hands out, checks it,
and has pip install it into the environment that runs this program.

Whoever asks for this lets the hub put code on their machine. The hash that the hub states finds
what broke on the way; it is no guard against the hub itself. Leaves to others: when to look
(volunteer), and the new start (cli.work).
"""

from __future__ import annotations

import json
import math
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from packaging.version import InvalidVersion, Version

from autoresearch import __version__
from autoresearch.client import Hub
from autoresearch.errors import AutoresearchError, BadInput, Conflict, MissingTool, TooLarge
from autoresearch.installation import write_wheel
from autoresearch.models import ClientWheel
from autoresearch.researcher.sandbox import Finished, Job, Limits, choose_sandbox
from autoresearch.untrusted import to_line

EVERY_S = 3600.0
WHEEL_MAX_BYTES = 32 * 2**20
PIP_TIMEOUT_S, START_TIMEOUT_S = 1800.0, 300.0
PLAIN_VERSION = re.compile(r"[0-9][0-9A-Za-z.]{0,40}", re.ASCII)  # part of a file's name
ASK_VERSION = (
    "import autoresearch.cli.autoresearch, autoresearch.researcher.verify.volunteer;"
    "print(autoresearch.__version__)"
)


@dataclass
class ClientUpdate:
    """Looks at the hub's version when it is asked, at most once an hour. `env` is pip's."""

    hub: Hub
    env: Mapping[str, str]
    say: Callable[[str], None]
    next_at: float = -math.inf  # on the monotonic clock

    def is_installed(self) -> bool:
        """Whether a newer version was installed just now, so that this program has to start anew.
        What is in the way of one is said, and work goes on."""
        if time.monotonic() < self.next_at:
            return False
        self.next_at = time.monotonic() + EVERY_S
        try:
            wheel = self.hub.client_wheel()
            if wheel.version == __version__:
                return False
            self._replace_client(wheel)
        except AutoresearchError as error:
            self.say(f"not updated, work goes on: {error}")
            return False
        self.say(f"updated from {__version__} to {wheel.version}; starting anew")
        return True

    def _replace_client(self, wheel: ClientWheel) -> None:
        check_newer(wheel.version)
        check_environment(metadata.distribution("autoresearch"))
        with tempfile.TemporaryDirectory(prefix="autoresearch-update-") as name:
            folder = Path(name)
            file = download(self.hub, wheel, folder)
            present = write_wheel(folder / "present")
            self._install(file)
            started = self._run(folder, START_TIMEOUT_S, "-c", ASK_VERSION)[1]
            if started != wheel.version:
                self._install(present)
                raise Conflict(
                    f"version {wheel.version} does not start here, so {__version__} is back: "
                    f"{to_line(started[-200:])}"
                )

    def _install(self, file: Path) -> None:
        words = ("-m", "pip", "install", "--no-input", "--disable-pip-version-check", str(file))
        finished, said = self._run(file.parent, PIP_TIMEOUT_S, *words)
        if finished.reason:
            raise Conflict(f"pip: {finished.reason}: {to_line(said[-200:])}")

    def _run(self, folder: Path, timeout_s: float, *words: str) -> tuple[Finished, str]:
        """How Python ended, and what it printed. It is not stopped with the volunteer: an
        installation would stay half done."""
        log = folder / "log"
        log.unlink(missing_ok=True)
        job = Job((sys.executable, *words), folder, self.env, Limits(timeout_s=timeout_s), log)
        finished = choose_sandbox("none").run(job)
        return finished, log.read_text("utf-8", "replace").strip()


def check_newer(version: str) -> None:
    """Raises BadInput for what is no version, Conflict for one before ours."""
    try:
        is_older = Version(version) < Version(__version__)
    except InvalidVersion:
        is_older = False
    if not PLAIN_VERSION.fullmatch(version):
        raise BadInput(f"the hub hands out {to_line(version[:80])!r}, which is no version")
    if is_older:
        raise Conflict(f"the hub hands out version {version}, older than ours, {__version__}")


def check_environment(found: metadata.Distribution) -> None:
    """Raises MissingTool where pip cannot renew this installation."""
    origin = json.loads(found.read_text("direct_url.json") or "{}")
    installer = (found.read_text("INSTALLER") or "something else").strip()
    place = found.locate_file("")
    obstacles = [
        (origin.get("dir_info", {}).get("editable"), "this is a checkout: update it with git"),
        (installer != "pip", f"{installer} installed this, not pip: update with that"),
        (sys.prefix == sys.base_prefix, f"{sys.executable} is in no virtual environment"),
        (find_spec("pip") is None, f"{sys.prefix} has no pip"),
        (not os.access(str(place), os.W_OK), f"{place} cannot be written"),
    ]
    for is_there, sentence in obstacles:
        if is_there:
            raise MissingTool(sentence)


def download(hub: Hub, wheel: ClientWheel, folder: Path) -> Path:
    """The wheel as a file. Raises TooLarge, BadInput where it is not what the hub said, and
    HubUnavailable."""
    if wheel.size > WHEEL_MAX_BYTES:
        raise TooLarge(f"the hub's client has {wheel.size} bytes, over {WHEEL_MAX_BYTES}")
    file = folder / f"autoresearch-{wheel.version}-py3-none-any.whl"
    hub.fetch_wheel(file, WHEEL_MAX_BYTES)
    found = sha256(file.read_bytes()).hexdigest()
    if found != wheel.sha256.lower():
        raise BadInput(f"the hub's client has the hash {found[:16]}…, not the one that it states")
    return file
