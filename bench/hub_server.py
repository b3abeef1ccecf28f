"""A filled hub that `agenthub serve` serves on loopback, and the load client that asks it.

What is asked is written elsewhere (hub_verbs, capacity_requests).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from hub_client import Lists, write_requests
from hub_data import AGENTS, PLENTY, Loaded, Pusher

CLIENT = Path(__file__).with_name("hub_client.py")
REST_CPU_S, REST_MAX = 0.05, 30  # a second of a server at rest; how many are waited for


@dataclass
class Server:
    """A filled hub that is being served."""

    size: int
    loaded: Loaded
    port: int
    process: psutil.Process
    http: httpx.Client
    folder: Path

    def cpu_s(self) -> float:
        """CPU seconds of the server and its workers so far."""
        times = [p.cpu_times() for p in (self.process, *self.process.children(recursive=True))]
        return float(sum(t.user + t.system for t in times))

    def request(
        self, who: int, method: str, path: str, body: bytes = b"", kind: str = "application/json"
    ) -> bytes:
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer "
            f"{self.loaded.keys[who % AGENTS]}\r\n"
        )
        if body:
            head += f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        return head.encode() + b"\r\n" + body

    def get(self, who: int, path: str) -> bytes:
        return self.request(who, "GET", path)

    def post(self, who: int, text: str) -> bytes:
        return self.request(
            who, "POST", "/api/channels/discussion/posts", json.dumps({"content": text}).encode()
        )

    def push(self, who: int, pusher: Pusher) -> bytes:
        return self.request(who, "POST", "/api/git/push", pusher.next(), "application/octet-stream")


@contextmanager
def serving(
    folder: Path, loaded: Loaded, workers: int, options: Sequence[str] = ()
) -> Iterator[Server]:
    """`agenthub serve` on a filled folder."""
    limits = [f"--max-{what}-per-hour={PLENTY}" for what in ("pushes", "posts", "registrations")]
    limits.append("--max-connections-per-network=4000")  # the load comes from one address
    command = [
        sys.executable,
        "-m",
        "autoresearch.cli.agenthub",
        "serve",
        "--listen=127.0.0.1:0",
        f"--data={folder}",
    ]
    with (folder.parent / f"{folder.name}.log").open("w") as log:
        process = subprocess.Popen(
            [*command, f"--workers={workers}", *limits, *options],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        assert process.stdout is not None
        url = next(line for line in process.stdout if line.startswith("listening on ")).split()[-1]
        http = httpx.Client(base_url=url, timeout=300, transport=httpx.HTTPTransport(retries=20))
        assert http.get("/api/health").status_code == 200
        server = Server(
            len(loaded.parents),
            loaded,
            int(url.rsplit(":", 1)[1]),
            psutil.Process(process.pid),
            http,
            folder,
        )
        _await_rest(server)
        yield server
        http.close()
    finally:
        process.terminate()
        process.wait(30)


def _await_rest(server: Server) -> None:
    """Wait until every worker has started: the first answers while others still import, and what a
    worker does once would be counted as the cost of the first verb's requests.
    """
    for _ in range(REST_MAX):
        before = server.cpu_s()
        time.sleep(1)
        if server.cpu_s() - before < REST_CPU_S:
            return


def load(
    server: Server, lists: Lists, seconds: float, cycle: bool
) -> tuple[dict[str, float], float]:
    """What the client measured, and the server's CPU microseconds per request."""
    with tempfile.NamedTemporaryFile(suffix=".requests") as file:
        write_requests(Path(file.name), lists)
        before = server.cpu_s()
        command = [
            sys.executable,
            str(CLIENT),
            str(server.port),
            str(seconds),
            "1" if cycle else "0",
            file.name,
        ]
        told = json.loads(
            subprocess.run(
                command, capture_output=True, text=True, check=True, timeout=seconds + 120
            ).stdout
        )
        cpu_s = server.cpu_s() - before
    return told, cpu_s / max(told["requests"], 1) * 1e6
