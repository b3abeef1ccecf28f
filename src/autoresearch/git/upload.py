"""A bare repository made of packs we wrote, and `git upload-pack` on it: how plain `git clone` and
`git fetch` are served.

The repository is a cache. Its packs are named by what they hold (`pack-<from>-<to>-<last
object>`), and each has a `.keep` beside it, so that `git gc`, whoever runs it, leaves them alone.
What belongs into it is its caller's to say.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from autoresearch.errors import AutoresearchError
from autoresearch.files import replace_file
from autoresearch.git.repo import Repo, environment

CHUNK_BYTES = 64 * 1024
TIMEOUT_S = 600.0
_NAME = re.compile(r"pack-(\d{12})-(\d{12})-([0-9a-f]{40})\.pack")
CONFIG = {
    "gc.auto": "0",
    "gc.pruneExpire": "never",
    "maintenance.auto": "false",
    "uploadpack.allowAnySHA1InWant": "true",  # any commit of the hub may be asked for by its hash
    "uploadpack.allowFilter": "true",
    "uploadpack.hideRefs": "refs/keep",
    "core.logAllRefUpdates": "false",
}


@dataclass(frozen=True, slots=True, order=True)
class MirrorPack:
    """A pack of the cache: objects numbered over `behind` and up to `to`, the last of them `last`
    (40 hex digits)."""

    behind: int
    to: int
    last: str

    @property
    def name(self) -> str:
        return f"pack-{self.behind:012d}-{self.to:012d}-{self.last}"


class Bare:
    """The bare repository in `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._packs = path / "objects" / "pack"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Alone among all processes; the repository is there."""
        self.path.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path / "agenthub.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if not self._packs.is_dir() or not (self.path / "config").exists():
                repo = Repo(self.path)
                repo.git("init", "-q", "--bare", "--template=", ".")
                for name, value in CONFIG.items():
                    repo.git("config", name, value)
                self._packs.mkdir(parents=True, exist_ok=True)
            yield
        finally:
            os.close(descriptor)

    def exists(self) -> bool:
        return (self.path / "packed-refs").exists() and (self.path / "HEAD").exists()

    def list_packs(self) -> list[MirrorPack]:
        """The packs that are whole, by number."""
        found = [_NAME.fullmatch(path.name) for path in self._packs.glob("pack-*.pack")]
        packs = [MirrorPack(int(match[1]), int(match[2]), match[3]) for match in found if match]
        return sorted(pack for pack in packs if (self._packs / f"{pack.name}.idx").exists())

    def drop(self, packs: Iterable[MirrorPack]) -> None:
        for pack in packs:
            for end in (".idx", ".keep", ".rev", ".pack"):
                (self._packs / f"{pack.name}{end}").unlink(missing_ok=True)

    def add(self, pack: MirrorPack, pieces: Iterable[bytes]) -> None:
        """Write a pack and its index; it counts once its index is there."""
        place = self._packs / pack.name
        descriptor, draft = tempfile.mkstemp(dir=self._packs, prefix="tmp_pack_")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.writelines(pieces)
            Path(f"{place}.keep").touch()
            Repo(self.path).git("index-pack", "-o", f"{draft}.idx", draft)
            os.replace(draft, f"{place}.pack")
            os.replace(f"{draft}.idx", f"{place}.idx")
        finally:
            for left in (draft, f"{draft}.idx", f"{draft}.rev"):
                Path(left).unlink(missing_ok=True)

    def set_refs(self, refs: Mapping[str, str], head: str) -> None:
        """Show these refs (name to hash) and no others, with HEAD at the name `head`."""
        lines = [f"{refs[name]} {name}\n" for name in sorted(refs)]
        self._replace(
            "packed-refs", "# pack-refs with: peeled fully-peeled sorted \n" + "".join(lines)
        )
        self._replace("HEAD", f"ref: {head}\n")

    def _replace(self, name: str, text: str) -> None:
        path = self.path / name
        if path.exists() and path.read_text("utf-8") == text:
            return
        replace_file(path, text.encode("utf-8"), durable=False)

    async def upload_pack(self, request: BinaryIO | None, protocol: str) -> AsyncIterator[bytes]:
        """What `git upload-pack` answers: its advertisement, or with `request` (an open file) the
        objects asked for."""
        arguments = [
            "--stateless-rpc",
            "--timeout=60",
            *(["--http-backend-info-refs"] if request is None else []),
            ".",
        ]
        process = await asyncio.create_subprocess_exec(
            "git",
            "upload-pack",
            *arguments,
            cwd=self.path,
            env={**environment(), **({"GIT_PROTOCOL": protocol} if protocol else {})},
            stdin=subprocess.DEVNULL if request is None else request.fileno(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert process.stdout is not None
        try:
            while piece := await asyncio.wait_for(process.stdout.read(CHUNK_BYTES), TIMEOUT_S):
                yield piece
        except asyncio.TimeoutError:
            raise AutoresearchError("git upload-pack took too long") from None
        finally:
            if process.returncode is None and not process.stdout.at_eof():
                with suppress(ProcessLookupError):
                    process.kill()
            await process.communicate()  # reads to the end: wait() ends at the pipe's end alone
