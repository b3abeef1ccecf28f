"""Behind a proxy that shows the hub below a path (`location /hub/`), every page lost its files
and links. Whole pages, plain git and `ah` work there, whether or not the proxy cuts the path off.
"""

from __future__ import annotations

import http.server
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest

from autoresearch.client import Hub
from autoresearch.errors import BadInput
from autoresearch.hub.app import create_app
from autoresearch.hub.rules.addresses import (
    OUR_PATHS,
    check_base_path,
    check_public_url,
    read_prefix,
)
from autoresearch.hub.settings import Settings
from git_work import Work, push

LINK = re.compile(r'(?:href|src|action|data-live-part)="([^"#]*)')
LOOPBACK = (ip_network("127.0.0.0/8"),)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


@contextmanager
def proxy(hub_url: str, prefix: str, cuts: bool, names: bool) -> Iterator[str]:
    """A small proxy that shows the hub below `prefix` and nothing beside it; its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            if not self.path.startswith(prefix + "/"):
                self.send_error(404, "beside the hub")
                return
            path = self.path[len(prefix) :] if cuts else self.path
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {n: v for n, v in self.headers.items() if n != "Connection"}
            if names:
                headers["X-Forwarded-Prefix"] = prefix
            request = urllib.request.Request(
                hub_url + path, body or None, headers, method=self.command
            )
            opener = urllib.request.build_opener(_NoRedirects())
            try:
                answer: Any = opener.open(request, timeout=60)
            except urllib.error.HTTPError as error:
                answer = error
            data = answer.read()
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_DELETE = answer

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}{prefix}"
    server.shutdown()
    thread.join(30)


def links_below(base: str, path: str) -> set[str]:
    """The addresses of our own that a page names."""
    text = httpx.get(base + path, timeout=60).text
    found = {urljoin(base + path, link.replace("&amp;", "&")) for link in LINK.findall(text)}
    host = re.match(r"http://[^/]+", base)
    assert host is not None
    return {link for link in found if link.startswith(host[0])}


@pytest.mark.parametrize(("cuts", "names"), [(True, True), (True, False), (False, False)])
def test_a_hub_below_a_path(
    own_hub: Callable[..., Any], tmp_path: Path, cuts: bool, names: bool
) -> None:
    """Every link of every page leads to an answer, git pushes and clones, the client works; the
    path is named by the proxy (X-Forwarded-Prefix) or by the operator (`--base-path`)."""
    told = {"trusted_proxies": LOOPBACK} if names else {"base_path": "/swarm/hub"}
    hub = own_hub(**told)
    with proxy(hub.url, "/swarm/hub", cuts, names) as base:
        agent = hub.agent()
        work = Work.new(tmp_path / "w")
        commit = work.commit("first")
        with Hub(base, agent.key) as client:
            assert client.whoami().id == agent.id
            client.post("discussion", "see `x`")
        push(agent, work.bundle())
        url = base.replace("http://", f"http://x:{agent.key}@") + "/git"
        work.git("push", "-q", url, f"HEAD:refs/heads/{agent.id}/x")
        Work(tmp_path).git("clone", "-q", "-b", f"{agent.id}/x", url, "clone")

        seen: set[str] = set()
        for path in ("/", "/board/discussion", "/graph", f"/commits/{commit}", "/leaderboard"):
            seen |= links_below(base, path)
        assert len(seen) > 15 and all(link.startswith(base + "/") for link in seen)
        wrong = [link for link in seen if httpx.get(link, timeout=60).status_code >= 400]
        assert wrong == []
        assert f"curl -sf -X POST {base}/api/register" in httpx.get(f"{base}/llms.txt").text
        script = next(link for link in seen if "/page." in link)
        imported = re.findall(r'from "(\./[^"]+)"', httpx.get(script).text)
        assert imported and all(
            httpx.get(urljoin(script, name)).status_code == 200 for name in imported
        )
        entered = httpx.post(f"{base}/operator/enter", data={"key": hub.admin_key}, timeout=60)
        assert entered.headers["location"] == "/swarm/hub/operator"
        assert "Path=/swarm/hub/operator" in entered.headers["set-cookie"]


def test_only_trusted_proxies_name_a_path(own_hub: Callable[..., Any]) -> None:
    """A stranger's X-Forwarded-Prefix moves no page, not even in the cache."""
    hub = own_hub()

    for name in ("/evil", "//evil.example", "javascript:alert(1)"):
        page = hub.http.get("/", headers={"X-Forwarded-Prefix": name})
        assert "evil" not in page.text and "alert" not in page.text


@pytest.mark.parametrize(
    ("header", "path"),
    [
        ("/hub/", "/hub"), ("/a/b", "/a/b"), ("", ""), ("/", ""), ("hub", ""),
        ("//evil.example", ""), ("/a\"onload=x", ""), ("/a" * 9, ""),
    ],
)  # fmt: skip
def test_what_can_be_a_prefix(header: str, path: str) -> None:
    """A path of plain letters, or nothing."""
    assert path == read_prefix(header)


@pytest.mark.parametrize("path", ["/api", "/git/", "/static/x", "hub", "/a b"])
def test_where_the_hub_cannot_stand(path: str) -> None:
    """Below a path of its own, one could not tell which is meant."""
    with pytest.raises(BadInput):
        check_base_path(path)


def test_a_public_address(own_hub: Callable[..., Any]) -> None:
    """`--public-url` is what guides and pages name, whatever a caller asked for; without it a
    host may hold an underscore."""
    url, base = check_public_url("https://hub.example.org/swarm/")
    known = own_hub(public_url=url, base_path=base)
    other = own_hub()

    assert (url, base) == ("https://hub.example.org/swarm", "/swarm")
    assert f"{url}/api/register" in known.http.get("/llms.txt", headers={"Host": "x"}).text
    named = other.http.get("/llms.txt", headers={"Host": "my_hub.local:8000"}).text
    assert "http://my_hub.local:8000/api/register" in named
    for wrong in ("ftp://x", "hub.example.org", "https://x/?q", "https://x y/"):
        with pytest.raises(BadInput):
            check_public_url(wrong)


def test_every_path_of_the_hubs_is_known(tmp_path: Path) -> None:
    """A base path that is also a page's would hide the page; a new page has to be listed."""
    app = create_app(Settings(tmp_path / "hub", sha256(b"a key of sixteen letters").digest()))
    first = {f"/{route.path.split('/')[1]}" for route in app.inner.routes}
    app.hub.db.close()

    assert first - OUR_PATHS == {"/"}
