"""What an operator sees and sets: readiness, request ids, metrics of what fills and waits, what a
hub says about itself."""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx
import pytest

from autoresearch.hub import logs
from autoresearch.hub.readiness import Readiness
from autoresearch.hub.settings import Settings, Site, merge_settings
from autoresearch.hub.store.database import Database

LOOPBACK = (ip_network("127.0.0.0/8"),)
SITE = Site("Tuesday <b>group</b>", "We try & tell.", "- be **brief**\n<script>x</script>", "a@b.c")


def metric(hub: Any, name: str) -> float:
    """The value of one line of /metrics."""
    lines = hub.http.get("/metrics").text.splitlines()
    return float(next(line for line in lines if line.startswith(name + " ")).rpartition(" ")[2])


def test_a_hub_is_ready_where_it_takes_changes(
    own_hub: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ready at rest; 503 with a sentence while somebody else holds the writers' turn; ready again
    afterwards. It is alive all the while."""
    monkeypatch.setattr(Readiness, "write_s", 0.2)
    hub = own_hub()
    assert hub.http.get("/api/ready").json() == {"status": "ready"}

    def answers(status: int) -> bool:
        for _ in range(200):
            answer = hub.http.get("/api/ready")
            if answer.status_code == status:
                return True
            threading.Event().wait(0.05)
        return False

    other = Database(hub.data, hub.database)
    with other.exclusive():
        assert answers(503)
        assert hub.http.get("/api/health").status_code == 200
    assert answers(200)
    other.close()


def test_every_answer_has_an_id_that_the_log_has(
    own_hub: Callable[..., Any], tmp_path: Path
) -> None:
    """Pages, short cuts, errors: each its own id, in the log under `request`. A stranger's is not
    taken over, a trusted proxy's is."""
    logs.start_log(str(tmp_path / "log"))
    logged = logging.getLogger("agenthub").handlers
    try:
        hub, behind = own_hub(), own_hub(trusted_proxies=LOOPBACK)
        agent = hub.agent()
        said = {"X-Request-Id": "mine-1"}
        answers = [hub.http.get(path, headers=said) for path in ("/", "/api/nowhere", "/agents")]
        answers.append(agent.get("/api/channels/discussion/posts"))
        answers.append(agent.get("/api/channels/discussion/posts"))  # by the short cut
        told = [answer.headers["x-request-id"] for answer in answers]
        assert len(set(told)) == 5 and "mine-1" not in told
        assert behind.http.get("/", headers=said).headers["x-request-id"] == "mine-1"
        wrong = behind.http.get("/", headers={"X-Request-Id": 'a b"c'}).headers["x-request-id"]
        assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]+", wrong)
        threading.Event().wait(logs.FLUSH_S * 3)
    finally:
        for handler in logged:
            handler.close()
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert set(told) <= {line.get("request") for line in lines}


def test_metrics_tell_what_fills_waits_and_was_refused(own_hub: Callable[..., Any]) -> None:
    """Sizes are there and over zero, a refused post is counted, a listener too."""
    hub = own_hub(max_posts_per_hour=1)
    agent = hub.agent()
    for _ in range(2):
        last = agent.post("/api/channels/discussion/posts", {"content": "x"})
    assert last.status_code == 429

    assert metric(hub, 'agenthub_refusals_total{what="allowance"}') == 1
    assert metric(hub, 'agenthub_refusals_total{what="connections"}') == 0
    for name in ("database_bytes", "disk_free_bytes", 'held{what="connections"}'):
        assert metric(hub, f"agenthub_{name}") > 0
    assert metric(hub, "agenthub_backup_timestamp_seconds") == 0
    assert metric(hub, "agenthub_writes_waiting") >= 0
    with httpx.stream("GET", f"{hub.url}/live", timeout=60) as stream:
        lines = stream.iter_lines()  # named, for it closes the stream when it goes
        next(lines)
        for _ in range(200):
            if metric(hub, "agenthub_listeners") == 1:
                break
            threading.Event().wait(0.05)
        assert metric(hub, "agenthub_listeners") == 1


def test_workers_are_added_up(two_workers: Any) -> None:
    """A scrape of one worker tells the connections of both."""
    clients = [httpx.Client(base_url=two_workers.url) for _ in range(12)]
    for client in clients:
        client.get("/api/health")

    for _ in range(200):
        if metric(two_workers, 'agenthub_held{what="connections"}') >= 12:
            break
        threading.Event().wait(0.05)
    assert metric(two_workers, 'agenthub_held{what="connections"}') >= 12
    for client in clients:
        client.close()


def test_a_hub_says_what_it_is(own_hub: Callable[..., Any]) -> None:
    """Name, description, rules and contact stand on pages and in /llms.txt, as text that cannot do
    anything."""
    hub = own_hub(site=SITE)
    home, other = hub.http.get("/").text, hub.http.get("/agents").text

    assert "Tuesday &lt;b&gt;group&lt;/b&gt;" in home and "Tuesday &lt;b&gt;" in other
    assert "We try &amp; tell." in home and "<strong>brief</strong>" in home
    assert "<script>x" not in home and 'href="mailto:a@b.c"' in other
    told = hub.http.get("/llms.txt").text
    assert told.startswith(f"# {SITE.name}\n") and SITE.rules in told and "Contact: a@b.c" in told


def test_what_changes_while_a_hub_serves(tmp_path: Path) -> None:
    """Limits and texts do, sockets and folders do not; each is told by its option's name."""
    old = Settings(tmp_path, b"k", workers=1, max_posts_per_hour=3)
    new = Settings(tmp_path, b"k", workers=2, max_posts_per_hour=4, site=SITE)

    merged, live, fixed = merge_settings(old, new)

    assert (merged.max_posts_per_hour, merged.site, merged.workers) == (4, SITE, 1)
    assert (live, fixed) == (["max-posts-per-hour", "site"], ["workers"])
