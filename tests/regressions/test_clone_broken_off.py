"""A clone that its client breaks off holds nothing of the hub."""

from __future__ import annotations

import asyncio
import secrets
import subprocess
from pathlib import Path

from autoresearch.git.upload import Bare
from git_work import ENV, Work


def test_a_clone_broken_off_ends_its_git_program(tmp_path: Path) -> None:
    """asyncio waits for a program until its output was read to the end; here much of it is never
    asked for."""
    work = Work.new(tmp_path / "w")
    commit = work.commit(noise=secrets.token_hex(4_000_000))
    bare = tmp_path / "bare.git"
    subprocess.run(["git", "clone", "-q", "--bare", str(work.path), str(bare)], env=ENV, check=True)
    request = tmp_path / "request"
    request.write_bytes(f"0032want {commit}\n00000009done\n".encode())

    async def story() -> bytes:
        with request.open("rb") as asked:
            answer = Bare(bare).upload_pack(asked, "")
            pieces = [await anext(answer) for _ in range(2)]
            await asyncio.sleep(1)  # a slow client: what git says meanwhile fills the buffers
            await asyncio.wait_for(answer.aclose(), 120)  # type: ignore[attr-defined]
        return b"".join(pieces)

    assert b"NAK" in asyncio.run(story())
