"""Fills hubs for `bench/hub.py` and `bench/pages.py`, and makes requests that push to them. Rows
go in by the hub's own store, many to a transaction."""

from __future__ import annotations

import hashlib
import math
import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from autoresearch import models
from autoresearch.git.bundle import write_header
from autoresearch.git.delta import make_delta
from autoresearch.git.pack_writer import Packed, write_pack
from autoresearch.hub.rules import accounts, board, repack
from autoresearch.hub.rules.accounts import Caller
from autoresearch.hub.settings import Settings
from autoresearch.hub.store import commits, events, migrate, objects, search
from autoresearch.hub.store.database import Database
from autoresearch.hub.store.objects import NewObject
from autoresearch.hub.store.statements import Transaction
from autoresearch.hub.values import NewCommit
from autoresearch.resultline import read_lines

AGENTS = 16
PLENTY = 100_000_000
PER_TRANSACTION = 1000
TRUNK = 0.78  # of commits go on top of the trunk; the others branch off it and are leaves
RECENT = 200  # how far back branches start
POSTS_RESULTS = 0.3  # of posts report a result
PLATFORMS, TRACKS = 15, 4  # of the results of `fill`, 60 boards in all
BUSY = "platform:gpu1", "track:track-0"  # the board that has a quarter of them
BUSY_SHARE = 0.25
VERIFIED = 0.05  # of the results are run again by somebody
CRASHED, KEPT = 0.07, 0.3
COMMIT, TREE, BLOB = 1, 2, 3

SOURCE = "\n".join(
    f"parameter_{n} = {n * 7919 % 1000 / 1000}  # of a training run" for n in range(600)
)


@dataclass
class Loaded:
    """What a filled hub holds, as far as the benchmark asks for it."""

    keys: list[str]
    trunk: list[str] = field(default_factory=list)  # hashes, oldest first
    parents: dict[str, str] = field(default_factory=dict)  # of the newest commits
    marks: dict[str, str] = field(default_factory=dict)  # what each wrote into its file
    posts: int = 0


def stored(kind: int, data: bytes) -> NewObject:
    name = {COMMIT: b"commit", TREE: b"tree", BLOB: b"blob"}[kind]
    oid = hashlib.sha1(name + b" %d\0" % len(data) + data, usedforsecurity=False).digest()
    return NewObject(oid, kind, len(data), zlib.compress(data, 1))


def source(mark: str) -> bytes:
    return f"{SOURCE}\nmark = '{mark}'\n".encode()


def experiment(
    parent: str, who: str, mark: str, before: str | None
) -> tuple[list[NewObject], bytes]:
    """A commit that changes one line of a file of 25 KB, as blob, tree and commit; and the tree's
    id. The blob is a delta against its parent's, whose mark is `before`, as git sends it."""
    blob = stored(BLOB, source(mark))
    if before is not None:
        delta, base = make_delta(source(before), source(mark)), stored(BLOB, source(before)).oid
        blob = NewObject(blob.oid, BLOB, len(delta), zlib.compress(delta), base)
    fixed = stored(BLOB, b"the fixed file\n")
    tree = stored(TREE, b"100644 prepare.py\0" + fixed[0] + b"100644 train.py\0" + blob[0])
    line = f"{who} <{who}@swarm> 1700000000 +0000"
    above = f"parent {parent}\n" if parent else ""
    text = (
        f"tree {tree[0].hex()}\n{above}author {line}\ncommitter {line}\n\nexperiment "
        f"{mark}: another value\n"
    )
    return [fixed, blob, tree, stored(COMMIT, text.encode())], tree[0]


def fill(data: Path, sizes: tuple[int, int], results: int = 0, seed: int = 1) -> Loaded:
    """A new hub in `data` with `sizes` commits and posts, and `results` more posts of one result
    each."""
    migrate.prepare(data)
    db = Database(data)
    rng = random.Random(seed)
    settings = Settings(data=data, admin_key_hash=b"", max_posts_per_hour=PLENTY)
    with db.write() as tx:
        keys = [accounts.create(tx, f"bench-{n}", via="operator").api_key for n in range(AGENTS)]
    loaded = Loaded(keys, posts=sizes[1])
    _many(db, sizes[0], lambda tx, number: _add_commit(tx, loaded, number, rng))
    while step := repack.plan_step(db.reader):
        with db.write() as tx:
            repack.take_step(tx, step)
    _many(db, sizes[1], lambda tx, number: _add_post(tx, settings, loaded, number, rng))
    _many(db, results, lambda tx, number: _add_result(tx, settings, loaded, number / results, rng))
    db.close()
    return loaded


def _many(db: Database, count: int, add: Callable[[Transaction, int], None]) -> None:
    for start in range(0, count, PER_TRANSACTION):
        with db.write() as tx:
            for number in range(start, min(start + PER_TRANSACTION, count)):
                add(tx, number)


def _add_commit(tx: Transaction, loaded: Loaded, number: int, rng: random.Random) -> None:
    on_trunk = not loaded.trunk or rng.random() < TRUNK
    below = (
        loaded.trunk[-1]
        if on_trunk and loaded.trunk
        else rng.choice(loaded.trunk[-RECENT:])
        if loaded.trunk
        else ""
    )
    who = f"bench-{rng.randrange(AGENTS)}"
    rows, tree = experiment(below, who, str(number), loaded.marks.get(below))
    objects.add(tx, rows)
    name, message = rows[-1][0].hex(), f"experiment {number}: another value"
    place = commits.place(tx, below) if below else None
    new = NewCommit(name, below, who, message, tx.now, tree)
    commits.add_commit(tx, new, [place] if place else [])
    search.add(tx, "commit", name, who, message, tx.now)
    events.append(
        tx, "commit", {"hash": name, "agent_id": who, "parents": [below] if below else []}
    )
    loaded.parents[name] = below
    loaded.marks[name] = str(number)
    if on_trunk:
        loaded.trunk.append(name)


def _add_post(
    tx: Transaction, settings: Settings, loaded: Loaded, number: int, rng: random.Random
) -> None:
    text = (
        f"post {number}: what I saw when I changed parameter {rng.randrange(40)} was "
        "less than I hoped for. " * 3
    )
    if rng.random() < POSTS_RESULTS:
        commit = rng.choice(loaded.trunk)[:7]
        text = (
            f"commit:{commit} platform:gpu{rng.randrange(4)} val_bpb:{1 + rng.random():.6f} "
            f"vram_gb:44.0 | change {number}"
        )
    caller = Caller(f"bench-{rng.randrange(AGENTS)}")
    _write(tx, settings, caller, "discussion", models.NewPost(text))


def _write(
    tx: Transaction, settings: Settings, caller: Caller, channel: str, post: models.NewPost
) -> models.Post:
    return board.write(tx, settings, caller, channel, post, read_lines(post.content))


def _add_result(
    tx: Transaction, settings: Settings, loaded: Loaded, share: float, rng: random.Random
) -> None:
    """The result of a commit of its time, on a board whose values fall; some are verified."""
    commit, dice = loaded.trunk[int(share * len(loaded.trunk))][:7], rng.random()
    where, track = _choose_board(rng)
    value = 0.95 + 0.25 * math.exp(-3 * share) + rng.expovariate(1 / 0.02)
    numbers = "val_bpb:--- vram_gb:---" if dice < CRASHED else f"val_bpb:{value:.6f} vram_gb:44.0"
    ending = (
        "(CRASH: out of memory)" if dice < CRASHED else "" if dice < CRASHED + KEPT else "(DISCARD)"
    )
    words = f"parameter_{rng.randrange(40)} to {rng.random():.3f} {ending}"
    caller = Caller(f"bench-{rng.randrange(AGENTS)}")
    told = _write(
        tx,
        settings,
        caller,
        "results",
        models.NewPost(f"commit:{commit} {where} {numbers} {track} | {words}"),
    )
    loaded.posts += 1
    if not ending and rng.random() < VERIFIED / KEPT:
        line = f"verify commit:{commit} {where} val_bpb:{value:.6f} n:3 {track} | reproduced"
        _write(tx, settings, caller, "results", models.NewPost(line, told.id))
        loaded.posts += 1


def _choose_board(rng: random.Random) -> tuple[str, str]:
    """Platform and track, as a result line names them."""
    if rng.random() < BUSY_SHARE:
        return BUSY
    return f"platform:gpu{rng.randrange(PLATFORMS)}", f"track:track-{rng.randrange(TRACKS)}"


def bundle(parent: str, who: str, mark: str, before: str) -> tuple[str, bytes]:
    """The bundle of one new commit on `parent`, as `git bundle create F HEAD ^HEAD~1` makes it;
    and the commit's hash."""
    rows, _ = experiment(parent, who, mark, before)
    rows = rows[1:]  # the fixed file is there
    tip = rows[-1][0].hex()
    header = write_header([(tip, "HEAD")], [parent])
    packed = (Packed(row.kind, row.size, row.body, base=row.base) for row in rows)
    pack = write_pack(len(rows), packed, header)
    return tip, b"".join(pack)


class Pusher:
    """One agent's line of pushes, each on top of the last."""

    def __init__(self, loaded: Loaded, who: str, start: str, mark: str) -> None:
        self.who, self.tip, self.mark, self.count = who, start, mark, 0
        self.before = loaded.marks[start]

    def next(self) -> bytes:
        self.count += 1
        mark = f"{self.mark}-{self.count}"
        self.tip, data = bundle(self.tip, self.who, mark, self.before)
        self.before = mark
        return data
