"""A small honest peer of Hugging Face's file server on loopback: HEAD, ranges, etags, and failures
on demand."""

from __future__ import annotations

import hashlib
import http.server
import re
import threading
import time
from collections import defaultdict


class HuggingFace(http.server.ThreadingHTTPServer):
    """Serves `files[(repo, name)]`. `faults[name]` is a list of what goes wrong with the next GETs
    of a file: "500", "truncate" (half of the body, then the connection ends), "slow" (a pause in
    the middle), "garbage" (other content of the same size). `gets[name]` lists the ranges asked
    for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.files: dict[tuple[str, str], bytes] = {}
        self.faults: dict[str, list[str]] = defaultdict(list)
        self.gets: dict[str, list[str | None]] = defaultdict(list)
        self.busy = self.most_busy = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news."""


class Answer(http.server.BaseHTTPRequestHandler):
    server: HuggingFace
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_HEAD(self) -> None:
        self.answer(None)

    def do_GET(self) -> None:
        server, name = self.server, self.path.rsplit("/", 1)[-1]
        with server.lock:
            server.gets[name].append(self.headers.get("Range"))
            server.busy += 1
            server.most_busy = max(server.most_busy, server.busy)
            fault = server.faults[name].pop(0) if server.faults[name] else ""
        try:
            self.answer(fault)
        finally:
            with server.lock:
                server.busy -= 1

    def answer(self, fault: str | None) -> None:
        """`fault` None: a HEAD."""
        match = re.fullmatch(r"/datasets/([^/]+/[^/]+)/resolve/[^/]+/(.+)", self.path)
        content = self.server.files.get((match[1], match[2])) if match else None
        if content is None or fault == "500":
            self.send_response(500 if fault == "500" else 404)
            if fault != "500":
                self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        first = int(asked[1]) if asked else 0
        self.send_response(206 if asked else 200)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(content) - first))
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if fault is not None:
            self.send(content[first:] if fault != "garbage" else bytes(len(content) - first), fault)

    def send(self, body: bytes, fault: str) -> None:
        half = len(body) // 2
        self.wfile.write(body[:half])
        self.wfile.flush()
        if fault == "truncate":
            self.close_connection = True
            return
        if fault == "slow":
            time.sleep(1.5)
        self.wfile.write(body[half:])
