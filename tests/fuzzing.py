"""Generated requests and texts for the hub: what they are made of, and what is wrong with an
answer. The same seed gives the same cases.

The hub runs in this process, on a real database, and is asked as its server asks it (ASGI).
`bench/fuzz.py` runs many cases, `tests/contract/test_fuzz.py` a few.
"""

from __future__ import annotations

import asyncio
import io
import json
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from adversarial import HEADS, TRIES, UNITS, Parser, scan_seconds, seconds
from autoresearch.errors import AutoresearchError
from autoresearch.git import bundle, fsck, pktline
from autoresearch.hub.app import create_app
from autoresearch.hub.middleware import Middleware
from autoresearch.hub.pages import markup
from autoresearch.hub.rules import claims
from autoresearch.hub.rules.addresses import parse_address
from autoresearch.hub.rules.incoming import message_of
from autoresearch.hub.settings import Settings
from autoresearch.hub.store import search
from autoresearch.resultline import read_lines

PLENTY = 10**9
ADMIN_KEY = "fuzzing-fuzzing-fuzzing"
WORK_MAX = 600.0  # plain scans that a parser may take; markdown takes forty, coloured code more
SLOW_S = 2.0  # of CPU: no request of this size needs a tenth of it
ALLOWED = {501, 503, 507}  # over 500, and yet said on purpose
JSON_BODIES: dict[str, Any] = {
    "/api/register": {"id": "ada", "invite": "ahi_x"},
    "/api/channels": {"name": "ideas", "description": "what to try"},
    "/api/channels/discussion/posts": {"content": "depth 8", "parent_id": 1},
    "/api/channels/results/posts": {
        "content": "commit:abcdef1 platform:H100 val_bpb:0.99 vram_gb:44.0 | wider (DISCARD)"
    },
    "/api/claims": {"text": "rotary base of 50000", "ttl_s": 600},
    "/api/claims/1/heartbeat": {},
    "/api/work": {"platform": "H100", "track": "", "cells": True},
    "/api/work/1/heartbeat": {},
    "/api/work/1/report": {"commit": "a" * 40, "platform": "x", "track": "", "val_bpb": 1.0},
    "/api/cells": {"commit": "a" * 40, "platform": "H100", "track": "", "seed": 1},
    "/api/admin/agents": {"id": "bob"},
}
READS = (
    "/api/channels", "/api/channels/results/posts", "/api/posts/1", "/api/posts/1/replies",
    "/api/results", "/api/leaderboard", "/api/search", "/api/claims", "/api/git/commits",
    "/api/git/leaves", "/api/git/root", "/api/git/commits/1234", "/api/git/commits/1234/lineage",
    "/api/git/commits/1234/children", "/api/git/diff/1234/5678", "/api/git/fetch/1234",
    "/api/events", "/api/whoami", "/", "/board", "/board/results", "/posts/1", "/results/1",
    "/commits/1234", "/graph", "/leaderboard", "/leaderboard.json", "/leaderboard.csv",
    "/progress", "/search", "/agents", "/agents/ada", "/static/x.css", "/fragments/home",
    "/llms.txt", "/robots.txt",
)  # fmt: skip
QUERIES = (
    "limit", "offset", "before", "since", "after", "q", "kind", "platform", "track", "status",
    "agent", "have", "x", "from", "to", "focus", "service",
)  # fmt: skip
VALUES = (
    "0", "1", "-1", "50", "9" * 30, "1e9", "0x1", "", "null", "NaN", "1234567", "abcdef1",
    "2026-01-31T12:00:00Z", "9999-12-31T23:59:59+14:00", "%00", "%ff", "%F0%9F%9A%80", "H100",
    "keep", "post", "a" * 500, "' OR 1=1 --", "../../etc/passwd", "git-receive-pack", "۱۲",
)  # fmt: skip
ODD_JSON: tuple[Any, ...] = (
    None, True, -1, 0, 2**63, -(2**63) - 1, 10**400, 1e308, "", "\0", "\ud800", "a" * 600, [], {},
    [[[[]]]], {"a": {"b": {}}}, "‮", "ß" * 64, "…", 0.1,
)  # fmt: skip
ZERO, ONE = b"0" * 40, b"1" * 40
PUSH = pktline.write_line(ZERO + b" " + ONE + b" refs/heads/x\0 report-status") + pktline.FLUSH
COMMIT = b"tree %b\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\nwider\n" % ONE
HEADERS = (
    b"content-type", b"content-encoding", b"last-event-id", b"x-forwarded-for", b"accept",
    b"accept-encoding", b"git-protocol", b"cookie", b"host", b"authorization", b"range",
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One request."""

    method: str
    path: str
    query: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""


@dataclass
class Mutator:
    """Cases and texts of one seed."""

    seed: int
    rng: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)

    def case(self, key: str) -> Case:
        kind = self.rng.random()
        if kind < 0.45:
            return self.write(key)
        if kind < 0.9:
            return self.read(key)
        return self.push(key)

    def write(self, key: str) -> Case:
        path, value = self.rng.choice(list(JSON_BODIES.items()))
        body = json.dumps(self.change_json(value)).encode("utf-8", "surrogatepass")
        if self.rng.random() < 0.3:
            body = self.change_bytes(body)
        return Case("POST", path, b"", self.headers(key), body)

    def read(self, key: str) -> Case:
        path = self.rng.choice(READS)
        if self.rng.random() < 0.3:
            path = path.rsplit("/", 1)[0] + "/" + self.text(20).replace("?", "").replace("#", "")
        names = self.rng.sample(QUERIES, self.rng.randrange(4))
        pairs = [f"{name}={self.rng.choice([*VALUES, self.text(30)])}" for name in names]
        query = "&".join([*pairs, "wait=0"]).encode("utf-8", "surrogatepass")
        method = self.rng.choice(("GET", "GET", "GET", "GET", "HEAD", "DELETE", "POST"))
        return Case(method, path, query, self.headers(key))

    def push(self, key: str) -> Case:
        path, body = self.rng.choice(
            (
                ("/git/git-receive-pack", PUSH + b"PACK\0\0\0\2\0\0\0\1"),
                ("/git/git-upload-pack", pktline.write_line(b"command=ls-refs")),
                ("/api/git/push", b"# v2 git bundle\n%b HEAD\n\nPACK\0\0\0\2\0\0\0\0" % ONE),
            )
        )
        if path.endswith("upload-pack"):  # what is whole would start git each time
            body = body[: self.rng.randrange(len(body))]
        return Case("POST", path, b"", self.headers(key), self.change_bytes(body))

    def headers(self, key: str) -> tuple[tuple[bytes, bytes], ...]:
        found = [(b"host", b"hub"), (b"authorization", f"Bearer {key}".encode())]
        while self.rng.random() < 0.15:
            value = self.text(40).encode("latin-1", "replace").translate(None, b"\r\n\0")
            found.append((self.rng.choice(HEADERS), value))
        return tuple(found)

    def change_json(self, value: Any) -> Any:
        changed = dict(value)
        for name in value:
            if self.rng.random() < 0.5:
                odd = self.rng.random() < 0.4
                changed[name] = self.rng.choice(ODD_JSON) if odd else self.text(400)
        if self.rng.random() < 0.1:
            changed[self.text(10)] = self.rng.choice(ODD_JSON)
        return changed if self.rng.random() < 0.97 else [changed]

    def change_bytes(self, data: bytes) -> bytes:
        out = bytearray(data)
        for _ in range(self.rng.randrange(1, 6)):
            at = self.rng.randrange(len(out) + 1)
            to = min(len(out), at + self.rng.randrange(1, 9))
            more = self.rng.choice((b"", out[at:to] * 3, self.rng.randbytes(3), b"\0", b'{"', b"["))
            out[at : to if self.rng.random() < 0.5 else at] = more
        return bytes(out)

    def text(self, chars: int) -> str:
        """A text of pieces that mean something somewhere."""
        parts = [self.rng.choice(HEADS) if self.rng.random() < 0.3 else ""]
        while sum(map(len, parts)) < chars and self.rng.random() < 0.9:
            parts.append(self.rng.choice(UNITS) * self.rng.choice((1, 1, 2, 7, chars // 2)))
        return "".join(parts)[: chars * 2]


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[tuple[Middleware, str]]:
    """A hub without limits of use, and the key of an agent of it."""
    settings = Settings(
        folder, sha256(ADMIN_KEY.encode()).digest(), max_pushes_per_hour=PLENTY,
        max_posts_per_hour=PLENTY, max_registrations_per_hour=PLENTY,
    )  # fmt: skip
    app = create_app(settings)
    inbox: asyncio.Queue[Any] = asyncio.Queue()
    outbox: asyncio.Queue[Any] = asyncio.Queue()
    scope: Any = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    task = asyncio.create_task(app(scope, inbox.get, outbox.put))
    await inbox.put({"type": "lifespan.startup"})
    await outbox.get()
    body = json.dumps({"id": "fuzzer"}).encode()
    _, answer = await ask(app, Case("POST", "/api/register", body=body))
    yield app, str(json.loads(answer)["api_key"])
    await inbox.put({"type": "lifespan.shutdown"})
    await task


async def ask(app: Middleware, case: Case) -> tuple[int, bytes]:
    """The status and the body of the answer. Raises what the hub lets through."""
    raw = case.path.encode("utf-8", "surrogatepass")
    scope: Any = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": case.method,
        "scheme": "http", "path": raw.decode("utf-8", "replace"), "raw_path": raw,
        "query_string": case.query, "headers": list(case.headers), "root_path": "",
        "client": ("192.0.2.7", 4711), "server": ("hub", 80), "state": {},
    }  # fmt: skip
    messages = iter([{"type": "http.request", "body": case.body, "more_body": False}])
    status, pieces = 0, []

    async def receive() -> Any:
        return next(messages, None) or {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        nonlocal status
        status = message.get("status", status)
        pieces.append(message.get("body", b""))

    await app(scope, receive, send)
    return status, b"".join(pieces)


async def find_fault(app: Middleware, case: Case) -> str:
    """What is wrong with the hub's answer; empty where nothing is."""
    started = time.process_time()
    try:
        status, body = await asyncio.wait_for(ask(app, case), 60)
    except Exception as error:  # noqa: BLE001  (whatever it is, it is what we look for)
        return f"{type(error).__name__}: {error}"
    if status >= 500 and status not in ALLOWED:
        return f"{status}: {body[:200]!r}"
    if status >= 400 and case.path.startswith("/api/") and case.method != "HEAD":
        said = json.loads(body)
        if list(said) != ["error"] or not said["error"]:
            return f"{status} without a sentence: {body[:200]!r}"
    spent_s = time.process_time() - started
    return f"{spent_s:.1f} s of CPU" if spent_s > SLOW_S else ""


def encoded(parse: Callable[[bytes], object]) -> Parser:
    return lambda text: parse(text.encode("utf-8", "surrogatepass"))


PARSERS: dict[str, Parser] = {
    "result lines": read_lines,
    "claims": claims.idea.__wrapped__,
    "search": lambda text: search._match.__wrapped__(search._split_scripts(text), ()),
    "markdown": markup._render,
    "addresses": parse_address,
    "pushes": encoded(lambda data: pktline.read_push(io.BytesIO(PUSH[:-4] + data))),
    "wants": encoded(pktline.read_wants),
    "bundles": encoded(lambda data: bundle.read_header(io.BytesIO(b"# v2 git bundle\n" + data))),
    "commits": encoded(lambda data: message_of(fsck.check_commit(COMMIT + data))),
    "trees": encoded(fsck.parse_tree),
}


def find_parser_fault(name: str, text: str) -> str:
    """What is wrong with how one parser takes a text: an error that is not ours, or too much
    work."""

    def parse(text: str) -> object:
        try:
            return PARSERS[name](text)
        except AutoresearchError:
            return None

    scan_s = scan_seconds(max(len(text), 1000))  # below, what is spent is not spent on the text
    try:
        scans = 0.0
        for number in range(TRIES):  # chance may disturb one try, not all
            scans = seconds(parse, text, 20 * number) / scan_s
            if scans <= WORK_MAX:
                return ""
        return f"takes {scans:.0f} plain scans"
    except Exception as error:  # noqa: BLE001  (whatever it is, it is what we look for)
        return f"{type(error).__name__}: {error}"
