"""An operator's day: starting and stopping, accounts, moderation, backups, all with the real
programs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from autoresearch.hub.store.database import Database
from git_work import Work, push, push_new

AGENTHUB = [sys.executable, "-m", "autoresearch.cli.agenthub"]


def agenthub(*arguments: str, ok: bool = True) -> str:
    done = subprocess.run([*AGENTHUB, *arguments], capture_output=True, text=True, timeout=60)
    assert ok == (done.returncode == 0), done.stderr
    assert "Traceback" not in done.stderr
    return (done.stdout if ok else done.stderr).strip()


def until(question: Callable[[], bool], seconds: float = 30) -> float:
    """How long it took to become true."""
    started = time.monotonic()
    while not question():
        assert time.monotonic() - started < seconds
        time.sleep(0.02)
    return time.monotonic() - started


def test_the_first_start_makes_a_key_and_says_where_it_listens(tmp_path: Path) -> None:
    """`agenthub serve` prints the admin key once, keeps it 0600, and ends with exit code 0 on
    SIGTERM."""
    data = tmp_path / "data"
    command = [*AGENTHUB, "serve", "--listen", "127.0.0.1:0", "--data", str(data), "--local"]
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("AGENTHUB")
    }
    keys = []
    for _ in range(2):
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        assert process.stdout is not None
        said = []
        while not said or not said[-1].startswith("listening on http://127.0.0.1:"):
            said.append(process.stdout.readline())
        keys += [line.split()[-1] for line in said if line.startswith("admin key")]
        url = said[-1].split()[-1]
        answer = httpx.post(
            f"{url}/api/admin/agents",
            json={"id": f"a{len(said)}"},
            headers={"Authorization": f"Bearer {keys[0]}"},
        )
        assert answer.status_code == 201
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=30)
        assert process.returncode == 0, log
        assert keys[0] not in log and answer.json()["api_key"] not in log
        lines = [json.loads(line) for line in log.splitlines()]
        assert any(
            line.get("path") == "/api/admin/agents" and line["status"] == 201 for line in lines
        )

    assert len(keys) == 1 and (data / "admin.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--listen", "0.0.0.0:0", "--local"], "--local serves this machine only"),
        (["--listen", "nonsense"], "HOST:PORT"),
        (["--registration", "maybe"], "'open', 'invite', 'closed'"),
        (["--trusted-proxies", "10.0.0.0/99"], "--trusted-proxies"),
        (["--config", "no-such-file.toml"], "no-such-file.toml"),
        (["--name", "n" * 61], "--name has more than 60"),
    ],
)
def test_a_bad_option_is_one_sentence(tmp_path: Path, options: list[str], said: str) -> None:
    """What cannot be served is said, with exit code 2."""
    assert said in agenthub("serve", *options, "--data", str(tmp_path / "data"), ok=False)


def test_a_revoked_key_stops_within_a_second_on_every_worker(two_workers: Any) -> None:
    """Both workers have the key cached; after `agents revoke` or `rotate` neither believes it for
    long."""
    agent = two_workers.agent()
    connections = [
        httpx.Client(base_url=two_workers.url, headers=agent.headers) for _ in range(16)
    ]  # reach both workers

    def answers() -> set[int]:
        return {connection.get("/api/whoami").status_code for connection in connections}

    assert {200} == answers()
    new_key = agenthub("agents", "rotate", agent.id, *two_workers.place)
    assert until(lambda: answers() == {401}) < 10  # a second on a quiet machine
    for connection in connections:
        connection.headers["Authorization"] = f"Bearer {new_key}"
    assert {200} == answers()
    agenthub("agents", "revoke", agent.id, *two_workers.place)
    until(lambda: answers() == {401})
    assert "revoked" in next(
        line
        for line in agenthub("agents", "list", *two_workers.place).splitlines()
        if line.startswith(agent.id)
    )
    for connection in connections:
        connection.close()


def test_invites_open_as_many_accounts_as_they_say(own_hub: Any) -> None:
    """With registration by invite a token opens its number of accounts, and then no more."""
    hub = own_hub(registration="invite")
    token = agenthub("invite", "--uses", "2", *hub.place)

    def register(name: str, invite: str) -> int:
        return int(hub.http.post("/api/register", json={"id": name, "invite": invite}).status_code)

    assert [
        register("a", ""), register("a", "ahi_wrong"), register("a", token), register("b", token),
        register("c", token),
    ] == [403, 403, 201, 201, 403]  # fmt: skip
    assert register("d", agenthub("invite", "--days", "0.0000001", *hub.place)) == 403


def test_hiding_a_post_hides_its_results_and_undo_brings_them_back(hub: Any) -> None:
    """A hidden post is gone from its channel, from search and from the board it led, which the one
    before leads again."""
    agent, channel = hub.agent(), hub.channel()
    gpu, commit = f"gpu-{channel}", push_new(agent)
    for value in ("1.5", "0.1"):
        line = f"commit:{commit} platform:{gpu} val_bpb:{value} vram_gb:1 | {channel}"
        post = agent.post(f"/api/channels/{channel}/posts", {"content": line}).json()["id"]

    def seen() -> tuple[int, int, float, int]:
        return (
            agent.get(f"/api/posts/{post}").status_code,
            len(agent.get(f"/api/channels/{channel}/posts").json()),
            agent.get("/api/leaderboard", platform=gpu).json()[0]["best"]["val_bpb"],
            len(agent.get("/api/search", q=channel).json()),
        )

    before = seen()
    agenthub("hide", "post", str(post), *hub.place)
    assert seen()[:3] == (404, 1, 1.5) and seen()[3] < before[3]
    agenthub("hide", "post", str(post), "--undo", *hub.place)
    assert before == seen() == (200, 2, 0.1, before[3])


def test_channels_are_opened_and_listed(hub: Any) -> None:
    """The operator's channel is there for everyone at once."""
    name = hub.channel() + "-op"
    agenthub("channels", "create", name, "--description", "for all", *hub.place)

    assert name in agenthub("channels", "list", *hub.place)
    assert name in [channel["name"] for channel in hub.agent().get("/api/channels").json()]
    again = agenthub("channels", "create", name, *hub.place, ok=False)
    assert "already" in again


def test_a_backup_brings_the_hub_back_while_it_serves(own_hub: Any, tmp_path: Path) -> None:
    """backup, more posts, restore: the hub is what it was, running workers see it, and listeners
    miss no later event."""
    hub = own_hub()
    agent = hub.agent()
    agent.post("/api/channels/discussion/posts", {"content": "kept"})
    saved = tmp_path / "saved.db"
    agenthub("backup", str(saved), *hub.place)
    late = hub.agent()
    lost = late.post("/api/channels/discussion/posts", {"content": "lost"}).json()["id"]
    listening_at = agent.get("/api/events", after=0, wait=0).json()["last"]

    agenthub("restore", str(saved), *hub.place)

    until(lambda: late.get("/api/whoami").status_code == 401)
    assert [p["content"] for p in agent.get("/api/channels/discussion/posts").json()] == ["kept"]
    after = agent.post("/api/channels/discussion/posts", {"content": "after"}).json()["id"]
    assert after > lost, "an id that was given out once never means another post"
    told = agent.get("/api/events", after=listening_at, wait=10).json()["events"]
    assert [event["kind"] for event in told] == ["post"]
    assert "exists" in agenthub("backup", str(saved), *hub.place, ok=False)
    (tmp_path / "junk").write_text("junk")
    assert "no backup" in agenthub("restore", str(tmp_path / "junk"), *hub.place, ok=False)


def test_a_worker_that_dies_is_replaced(tmp_path: Path, served_hub: Any) -> None:
    """kill -9 of a worker: the hub goes on, and soon has all its workers again; kill -9 of the
    parent ends them all."""
    hub = served_hub()
    import psutil

    def is_worker(child: Any) -> bool:
        try:
            return "spawn_main" in " ".join(child.cmdline())
        except psutil.Error:  # it has just died
            return False

    def workers() -> list[Any]:
        return [child for child in psutil.Process(hub.process.pid).children() if is_worker(child)]

    until(lambda: len(workers()) == 2)
    first = workers()
    first[0].kill()
    until(lambda: len(workers()) == 2 and first[0].pid not in {worker.pid for worker in workers()})
    assert httpx.get(f"{hub.url}/api/health", timeout=30).status_code == 200
    left = workers()
    hub.process.kill()
    hub.process.wait()
    assert psutil.wait_procs(left, timeout=30)[1] == []


def test_open_streams_do_not_hold_up_a_shutdown(served_hub: Any) -> None:
    """SIGTERM ends server-sent events at once; the hub does not wait for listeners to leave."""
    hub = served_hub()
    agent = hub.agent()
    with httpx.stream("GET", f"{hub.url}/api/events", headers=agent.headers, timeout=60) as stream:
        lines = stream.iter_lines()
        assert next(lines).startswith("retry")
        hub.process.terminate()
        for _ in lines:
            pass
    assert hub.process.wait(30) == 0


def test_seed_verify_and_reindex(own_hub: Any, tmp_path: Path) -> None:
    """A folder becomes the root; the hub agrees with itself; what can be derived is worked out
    anew; damage is told."""
    hub = own_hub()
    agent = hub.agent()
    baseline = tmp_path / "baseline"
    baseline.mkdir()
    (baseline / "train.py").write_text("print('val_bpb: 1.0')\n")
    root = agenthub("seed", str(baseline), *hub.place)
    line = f"commit:{root[:7]} platform:cpu val_bpb:1.5 vram_gb:1 | baseline"
    agent.post("/api/channels/results/posts", {"content": line})

    assert (
        root
        == agent.get("/api/git/root").json()["hash"]
        == agenthub("seed", str(baseline), *hub.place)
    )
    assert root == agent.get("/api/results", agent=agent.id).json()[0]["commit_hash"]
    assert root in hub.http.get("/llms.txt").text
    found = sorted(f["kind"] for f in agent.get("/api/search", q="baseline").json())
    assert found == ["commit", "post", "result"]
    assert "no problem" in agenthub("verify", *hub.place)

    agenthub("reindex", *hub.place)
    assert found == sorted(f["kind"] for f in agent.get("/api/search", q="baseline").json())
    assert "no problem" in agenthub("verify", *hub.place)

    agenthub("hide", "commit", root, *hub.place)
    assert agent.get(f"/api/git/commits/{root}").status_code == 404
    assert "commit" not in [f["kind"] for f in agent.get("/api/search", q="baseline").json()]
    agenthub("reindex", *hub.place)
    assert agent.get(f"/api/git/commits/{root}").status_code == 404
    agenthub("hide", "commit", root, "--undo", *hub.place)
    assert agent.get(f"/api/git/commits/{root}").status_code == 200
    assert "whole hash" in agenthub("hide", "commit", root[:9], *hub.place, ok=False)

    with closing(Database(hub.data, hub.database)) as db, db.write() as behind_the_rules:
        behind_the_rules.run("UPDATE results SET leads = 0")
    told = subprocess.run(
        [*AGENTHUB, "verify", *hub.place], capture_output=True, text=True, timeout=60
    )
    assert told.returncode == 1 and "names other records" in told.stdout


def test_what_is_hidden_is_in_no_event(own_hub: Any, tmp_path: Path) -> None:
    """Posts and commits that are hidden are named by no earlier event, whether it is read from
    the table or was just handed out, and by all of them again after `--undo`."""
    hub = own_hub()
    agent = hub.agent()
    post = agent.post("/api/channels/discussion/posts", {"content": "bad"}).json()["id"]
    other = agent.post("/api/channels/discussion/posts", {"content": "good"}).json()["id"]
    work = Work.new(tmp_path / "w")
    commit = work.commit("bad")
    push(agent, work.bundle())

    def told() -> set[str]:
        answer = agent.get("/api/events", after=0, wait=0).json()["events"]
        found = [event["payload"] for event in answer if event["kind"] in ("post", "commit")]
        return {str(payload.get("id") or payload.get("hash")) for payload in found}

    assert told() == {str(post), str(other), commit}
    for kind, name in (("post", str(post)), ("commit", commit)):
        agenthub("hide", kind, name, *hub.place)
    assert told() == {str(other)}
    for kind, name in (("post", str(post)), ("commit", commit)):
        agenthub("hide", kind, name, "--undo", *hub.place)
    assert told() == {str(post), str(other), commit}


def test_backups_name_themselves_and_are_pruned(own_hub: Any, tmp_path: Path) -> None:
    """In a folder `--keep 2` leaves the newest two of its own names and everything else; metrics
    and the trail know of the last."""
    hub = own_hub()
    folder = tmp_path / "backups"
    folder.mkdir()
    old = [folder / f"hub-2020-01-0{day}T000000Z.db" for day in (1, 2, 3)]
    for file in (*old, folder / "mine.db", folder / "hub-2020-01-01.db"):
        file.write_text("old")

    said = agenthub("backup", str(folder), "--keep", "2", *hub.place)

    assert len(list(folder.iterdir())) == 4 and old[2].exists() and not old[0].exists()
    assert said.count("removed") == 2
    made = hub.http.get("/metrics").text.partition("\nagenthub_backup_timestamp_seconds ")[2]
    assert time.time() - float(made.split()[0]) < 600
    assert "\tbackup\thub-20" in agenthub("audit", "--limit", "1", *hub.place)
    assert "folder" in agenthub("backup", str(tmp_path / "f"), "--keep", "1", *hub.place, ok=False)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_file_configures_a_hub_and_is_reread(
    tmp_path: Path, served_hub: Any, workers: int
) -> None:
    """Options from TOML; on SIGHUP what can change does in every worker, the log names what
    cannot, and a file with a mistake changes nothing."""
    file, log = tmp_path / "hub.toml", tmp_path / "hub.log"

    def write(text: str) -> None:
        file.write_text(f"registration = 'open'\nlog = '{log}'\n{text}")

    write("name = 'First'\ntrusted-proxies = ['10.0.0.0/8']\nmax-bundle-mb = 7")
    hub = served_hub(f"--config={file}", workers=workers)

    def names() -> set[str]:
        told = (httpx.get(f"{hub.url}/llms.txt").text for _ in range(8))
        return {text.splitlines()[0] for text in told}

    assert names() == {"# First"} and "up to 7 MB" in hub.http.get("/api/guide").text
    write("name = 'Second'\nmax-connections = 77\nregistration-x = 1")
    hub.process.send_signal(signal.SIGHUP)
    until(lambda: "is registration meant?" in log.read_text())
    assert names() == {"# First"}
    write("name = 'Second'\nmax-connections = 77")
    hub.process.send_signal(signal.SIGHUP)
    until(lambda: names() == {"# Second"})
    assert "they stay: max-connections" in log.read_text()
    assert "up to 50 MB" in hub.http.get("/api/guide").text
    answer = hub.http.post("/api/register", json={"id": "still-here"})
    assert answer.status_code == 201


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("max-posts-per-hour = '3'", "max-posts-per-hour is a whole number"),
        ("roots-only = 1", "roots-only is true or false"),
        ("max_posts_per_hour = 3", "is max-posts-per-hour meant?"),
        ("admin-key = 'k'", "AGENTHUB_ADMIN_KEY"),
        ("registration = 'maybe'", "'open', 'invite', 'closed'"),
        ("name = ", "not valid TOML"),
    ],
)
def test_a_mistake_in_the_file_is_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    """What is wrong, and where; nothing is made."""
    file, data = tmp_path / "hub.toml", tmp_path / "data"
    file.write_text(text)

    assert said in agenthub("serve", "--config", str(file), "--data", str(data), ok=False)
    assert not data.exists()
