"""`ah mirror` copies a hub into a folder: every row that is in view, every commit, nothing that
was not proved; it goes on after a kill, and follows what the hub does next."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from autoresearch.cli.ah import app
from autoresearch.errors import HubUnavailable
from autoresearch.hub.rules import accounts, board, commits
from autoresearch.hub.store.database import Database
from conftest import in_process, sqlite_only
from git_work import Work, push

pytestmark = sqlite_only  # what is compared and edited are two files
LINE = "commit:{} platform:{} val_bpb:{} vram_gb:0.5 | idea {}"
ROWS = {
    "agents": "id, created_at, via, revoked_at IS NULL",
    "public_keys": "*",
    "channels": "*",
    "posts": "id, channel_id, agent_id, parent_id, content, created_at, hidden, signature",
    "results": "*",
    "verifications": "*",
    "commits": "hash, parents, agent_id, message, created_at, tree, generation, is_leaf",
    "log_entries": "*",
    "refs": "count(*) * 0",
}
KILLED = """
import os, signal, sys
from autoresearch.cli.ah import main
from autoresearch.hub.rules import mirrored_commits, mirrored_log, mirrored_rows
from autoresearch.hub.store import commits, mirrored

mirrored_log.PAGE = mirrored_rows.PAGE = 4
mirrored_commits.BATCH = 2
left = int(sys.argv.pop())
owner, name = {"log": (mirrored, "add_entries"), "rows": (mirrored, "add_row"),
               "commits": (commits, "add_commit")}[sys.argv.pop()]
real = getattr(owner, name)


def last(*args, **kwargs):
    global left
    left -= 1
    done = real(*args, **kwargs)
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    return done


setattr(owner, name, last)
main()
"""


class FilledHub:
    """A hub with something of everything, and `ah` joined to it in the current folder."""

    def __init__(self, hub: Any, folder: Path) -> None:
        self.hub, self.folder = hub, folder
        self.mirror = folder / "mirror"
        assert self.ah("join", hub.url, "ada").exit_code == 0
        assert self.ah("key").exit_code == 0
        self.judge = hub.vouched("judge")
        self.work = Work.new(folder / "work")
        self.line = [self.work.commit(f"idea {number}") for number in range(4)]
        self.work.git("checkout", "-q", self.line[1])
        self.side = self.work.commit("a side way")
        assert push(self.judge, self.work.bundle_of(self.line[3])).status_code == 201
        self.ah("post", "results", LINE.format(self.side[:10], "H 100", "1.1", "before it came"))
        assert push(self.judge, self.work.bundle_of(self.side)).status_code == 201
        for number, commit in enumerate(self.line):
            line = LINE.format(commit[:10], "h100", f"1.{9 - number}", number)
            self.ah("post", "results", line)
        said = f"verify commit:{self.line[0][:10]} platform:h100 val_bpb:1.9 n:2 | reproduced"
        body = {"content": said, "parent_id": self.posts()[1]}
        self.judge.post("/api/channels/results/posts", body)

    def ah(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, arguments)

    def posts(self) -> list[int]:
        return [row[0] for row in self.rows(self.hub.data, "SELECT id FROM posts ORDER BY id")]

    def operate(self, change: Callable[[Any], object]) -> None:
        db = Database(self.hub.data, self.hub.database)
        with db.write() as tx:
            change(tx)
        db.close()

    def rows(self, folder: Path, sql: str) -> list[tuple[Any, ...]]:
        with sqlite3.connect(folder / "hub.sqlite3") as connection:
            return connection.execute(sql).fetchall()

    def differences(self) -> list[str]:
        """Tables in which the mirror is not what the hub is."""
        return [
            table
            for table, columns in ROWS.items()
            if len({repr(self.rows(place, f"SELECT {columns} FROM {table} ORDER BY 1"))
                    for place in (self.hub.data, self.mirror)}) > 1
        ]  # fmt: skip

    def is_well(self) -> bool:
        found = self.ah("audit", "--database", str(self.mirror), "--json")
        assert found.exit_code == 0, found.output
        return True


@pytest.fixture
def filled(
    own_hub: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> FilledHub:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return FilledHub(own_hub(), tmp_path)


def test_a_mirror_has_what_its_hub_shows(filled: FilledHub) -> None:
    """Every table alike; served, it shows the same log, pages and history, as its hub went on:
    with posts hidden and shown again, a closed account and new commits."""
    assert filled.ah("mirror", "mirror").exit_code == 0
    assert filled.differences() == [] and filled.is_well()

    first, second = filled.posts()[:2]
    filled.operate(lambda tx: board.hide(tx, first, True))
    filled.operate(lambda tx: accounts.revoke(tx, filled.judge.id))
    filled.operate(lambda tx: commits.hide(tx, filled.side, True))
    filled.ah("post", "discussion", "a thought")
    assert filled.ah("mirror", "mirror").stdout.startswith("all is as it was")
    assert filled.differences() == [] and filled.is_well()

    filled.operate(lambda tx: board.hide(tx, first, False))
    filled.operate(lambda tx: board.hide(tx, second, True))
    assert filled.ah("mirror", "mirror").exit_code == 0
    assert filled.differences() == [] and filled.is_well()
    with in_process(filled.mirror, registration="closed") as served:
        heads = [http.get("/api/log/head").json() for http in (served.http, filled.hub.http)]
        assert heads[0]["root"] == heads[1]["root"]
        page = served.http.get("/results/3").text
        assert "idea 1" in page
        clone = filled.folder / "clone"
        url = f"{served.url}/git".replace("://", f"://reader:{served.admin_key}@")
        filled.work.git("clone", "-q", "--bare", url, str(clone))
        assert filled.line[3] in Work(clone).git("rev-list", "--all")


def test_what_is_hidden_is_not_mirrored_until_it_is_shown(filled: FilledHub) -> None:
    """A mirror begun later has no text of a hidden post, no result in it and no hidden leaf;
    they come when the hub shows them again."""
    second = filled.posts()[1]
    filled.operate(lambda tx: board.hide(tx, second, True))
    filled.operate(lambda tx: commits.hide(tx, filled.side, True))
    assert filled.ah("mirror", "mirror").exit_code == 0
    assert filled.is_well()
    sql = f"SELECT content, hidden FROM posts WHERE id = {second}"
    assert filled.rows(filled.mirror, sql) == [("", 1)]
    assert not filled.rows(filled.mirror, f"SELECT 1 FROM results WHERE post_id = {second}")
    assert not filled.rows(filled.mirror, f"SELECT 1 FROM commits WHERE hash = '{filled.side}'")

    filled.operate(lambda tx: board.hide(tx, second, False))
    filled.operate(lambda tx: commits.hide(tx, filled.side, False))
    assert filled.ah("mirror", "mirror").exit_code == 0
    assert filled.differences() == [] and filled.is_well()


def test_a_killed_mirror_goes_on(filled: FilledHub) -> None:
    """Killed in its log, its rows and its commits, it ends as if nothing had been."""
    for where, at in (("log", 3), ("rows", 7), ("commits", 3)):
        command = [sys.executable, "-c", KILLED, "mirror", "mirror", where, str(at)]
        killed = subprocess.run(command, env=dict(os.environ), capture_output=True, timeout=300)
        assert killed.returncode == -signal.SIGKILL, (where, killed.stderr)
        kept = filled.rows(filled.mirror, "SELECT count(*) FROM log_entries")
        assert kept[0][0] >= 8, where  # the pages before were on disk
    done = filled.ah("mirror", "mirror", "--json")
    assert done.exit_code == 0, done.output
    assert filled.differences() == [] and filled.is_well()


def test_what_does_not_fit_the_log_is_not_kept(filled: FilledHub) -> None:
    """A text that was changed is named and not taken; entries that the signed head does not bear
    are refused; and so is a log that is shorter than what was mirrored."""

    def edit(sql: str) -> None:
        with sqlite3.connect(filled.hub.data / "hub.sqlite3") as connection:
            connection.execute(sql)

    post = filled.posts()[0]
    edit(f"UPDATE posts SET content = content || '!' WHERE id = {post}")
    found = filled.ah("mirror", "mirror", "--json")
    assert found.exit_code == 1, found.output
    named = [(one["kind"], one["ref"]) for one in json.loads(found.stdout)["findings"]]
    assert named == [("post", str(post))]
    assert filled.rows(filled.mirror, f"SELECT content FROM posts WHERE id = {post}") == [("",)]

    edit(f"UPDATE posts SET content = substr(content, 1, length(content) - 1) WHERE id = {post}")
    filled.ah("post", "discussion", "one more")
    edit("UPDATE log_entries SET data = replace(data, '\"at\":\"20', '\"at\":\"19')"
         " WHERE number = (SELECT max(number) FROM log_entries)")  # fmt: skip
    size = filled.rows(filled.mirror, "SELECT count(*) FROM log_entries")
    refused = filled.ah("mirror", "mirror")
    assert refused.exit_code != 0 and "not under the head" in str(refused.exception)
    assert filled.rows(filled.mirror, "SELECT count(*) FROM log_entries") == size

    edit("DELETE FROM log_entries WHERE number > 3")
    assert "the hub shows 4" in str(filled.ah("mirror", "mirror").exception)


def test_a_mirror_that_cannot_begin_leaves_nothing_behind(
    own_hub: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hub that does not answer leaves no empty folder; a file in the folder's place stays, and a
    sentence says what to do."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGENTHUB_KEY", "k" * 20)
    monkeypatch.setenv("AGENTHUB_URL", "http://127.0.0.1:9")
    lost = CliRunner().invoke(app, ["mirror", "copy"])
    assert isinstance(lost.exception, HubUnavailable) and not Path("copy").exists()

    hub = own_hub()
    monkeypatch.setenv("AGENTHUB_URL", hub.url)
    monkeypatch.setenv("AGENTHUB_KEY", hub.agent().key)
    Path("copy").write_text("mine")
    for place in ("copy", "copy/below"):
        refused = CliRunner().invoke(app, ["mirror", place])
        assert f"at {place}, for a file is in its place; name another" in str(refused.exception)
    assert Path("copy").read_text() == "mine"


def test_a_mirror_takes_no_other_hubs_folder(filled: FilledHub) -> None:
    """Neither a hub of its own nor the mirror of another is written over."""
    refused = filled.ah("mirror", str(filled.hub.data))
    assert "holds a hub already" in str(refused.exception)
    assert filled.ah("mirror", "mirror").exit_code == 0
    with sqlite3.connect(filled.mirror / "hub.sqlite3") as connection:
        connection.execute("UPDATE settings SET value = 'http://x' WHERE name = 'mirror_of'")
    assert "is a mirror of http://x" in str(filled.ah("mirror", "mirror").exception)
