"""Faults of the machine a hub runs on: a log that nobody reads, a full disk, a clock that was
wrong once, and odd places for backups. Each cost a hub of this kind its service or its data.

A full disk is told by a limit on the size of files, which fails a write where a disk would.
"""

from __future__ import annotations

import errno
import os
import resource
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from autoresearch.cli import agenthub
from autoresearch.clock import parse_timestamp
from autoresearch.errors import AutoresearchError, Conflict, NotFound
from autoresearch.hub.rules import limits, sessions
from autoresearch.hub.rules.maintenance import index_words
from autoresearch.hub.settings import Settings
from autoresearch.hub.store import backup, migrate
from autoresearch.hub.store.database import Database
from conftest import sqlite_only
from git_work import Work
from git_work import push as push_bundle

LONG = "x" * 280
FAR_S = 400 * 24 * 3600


def verb(*words: str) -> None:
    agenthub.app(list(words), standalone_mode=False)


@pytest.fixture
def db(tmp_path: Path) -> Any:
    migrate.prepare(tmp_path / "hub")
    database = Database(tmp_path / "hub")
    yield database
    database.close()


def start(data: Path, *options: str, **streams: Any) -> tuple[subprocess.Popen[str], str]:
    """`agenthub serve` as somebody might start it; its address."""
    command = [sys.executable, "-m", "autoresearch.cli.agenthub", "serve", "--listen=127.0.0.1:0"]
    process = subprocess.Popen(
        [*command, f"--data={data}", *options], stdout=subprocess.PIPE, text=True, **streams
    )
    assert process.stdout is not None
    line = next(line for line in process.stdout if line.startswith("listening on "))
    return process, line.removeprefix("listening on ").strip()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_log_that_nobody_reads_holds_up_nothing(tmp_path: Path, workers: str) -> None:
    """Standard error is a pipe that nobody reads: 1,500 requests fill it, the hub goes on
    answering, and ends when it is told to."""
    process, url = start(tmp_path / "hub", f"--workers={workers}", stderr=subprocess.PIPE)
    try:
        with httpx.Client(base_url=url, timeout=60) as http:
            for _ in range(1500):
                http.get(f"/static/{LONG}")
            assert http.get("/api/health").status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.communicate()


def test_a_log_in_a_file(tmp_path: Path) -> None:
    """`--log FILE` writes there, into a new file once the old one was moved; `off` writes
    nothing."""
    log, moved = tmp_path / "hub.log", tmp_path / "hub.log.1"
    process, url = start(tmp_path / "hub", f"--log={log}", stderr=subprocess.PIPE)
    try:
        httpx.get(f"{url}/static/first", timeout=60)
        while not (log.exists() and "/static/first" in log.read_text()):
            time.sleep(0.05)
        log.rename(moved)
        httpx.get(f"{url}/static/second", timeout=60)
        while not (log.exists() and "/static/second" in log.read_text()):
            time.sleep(0.05)
    finally:
        process.terminate()
        _, said = process.communicate(timeout=60)
    assert said == "" and "second" not in moved.read_text()
    process, url = start(tmp_path / "hub", "--log=off", stderr=subprocess.PIPE)
    httpx.get(f"{url}/static/third", timeout=60)
    process.terminate()
    assert process.communicate(timeout=60)[1] == ""


def test_reading_goes_on_where_the_disk_is_full(served_hub: Any, tmp_path: Path) -> None:
    """Clone, fetch, bundles and /metrics answer where nothing can be written, with the caches
    there and gone; with room again all is well."""
    hub = served_hub(workers=1)
    agent = hub.agent()
    work = Work.new(tmp_path / "w")
    for number in range(70):  # from 64 on a bundle is kept
        commit = work.commit(f"{number}", train=f"{number}\n" * 200)
    url = hub.url.replace("http://", f"http://x:{agent.key}@") + "/git"
    work.git("push", "-q", url, "HEAD:refs/heads/x")
    Work(tmp_path).git("clone", "-q", "-b", "x", url, "before")
    soft, hard = resource.prlimit(hub.process.pid, resource.RLIMIT_FSIZE)

    resource.prlimit(hub.process.pid, resource.RLIMIT_FSIZE, (4096, hard))
    shutil.rmtree(hub.data / "cache" / "bundles", ignore_errors=True)
    Work(tmp_path).git("clone", "-q", "-b", "x", url, "during")
    assert agent.get(f"/api/git/fetch/{commit}").content.startswith(b"# v2 git bundle")
    assert hub.http.get("/metrics").status_code == 200
    shutil.rmtree(hub.data / "cache")
    assert agent.get(f"/api/git/fetch/{commit}").status_code == 200
    refused = work.run("ls-remote", url)
    assert refused.returncode != 0 and b"507" in refused.stderr
    big = agent.post("/api/git/push", content=b"# v2 git bundle\n" + b"x" * 3_000_000)
    assert big.status_code == 507

    resource.prlimit(hub.process.pid, resource.RLIMIT_FSIZE, (soft, hard))
    Work(tmp_path).git("clone", "-q", "-b", "x", url, "after")
    assert work.commit("more") and push_bundle(agent, work.bundle()).status_code == 201


@sqlite_only  # which has its rows on this disk
def test_a_push_of_plain_git_that_the_disk_has_no_room_for(served_hub: Any, tmp_path: Path) -> None:
    """Whether the disk is full while its body arrives, announced or in pieces, or once it is
    checked: git shows why beside the ref, nothing of it is stored, and with room again the same
    push is taken."""
    hub = served_hub(workers=1)
    agent = hub.agent()
    work = Work.new(tmp_path / "w")
    url = hub.url.replace("http://", f"http://x:{agent.key}@") + "/git"
    small = work.commit("small")
    (work.path / "big.bin").write_bytes(secrets.token_bytes(3_000_000))
    big = work.commit("big")
    soft, hard = resource.prlimit(hub.process.pid, resource.RLIMIT_FSIZE)

    resource.prlimit(hub.process.pid, resource.RLIMIT_FSIZE, (4096, hard))
    for buffer, commit in (("9000000", big), ("65536", big), ("9000000", small)):
        refused = work.run("-c", f"http.postBuffer={buffer}", "push", url, f"{commit}:refs/heads/x")
        assert refused.returncode != 0 and b"disk is full" in refused.stderr
        assert b"remote rejected" in refused.stderr
    assert agent.get("/api/git/commits").json() == []

    resource.prlimit(hub.process.pid, resource.RLIMIT_FSIZE, (soft, hard))
    work.git("push", "-q", url, "HEAD:refs/heads/x")
    assert len(agent.get("/api/git/commits").json()) == 2


def test_an_hour_that_begins_in_the_future_is_over(db: Database) -> None:
    """A clock that ran 400 days ahead used an allowance up; the right clock finds it whole. Also
    by a minute, and on a clock that is set back within an hour that was used in part."""
    for ahead_s in (FAR_S, 60, 5):
        with db.write() as tx:
            row = {"subject": f"agent:a{ahead_s}", "started": int(time.time()) + ahead_s}
            sql = "INSERT INTO limits VALUES (:subject, 'post', :started, 3)"
            tx.run(sql, **row)
        limits.check(db.reader, row["subject"], "post", 3)
        for _ in range(3):
            with db.write() as tx:
                limits.spend(tx, str(row["subject"]), "post", 3)
        with pytest.raises(AutoresearchError, match="used up"):
            limits.check(db.reader, str(row["subject"]), "post", 3)


def test_a_claim_of_a_wrong_clock_holds_nobody_up(own_hub: Any) -> None:
    """A lease that would outlive now and its time is none; an operator may also release one, and
    make an allowance whole."""
    hub = own_hub(max_posts_per_hour=2)
    one, other = hub.agent(), hub.agent()
    claim = {"text": "a rotary embedding of half the width", "ttl_s": 600}
    first = one.post("/api/claims", claim).json()
    database = Database(hub.data, hub.database)
    year = parse_timestamp(first["expires_at"]).year + 2
    for ahead in (f"{year}-01-01T00:00:00.000000Z", first["expires_at"]):
        with database.write() as tx:
            tx.run("UPDATE claims SET expires_at = :ahead", ahead=ahead)
        found = other.get("/api/claims").json()
        assert [held["id"] for held in found] == ([] if str(year) in ahead else [first["id"]])
    database.close()

    assert other.post("/api/claims", claim).status_code == 409
    verb("claims", "release", str(first["id"]), *hub.place)
    assert other.post("/api/claims", {**claim, "text": "another idea"}).status_code == 201
    assert other.post("/api/claims", {**claim, "text": "wider layers"}).status_code == 201
    assert other.post("/api/claims", claim).status_code == 429
    verb("limits", "reset", other.id, *hub.place)
    assert other.post("/api/claims", claim).status_code == 201


def test_a_session_of_a_wrong_clock_is_over() -> None:
    """An operator's cookie from a clock that ran ahead does not last longer than a session."""
    settings = Settings(Path(), b"x" * 32)
    ahead = sessions._session(settings, f"{int(time.time()) + FAR_S}.nonce")
    now = sessions._session(settings, f"{int(time.time()) + 60}.nonce")

    assert sessions.resume(settings, ahead.cookie) is None
    assert sessions.resume(settings, now.cookie) == now


@pytest.mark.parametrize("name", ["a?mode=rwc", "100%25 #1", "file:x", "ü 雪", "a&cache=shared"])
def test_a_backup_is_restored_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    """Question marks, percent signs, hashes; also in the name of the hub's own folder."""
    data = tmp_path / f"{name} data"
    migrate.prepare(data)
    db = Database(data)
    target = tmp_path / name / f"{name}.db"
    target.parent.mkdir()

    backup.save(db, target, index_words)
    backup.restore(db, target, index_words)

    assert [path.name for path in target.parent.iterdir()] == [target.name]
    assert not list(data.glob(".backup*"))
    db.close()


def test_backups_that_cannot_be_are_sentences(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing folder, a file that is there, a file system without hard links, a newer
    database: told, and nothing is littered."""
    with pytest.raises(NotFound, match="no folder"):
        backup.save(db, tmp_path / "none" / "x.db", index_words)
    (tmp_path / "there").write_text("kept")
    with pytest.raises(Conflict, match="overwrites nothing"):
        backup.save(db, tmp_path / "there", index_words)

    def refuse(*_: Any) -> None:
        raise OSError(errno.EOPNOTSUPP, "no hard links here")

    monkeypatch.setattr(os, "link", refuse)
    backup.save(db, tmp_path / "copy.db", index_words)
    backup.restore(db, tmp_path / "copy.db", index_words)
    with db.exclusive() as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(Conflict, match="newer version"):
        migrate.prepare(db.folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.db", "hub", "there"]


def test_a_full_disk_under_a_backup_is_a_sentence(tmp_path: Path) -> None:
    """Told by the program itself, with nothing left behind."""
    data = tmp_path / "hub"
    migrate.prepare(data)
    command = [sys.executable, "-m", "autoresearch.cli.agenthub", "backup"]
    out = tmp_path / "out"
    out.mkdir()

    def small() -> None:
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, hard))

    done = subprocess.run(
        [*command, str(out / "b.db"), f"--data={data}"],
        preexec_fn=small, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 7 and "takes no more" in done.stderr, done.stderr
    assert not list(out.iterdir())


def test_a_revoked_key_hears_nothing_more(own_hub: Any) -> None:
    """An open stream and a long poll end when their key is revoked or replaced; others go on."""
    hub = own_hub()
    gone, rotated, stays = hub.agent(), hub.agent(), hub.agent()

    def hear(agent: Any) -> list[str]:
        with hub.http.stream("GET", "/api/events", headers=agent.headers, timeout=60) as answer:
            ready.release()
            return [line for line in answer.iter_lines() if line.startswith("event: ")]

    def poll(agent: Any) -> int:
        ready.release()
        return int(agent.get("/api/events", wait=50, after=10_000).status_code)

    ready = threading.Semaphore(0)
    with ThreadPoolExecutor(3) as pool:
        heard = [pool.submit(hear, agent) for agent in (gone, rotated)]
        polled = pool.submit(poll, gone)
        for _ in range(3):
            assert ready.acquire(timeout=60)
        time.sleep(0.5)
        verb("agents", "revoke", gone.id, *hub.place)
        verb("agents", "rotate", rotated.id, *hub.place)
        assert polled.result(60) == 401
        assert all("event: post" not in future.result(60) for future in heard)
    assert stays.get("/api/events", wait=0).status_code == 200
