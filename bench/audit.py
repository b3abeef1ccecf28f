"""What the log of a hub costs and finds.

    python bench/audit.py                        # all four
    python bench/audit.py --commits 10000 --edits 20 --rounds 1

1. Random edits of a copied database: how many an audit finds.
2. An audit of a database with many commits: seconds, and seconds of processor time.
3. Posts a second on the writer's thread with the log and without it, in turn.
4. A mirror of a hub with real commits, over loopback: commits a second, and its audit.
"""

from __future__ import annotations

import random
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import click

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from autoresearch.client import Hub
from autoresearch.hub.rules import log_audit
from autoresearch.hub.rules.mirrored_hub import open_mirror, update_mirror
from autoresearch.hub.store import log_entries, migrate
from autoresearch.hub.store.database import FILE_NAME, Database
from autoresearch.hub.store.reading import read_copy
from autoresearch.hub.store.statements import Transaction
from conftest import in_process
from logged_hubs import edit_somewhere, fill, write
from long_history import long_history, take_in

HELP = {"help_option_names": ["-h", "--help"]}
POSTS = 300
TEXT = "commit:abcdef12 platform:cpu val_bpb:1.5 vram_gb:0.5 | an idea"


def make_hub(folder: Path, commits: int, posts: int) -> Path:
    """A filled database, closed; its file."""
    migrate.prepare(folder)
    db = Database(folder)
    fill(db, commits, posts)
    with db.exclusive() as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    return folder / FILE_NAME


def count_findings(file: Path) -> int:
    with read_copy(str(file)) as reader:
        return len(log_audit.audit(reader).findings)


def find_edits(folder: Path, edits: int) -> None:
    file = make_hub(folder / "small", 100, 40)
    assert count_findings(file) == 0
    chance, missed = random.Random(2026), []
    for number in range(edits):
        copy = folder / f"edit{number}.sqlite3"
        shutil.copy(file, copy)
        what = edit_somewhere(copy, chance)
        if not count_findings(copy):
            missed.append(what)
        copy.unlink()
    print(f"edits found: {edits - len(missed)} of {edits}", *missed, sep="\n  ")


def time_audit(folder: Path, commits: int) -> None:
    file = make_hub(folder / "large", commits, 1000)
    wall, cpu = time.perf_counter(), time.process_time()
    findings = count_findings(file)
    spent = time.perf_counter() - wall, time.process_time() - cpu
    size = file.stat().st_size / 1e6
    print(f"audit of {commits} commits ({size:.0f} MB), {findings} findings:", end=" ")
    print(f"{spent[0]:.1f} s, {spent[1]:.1f} s of processor time")


@contextmanager
def without_log() -> Iterator[None]:
    """As the hub was before it had one."""
    kept = log_entries.append
    log_entries.append = lambda tx, *entries: None
    try:
        yield
    finally:
        log_entries.append = kept


def rate(db: Database) -> float:
    """Durable posts a second, one after another."""

    def change(tx: Transaction) -> int:
        return write(tx, "ada", TEXT)

    start = time.perf_counter()
    for _ in range(POSTS):
        db.transact(change)
    return POSTS / (time.perf_counter() - start)


def compare_rates(folder: Path, rounds: int) -> None:
    make_hub(folder / "posts", 10, 10)
    db = Database(folder / "posts")
    with_log, bare = list[float](), list[float]()
    rate(db)
    for _ in range(rounds):
        with_log.append(rate(db))
        with without_log():
            bare.append(rate(db))
    db.close()
    for name, rates in (("with the log", with_log), ("without", bare)):
        print(f"posts a second {name}: {statistics.median(rates):.0f}", *map(round, rates))


def time_mirror(folder: Path, commits: int) -> None:
    """One file of 25 KB, a trunk and leaves, as research makes them."""
    work = long_history(folder / "work.git", commits)
    work.git("bundle", "create", "-q", str(folder / "all.bundle"), "--branches")
    migrate.prepare(folder / "hub")
    db = Database(folder / "hub")
    take_in(db, (folder / "all.bundle").read_bytes())
    db.close()
    with in_process(folder / "hub") as served, Hub(served.url, served.admin_key) as hub:
        start = time.perf_counter()
        copy = open_mirror(folder / "mirror", hub.url)
        replay, _ = update_mirror(copy, hub, (), lambda *_: None)
        spent = time.perf_counter() - start
        copy.close()
    assert not replay.findings and not count_findings(folder / "mirror")
    print(f"mirror of {commits} commits: {spent:.1f} s, {commits / spent:.0f} commits a second")


@click.command(context_settings=HELP)
@click.option("--edits", default=100)
@click.option("--commits", default=100_000)
@click.option("--rounds", default=3)
@click.option("--mirrored", default=500)
def main(edits: int, commits: int, rounds: int, mirrored: int) -> None:
    """Print all four."""
    parts: list[Callable[[Path], None]] = [
        lambda folder: find_edits(folder, edits),
        lambda folder: time_audit(folder, commits),
        lambda folder: compare_rates(folder, rounds),
        lambda folder: time_mirror(folder, mirrored),
    ]
    for part in parts:
        with TemporaryDirectory() as folder:
            part(Path(folder))


if __name__ == "__main__":
    main()
