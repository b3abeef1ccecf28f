"""A hub moves from SQLite to PostgreSQL and back, and answers as before on every endpoint."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from conftest import RunningHub, in_process, sqlite_only
from git_work import Work
from page_list import pages
from populate import RACES, Lively, populate
from postgres import Cluster

TIMELY = ("operator", "home", "now", "work")  # pages that tell the time of day
AGO = re.compile(rb"[\w ]+ ago")
AGENTHUB = [sys.executable, "-m", "autoresearch.cli.agenthub"]


def agenthub(*words: str, code: int = 0) -> str:
    done = subprocess.run([*AGENTHUB, *words], capture_output=True, text=True, timeout=300)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def asked(lively: Lively) -> list[str]:
    """Whatever a hub can be asked for, by path."""
    board = f"platform={RACES[0].platform}&track={RACES[0].track}"
    first, last = lively.commits[0], lively.commits[-1]
    return [
        "/api/channels",
        "/api/channels/results/posts?limit=1000",
        "/api/channels/discussion/posts",
        f"/api/posts/{lively.threads[0]}",
        f"/api/posts/{lively.threads[0]}/replies",
        "/api/results?limit=1000",
        f"/api/results?{board}",
        f"/api/results?commit={last[:9]}",
        f"/api/leaderboard?{board}",
        *(f"/api/search?q={words}" for words in ("batch", "val_bpb", "Muon+rate")),
        "/api/search?q=rate&kind=post",
        "/api/claims",
        "/api/events?wait=0&after=0&limit=1000",
        *(f"/api/git/{part}" for part in ("commits?limit=1000", "leaves?limit=1000", "root")),
        *(f"/api/git/commits/{last}{rest}" for rest in ("", "/children", "/lineage?limit=1000")),
        f"/api/git/diff/{first}/{last}",
        f"/api/git/fetch/{last}",
        "/git/info/refs?service=git-upload-pack",
        *(path for name, path in pages(lively).items() if name not in TIMELY),
    ]  # fmt: skip


def answers(hub: RunningHub, paths: list[str], key: str) -> dict[str, tuple[int, bytes]]:
    """What the hub says to each path; of a bundle its commits, for a hub that repacks in the
    background sends the same ones in other bytes."""
    headers = {"Authorization": f"Bearer {key}"}
    found = {}
    for path in paths:
        auth = ("x", key) if path.startswith("/git/") else None
        answer = hub.http.get(path, headers=None if auth else headers, auth=auth)
        text = AGO.sub(b"", answer.content.replace(hub.url.encode(), b"URL"))
        if path.startswith("/api/git/fetch/"):
            text = commits_of(answer.content)
        found[path] = (answer.status_code, text)
    return found


def commits_of(bundle: bytes) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "got.bundle").write_bytes(bundle)
        work = Work.new(Path(folder) / "work")
        work.git("fetch", "-q", "../got.bundle", "HEAD")
        return work.git("rev-list", "--objects", "FETCH_HEAD").encode()


def differing(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    return [path for path, answer in one.items() if answer != other[path]]


@sqlite_only  # where it begins
@pytest.mark.slow
def test_there_and_back(own_hub: Any, postgres: Cluster, tmp_path: Path) -> None:
    """migrate while it is read and written: what was acknowledged arrives, the old hub takes no
    more. Then a backup of PostgreSQL becomes a SQLite hub, and another PostgreSQL one."""
    hub = own_hub()
    lively = populate(hub, results=40)
    agent = hub.agent()
    acknowledged: list[int] = []
    refused = threading.Event()

    def write() -> None:
        while not refused.is_set():
            answer = agent.post("/api/channels/discussion/posts", {"content": "while it moves"})
            if answer.status_code == 201:
                acknowledged.append(answer.json()["id"])
            else:
                assert answer.status_code == 503 and answer.headers["Retry-After"]
                refused.set()

    writing = threading.Thread(target=write)
    writing.start()
    url = postgres.empty_database()
    said = agenthub("migrate", *hub.place, "--to", url)
    writing.join(60)
    assert "every row arrived" in said and acknowledged
    paths = asked(lively)
    before = answers(hub, paths, agent.key)
    assert [path for path, (status, _) in before.items() if status != 200] == ["/api/git/root"]
    assert "holds a hub already" in agenthub(
        "migrate", "--data", str(empty_hub(tmp_path)), "--to", url, code=5
    )

    with psycopg.connect(url) as sql:
        known = sql.execute("SELECT DISTINCT tablename FROM pg_stats WHERE schemaname = 'public'")
        assert {"commits", "posts", "search"} <= {row[0] for row in known}, "plans were guesses"

    moved = own_hub(database=url)
    assert differing(before, answers(moved, paths, agent.key)) == []
    place = moved.place
    assert "no problems" in agenthub("verify", *place)
    saved = tmp_path / "saved.db"
    agenthub("backup", str(saved), *place)
    agenthub("repack", *place)
    agenthub("reindex", *place)
    assert "no problems" in agenthub("verify", *place)
    newest = moved.agent().post("/api/channels/results/posts", {"content": "x"}).json()["id"]
    assert newest > max(acknowledged)

    back = tmp_path / "back"
    agenthub("restore", str(saved), "--data", str(back))
    with in_process(back) as again:
        assert differing(before, answers(again, paths, agent.key)) == []
        assert "no problems" in agenthub("verify", "--data", str(back))
        assert agent_posts(again, agent.key) == 201
    agenthub("restore", str(saved), *place)
    del before["/api/events?wait=0&after=0&limit=1000"]  # tells of the restore's own number
    paths = list(before)
    assert differing(before, answers(moved, paths, agent.key)) == []
    after = moved.http.post(
        "/api/channels/results/posts",
        json={"content": "y"},
        headers={"Authorization": f"Bearer {agent.key}"},
    )
    assert after.json()["id"] > newest, "an id that was given out once never means another post"


def agent_posts(hub: RunningHub, key: str) -> int:
    answer = httpx.post(
        f"{hub.url}/api/channels/discussion/posts",
        json={"content": "back"},
        headers={"Authorization": f"Bearer {key}"},
        timeout=60,
    )
    return answer.status_code


def empty_hub(tmp_path: Path) -> Path:
    from autoresearch.hub.store import migrate

    migrate.prepare(tmp_path / "empty")
    return tmp_path / "empty"
