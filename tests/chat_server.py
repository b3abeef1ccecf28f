"""A small honest chat-completions server on loopback: answers what it was told to, streamed as the
protocol says, faults included."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from autoresearch.researcher.agents.llm import READY


@dataclass
class Say:
    """One answer. `status` other than 200 sends `text` as an error; `cut` ends the stream before
    the model does."""

    text: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    stream: bool = True
    cut: bool = False
    raw: bytes | None = None


@dataclass
class ChatServer:
    url: str
    answers: list[Say]
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)


@contextmanager
def chat_server(*answers: Say | str, is_ready: bool = False) -> Iterator[ChatServer]:
    """Serves the answers in turn, the last one for ever. With `is_ready` the question before a
    night, whether it is there at all, takes none of them."""
    state = ChatServer("", [Say(a) if isinstance(a, str) else a for a in answers])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if is_ready and request["messages"][-1]["content"] == READY:
                return self.streamed(Say("ready."))
            state.requests.append(request)
            state.keys.append(self.headers.get("authorization", ""))
            say = state.answers.pop(0) if len(state.answers) > 1 else state.answers[0]
            if say.status != 200 or self.path != "/v1/chat/completions":
                return self.whole(
                    say.status if say.status != 200 else 404, say.text.encode(), say.headers
                )
            if say.raw is not None:
                kind = {"content-type": "text/event-stream", **say.headers}
                return self.whole(200, say.raw, kind)
            if not say.stream:
                body = {
                    "choices": [{"message": {"content": say.text}}],
                    "usage": {"prompt_tokens": 7, "completion_tokens": 3},
                }
                return self.whole(
                    200, json.dumps(body).encode(), {"content-type": "application/json"}
                )
            self.streamed(say)

        def whole(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def streamed(self, say: Say) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.end_headers()
            pieces = [say.text[i : i + 11] for i in range(0, len(say.text), 11)]
            for piece in pieces[: len(pieces) // 2] if say.cut else pieces:
                self.event({"choices": [{"delta": {"content": piece}, "finish_reason": None}]})
            if not say.cut:
                self.event({"choices": [{"delta": {}, "finish_reason": "stop"}]})
                self.event(
                    {"choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 20}}
                )
                self.wfile.write(b"data: [DONE]\n\n")

        def event(self, value: dict[str, Any]) -> None:
            self.wfile.write(b"data: " + json.dumps(value).encode() + b"\n\n")

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
