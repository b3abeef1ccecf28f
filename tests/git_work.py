"""A repository of an agent's own for tests of the hub, driven by the git program as an agent
would; and objects made by hand."""

from __future__ import annotations

import hashlib
import os
import secrets
import subprocess
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoresearch.git import bundle, pack_writer

NAMES = {1: b"commit", 2: b"tree", 3: b"blob", 4: b"tag"}
IDENT = b"A U Thor <author@example.com> 1700000000 +0000"
ENV = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "A U Thor",
    "GIT_AUTHOR_EMAIL": "author@example.com",
    "GIT_COMMITTER_NAME": "C O Mitter",
    "GIT_COMMITTER_EMAIL": "committer@example.com",
    "GIT_TERMINAL_PROMPT": "0",
}


@dataclass(frozen=True)
class Work:
    """A work tree at `path`."""

    path: Path

    @classmethod
    def new(cls, path: Path) -> Work:
        path.mkdir(parents=True)
        work = cls(path)
        work.git("init", "-q", "-b", "main")
        return work

    def run(self, *args: str, data: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            ["git", *args], cwd=self.path, env=ENV, input=data, capture_output=True, timeout=120
        )

    def git(self, *args: str, data: bytes | None = None) -> str:
        done = self.run(*args, data=data)
        assert done.returncode == 0, (args, done.stderr.decode())
        return done.stdout.decode().strip()

    def commit(self, message: str = "try", **files: str) -> str:
        """Commit `files` (name without suffix to text); the hash."""
        for name, text in (files or {"train": f"{message}\n"}).items():
            (self.path / f"{name}.py").write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def bundle(self, *revisions: str) -> bytes:
        self.git("bundle", "create", "-q", "../out.bundle", *(revisions or ("HEAD",)))
        return (self.path.parent / "out.bundle").read_bytes()

    def bundle_of(self, commit: str, *without: str) -> bytes:
        """A bundle of a commit, without what is behind others."""
        self.git("update-ref", "refs/heads/bundled", commit)
        return self.bundle("refs/heads/bundled", *(f"^{other}" for other in without))


def push(agent: Any, data: bytes) -> Any:
    """POST a bundle; the response."""
    return agent.hub.http.post("/api/git/push", content=data, headers=agent.headers)


def push_new(agent: Any) -> str:
    """Push a commit that is nobody else's; its hash."""
    made, data = bundle_new()
    answer = push(agent, data)
    assert answer.status_code == 201, answer.text
    return made


def bundle_new() -> tuple[str, bytes]:
    """A commit that is nobody else's: its hash, and a bundle of it."""
    data = secrets.token_hex(8).encode()
    top = tree((b"100644", b"train.py", oid(3, data)))
    made = commit(oid(2, top), message=data)
    return oid(1, made).hex(), bundled([(3, data), (2, top), (1, made)])


def oid(kind: int, data: bytes) -> bytes:
    return hashlib.sha1(b"%b %d\0" % (NAMES.get(kind, b"?"), len(data)) + data).digest()


def tree(*entries: tuple[bytes, bytes, bytes]) -> bytes:
    """The content of a tree, entries (mode, name, oid) as they are given."""
    return b"".join(mode + b" " + name + b"\0" + of for mode, name, of in entries)


def commit(
    tree_oid: bytes,
    *parents: bytes,
    author: bytes = IDENT,
    extra: bytes = b"",
    message: bytes = b"try\n",
) -> bytes:
    lines = [b"tree " + tree_oid.hex().encode(), *(b"parent " + p.hex().encode() for p in parents)]
    lines += [b"author " + author, b"committer " + IDENT]
    return b"\n".join(lines) + b"\n" + extra + b"\n" + message


def packed(objects: list[tuple[int, bytes]]) -> bytes:
    """A pack of (kind, content)."""
    entries = (
        pack_writer.Packed(kind, len(data), zlib.compress(data, 1)) for kind, data in objects
    )
    return b"".join(pack_writer.write_pack(len(objects), entries))


def bundled(
    objects: list[tuple[int, bytes]], head: bytes | None = None, prerequisites: tuple[str, ...] = ()
) -> bytes:
    """A bundle of (kind, content), whose head is `head` or the last object."""
    head = oid(*objects[-1]) if head is None else head
    return bundle.write_header([(head.hex(), "refs/heads/main")], prerequisites) + packed(objects)
