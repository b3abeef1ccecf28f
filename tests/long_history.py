"""A history as research makes it, in a bare repository: one file of 25 KB that every commit changes
in a few lines, a trunk, and side branches that nobody builds on."""

from __future__ import annotations

import io
import random
import subprocess
from pathlib import Path

from autoresearch.git import bundle
from autoresearch.hub.rules.incoming import Incoming
from autoresearch.hub.store.database import Database
from git_work import ENV, Work

LINES = 600
LEAVES = 0.22  # of the commits
TRUNK = "refs/heads/main"


def first_text(rng: random.Random) -> list[str]:
    return [f"parameter_{n} = {rng.random():.6f}  # line {n} of it\n" for n in range(LINES)]


def long_history(path: Path, commits: int, seed: int = 1) -> Work:
    """Make it; its trunk is `main`, its side branches are refs/heads/leaf-<number>."""
    subprocess.run(["git", "init", "-q", "--bare", str(path)], env=ENV, check=True, timeout=60)
    work = Work(path)
    work.git("fast-import", "--quiet", data=_stream(commits, random.Random(seed)))
    work.git("symbolic-ref", "HEAD", TRUNK)
    return work


def _stream(commits: int, rng: random.Random) -> bytes:
    out = bytearray(b"blob\nmark :1\ndata 15\nthe fixed file\n\n")
    trunk = [(0, first_text(rng))]  # the newest, with their texts
    for number in range(2, commits + 2):
        is_leaf = number > 3 and rng.random() < LEAVES
        parent, text = rng.choice(trunk) if is_leaf else trunk[-1]
        text = _edit(text, rng, number)
        name = f"refs/heads/leaf-{number}" if is_leaf else TRUNK
        out += _commit(name, number, parent, "".join(text).encode())
        if not is_leaf:
            trunk = [*trunk[-19:], (number, text)]
    return bytes(out)


def _edit(text: list[str], rng: random.Random, number: int) -> list[str]:
    new = list(text)
    for line in rng.sample(range(LINES), rng.randint(1, 3)):
        new[line] = f"parameter_{line} = {rng.random():.6f}  # tried in {number}\n"
    return new


def _commit(name: str, number: int, parent: int, text: bytes) -> bytes:
    message = f"experiment {number}: another value\n".encode()
    who = f"agent-{number % 7} <agent-{number % 7}@swarm> {1700000000 + 311 * number} +0000"
    above = f"from :{parent}\n" if parent else ""
    head = f"commit {name}\nmark :{number}\nauthor {who}\ncommitter {who}\ndata {len(message)}\n"
    files = f"M 100644 :1 prepare.py\nM 100644 inline train.py\ndata {len(text)}\n"
    return head.encode() + message + above.encode() + files.encode() + text + b"\n"


def take_in(db: Database, data: bytes) -> None:
    """A bundle into a database, as a push does it."""
    file = io.BytesIO(data)
    header = bundle.read_header(file)
    with Incoming(db.reader, file, header.pack_start) as incoming:
        incoming.check(header.heads)
        with db.write() as tx:
            incoming.store(tx, agent_id="")
