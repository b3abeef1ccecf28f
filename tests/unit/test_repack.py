"""Objects are stored as deltas, in a form that every history can be sent in, whatever happens."""

from __future__ import annotations

import itertools
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from autoresearch.hub.rules import commits, fetch, maintenance, repack
from autoresearch.hub.store import backup, migrate, objects
from autoresearch.hub.store.database import Database, compact
from autoresearch.hub.store.object_reader import GitObject, ObjectReader
from autoresearch.hub.store.statements import Reader
from git_work import Work
from long_history import TRUNK, long_history, take_in

COMMITS = 150
VERSIONS = 2 * objects.STEPS  # the longest chain of settled objects is shorter


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Work:
    return long_history(tmp_path_factory.mktemp("history") / "bare", COMMITS)


@pytest.fixture(scope="module")
def whole(work: Work, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A bundle of everything, with git's own deltas."""
    work.git("repack", "-adfq")
    return work.bundle("--all")


@pytest.fixture(scope="module")
def packed(whole: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hub's folder with all of it, as it came."""
    folder = tmp_path_factory.mktemp("hub")
    with_database(folder, whole).close()
    return folder


def with_database(folder: Path, *bundles: bytes, url: str = "") -> Database:
    migrate.prepare(folder, url)
    db = Database(folder, url)
    for data in bundles:
        take_in(db, data)
    return db


@pytest.fixture
def db(packed: Path, tmp_path: Path) -> Iterator[Database]:
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "hub.sqlite3").write_bytes((packed / "hub.sqlite3").read_bytes())
    database = Database(tmp_path / "hub")
    yield database
    database.close()


def settle(db: Database, most: int = 50) -> None:
    while step := repack.plan_step(db.reader, most):
        with db.write() as tx:
            repack.take_step(tx, step)


def forms(reader: Reader) -> list[tuple[int, int | None, int | None]]:
    rows = objects.read_numbered(reader, 0, objects.last_id(reader))
    return [(row.id, row.base_id, row.step) for row in rows]


def contents(reader: Reader) -> dict[bytes, GitObject | None]:
    rows = objects.read_numbered(reader, 0, objects.last_id(reader))
    return {row.oid: ObjectReader(reader, afresh=True).get(row.oid) for row in rows}


def trunk(work: Work) -> list[str]:
    return work.git("rev-list", "--reverse", TRUNK).split()


def unbundled(tmp_path: Path, data: bytes) -> int:
    """Have git take a bundle in, checked strictly; how many commits it brought."""
    work = Work.new(tmp_path / f"clone-{time.monotonic_ns()}")
    (work.path / "x.bundle").write_bytes(data)
    work.git("config", "fetch.fsckObjects", "true")
    work.git("fetch", "-q", "x.bundle", "HEAD:refs/heads/got")
    work.git("fsck", "--strict", "--no-dangling")
    return len(work.git("rev-list", "got").split())


def test_deltas_of_a_push_are_kept(db: Database) -> None:
    """Most objects of the bundle came as deltas, and lie there as such."""
    rows = forms(db.reader)
    assert sum(base is not None for _, base, _ in rows) > COMMITS / 2
    assert list(maintenance.find_problems(db.reader)) == []


def test_repacking_changes_the_form_alone(db: Database) -> None:
    """Afterwards everything is settled, chains are short, and each object is what it was."""
    before = {oid: found.data for oid, found in contents(db.reader).items() if found}

    settle(db)

    after = contents(db.reader)
    assert before == {oid: found.data for oid, found in after.items() if found}
    assert all(step is not None for _, _, step in forms(db.reader))
    assert max(found.depth for found in after.values() if found) < VERSIONS
    assert list(maintenance.find_problems(db.reader)) == []
    assert repack.is_done(db.reader) and repack.plan_step(db.reader) is None


def test_any_part_of_a_history_is_small(db: Database, work: Work, tmp_path: Path) -> None:
    """A tip and a commit in the middle: no more than 1.1 times what git itself packs it in."""
    settle(db)
    for commit in (trunk(work)[-1], trunk(work)[len(trunk(work)) // 2]):
        args = ("pack-objects", "--revs", "--stdout", "-q", "--no-reuse-delta")
        args += ("--delta-base-offset",)
        theirs = len(work.run(*args, data=f"{commit}\n".encode()).stdout)

        with fetch.BundleCache(tmp_path / "cache").open(db.reader, commit) as file:
            ours = file.read()

        assert len(ours) < 1.1 * theirs
        assert unbundled(tmp_path, ours) == trunk(work).index(commit) + 1


def test_the_database_is_small(db: Database, work: Work) -> None:
    """Repacked and compacted, with everything else a hub notes of a commit."""
    settle(db)
    compact(db)
    theirs = sum(path.stat().st_size for path in (work.path / "objects/pack").iterdir())
    assert db.measure_bytes()[0] < 5 * theirs + 500_000  # of which empty tables are half


def test_a_stream_of_small_pushes_needs_no_repacking(
    work: Work, tmp_path: Path, database_url: str
) -> None:
    """Deltas against what is settled are settled themselves; what is left to do is little."""
    line = trunk(work)
    db = with_database(tmp_path / "hub", work.bundle_of(line[0]), url=database_url)
    settle(db)
    for before, commit in itertools.pairwise(line[:60]):
        take_in(db, work.bundle_of(commit, before))
    blobs = [row for row in objects.read_numbered(db.reader, 0, 10_000) if row.kind == 3]
    assert sum(row.step is not None for row in blobs) > 0.3 * len(blobs)

    settle(db)

    assert max(found.depth for found in contents(db.reader).values() if found) < VERSIONS
    assert list(maintenance.find_problems(db.reader)) == []
    db.close()


def test_long_chains_of_strangers_are_cut(work: Work, tmp_path: Path, database_url: str) -> None:
    """A pack whose deltas stand a thousand deep is stored with short chains."""
    work.git("repack", "-adfq", "--depth=4095", "--window=250")
    db = with_database(tmp_path / "hub", work.bundle("--all"), url=database_url)
    deepest = max(found.depth for found in contents(db.reader).values() if found)
    assert deepest <= objects.CHAIN_MAX

    with ThreadPoolExecutor(2) as pool:  # and two who repack at once settle them
        for done in [pool.submit(settle, db) for _ in range(2)]:
            done.result(120)
    assert max(found.depth for found in contents(db.reader).values() if found) < VERSIONS
    assert all(step is not None for _, _, step in forms(db.reader))
    assert list(maintenance.find_problems(db.reader)) == []
    db.close()


def test_killed_again_and_again(db: Database, tmp_path: Path) -> None:
    """`agenthub repack`, killed at random moments: nothing is ever wrong, and the end is the
    same."""
    before = {oid: found.data for oid, found in contents(db.reader).items() if found}
    chance = random.Random(3)
    for _ in range(4):
        program = [sys.executable, "-c", _SLOWLY, str(db.folder)]
        process = subprocess.Popen(program, stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(chance.uniform(0, 0.15))
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        process.stdout.close()
        assert list(maintenance.find_problems(db.reader)) == []

    settle(db)

    assert before == {oid: found.data for oid, found in contents(db.reader).items() if found}
    assert all(step is not None for _, _, step in forms(db.reader))
    assert list(maintenance.find_problems(db.reader)) == []


_SLOWLY = """
import sys
from pathlib import Path
from autoresearch.hub.rules import repack
from autoresearch.hub.store.database import Database
db = Database(Path(sys.argv[1]))
print("ready", flush=True)
while step := repack.plan_step(db.reader, 4):
    with db.write() as tx:
        repack.take_step(tx, step)
"""


def test_two_at_once_do_no_harm(db: Database) -> None:
    """Whoever was quicker has done it; the other's work is thrown away."""
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(settle, db, 7) for _ in range(2)]:
            done.result(60)

    assert all(step is not None for _, _, step in forms(db.reader))
    assert list(maintenance.find_problems(db.reader)) == []


def test_one_leads_at_a_time(db: Database) -> None:
    """A lease is taken by one; the same one may hold on to it."""
    assert db.transact(lambda tx: repack.take_lead(tx, "ada"))
    assert not db.transact(lambda tx: repack.take_lead(tx, "eve"))
    assert db.transact(lambda tx: repack.take_lead(tx, "ada"))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("DELETE FROM objects WHERE id = :base", "a base of it is not stored"),
        ("UPDATE objects SET base_id = :id WHERE id = :base", "does not end"),
        ("UPDATE objects SET base_id = id WHERE id = :id", "does not end"),
        ("UPDATE objects SET base_id = :other WHERE id = :id", "is not what its name says"),
        ("UPDATE objects SET body = :junk WHERE id = :id", "cannot be inflated"),
        ("UPDATE objects SET size = size + 1 WHERE id = :id", "is not what its name says"),
        ("UPDATE objects SET base_id = NULL WHERE id = :id", "is not what its name says"),
        ("UPDATE objects SET step = 0 WHERE id = :id", "comes behind it"),
    ],
)
def test_damage_is_found(db: Database, damage: str, said: str) -> None:
    """Each kind of a broken chain is named by `agenthub verify`."""
    settle(db)
    row = next(row for row in objects.read_numbered(db.reader, 0, 10_000) if (row.step or 0) > 5)
    values = {"id": row.id, "base": row.base_id, "junk": b"junk", "other": _other(db, row.base_id)}
    used = {name: value for name, value in values.items() if f":{name}" in damage}
    with db.write() as tx:
        tx.run(damage, **used)

    told = list(maintenance.find_problems(db.reader))

    assert any(said in problem or "cannot be made of its base" in problem for problem in told), told
    if "base" in said or "end" in said:
        assert any(said in problem for problem in told), told


def _other(db: Database, base: int | None) -> int:
    """A whole object that is not this one."""
    rows = objects.read_numbered(db.reader, 0, 10_000)
    return next(row.id for row in rows if row.base_id is None and row.id != base)


def test_what_rests_on_a_hidden_commit_is_whole(db: Database, work: Work, tmp_path: Path) -> None:
    """Hiding a commit in the middle takes it from view; whoever fetches its descendants gets
    all."""
    settle(db)
    line = trunk(work)
    with db.write() as tx:
        commits.hide(tx, line[3], hidden=True)

    with fetch.incremental(db.reader, line[-1], []) as file:
        assert unbundled(tmp_path, file.read()) == len(line)
    assert list(maintenance.find_problems(db.reader)) == []


def test_a_backup_holds_deltas_and_how_far_it_came(db: Database, tmp_path: Path) -> None:
    """Saved in the middle of repacking and put back later: sound, and goes on from there."""
    step = repack.plan_step(db.reader)
    assert step is not None
    with db.write() as tx:
        repack.take_step(tx, step)
    backup.save(db, tmp_path / "saved", maintenance.index_words)
    settle(db)

    backup.restore(db, tmp_path / "saved", maintenance.index_words)

    assert repack.find_progress(db.reader) == step.upto
    assert list(maintenance.find_problems(db.reader)) == []
    settle(db)
    assert all(place is not None for _, _, place in forms(db.reader))
    assert list(maintenance.find_problems(db.reader)) == []


def test_what_was_worked_out_on_another_hub_does_not_fit(db: Database) -> None:
    """A step that was worked out before a backup was put back: no delta is stored against an
    object that has taken the number of its base."""
    settle(db, 20)
    row = next(row for row in objects.read_numbered(db.reader, 0, 10_000) if (row.step or 0) > 5)
    with db.write() as tx:
        tx.run("UPDATE objects SET step = NULL WHERE id = :id", id=row.id)
        assert row.base_id is not None
        form = objects.NewForm(
            row.id, row.oid, row.size, row.body, row.base_id, row.step or 0, b"another object"
        )
        assert not objects.settle(tx, form)
    assert list(maintenance.find_problems(db.reader)) == []
