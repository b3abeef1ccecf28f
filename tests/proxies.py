"""Real proxies with TLS before a hub, set up by the files of deploy/: nginx below `/hub/`, Caddy at
the top of its host."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

DEPLOY = Path(__file__).parent.parent / "deploy"
UNPACKED = Path(sys.prefix) / "debian" / "usr"  # by scripts/setup.sh
READY_S = 30.0


@dataclass(frozen=True)
class Front:
    """Where the hub is reached, and the file of the authority that signed for it."""

    url: str
    authority: Path


def find_program(name: str) -> str:
    path = os.pathsep.join([os.environ["PATH"], f"{UNPACKED}/sbin", f"{UNPACKED}/bin"])
    found = shutil.which(name, path=path)
    assert found, f"no {name}: scripts/setup.sh test unpacks it"
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


@contextmanager
def nginx(hub_url: str, folder: Path) -> Iterator[Front]:
    """deploy/nginx.conf with other names, ports and certificates; checked by `nginx -t` first."""
    folder.mkdir()
    port, authority = free_port(), make_certificate(folder)
    site = (DEPLOY / "nginx.conf").read_text()
    for old, new in (
        (r"listen 443 ", f"listen 127.0.0.1:{port} "),
        (r"server_name \S+;", "server_name localhost;"),
        (r"/etc/\S+/fullchain.pem", str(authority)),
        (r"/etc/\S+/privkey.pem", str(folder / "key.pem")),
        (r"http://127.0.0.1:8000/", f"{hub_url}/"),
    ):
        site, count = re.subn(old, new, site)
        assert count == 1, old
    temporary = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "".join(f"{name}_temp_path {folder}/{name};\n" for name in temporary)
    user = "user root;\n" if os.geteuid() == 0 else ""  # who may enter the test's folder
    (folder / "site.conf").write_text(site)
    (folder / "nginx.conf").write_text(
        f"{user}daemon off;\npid {folder}/pid;\nworker_processes 1;\nerror_log {folder}/log;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{paths}include {folder}/site.conf;\n}}\n"
    )
    arguments = ["-p", str(folder), "-e", f"{folder}/log", "-c", str(folder / "nginx.conf")]
    program = [find_program("nginx"), *arguments]
    done = subprocess.run([*program, "-t"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with running(program, port, authority):
        yield Front(f"https://localhost:{port}/hub", authority)


@contextmanager
def caddy(hub_url: str, folder: Path) -> Iterator[Front]:
    """deploy/Caddyfile as it is, told address and upstream; checked by `caddy validate` first."""
    folder.mkdir()
    port = free_port()
    (folder / "Caddyfile").write_text(
        "{\nadmin off\nskip_install_trust\ngrace_period 5s\nauto_https disable_redirects\n"
        f"storage file_system {folder}/store\n}}\nimport {DEPLOY}/Caddyfile\n"
    )
    told = {"HUB_ADDRESS": f"https://localhost:{port}", "HUB_UPSTREAM": urlsplit(hub_url).netloc}
    env = {**os.environ, **told, "HOME": str(folder)}
    arguments = ["--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
    program = find_program("caddy")
    done = subprocess.run(
        [program, "validate", *arguments], env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    authority = folder / "store" / "pki" / "authorities" / "local" / "root.crt"
    with running([program, "run", *arguments], port, authority, env):
        yield Front(f"https://localhost:{port}", authority)


def make_certificate(folder: Path) -> Path:
    """A certificate of localhost that signs for itself."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost",
         "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder / "cert.pem"


@contextmanager
def running(
    command: list[str], port: int, authority: Path, env: dict[str, str] | None = None
) -> Iterator[None]:
    """The program, from when it answers to a greeting by TLS."""
    process = subprocess.Popen(
        command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        ends = time.monotonic() + READY_S
        while not answers(port, authority):
            assert process.poll() is None, f"{command} has ended"
            assert time.monotonic() < ends, f"{command[0]} does not answer"
            time.sleep(0.05)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def answers(port: int, authority: Path) -> bool:
    try:
        trusted = ssl.create_default_context(cafile=str(authority))
        with socket.create_connection(("127.0.0.1", port), 5) as sock:
            trusted.wrap_socket(sock, server_hostname="localhost").close()
        return True
    except OSError:
        return False
