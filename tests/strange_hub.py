"""Hubs that are not well: small real HTTP servers that answer nonsense, drip, refuse, or break off
after they did what was asked."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Reply:
    """`drip`: one byte at a time, for ever. `cut`: the connection ends without an answer."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    drip: bool = False
    cut: bool = False


def told(status: int, value: Any, **headers: str) -> Reply:
    return Reply(
        status,
        json.dumps(value).encode(),
        {name.replace("_", "-"): text for name, text in headers.items()},
    )


@dataclass
class Asked:
    method: str
    path: str
    body: Any


@dataclass
class StrangeHub:
    url: str
    asked: list[Asked] = field(default_factory=list)

    def posts(self) -> list[str]:
        """The contents that were sent to the board."""
        return [
            a.body["content"]
            for a in self.asked
            if a.method == "POST" and a.path.endswith("/posts")
        ]


@contextmanager
def strange_hub(answer: Callable[[Asked], Reply]) -> Iterator[StrangeHub]:
    """A server that answers as `answer` says."""
    ending = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            data = self.rfile.read(int(self.headers.get("content-length") or 0))
            try:
                body = json.loads(data) if data else None
            except ValueError:
                body = data
            asked = Asked(self.command, self.path, body)
            hub.asked.append(asked)
            reply = answer(asked)
            if reply.cut:
                self.close_connection = True
                self.connection.close()
                return
            self.send_response(reply.status)
            length = {} if reply.drip else {"content-length": str(len(reply.body))}
            for name, value in {
                "content-type": "application/json",
                **length,
                **reply.headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            while reply.drip and not ending.is_set():
                self.wfile.write(b" ")
                self.wfile.flush()
                time.sleep(0.05)
            self.wfile.write(reply.body)

        do_GET = do_POST = do_DELETE = handle_any

        def log_message(self, *_: object) -> None:
            return

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            return

    server = Server(("127.0.0.1", 0), Handler)
    hub = StrangeHub(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        ending.set()
        server.shutdown()
        server.server_close()
