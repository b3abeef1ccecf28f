"""A hub that hands bundles to `git bundle unbundle` takes in nearly everything: bombs of a few
hundred bytes that fill memory, trees that write into `.git` wherever they are checked out, commits
without their files, ref names that leave the repository.

Every animal of this zoo is pushed to a real server with two worker processes: it is refused with
400 or 413 and a sentence, the store is byte for byte what it was, and no worker ever holds 300 MB.
"""

from __future__ import annotations

import hashlib
import random
import sqlite3
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from autoresearch.git import bundle, pack_writer
from conftest import RunningHub, served
from git_work import IDENT, bundled, commit, oid, packed, push, tree

COMMIT, TREE, BLOB, TAG = 1, 2, 3, 4
MIB = 1024 * 1024
FILE = b"print('hello')\n"
GOOD_TREE = tree((b"100644", b"train.py", oid(BLOB, FILE)))
HEAD = oid(COMMIT, commit(oid(TREE, GOOD_TREE)))


def whole(tree_data: bytes, *more: tuple[int, bytes], **header: bytes) -> bytes:
    """A bundle of one commit on `tree_data`, with FILE and `more`."""
    return bundled(
        [(BLOB, FILE), *more, (TREE, tree_data), (COMMIT, commit(oid(TREE, tree_data), **header))]
    )


def named(name: bytes, mode: bytes = b"100644") -> bytes:
    """A bundle whose tree has one entry of this name."""
    of = oid(TREE, GOOD_TREE) if mode == b"40000" else oid(BLOB, FILE)
    return whole(tree((mode, name, of)), *([(TREE, GOOD_TREE)] if mode == b"40000" else []))


def raw_commit(data: bytes) -> bytes:
    return bundled([(BLOB, FILE), (TREE, GOOD_TREE), (COMMIT, data)])


def entries(*parts: bytes, count: int | None = None) -> bytes:
    """A bundle with a pack of raw entries and a right checksum."""
    body = b"PACK" + struct.pack(">II", 2, len(parts) if count is None else count) + b"".join(parts)
    return head() + body + hashlib.sha1(body).digest()


def head(name: str = "refs/heads/main", of: bytes = HEAD) -> bytes:
    return bundle.write_header([(of.hex(), name)])


def entry(kind: int, data: bytes, size: int | None = None) -> bytes:
    return pack_writer.entry_header(kind, len(data) if size is None else size) + zlib.compress(data)


def varint(n: int) -> bytes:
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    return bytes([*out, n])


def delta_bomb() -> bytes:
    """A few hundred bytes that would become 390 MB: every instruction copies the whole base."""
    base = b"\0" * 65536
    copies = 6000
    delta = varint(len(base)) + varint(copies * 65536) + b"\x80" * copies
    return entries(
        entry(BLOB, base),
        pack_writer.entry_header(7, len(delta)) + oid(BLOB, base) + zlib.compress(delta),
    )


def delta_ladder() -> bytes:
    """Forty files of 30 MB each, every one a delta of a hundred bytes."""
    base = bytes(65536)
    size = 480 * 65536
    parts = [entry(BLOB, base)]
    for n in range(40):
        delta = (
            varint(len(base)) + varint(size + 2) + b"\x80" * 480 + b"\x02" + struct.pack(">H", n)
        )
        parts.append(
            pack_writer.entry_header(7, len(delta)) + oid(BLOB, base) + zlib.compress(delta)
        )
    return entries(*parts)


def million_objects() -> bytes:
    """A million tiny objects, promised truly."""
    one = entry(BLOB, b"x")
    return entries(*[one] * 1_000_000)


def many_zeros() -> bytes:
    """Three hundred files of a megabyte of nothing in a bundle of 300 KB."""
    return entries(*[entry(BLOB, n.to_bytes(4, "big") + bytes(MIB)) for n in range(300)])


def tag_object() -> bytes:
    body = (
        b"object " + HEAD.hex().encode() + b"\ntype commit\ntag v1\ntagger " + IDENT + b"\n\nv1\n"
    )
    objects = [(BLOB, FILE), (TREE, GOOD_TREE), (COMMIT, commit(oid(TREE, GOOD_TREE))), (TAG, body)]
    return bundled(objects, oid(TAG, body))


GOOD = raw_commit(commit(oid(TREE, GOOD_TREE)))
GARBAGE = random.Random(1).randbytes(3000)

ZOO: dict[str, Callable[[], bytes]] = {
    "nothing at all": lambda: b"",
    "not a bundle": lambda: GARBAGE,
    "a header without end": lambda: b"# v2 git bundle\n" + b"a" * 5000,
    "a header without refs": lambda: b"# v2 git bundle\n\n" + packed([(BLOB, FILE)]),
    "a header of a million refs": lambda: (
        b"# v2 git bundle\n"
        + b"".join(b"%040x refs/heads/%d\n" % (n, n) for n in range(50_000))
        + b"\n"
    ),
    "a SHA-256 repository": lambda: (
        b"# v3 git bundle\n@object-format=sha256\n" + b"a" * 64 + b" HEAD\n\n"
    ),
    "a SHA-256 hash in version 2": lambda: b"# v2 git bundle\n" + b"a" * 64 + b" HEAD\n\n",
    "a filtered bundle": lambda: GOOD.replace(
        b"# v2 git bundle\n", b"# v3 git bundle\n@object-format=sha1\n@filter=blob:none\n"
    ),
    "a ref that climbs out": lambda: head("refs/../../x") + GOOD[GOOD.index(b"PACK") :],
    "a ref with control characters": lambda: head("refs/heads/a\tb") + GOOD[GOOD.index(b"PACK") :],
    "a ref that is a lock": lambda: head("refs/heads/x.lock") + GOOD[GOOD.index(b"PACK") :],
    "a ref twice": lambda: (
        b"# v2 git bundle\n"
        + 2 * (HEAD.hex().encode() + b" HEAD\n")
        + b"\n"
        + GOOD[GOOD.index(b"PACK") :]
    ),
    "a ref to an absent commit": lambda: head(of=b"\x12" * 20) + GOOD[GOOD.index(b"PACK") :],
    "a ref to a file": lambda: head(of=oid(BLOB, FILE)) + GOOD[GOOD.index(b"PACK") :],
    "an absent prerequisite": lambda: bundled(
        [(BLOB, FILE), (TREE, GOOD_TREE), (COMMIT, commit(oid(TREE, GOOD_TREE)))],
        prerequisites=("ab" * 20,),
    ),
    "an absent parent": lambda: raw_commit(commit(oid(TREE, GOOD_TREE), b"\x34" * 20)),
    "an absent tree": lambda: bundled([(COMMIT, commit(b"\x56" * 20))]),
    "an absent file": lambda: whole(tree((b"100644", b"gone.py", b"\x78" * 20))),
    "a file named as a directory": lambda: whole(tree((b"40000", b"dir", oid(BLOB, FILE)))),
    "a directory named as a file": lambda: whole(
        tree((b"100644", b"x", oid(TREE, GOOD_TREE))), (TREE, GOOD_TREE)
    ),
    "a wrong checksum": lambda: GOOD[:-1] + bytes([GOOD[-1] ^ 1]),
    "a flipped bit": lambda: GOOD[:-60] + bytes([GOOD[-60] ^ 4]) + GOOD[-59:],
    "a pack cut off": lambda: GOOD[:-30],
    "bytes behind the pack": lambda: GOOD + b"more",
    "a pack of version 3": lambda: GOOD.replace(b"PACK\0\0\0\2", b"PACK\0\0\0\3"),
    "more objects promised than there": lambda: entries(entry(BLOB, FILE), count=4_000_000_000),
    "an object of unknown kind": lambda: entries(entry(5, FILE)),
    "an object shorter than it says": lambda: entries(entry(BLOB, FILE, size=len(FILE) + 1)),
    "an object longer than it says": lambda: entries(entry(BLOB, FILE, size=len(FILE) - 1)),
    "an object twice": lambda: entries(entry(BLOB, FILE), entry(BLOB, FILE)),
    "a delta without base": lambda: entries(
        pack_writer.entry_header(7, 4) + b"\x9a" * 20 + zlib.compress(b"\1\1\1a")
    ),
    "a delta on itself": lambda: entries(
        pack_writer.entry_header(6, 4) + b"\0" + zlib.compress(b"\1\1\1a")
    ),
    "a delta that copies from beyond": lambda: entries(
        entry(BLOB, b"a"),
        pack_writer.entry_header(7, 5) + oid(BLOB, b"a") + zlib.compress(b"\1\5\x91\0\5"),
    ),
    "a delta bomb": delta_bomb,
    "a ladder of delta bombs": delta_ladder,
    "a bomb of one file": lambda: entries(entry(BLOB, bytes(300 * MIB))),
    "a bomb that lies about its size": lambda: entries(entry(BLOB, bytes(300 * MIB), size=10)),
    "a bomb of many files": many_zeros,
    "a million tiny objects": million_objects,
    ".git": lambda: named(b".git", b"40000"),
    ".GIT": lambda: named(b".GIT", b"40000"),
    "git~1": lambda: named(b"git~1"),
    ".git with a code point HFS+ ignores": lambda: named(".g\u200cit".encode(), b"40000"),
    ".git with dots and spaces": lambda: named(b".git . .", b"40000"),
    ".git as an NTFS stream": lambda: named(b".git::$INDEX_ALLOCATION", b"40000"),
    "a backslash": lambda: named(b"a\\.git"),
    "..": lambda: named(b"..", b"40000"),
    ".": lambda: named(b".", b"40000"),
    "an empty name": lambda: named(b""),
    "a slash": lambda: named(b"a/b"),
    "a name that is not UTF-8": lambda: named(b"\xff\xfe"),
    "a line break in a name": lambda: named(b"a\nb"),
    "a symbolic link": lambda: named(b"link", b"120000"),
    "a submodule": lambda: whole(tree((b"160000", b"sub", HEAD))),
    ".gitmodules": lambda: named(b".gitmodules"),
    ".gitmodules in disguise": lambda: named(b"GITMOD~1"),
    ".gitattributes with an endless line": lambda: whole(
        tree((b"100644", b".gitattributes", oid(BLOB, b"a" * 3000))), (BLOB, b"a" * 3000)
    ),
    "mode 100777": lambda: named(b"x", b"100777"),
    "a mode with a zero before it": lambda: named(b"x", b"0100644"),
    "a name twice": lambda: whole(tree(*[(b"100644", b"x", oid(BLOB, FILE))] * 2)),
    "names out of order": lambda: whole(
        tree(*[(b"100644", n, oid(BLOB, FILE)) for n in (b"b", b"a")])
    ),
    "the null hash": lambda: whole(tree((b"100644", b"x", bytes(20)))),
    "a tree cut off": lambda: whole(GOOD_TREE[:-3]),
    "a NUL in a commit": lambda: raw_commit(commit(oid(TREE, GOOD_TREE), message=b"a\0b")),
    "an author without mail": lambda: raw_commit(
        commit(oid(TREE, GOOD_TREE), author=b"me 1 +0000")
    ),
    "a date that is none": lambda: raw_commit(
        commit(oid(TREE, GOOD_TREE), author=b"a <b> now +0000")
    ),
    "two authors": lambda: raw_commit(
        commit(oid(TREE, GOOD_TREE), extra=b"author " + IDENT + b"\n")
    ),
    "a commit without committer": lambda: raw_commit(
        b"tree " + oid(TREE, GOOD_TREE).hex().encode() + b"\nauthor " + IDENT + b"\n\nx\n"
    ),
    "an annotated tag": tag_object,
}


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """A server of this module's own, whose memory and store nobody else touches."""
    with served(tmp_path_factory.mktemp("zoo") / "hub") as hub:
        yield hub


@pytest.fixture(scope="module")
def attacker(target: RunningHub) -> Any:
    return target.agent("attacker")


def store(data: Path) -> str:
    """A digest of everything a push could leave behind."""
    digest = hashlib.sha256()
    with sqlite3.connect(f"file:{data / 'hub.sqlite3'}?mode=ro", uri=True) as db:
        for table in ("objects", "commits", "commit_parents", "refs", "documents", "events"):
            for row in db.execute(f"SELECT * FROM {table} ORDER BY 1, 2"):
                digest.update(repr(row).encode())
    return digest.hexdigest()


def peaks(hub: RunningHub) -> list[int]:
    """The most memory that each process of the server ever held, in bytes."""
    assert hub.process is not None
    found = []
    for process in [
        psutil.Process(hub.process.pid),
        *psutil.Process(hub.process.pid).children(recursive=True),
    ]:
        status = Path(f"/proc/{process.pid}/status").read_text()
        found += [
            int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM")
        ]
    return found


@pytest.mark.parametrize("animal", ZOO)
def test_is_refused_without_a_trace(animal: str, target: RunningHub, attacker: Any) -> None:
    """Refused with 400 or 413 and a sentence; the store is what it was."""
    before = store(target.data)

    answer = push(attacker, ZOO[animal]())

    assert answer.status_code in (400, 413), (answer.status_code, answer.text)
    assert len(answer.json()["error"]) > 10
    assert before == store(target.data)


def test_no_worker_ever_held_300_mb(target: RunningHub, attacker: Any) -> None:
    """After the biggest bombs, eight at a time, each process has stayed below 300 MB; and a good
    push still works."""
    from concurrent.futures import ThreadPoolExecutor

    bombs = [
        ZOO[name]()
        for name in (
            "a bomb of many files",
            "a ladder of delta bombs",
            "a bomb of one file",
            "a million tiny objects",
        )
    ]
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda data: push(attacker, data).status_code, bombs * 4))

    assert set(codes) <= {400, 413}
    assert max(peaks(target)) < 300 * MIB, peaks(target)
    assert push(attacker, GOOD).status_code == 201
