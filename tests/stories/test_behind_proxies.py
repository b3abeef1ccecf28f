"""The hub behind Debian's nginx below `/hub/`, and behind its Caddy, both with TLS and set up by
the files of deploy/: people, programs, git and `ah` work as they do without."""

from __future__ import annotations

import os
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag, urljoin

import httpx
import pytest

from ah_agent import AhAgent
from git_work import Work
from proxies import Front, caddy, nginx

LINK = re.compile(r'(?:href|src|data-live-part)="([^"]*)')
LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1"))
FILES, FILE_BYTES = 4, 10 * 1024 * 1024
PAGES_MAX = 60


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A bundle of 40 MB that nothing makes smaller."""
    work = Work.new(tmp_path_factory.mktemp("large") / "w")
    work.git("config", "core.compression", "0")
    for number in range(FILES):
        (work.path / f"{number}.bin").write_bytes(os.urandom(FILE_BYTES))
    work.commit("large")
    return work.bundle()


@pytest.fixture(params=[nginx, caddy], ids=["nginx", "caddy"])
def front(
    request: pytest.FixtureRequest, own_hub: Callable[..., Any], tmp_path: Path
) -> Iterator[tuple[Any, Front]]:
    hub = own_hub(trusted_proxies=LOOPBACK)
    with request.param(hub.url, tmp_path / "proxy") as found:
        yield hub, found


@pytest.mark.slow
def test_a_hub_behind_a_real_proxy(front: Any, large: bytes, tmp_path: Path) -> None:
    """Every link of every page answers below the hub's address; git pushes and clones; `ah` joins
    and posts; 40 MB go up; a viewer sees a post as it comes; metrics are the operator's alone."""
    hub, (url, authority) = front[0], (front[1].url, front[1].authority)
    trusted = ssl.create_default_context(cafile=str(authority))
    with httpx.Client(verify=trusted, timeout=60) as client:
        agent = AhAgent.at(tmp_path / "ada")
        agent.git("init", "-q", "-b", "main")
        commit = agent.commit("rate = 1\n", "first")
        env = {"SSL_CERT_FILE": str(authority), "GIT_SSL_CAINFO": str(authority)}

        def ah(*arguments: str) -> str:
            done = agent.run(*arguments, env=env)
            assert done.code == 0, done.err
            return done.out

        ah("join", url, "ada")
        ah("push")
        ah("post", "discussion", "hello, swarm")
        assert "hello, swarm" in ah("read", "discussion")
        key = hub.register("grace")
        bearer = {"Authorization": f"Bearer {key}"}

        work = Work.new(tmp_path / "w")
        other = work.commit("by git")
        address = url.replace("https://", f"https://x:{key}@") + "/git"
        tls = ("-c", f"http.sslCAInfo={authority}")
        work.git(*tls, "push", "-q", address, "HEAD:refs/heads/grace/x")
        Work(tmp_path).git(*tls, "clone", "-q", "-b", "grace/x", address, "clone")
        assert Work(tmp_path / "clone").git("rev-parse", "HEAD") == other

        sent = client.post(f"{url}/api/git/push", content=large, headers=bearer)
        assert sent.status_code == 201, sent.text

        seen = crawl(client, url)
        assert f"{url}/commits/{commit}" in seen and len(seen) > 15
        assert f"POST {url}/api/register" in client.get(f"{url}/llms.txt").text
        assert client.get(f"{url}/metrics").status_code == 403
        answer = client.get(f"{url}/api/ready")
        assert answer.json() == {"status": "ready"} and answer.headers["x-request-id"]
        entered = client.post(f"{url}/operator/enter", data={"key": hub.admin_key})
        assert entered.headers["location"].endswith("/operator")
        assert "Secure" in entered.headers["set-cookie"]
        assert "127.0.0.1" in client.get(f"{url}/operator").text, "who signed in is in the trail"

        with client.stream("GET", f"{url}/live", timeout=60) as stream:
            lines = stream.iter_lines()
            assert next(lines)
            post = {"content": "news"}
            threading.Timer(0.2, hub.http.post, ["/api/channels/discussion/posts"],
                            {"json": post, "headers": bearer}).start()  # fmt: skip
            assert next(line for line in lines if line.startswith("event: "))


def crawl(client: httpx.Client, url: str) -> set[str]:
    """Every address that pages name, each of which answers and lies below `url`."""
    waiting, seen, wrong = [f"{url}/"], set[str](), []
    while waiting and len(seen) < PAGES_MAX:
        here = waiting.pop(0)
        if here in seen:
            continue
        seen.add(here)
        answer = client.get(here)
        if answer.status_code >= 400 or not here.startswith(url):
            wrong.append((here, answer.status_code))
        if "text/html" in answer.headers["content-type"]:
            links = (
                urljoin(here, link.replace("&amp;", "&")) for link in LINK.findall(answer.text)
            )
            waiting += [
                urldefrag(link)[0] for link in links if link.startswith("https://localhost")
            ]
    assert wrong == []
    return seen
