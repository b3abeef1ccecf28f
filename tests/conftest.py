"""Hubs for every test that needs one: real sockets, real databases, one server per session shared
by all.

`hub` runs a test three times: against the application in this process, against `agenthub serve
--workers 2`, and against three nodes on one PostgreSQL, each request to another node. Tests share
these hubs, so they use agents and channels of their own (`hub.agent()`, `hub.channel()`).
`own_hub` and `served_hub` start hubs with settings of a test's own; it runs twice, on SQLite and
on PostgreSQL.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, settings

from postgres import Cluster, cluster
from relay import Relay

pytest_plugins = ("browser", "watched_hub")
# No property fails for the machine's speed: these machines are shared.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")
# Every test sees git as a newcomer has it: no name, no e-mail, no settings of whoever runs the
# tests.
os.environ["GIT_CONFIG_GLOBAL"] = os.devnull
os.environ["GIT_CONFIG_NOSYSTEM"] = "1"
for name in ("AUTHOR_NAME", "AUTHOR_EMAIL", "COMMITTER_NAME", "COMMITTER_EMAIL"):
    os.environ.pop(f"GIT_{name}", None)
PLENTY = 1_000_000
READY_S = 240.0  # machines are shared: a start takes a second here and a minute elsewhere
_numbers = itertools.count(1)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes give a test no name: what packs them may write the clock into them, and two processes
    that share the tests between them have to know each by the same name."""
    return argname if isinstance(val, bytes) else None


@dataclass
class RunningHub:
    """A hub that answers at `url`."""

    url: str
    admin_key: str
    data: Path
    http: httpx.Client = field(init=False)
    process: subprocess.Popen[str] | None = None
    database: str = ""  # the address of its PostgreSQL database
    nodes: tuple[Path, ...] = ()  # the folders of its nodes, where there are several

    def __post_init__(self) -> None:
        self.http = httpx.Client(base_url=self.url, timeout=60)

    @property
    def place(self) -> list[str]:
        """Where the operator's verbs find its database."""
        return [f"--data={self.data}", *([f"--database={self.database}"] * bool(self.database))]

    @property
    def caches(self) -> list[Path]:
        return [folder / "cache" for folder in self.nodes or (self.data,)]

    def register(self, agent_id: str) -> str:
        """Open an account; its key."""
        answer = self.http.post("/api/register", json={"id": agent_id})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["api_key"])

    def agent(self, name: str = "agent") -> Agent:
        """An agent nobody else in the session is."""
        agent_id = f"{name}-{next(_numbers)}-{secrets.token_hex(3)}"
        return Agent(self, agent_id, self.register(agent_id))

    def vouched(self, name: str = "operator") -> Agent:
        """An agent whose account the operator opened: its verdicts decide."""
        return self.open_account(f"{name}-{next(_numbers)}-{secrets.token_hex(3)}")

    def open_account(self, agent_id: str) -> Agent:
        """An account that the operator opens."""
        headers = {"Authorization": f"Bearer {self.admin_key}"}
        answer = self.http.post("/api/admin/agents", json={"id": agent_id}, headers=headers)
        assert answer.status_code == 201, answer.text
        return Agent(self, agent_id, str(answer.json()["api_key"]))

    def channel(self) -> str:
        """A channel nobody else in the session uses."""
        name = f"c{next(_numbers)}-{secrets.token_hex(3)}"
        assert self.agent("founder").post("/api/channels", {"name": name}).status_code == 201
        return name


Start = Callable[..., RunningHub]


@dataclass(frozen=True)
class Agent:
    """An agent with its key; its verbs answer httpx responses."""

    hub: RunningHub
    id: str
    key: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    def get(self, path: str, **params: Any) -> httpx.Response:
        return self.hub.http.get(path, params=params, headers=self.headers)

    def post(self, path: str, body: Any = None, **kwargs: Any) -> httpx.Response:
        return self.hub.http.post(path, json=body, headers=self.headers, **kwargs)

    def delete(self, path: str) -> httpx.Response:
        return self.hub.http.delete(path, headers=self.headers)


@contextmanager
def in_process(data: Path, **overrides: Any) -> Iterator[RunningHub]:
    """A hub served by a thread of this process; `overrides` are settings."""
    from autoresearch.hub.app import create_app
    from autoresearch.hub.serve import listening_socket, make_server
    from autoresearch.hub.settings import Settings

    admin_key = secrets.token_hex(16)
    wide = {
        "max_pushes_per_hour": PLENTY,
        "max_posts_per_hour": PLENTY,
        "max_registrations_per_hour": PLENTY,
    }
    settings = Settings(
        data=data,
        admin_key_hash=hashlib.sha256(admin_key.encode()).digest(),
        **{**wide, **overrides},
    )
    sock = listening_socket("127.0.0.1", 0)
    app = create_app(settings)
    server = make_server(app)
    thread = threading.Thread(target=server.run, args=([sock],), daemon=True)
    thread.start()
    hub = RunningHub(f"http://127.0.0.1:{sock.getsockname()[1]}", admin_key, data)
    hub.database = settings.database
    try:
        wait_until_ready(hub.url)
        yield hub
    finally:
        hub.http.close()
        app.hub.feed.close()
        server.should_exit = True
        thread.join(30)
        sock.close()


@contextmanager
def served(
    data: Path,
    *options: str,
    workers: int = 2,
    database: str = "",
    admin_key: str = "",
    prefix: Sequence[str] = (),
) -> Iterator[RunningHub]:
    """A hub as users run it: `agenthub serve` with several workers, in processes of its own."""
    admin_key = admin_key or secrets.token_hex(16)
    log = (data.parent / f"{data.name}.log").open("w")
    limits = [f"--max-{what}-per-hour={PLENTY}" for what in ("pushes", "posts", "registrations")]
    process = subprocess.Popen(
        [
            *prefix,
            sys.executable,
            "-m",
            "autoresearch.cli.agenthub",
            "serve",
            "--listen=127.0.0.1:0",
            f"--data={data}",
            f"--workers={workers}",
            *([f"--database={database}"] * bool(database)),
            *limits,
            *options,
        ],
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        env={**os.environ, "AGENTHUB_ADMIN_KEY": admin_key},
    )
    try:
        assert process.stdout is not None
        line = next(line for line in process.stdout if line.startswith("listening on "))
        hub = RunningHub(line.removeprefix("listening on ").strip(), admin_key, data, process)
        hub.database = database
        wait_until_ready(hub.url)
        yield hub
        hub.http.close()
    finally:
        process.terminate()
        process.wait(300)
        log.close()


@contextmanager
def three_nodes(data: Path, database: str) -> Iterator[RunningHub]:
    """Three nodes with a folder each on one database. Whoever connects meets the next of them, and
    `hub.http` connects for each request."""
    data.mkdir()
    admin_key = secrets.token_hex(16)
    with ExitStack() as stack:
        nodes = [
            stack.enter_context(
                served(data / str(n), workers=1, database=database, admin_key=admin_key)
            )
            for n in range(3)
        ]
        relay = stack.enter_context(Relay([int(node.url.rpartition(":")[2]) for node in nodes]))
        hub = RunningHub(relay.url, admin_key, nodes[0].data, database=database)
        hub.nodes = tuple(node.data for node in nodes)
        hub.http.close()
        limits = httpx.Limits(max_keepalive_connections=0)
        hub.http = stack.enter_context(httpx.Client(base_url=hub.url, timeout=60, limits=limits))
        yield hub


def wait_until_ready(url: str) -> None:
    deadline = time.monotonic() + READY_S
    while True:
        try:
            if httpx.get(f"{url}/api/health", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline, f"{url} did not answer"
        time.sleep(0.05)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A PostgreSQL server of this session's own."""
    with cluster() as found:
        yield found


@pytest.fixture(params=["sqlite", "postgresql"])
def new_database(request: pytest.FixtureRequest) -> Callable[[], str]:
    """Makes a new hub's database; its address, or none for SQLite. Each test runs on both."""
    if request.param == "sqlite":
        return str
    found: Cluster = request.getfixturevalue("postgres")
    return found.hub_database


# for tests of something that only a file has, and of programs that cannot tell the databases apart
sqlite_only = pytest.mark.parametrize("new_database", ["sqlite"], indirect=True)


@pytest.fixture
def database_url(new_database: Callable[[], str]) -> str:
    """The address of a new hub's database, or none for SQLite: each test runs on both."""
    return new_database()


@pytest.fixture(scope="session")
def _hubs(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Callable[[str], RunningHub]]:
    """Starts each kind of hub once, when the first test asks for it."""
    started: dict[str, RunningHub] = {}
    with ExitStack() as stack:

        def start(kind: str) -> RunningHub:
            data = tmp_path_factory.mktemp("hub") / kind
            if kind == "in-process":
                return stack.enter_context(in_process(data))
            if kind == "two-workers":
                return stack.enter_context(served(data))
            url = request.getfixturevalue("postgres").hub_database()
            return stack.enter_context(three_nodes(data, url))

        def get(kind: str) -> RunningHub:
            if kind not in started:
                started[kind] = start(kind)
            return started[kind]

        yield get


@pytest.fixture(params=["in-process", "two-workers", "three-nodes"])
def hub(request: pytest.FixtureRequest, _hubs: Callable[[str], RunningHub]) -> RunningHub:
    """A hub shared with the session's other tests; each test runs against all kinds."""
    return _hubs(request.param)


@pytest.fixture(scope="session")
def two_workers(_hubs: Callable[[str], RunningHub]) -> RunningHub:
    """The session's hub with two worker processes, for what only processes can show."""
    return _hubs("two-workers")


@pytest.fixture
def own_hub(tmp_path: Path, new_database: Callable[[], str]) -> Iterator[Start]:
    """`own_hub(max_posts_per_hour=3)`: a hub of the test's own, in this process."""
    numbers = itertools.count()
    with ExitStack() as stack:

        def start(**overrides: Any) -> RunningHub:
            place = {} if "database" in overrides else {"database": new_database()}
            data = tmp_path / f"own{next(numbers)}"
            return stack.enter_context(in_process(data, **place, **overrides))

        yield start


@pytest.fixture
def served_hub(tmp_path: Path, new_database: Callable[[], str]) -> Iterator[Start]:
    """`served_hub("--max-posts-per-hour=3")`: `agenthub serve` of the test's own, in processes of
    their own."""
    with ExitStack() as stack:
        numbers = itertools.count()
        yield lambda *options, workers=2: stack.enter_context(
            served(
                tmp_path / f"served{next(numbers)}",
                *options,
                workers=workers,
                database=new_database(),
            )
        )
