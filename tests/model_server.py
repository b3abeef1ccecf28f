"""A model for real coding agents, on loopback: speaks Anthropic's messages, OpenAI's chat and
responses, and Gemini's protocol, streamed, and makes one edit by the tools that it is offered.

It is no model: it looks at the tools, reads the file, writes the new text, and says what it did.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]
READS = ("Read", "read_file", "read")
WRITES = ("Write", "write_file", "write")
SEARCH = "tool_search"
SHELLS = ("shell", "exec_command", "shell_command", "local_shell", "bash")
CHECKOUT = re.compile(r"(/[^\s\"'`<>\\]*\.autoresearch/worktrees/[\w-]+)")


@dataclass
class Model:
    """What the model does: `file` becomes `text`, then it says `words`. `calls` are tools to call
    in place of that, each by the end of its name. `status` other than 200 answers every question
    with `error`."""

    url: str = ""
    file: str = "opt.py"
    text: str = ""
    words: str = ""
    calls: tuple[tuple[str, Json], ...] = ()
    status: int = 200
    error: Json = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Turn:
    """One answer: words, or the call of a tool with its arguments."""

    words: str = ""
    tool: str = ""
    arguments: Json = field(default_factory=dict)


def next_turn(model: Model, tools: dict[str, Json], done: int, whole: str) -> Turn:
    """What comes after `done` calls of tools. `whole`: all of the request, which names the
    checkout."""
    if model.calls:
        return next_call(model, tools, done)
    found = CHECKOUT.findall(whole)
    path = f"{found[-1]}/{model.file}" if found else model.file
    read = next((name for name in READS if name in tools), "")
    write = next((name for name in WRITES if name in tools), "")
    shell = next((name for name in SHELLS if name in tools), "")
    plan: list[tuple[str, Json]] = []
    if write:
        plan = [(read, {}), (write, {"content": model.text})]
    elif shell:
        quoted = model.text.replace("'", "'\\''")
        plan = [(shell, {"command": f"printf %s '{quoted}' > {model.file}"})]
        plan += (
            [(shell, {"command": "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"})]
            if (shell == "bash")
            else []
        )
    if done >= len(plan):
        whole_file = f"{model.file}\n```\n{model.text}```\n"  # what aider takes for an edit
        return Turn(f"{'' if tools else whole_file}{model.words}")
    tool, arguments = plan[done]
    return Turn(model.words, tool, fit_arguments(tools[tool], arguments, path))


def next_call(model: Model, tools: dict[str, Json], done: int) -> Turn:
    """The next of the calls that the model was told to make; its last words after them. Some agents
    offer the tools of servers only to a model that searched for them."""
    number = done - (SEARCH in tools)
    if number >= len(model.calls) or not tools:
        return Turn(model.words)
    end, arguments = model.calls[max(0, number)]
    if number < 0:
        return Turn(model.words, SEARCH, {"query": end})
    tool = next((name for name in tools if name == end or name.endswith(f"_{end}")), "")
    return Turn(model.words, tool, arguments) if tool else Turn(f"no tool {end} is offered")


def fit_arguments(schema: Json, wanted: Json, path: str) -> Json:
    """The arguments under the names that a tool has for them."""
    names = schema.get("properties", {})
    fitted: Json = {}
    for name, kind in names.items():
        if name in ("file_path", "filePath", "absolute_path", "path"):
            fitted[name] = path
        elif name == "content":
            fitted[name] = wanted.get("content", "")
        elif name in ("command", "cmd"):
            line = wanted.get("command", "")
            fitted[name] = ["sh", "-c", line] if kind.get("type") == "array" else line
    return fitted


class Handler(BaseHTTPRequestHandler):
    model: Model
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.whole(200, {"data": [{"id": "test-model", "object": "model"}], "object": "list"})

    def do_HEAD(self) -> None:
        self.whole(200, {})

    def do_POST(self) -> None:
        length = self.headers.get("content-length")
        raw = self.rfile.read(int(length)) if length else self.read_parts()
        path = self.path.partition("?")[0]
        self.model.asked.append(path)
        if self.model.status != 200:
            return self.whole(self.model.status, self.model.error, self.model.headers)
        try:
            body = json.loads(raw)
        except ValueError:
            return self.whole(200, {})
        whole = raw.decode()
        if path.endswith("/chat/completions"):
            return self.chat(body, whole)
        if path.endswith("/messages"):
            return self.messages(body, whole)
        if path.endswith("/responses"):
            return self.respond(body, whole)
        if "enerateContent" in path:
            return self.gemini(body, whole, "stream" in path)
        self.whole(200, {"input_tokens": 10, "totalTokens": 10})

    def read_parts(self) -> bytes:
        data = b""
        while size := int(self.rfile.readline().strip() or b"0", 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    # ---------------------------------------------------------------- OpenAI, chat

    def chat(self, body: Json, whole: str) -> None:
        tools = {
            t["function"]["name"]: t["function"].get("parameters", {})
            for t in body.get("tools") or []
        }
        done = sum(m["role"] == "tool" for m in body["messages"])
        turn = next_turn(self.model, tools, done, whole)
        delta: Json = {"role": "assistant", "content": turn.words}
        if turn.tool:
            call = {"name": turn.tool, "arguments": json.dumps(turn.arguments)}
            delta["tool_calls"] = [
                {"index": 0, "id": f"call_{done}", "type": "function", "function": call}
            ]
        why = "tool_calls" if turn.tool else "stop"
        head = {"id": "c1", "model": "test-model", "created": 1}
        usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
        if not body.get("stream"):
            choice = {"index": 0, "message": delta, "finish_reason": why}
            return self.whole(
                200, {**head, "object": "chat.completion", "choices": [choice], "usage": usage}
            )
        head["object"] = "chat.completion.chunk"
        self.stream(
            [
                {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
                {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": why}]},
                {**head, "choices": [], "usage": usage},
            ],
            end=b"data: [DONE]\n\n",
        )

    # ---------------------------------------------------------------- Anthropic

    def messages(self, body: Json, whole: str) -> None:
        tools = {t["name"]: t.get("input_schema", {}) for t in body.get("tools") or []}
        parts = [
            p for m in body["messages"] if isinstance(m["content"], list) for p in m["content"]
        ]
        done = sum(p["type"] == "tool_result" for p in parts)
        turn = next_turn(self.model, tools, done, whole)
        blocks: list[Json] = [{"type": "text", "text": turn.words}]
        if turn.tool:
            use = {"type": "tool_use", "id": f"toolu_{done}", "name": turn.tool}
            blocks.append({**use, "input": turn.arguments})
        why = "tool_use" if turn.tool else "end_turn"
        usage = {"input_tokens": 100, "output_tokens": 20}
        head = {"id": f"msg_{done}", "type": "message", "role": "assistant", "model": "test-model"}
        if not body.get("stream"):
            ended = {"stop_reason": why, "stop_sequence": None, "usage": usage}
            return self.whole(200, {**head, "content": blocks, **ended})
        begun: Json = {
            **head,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage,
        }
        events: list[Json] = [{"type": "message_start", "message": begun}]
        for index, block in enumerate(blocks):
            events += block_events(index, block)
        delta = {"stop_reason": why, "stop_sequence": None}
        events += [
            {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 20}},
            {"type": "message_stop"},
        ]
        self.stream(events, named=True)

    # ---------------------------------------------------------------- OpenAI, responses

    def respond(self, body: Json, whole: str) -> None:
        tools = {t["name"]: t.get("parameters", {}) for t in body.get("tools") or [] if "name" in t}
        items = body["input"] if isinstance(body["input"], list) else []
        done = sum(item.get("type", "").endswith("call_output") for item in items)
        turn = next_turn(self.model, tools, done, whole)
        item: Json = {"type": "message", "role": "assistant", "id": f"m{done}"}
        item["content"] = [{"type": "output_text", "text": turn.words, "annotations": []}]
        if turn.tool:
            item = {"type": "function_call", "id": f"f{done}", "call_id": f"call_{done}"}
            item |= {"name": turn.tool, "arguments": json.dumps(turn.arguments)}
        usage = {
            "input_tokens": 100, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 20,
            "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 120,
        }  # fmt: skip
        response = {"id": f"r{done}", "object": "response", "status": "completed"}
        events: list[Json] = [
            {"type": "response.created", "response": {"id": f"r{done}"}},
            {"type": "response.output_item.added", "output_index": 0, "item": item},
            {"type": "response.output_item.done", "output_index": 0, "item": item},
            {
                "type": "response.completed",
                "response": {**response, "output": [item], "usage": usage},
            },
        ]
        self.stream(events, named=True)

    # ---------------------------------------------------------------- Gemini

    def gemini(self, body: Json, whole: str, is_stream: bool) -> None:
        tools = {
            f["name"]: f.get("parametersJsonSchema") or f.get("parameters") or {}
            for t in body.get("tools") or []
            for f in t.get("functionDeclarations", [])
        }
        parts = [p for c in body["contents"] for p in c.get("parts", [])]
        done = sum("functionResponse" in p for p in parts)
        turn = next_turn(self.model, tools, done, whole)
        out: list[Json] = [{"text": turn.words}] if turn.words else []
        if turn.tool:
            out.append({"functionCall": {"name": turn.tool, "args": turn.arguments}})
        content = {"role": "model", "parts": out}
        answer = {
            "candidates": [{"content": content, "finishReason": "STOP", "index": 0}],
            "usageMetadata": {
                "promptTokenCount": 100, "candidatesTokenCount": 20, "totalTokenCount": 120,
            },
            "modelVersion": "test-model",
        }  # fmt: skip
        if is_stream:
            return self.stream([answer])
        self.whole(200, answer)

    # ---------------------------------------------------------------- answers

    def whole(self, status: int, body: Json, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def stream(self, events: list[Json], named: bool = False, end: bytes = b"") -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        for event in events:
            name = f"event: {event['type']}\n".encode() if named else b""
            self.wfile.write(name + b"data: " + json.dumps(event).encode() + b"\n\n")
        self.wfile.write(end)
        self.close_connection = True

    def log_message(self, *args: object) -> None:
        pass


def block_events(index: int, block: Json) -> list[Json]:
    if block["type"] == "text":
        begun: Json = {"type": "text", "text": ""}
        delta: Json = {"type": "text_delta", "text": block["text"]}
    else:
        begun = {**block, "input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
    return [
        {"type": "content_block_start", "index": index, "content_block": begun},
        {"type": "content_block_delta", "index": index, "delta": delta},
        {"type": "content_block_stop", "index": index},
    ]


@contextmanager
def model_server(model: Model) -> Iterator[Model]:
    """Serve the model; its `url` has no path."""
    handler = type("ModelHandler", (Handler,), {"model": model})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    model.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield model
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
