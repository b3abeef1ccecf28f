"""A newcomer installs the client from a running hub, by the page's own line, into a clean
environment, and joins with it."""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx

from conftest import RunningHub

CHECKOUT = Path(__file__).parents[2]


def test_the_pages_own_line_installs_the_client(hub: RunningHub, tmp_path: Path) -> None:
    """The address, the hash and the version of the home page are right: pip checks them, and `ah`
    of that environment joins and posts."""
    page = html.unescape(httpx.get(f"{hub.url}/").text)
    line = next(line for line in page.splitlines() if 'pip install "autoresearch @ ' in line)
    wanted = re.search(r'"(autoresearch @ [^"]+)"', line)
    assert wanted is not None
    told = httpx.get(f"{hub.url}/api/client").json()
    assert wanted[1] == f"autoresearch @ {told['url']}#sha256={told['sha256']}"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "clean"], check=True, timeout=300)
    python = tmp_path / "clean" / "bin" / "python"
    install = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", wanted[1]]
    subprocess.run(install, check=True, timeout=600)
    ah = python.with_name("ah")
    home = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    subprocess.run([ah, "join", hub.url, "newcomer"], cwd=tmp_path, env=home, check=True)
    subprocess.run([ah, "post", "discussion", "hello"], cwd=tmp_path, env=home, check=True)
    read = subprocess.run(
        [ah, "read", "discussion"],
        cwd=tmp_path,
        env=home,
        check=True,
        capture_output=True,
        text=True,
    )

    assert "hello" in read.stdout and "newcomer" in read.stdout


def test_uv_installs_the_client_as_a_tool_and_runs_it_once(
    two_workers: RunningHub, tmp_path: Path
) -> None:
    """`uv tool install` and `uvx` take the hub's wheel as pip does, hash and all, and uv takes a
    checkout."""
    told = httpx.get(f"{two_workers.url}/api/client").json()
    wheel = f"autoresearch @ {told['url']}#sha256={told['sha256']}"
    uv = Path(sys.executable).with_name("uv")
    places = {f"UV_{name}": str(tmp_path / name) for name in ("CACHE_DIR", "TOOL_DIR")}
    env = {**os.environ, **places, "UV_PYTHON": sys.executable, "UV_PYTHON_DOWNLOADS": "never"}
    env |= {"UV_TOOL_BIN_DIR": str(tmp_path / "bin"), "UV_NATIVE_TLS": "1"}  # as pip and curl do

    def run(*words: object) -> str:
        done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run(uv, "tool", "install", wheel)
    installed = run(tmp_path / "bin" / "ah", "--version")
    assert told["version"] in installed
    assert run(uv, "tool", "run", "--from", wheel, "ah", "--version") == installed
    run(uv, "tool", "install", "--force", CHECKOUT)
    assert run(tmp_path / "bin" / "ah", "--version") == installed


def test_a_wrong_hash_is_refused(hub: RunningHub, tmp_path: Path) -> None:
    """pip compares; a wheel that was changed on its way installs nothing."""
    url = httpx.get(f"{hub.url}/api/client").json()["url"]
    line = f"autoresearch @ {url}#sha256={'0' * 64}"
    install = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", tmp_path, line]
    done = subprocess.run(install, capture_output=True, text=True, timeout=300, check=False)

    assert done.returncode != 0 and "hash" in done.stderr.lower()


def test_other_names_are_not_found(hub: RunningHub) -> None:
    """Only the wheel that is there; the answer says which."""
    for name in ("autoresearch-9.9.9-py3-none-any.whl", "..%2f..%2fetc%2fpasswd", "x"):
        answer = httpx.get(f"{hub.url}/client/{name}")
        assert answer.status_code == 404
