"""Measures a hub: `python bench/hub.py --quick`, or `--sizes 1000,10000,100000 --rounds 3` for the
whole of it.

Fills hubs of several sizes, serves each with `agenthub serve` on loopback, and lets a load client
in a process of its own ask every verb in turn: sizes interleaved, several rounds, the median and
the spread of the rounds. Beside each verb stands the floor (/api/health of the same server), and
beside pushes, fetches and diffs bare `git` subprocesses doing the same work. Stops by itself;
nothing leaves this machine. Load and server share its cores: CPU per request is what compares best
between machines.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

import httpx
import psutil

from hub_bytes import measure as compare_with_git
from hub_bytes import table as bytes_table
from hub_client import Lists, write_requests
from hub_data import AGENTS, PLENTY, Loaded, Pusher, fill
from hub_git import git_baseline

CLIENT = Path(__file__).with_name("hub_client.py")
READERS, PUSHERS, WRITERS, SWARM = 16, 8, 8, 16
REST_CPU_S, REST_MAX = 0.05, 30  # a second of a server at rest; how many are waited for
DIFFERENT = 400  # different requests of one verb, so that no answer is lucky


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


@dataclass
class Measured:
    """One verb on one size, over all rounds."""

    verb: str
    size: int
    per_s: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    requests: int = 0
    errors: int = 0


# ---------------------------------------------------------------- the verbs: from a server to
# lists of requests, one per connection

Maker = Callable[[Server, random.Random, float], Lists]


def _reads(paths: Callable[[Server, random.Random], str], connections: int = READERS) -> Maker:
    def make(server: Server, rng: random.Random, seconds: float) -> Lists:
        return [
            [server.get(c, paths(server, rng)) for _ in range(DIFFERENT)]
            for c in range(connections)
        ]

    return make


def _some(server: Server, rng: random.Random) -> str:
    return rng.choice(server.loaded.trunk[-2000:])


def _step(server: Server, rng: random.Random) -> tuple[str, str]:
    child = _some(server, rng)
    return server.loaded.parents[child] or child, child


def _pushes(
    server: Server, rng: random.Random, seconds: float, count: int = 0, pushers: int = PUSHERS
) -> Lists:
    many = count or int(seconds * 1500 / pushers) + 50
    lines = [
        Pusher(server.loaded, f"bench-{n}", _some(server, rng), secrets.token_hex(4))
        for n in range(pushers)
    ]
    return [[server.push(n, line) for _ in range(many)] for n, line in enumerate(lines)]


def _posts(server: Server, rng: random.Random, seconds: float) -> Lists:
    many = int(seconds * 8000 / WRITERS) + 50
    return [
        [
            server.post(n, f"note {secrets.token_hex(8)} of a run that went as before")
            for _ in range(many)
        ]
        for n in range(WRITERS * 2)
    ]


def _swarm(server: Server, rng: random.Random, seconds: float) -> Lists:
    """Sixteen agents without pauses: of ten requests seven read, two post, one pushes."""
    lists: Lists = []
    for n in range(SWARM):
        line = Pusher(server.loaded, f"bench-{n}", _some(server, rng), secrets.token_hex(4))
        mine = []
        for _ in range(int(seconds * 6000 / SWARM) + 50):
            dice = rng.random()
            if dice < 0.1:
                mine.append(server.push(n, line))
            elif dice < 0.3:
                mine.append(server.post(n, f"note {secrets.token_hex(8)}"))
            else:
                mine.append(server.get(n, rng.choice(SWARM_READS)(server, rng)))
        lists.append(mine)
    return lists


LIST = "/api/git/commits?limit=20"
SWARM_READS: Sequence[Callable[[Server, random.Random], str]] = (
    lambda s, r: LIST,
    lambda s, r: f"/api/git/commits/{_some(s, r)}",
    lambda s, r: "/api/channels/discussion/posts?limit=20",
    lambda s, r: "/api/git/leaves?limit=20",
    lambda s, r: f"/api/git/commits/{_some(s, r)}/children",
    lambda s, r: "/api/git/fetch/{1}?have={0}".format(*_step(s, r)),
)
VERBS: dict[str, tuple[Maker, bool]] = {  # and whether its requests may be repeated
    "health (the floor)": (_reads(lambda s, r: "/api/health"), True),
    "list of 20 commits": (_reads(lambda s, r: LIST), True),
    "one commit": (_reads(lambda s, r: f"/api/git/commits/{_some(s, r)}"), True),
    "one post": (_reads(lambda s, r: f"/api/posts/{r.randrange(1, s.loaded.posts)}"), True),
    "20 posts of a channel": (_reads(lambda s, r: "/api/channels/discussion/posts?limit=20"), True),
    "a page of leaves": (_reads(lambda s, r: "/api/git/leaves"), True),
    "children": (_reads(lambda s, r: f"/api/git/commits/{_some(s, r)}/children"), True),
    "lineage of 200": (
        _reads(lambda s, r: f"/api/git/commits/{_some(s, r)}/lineage?limit=200"),
        True,
    ),
    "diff": (_reads(lambda s, r: "/api/git/diff/{}/{}".format(*_step(s, r))), True),
    "incremental fetch": (
        _reads(lambda s, r: "/api/git/fetch/{1}?have={0}".format(*_step(s, r))),
        True,
    ),
    "incremental fetch, 1 client": (
        _reads(lambda s, r: "/api/git/fetch/{1}?have={0}".format(*_step(s, r)), 1),
        True,
    ),
    "one commit fetched by 8": (
        _reads(lambda s, r: f"/api/git/fetch/{s.loaded.trunk[-1]}?have={s.loaded.trunk[-20]}", 8),
        True,
    ),
    "full fetch, lineage of 2,000": (
        _reads(lambda s, r: f"/api/git/fetch/{s.loaded.trunk[:2000][-1]}", 1),
        True,
    ),
    "post": (_posts, False),
    "push of one commit": (_pushes, False),
    "push, 1 client": (lambda s, r, t: _pushes(s, r, t, pushers=1), False),
    "swarm of 16": (_swarm, False),
}
FLAT = (
    "list of 20 commits",
    "a page of leaves",
    "children",
    "push of one commit",
    "push, 1 client",
    "incremental fetch",
)


# ---------------------------------------------------------------- running


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


def measure(
    servers: Sequence[Server], verbs: Sequence[str], rounds: int, seconds: float
) -> list[Measured]:
    found = {(verb, s.size): Measured(verb, s.size) for verb in verbs for s in servers}
    rng = random.Random(7)
    for number in range(rounds):
        for verb in verbs:
            maker, cycle = VERBS[verb]
            for server in servers if number % 2 == 0 else list(reversed(servers)):
                told, cpu_us = load(server, maker(server, rng, seconds), seconds, cycle)
                note = found[verb, server.size]
                note.per_s.append(told["requests"] / told["seconds"])
                note.p50_ms.append(told["p50_ms"])
                note.p99_ms.append(told["p99_ms"])
                note.cpu_us.append(cpu_us)
                note.requests += int(told["requests"])
                note.errors += sum(dict(told["errors"]).values())  # type: ignore[call-overload]
                print(
                    f"round {number + 1}: {verb} at {server.size}: {note.per_s[-1]:.0f}/s",
                    file=sys.stderr,
                )
    return list(found.values())


def many_pushes(server: Server, count: int) -> dict[str, float]:
    """One-commit pushes of one client before and after `count` pushes of eight."""
    rng = random.Random(11)

    def hundred() -> tuple[float, float]:
        told, cpu_us = load(server, _pushes(server, rng, 0, 100, 1), 60, False)
        return told["p50_ms"], cpu_us

    hundred()  # warm
    first, cpu_first = hundred()
    told, _ = load(server, _pushes(server, rng, 0, count // PUSHERS, PUSHERS), 120, False)
    last, cpu_last = hundred()
    errors = sum(dict(told["errors"]).values())  # type: ignore[call-overload]
    return {
        "pushes": told["requests"], "errors": errors, "per_s": told["requests"] / told["seconds"],
        "first_p50_ms": first, "last_p50_ms": last, "ratio": last / first, "cpu_ratio": cpu_last / cpu_first,
    }  # fmt: skip


# ---------------------------------------------------------------- telling


def table(found: Sequence[Measured]) -> str:
    lines = [
        "| verb | commits | requests/s (spread) | p50 ms | p99 ms | server CPU µs | errors |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for m in found:
        spread = f"{median(m.per_s):,.0f} ({min(m.per_s):,.0f}-{max(m.per_s):,.0f})"
        times = f"{median(m.p50_ms):.2f} | {median(m.p99_ms):.1f} | {median(m.cpu_us):,.0f}"
        lines.append(f"| {m.verb} | {m.size:,} | {spread} | {times} | {m.errors} |")
    return "\n".join(lines)


def scaling(found: Sequence[Measured]) -> list[str]:
    """How much more a verb costs on the largest hub than on the second largest; 1.5 is the
    limit."""
    lines = []
    for verb in FLAT:
        sizes = sorted((m for m in found if m.verb == verb), key=lambda m: m.size)
        if len(sizes) > 1:
            small, large = sizes[-2], sizes[-1]
            cpu, p50 = (
                median(large.cpu_us) / median(small.cpu_us),
                median(large.p50_ms) / median(small.p50_ms),
            )
            lines.append(
                f"{verb}: {large.size:,} against {small.size:,} commits: CPU "
                f"x{cpu:.2f}, p50 x{p50:.2f}"
            )
    return lines


def prepared(
    root: Path, sizes: Sequence[int], posts: int, results: int = 0
) -> list[tuple[Path, Loaded]]:
    """Filled folders, one per size; those that `root` holds from an earlier run are used again."""
    made = []
    for size in sizes:
        folder, notes = root / f"hub-{size}", root / f"hub-{size}.json"
        if not notes.exists():
            shutil.rmtree(folder, ignore_errors=True)
            print(f"filling a hub with {size} commits and {posts} posts", file=sys.stderr)
            notes.write_text(json.dumps(asdict(fill(folder, (size, posts), results))))
        made.append((folder, Loaded(**json.loads(notes.read_text()))))
    return made


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default="1000,10000", help="commits, separated by commas")
    parser.add_argument("--posts", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--only", default="", help="verbs that contain one of these words, separated by commas"
    )
    parser.add_argument("--many-pushes", type=int, default=5000, help="0 leaves this part out")
    parser.add_argument(
        "--no-git", action="store_true", help="leave the comparison with bare git out"
    )
    parser.add_argument("--data", type=Path, help="keep filled hubs here and use them again")
    parser.add_argument("--quick", action="store_true", help="one small hub, one round: a minute")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    return parser.parse_args()


def main() -> None:
    given = options()
    if given.quick:
        given.sizes, given.posts, given.rounds, given.seconds, given.many_pushes = (
            "1000",
            1000,
            1,
            0.5,
            200,
        )
    verbs = [
        verb
        for verb in VERBS
        if not given.only or any(word in verb for word in given.only.split(","))
    ]
    with tempfile.TemporaryDirectory(prefix="bench-hub-") as temporary:
        root = given.data or Path(temporary)
        root.mkdir(parents=True, exist_ok=True)
        told = run(
            prepared(root, [int(size) for size in given.sizes.split(",")], given.posts),
            verbs,
            given,
        )
    print(json.dumps(told) if given.json else told["text"])


def run(
    hubs: Sequence[tuple[Path, Loaded]], verbs: Sequence[str], given: argparse.Namespace
) -> dict[str, object]:
    """Everything that was asked for, on copies of the filled hubs."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-hub-run-")))
        servers = []
        for folder, loaded in hubs:
            shutil.copytree(folder, scratch / folder.name)
            servers.append(
                stack.enter_context(serving(scratch / folder.name, loaded, given.workers))
            )
        found = measure(servers, verbs, given.rounds, given.seconds)
        pushes = many_pushes(servers[-1], given.many_pushes) if given.many_pushes else {}
        git = {} if given.no_git else git_baseline(servers[-1].http, servers[-1].loaded, scratch)
    machine = (
        f"{platform.machine()}, {psutil.cpu_count()} cores, Python "
        f"{platform.python_version()}, {given.workers} workers"
    )
    parts = [machine, table(found), *scaling(found)]
    if pushes:
        parts.append(
            (
                "after {pushes:.0f} pushes (8 clients, {per_s:.0f}/s, {errors} errors): "
                "one push {first_p50_ms:.2f} -> {last_p50_ms:.2f} ms, x{ratio:.2f}, CPU "
                "x{cpu_ratio:.2f}"
            ).format(**pushes)
        )
    parts += [f"bare git, {name}: {ms:.1f} ms" for name, ms in git.items()]
    compared = [] if given.no_git else compare_with_git([len(h.parents) for _, h in hubs])
    parts += [bytes_table(compared)] if compared else []
    return {
        "machine": machine,
        "verbs": [asdict(m) for m in found],
        "pushes": pushes,
        "git_ms": git,
        "compared": [asdict(each) for each in compared],
        "text": "\n\n".join(parts),
    }


if __name__ == "__main__":
    main()
