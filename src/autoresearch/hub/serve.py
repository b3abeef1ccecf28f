"""Runs the hub on a socket: one process, or a supervisor with several workers that share it.

The supervisor replaces a worker that dies and takes its workers down with it; a worker whose
supervisor was killed goes by itself. What a worker serves is `hub.app`'s business.
"""

from __future__ import annotations

import gc
import logging
import multiprocessing
import queue
import signal
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from time import monotonic
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn

from autoresearch.errors import AutoresearchError, BadInput, Conflict
from autoresearch.hub import logs
from autoresearch.hub.http_protocol import LimitedHttpProtocol
from autoresearch.hub.rules.addresses import is_trusted
from autoresearch.hub.settings import Settings, merge_settings

if TYPE_CHECKING:  # the supervisor needs no framework
    from autoresearch.hub.middleware import Middleware
    from autoresearch.hub.services import Services

Reread = Callable[[], Settings]

BACKLOG = 2048
KEEP_ALIVE_S = 65  # longer than the usual proxy keeps its side
GRACE_S = 5  # for requests in flight at shutdown
# a worker that dies sooner failed to start; three in a row and the server gives up
FAST_DEATH_S = 5.0
STOP, HANGUP = b".", b"h"
log = logging.getLogger("agenthub")


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket that accepts connections from now on; they wait until a worker is there.

    Port 0 lets the system choose.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except socket.gaierror:
        raise BadInput(
            f"{host!r} is no address of this machine; --listen takes HOST:PORT"
        ) from None
    except OSError as error:
        raise Conflict(
            f"cannot listen on {host}:{port}: {error.strerror}; choose another --listen"
        ) from None
    sock.listen(BACKLOG)
    return sock


def serve(settings: Settings, sock: socket.socket, reread: Reread | None = None) -> int:
    """Serve until SIGTERM or SIGINT; return an exit code. `reread` is called on SIGHUP."""
    if settings.workers == 1:
        work(settings, sock, lambda hub: reread_on_hangup(hub, reread) if reread else None)
        return 0
    return Supervisor(settings, sock, reread).run()


def work(
    settings: Settings, sock: socket.socket, follow: Callable[[Services], None] | None = None
) -> None:
    """One worker, in this process, until it is told to stop. `follow` has the worker's services
    follow changes of the settings."""
    from autoresearch.hub.app import create_app  # here: a supervisor never needs it

    # uvicorn raises them again once it is done: a clean exit stays clean
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    app = create_app(settings)
    server = make_server(app)
    threading.Thread(target=_leave_with_parent, args=(server,), daemon=True).start()
    if follow is not None:
        follow(app.hub)
    # modules and routes stay for ever: to walk through them at each full collection takes 60 ms
    gc.collect()
    gc.freeze()
    server.run(sockets=[sock])


def make_server(app: Middleware) -> uvicorn.Server:
    """uvicorn as the hub needs it under strangers."""
    protocol = partial(
        LimitedHttpProtocol,
        shares=app.hub.connections,
        is_proxy=lambda address: is_trusted(address, app.hub.settings),
    )
    config = uvicorn.Config(
        app,
        access_log=False,
        log_config=None,
        lifespan="on",
        http=protocol,  # type: ignore[arg-type]
        ws="none",
        server_header=False,
        proxy_headers=False,  # we read them ourselves, and only from --trusted-proxies
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
        backlog=BACKLOG,
    )
    return _Server(config, app.hub.feed.close)


class _Server(uvicorn.Server):
    """uvicorn's server that lets endless streams end before it waits for its connections."""

    def __init__(self, config: uvicorn.Config, end_streams: object) -> None:
        super().__init__(config)
        self._end_streams = end_streams

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._end_streams()  # type: ignore[operator]
        await super().shutdown(sockets)


def _leave_with_parent(server: uvicorn.Server) -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        server.should_exit = True


def reread_on_hangup(hub: Services, reread: Reread) -> None:
    """Reread the settings of a hub of one process at each SIGHUP: in a thread, for a handler of
    signals may interrupt anything."""
    hangups: queue.SimpleQueue[None] = queue.SimpleQueue()

    def follow_hangups() -> None:
        while True:
            hangups.get()
            hub.change_settings(reread_settings(hub.settings, reread))

    signal.signal(signal.SIGHUP, lambda *_: hangups.put(None))
    threading.Thread(target=follow_hangups, name="hub-settings", daemon=True).start()


def reread_settings(old: Settings, reread: Reread) -> Settings:
    """The settings to go on with, as far as they can change now. The log tells what became of
    each."""
    try:
        merged, live, fixed = merge_settings(old, reread())
    except AutoresearchError as error:
        log.error("the settings stay as they were: %s", error)
        return old
    log.warning("settings reread; changed: %s", ", ".join(live) or "nothing")
    if fixed:
        log.warning("only a restart changes these, so they stay: %s", ", ".join(fixed))
    return merged


def _start_worker(settings: Settings, sock: socket.socket, changes: Connection) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the supervisor rereads, for all
    logs.start_log(settings.log, settings.log_level)
    work(settings, sock, lambda hub: _follow_supervisor(hub, changes))


def _follow_supervisor(hub: Services, changes: Connection) -> None:
    def receive_changes() -> None:
        try:
            while True:
                hub.change_settings(changes.recv())
        except (EOFError, OSError):  # the supervisor is gone, and so will be this worker
            return

    threading.Thread(target=receive_changes, name="hub-settings", daemon=True).start()


@dataclass(frozen=True)
class WorkerPlace:
    """When a worker began, and where it hears of new settings."""

    began: float
    changes: Connection


class Supervisor:
    """Keeps `settings.workers` workers alive on one shared socket."""

    def __init__(
        self, settings: Settings, sock: socket.socket, reread: Reread | None = None
    ) -> None:
        self._settings = settings
        self._sock = sock
        self._reread = reread
        self._spawn = multiprocessing.get_context("spawn")
        self._workers: dict[BaseProcess, WorkerPlace] = {}
        self._failures = 0
        self._stop_reader, self._stop_writer = socket.socketpair()

    def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        if self._reread is not None:
            signal.signal(signal.SIGHUP, self._on_hangup)
        for _ in range(self._settings.workers):
            self._start()
        while self._failures < 3:
            ready = wait([self._stop_reader, *(worker.sentinel for worker in self._workers)])
            if self._stop_reader in ready:
                if self._stop_reader.recv(1) == STOP:
                    self._stop()
                    return 0
                self._change_settings()
            self._replace_dead()
        log.error("workers keep dying at start; giving up")
        self._stop()
        return 1

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._stop_writer.send(STOP)

    def _on_hangup(self, number: int, frame: FrameType | None) -> None:
        self._stop_writer.send(HANGUP)

    def _change_settings(self) -> None:
        assert self._reread is not None
        self._settings = reread_settings(self._settings, self._reread)
        for place in self._workers.values():
            try:
                place.changes.send(self._settings)
            except OSError:  # it has just died; the next one starts with them
                pass

    def _start(self) -> None:
        theirs, ours = self._spawn.Pipe(duplex=False)
        worker = self._spawn.Process(
            target=_start_worker, args=(self._settings, self._sock, theirs), daemon=False
        )
        worker.start()
        theirs.close()
        self._workers[worker] = WorkerPlace(monotonic(), ours)

    def _replace_dead(self) -> None:
        for worker in [w for w in self._workers if not w.is_alive()]:
            place = self._workers.pop(worker)
            place.changes.close()
            lived_s = monotonic() - place.began
            self._failures = self._failures + 1 if lived_s < FAST_DEATH_S else 0
            log.warning(
                "worker %s ended with %s after %.0f s", worker.pid, worker.exitcode, lived_s
            )
            if self._failures < 3:
                self._start()

    def _stop(self) -> None:
        for worker in self._workers:
            worker.terminate()
        ends = monotonic() + GRACE_S + 3
        for worker in self._workers:
            worker.join(max(0.0, ends - monotonic()))
            if worker.is_alive():
                worker.kill()
                worker.join()
