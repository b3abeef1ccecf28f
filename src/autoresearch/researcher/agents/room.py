"""The room a coding agent works in: its network, its own keys and its checkout, nothing else of the
user's.

Its home is a folder of its own, gone afterwards: the program's settings are copied in; of what it
writes there only renewed credentials are copied back, so that it plants nothing that the user's
next session would run. Leaves to others: where programs lie (`programs`), the walls (`sandbox`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from autoresearch.errors import TooLarge
from autoresearch.files import PRIVATE, replace_file
from autoresearch.folders import read_bytes, size_bytes, wipe
from autoresearch.researcher.agents.needs import ANYBODY, ELSEWHERE, Needs, find_needs
from autoresearch.researcher.agents.programs import find_program_paths
from autoresearch.researcher.sandbox import Sandbox, mounts

OURS = ("AGENTHUB_", "AUTORESEARCH_")
SETTINGS_BYTES, CREDENTIAL_BYTES = 64 * 2**20, 2**20


@dataclass(frozen=True)
class Furnished:
    """What the program finds: its environment, and which paths it may read and write besides its
    checkout."""

    environment: Mapping[str, str]
    readable: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Room:
    """`environment` is the user's own, whole. `reads`, `writes` (paths) and `variables` (names) are
    what the user grants besides; `hidden` is masked whatever is granted. Without a sandbox the
    program has all of the user's but our keys."""

    sandbox: Sandbox
    environment: Mapping[str, str]
    reads: tuple[Path, ...] = ()
    writes: tuple[Path, ...] = ()
    variables: tuple[str, ...] = ()
    hidden: tuple[Path, ...] = ()

    @property
    def home(self) -> Path:
        return Path(self.environment.get("HOME") or "~").expanduser()

    @contextmanager
    def furnish(self, words: Sequence[str], place: Path) -> Iterator[Furnished]:
        """Make the room for a command line; its home is `place` until the block ends."""
        if self.sandbox.name == "none":
            yield Furnished(remove_ours(self.environment))
            return
        needs = find_needs(words)
        wipe(place)
        place.mkdir(mode=0o700, parents=True)
        try:
            lent = self.copy_settings(needs, place)
            try:
                yield self.describe(words, needs, place)
            finally:
                self.return_credentials(place, lent)
        finally:
            wipe(place)

    def describe(self, words: Sequence[str], needs: Needs, place: Path) -> Furnished:
        environment = {
            name: value
            for name, value in remove_ours(self.environment).items()
            if is_granted(name, (*ANYBODY, *needs.variables, *self.variables))
        }
        scratch = place / "tmp"
        scratch.mkdir()
        for path in (*self.reads, *self.writes):
            link_home(path, self.home, place)
        programs = find_program_paths(list(words), environment.get("PATH", os.defpath), self.home)
        # a file that the command names stays writable in a folder that was opened for writing
        programs = tuple(p for p in programs if not mounts.is_beneath(p, self.writes))
        named = (Path(v) for v in environment.values() if v[:1] == "/" and os.path.isfile(v))
        return Furnished(
            {**environment, "HOME": str(place), "TMPDIR": str(scratch), "GIT_CONFIG_NOSYSTEM": "1"},
            (*programs, *named, *self.reads),
            (place, *self.writes),
        )

    # ---------------------------------------------------------------- the private home

    def source(self, name: str) -> Path:
        """Where the user keeps a path below home; some programs let a variable say so."""
        for variable, folder in ELSEWHERE.items():
            if (told := self.environment.get(variable)) and name.startswith(f"{folder}/"):
                return Path(told) / name.removeprefix(f"{folder}/")
        return self.home / name

    def copy_settings(self, needs: Needs, place: Path) -> dict[str, bytes]:
        """Copy settings and credentials in; returns the credentials as they were."""
        for name in (*needs.settings, *needs.credentials):
            source, target = self.source(name), place / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_file():
                shutil.copyfile(source, target)
            elif source.is_dir() and size_bytes(source) <= SETTINGS_BYTES:
                shutil.copytree(source, target)
        return {
            name: (place / name).read_bytes()
            for name in needs.credentials
            if (place / name).is_file()
        }

    def return_credentials(self, place: Path, lent: Mapping[str, bytes]) -> None:
        """Keep credentials that the program renewed, unless the user's own changed meanwhile."""
        for name, was in lent.items():
            source = self.source(name).resolve()
            try:
                now = read_bytes(place, name, CREDENTIAL_BYTES)
                if now != was and now and source.read_bytes() == was:
                    replace_file(source, now, mode=PRIVATE)
            except (OSError, TooLarge):
                continue


def remove_ours(environment: Mapping[str, str]) -> dict[str, str]:
    return {k: v for k, v in environment.items() if not k.startswith(OURS)}


def is_granted(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def link_home(path: Path, home: Path, place: Path) -> None:
    """A granted path below the user's home is found below the private one, too."""
    try:
        link = place / path.absolute().relative_to(home.absolute())
    except ValueError:
        return
    if not link.exists() and link != place:
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path.absolute())
